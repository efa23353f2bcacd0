// SPDX-License-Identifier: Apache-2.0

package machine

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"sync"
	"time"

	"headroom/internal/host"
	"headroom/targets/machine/spec"
)

const (
	observeLimit    = 2 * time.Second // for all counters of a machine
	agentCloseLimit = time.Second
)

// agent answers for one machine.
type agent struct {
	spec     spec.Spec
	started  time.Time
	ready    func() error
	pidOf    func(process string) int
	programs []Program // one for each process of spec, in its order
}

// handler is the agent's whole interface.
func (a *agent) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /ready", func(w http.ResponseWriter, _ *http.Request) {
		if err := a.ready(); err != nil {
			http.Error(w, err.Error(), http.StatusServiceUnavailable)
			return
		}
		fmt.Fprintln(w, "ready")
	})
	mux.HandleFunc("GET /observe", func(w http.ResponseWriter, r *http.Request) {
		writeJSON(w, a.observe(r.Context()))
	})
	mux.HandleFunc("GET "+spec.WorkPath, a.serveWork)
	mux.HandleFunc("GET "+spec.QuietPath, a.serveQuiet)
	mux.HandleFunc("GET /lag", a.serveLag)
	mux.HandleFunc("POST /rows", a.serveRows)
	mux.HandleFunc("POST "+spec.AskPath, a.ask)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set(spec.NonceHeader, a.spec.Nonce)
		mux.ServeHTTP(w, r)
	})
}

// serve answers on the agent's port until ctx ends.
func (a *agent) serve(ctx context.Context, listener net.Listener) error {
	server := &http.Server{Handler: a.handler(), ReadHeaderTimeout: 5 * time.Second}
	stop := context.AfterFunc(ctx, func() {
		closing, cancel := context.WithTimeout(context.Background(), agentCloseLimit)
		defer cancel()
		if server.Shutdown(closing) != nil {
			server.Close()
		}
	})
	defer stop()
	if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("agent: %w", err)
	}
	return nil
}

// observe reads everything. What cannot be read is named in Errors.
func (a *agent) observe(ctx context.Context) spec.Counters {
	ctx, cancel := context.WithTimeout(ctx, observeLimit)
	defer cancel()
	now := time.Now()
	c := spec.Counters{
		Machine:         a.spec.Machine,
		AtUnixNano:      now.UnixNano(),
		StartedUnixNano: a.started.UnixNano(),
		Processes:       make([]spec.ProcessCounters, len(a.spec.Processes)),
	}
	fail := func(source string, err error) {
		if err != nil {
			c.Errors = append(c.Errors, source+": "+err.Error())
		}
	}
	var err error
	c.MonotonicNano, err = host.MonotonicNanos()
	fail("clock", err)
	if a.spec.Local == nil { // else both are the host's, and no machine's
		use, err := host.OwnCgroup().Use()
		fail("cgroup", err)
		setMachine(&c, use)
		c.NetRxBytesTotal, c.NetTxBytesTotal, err = host.NetworkBytes()
		fail("network", err)
	}

	countErrors := a.readCounts(ctx, c.Processes)
	processes, err := host.ReadProcesses()
	fail("processes", err)
	a.observeProcesses(processes, countErrors, &c, fail)
	if a.spec.Local != nil {
		fail("agent", addUp(processes, &c))
	}
	return c
}

// setMachine fills in what the kernel says of the whole machine.
func setMachine(c *spec.Counters, use host.CgroupUse) {
	c.CPUSecondsTotal, c.MemoryBytes, c.OOMKillsTotal = use.CPU.Seconds(), use.WorkingSetBytes, use.OOMKills
	c.PeriodsTotal, c.ThrottledPeriods, c.ThrottledSTotal = use.Periods, use.ThrottledPeriods, use.Throttled.Seconds()
}

func (a *agent) observeProcesses(processes host.Processes, countErrors []error, c *spec.Counters, fail func(string, error)) {
	for i, p := range a.spec.Processes {
		out := &c.Processes[i]
		out.Name, out.Kind = p.Name, p.Kind
		fail(p.Name, countErrors[i])
		pid := a.pidOf(p.Name)
		if pid == 0 {
			fail(p.Name, errors.New("not started"))
			continue
		}
		use, err := processes.TreeUse(pid)
		out.CPUSecondsTotal, out.RSSBytes = use.CPU.Seconds(), use.ResidentBytes
		fail(p.Name, err)
	}
}

// addUp makes the machine's use the sum of its processes' and the agent's own.
func addUp(processes host.Processes, c *spec.Counters) error {
	self := os.Getpid()
	alone := host.Processes{self: processes[self]}
	use, err := alone.TreeUse(self)
	c.CPUSecondsTotal, c.MemoryBytes = use.CPU.Seconds(), use.ResidentBytes
	for _, p := range c.Processes {
		c.CPUSecondsTotal += p.CPUSecondsTotal
		c.MemoryBytes += p.RSSBytes
	}
	return err
}

// readCounts asks all programs that count at the same time; the others have none.
func (a *agent) readCounts(ctx context.Context, into []spec.ProcessCounters) []error {
	failed := make([]error, len(a.programs))
	var wg sync.WaitGroup
	for i, p := range a.programs {
		counter, counts := p.(Counter)
		if !counts {
			continue
		}
		wg.Go(func() { into[i].Counts, failed[i] = counter.Count(ctx) })
	}
	wg.Wait()
	return failed
}
