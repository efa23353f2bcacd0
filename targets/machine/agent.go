// SPDX-License-Identifier: Apache-2.0

package machine

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"time"

	"headroom/internal/host"
	"headroom/internal/maybe"
	"headroom/targets/machine/spec"
)

const (
	observeTimeout    = 2 * time.Second // for all counters of a machine
	agentCloseTimeout = time.Second
)

// agent answers for one machine.
type agent struct {
	spec      spec.Spec
	started   time.Time
	ready     func() error
	pidOf     func(process string) int
	programs  []Program  // one for each process of spec, in its order
	container *container // the machine, where the agent is not on it; then pidOf is nil
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
	mux.HandleFunc("GET "+spec.QuiescePath, a.serveQuiesce)
	mux.HandleFunc("GET /lag", a.serveLag)
	mux.HandleFunc("POST /rows", a.serveRows)
	mux.HandleFunc("POST "+spec.AskPath, a.ask)
	return withNonce(a.spec.Nonce, mux)
}

// withNonce adds to each answer the nonce of the run.
func withNonce(nonce string, answers http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set(spec.NonceHeader, nonce)
		answers.ServeHTTP(w, r)
	})
}

// serve answers on the agent's port until ctx ends.
func serve(ctx context.Context, listener net.Listener, answers http.Handler) error {
	server := &http.Server{Handler: answers, ReadHeaderTimeout: 5 * time.Second}
	stop := context.AfterFunc(ctx, func() {
		closing, cancel := context.WithTimeout(context.Background(), agentCloseTimeout)
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

// observe reads everything. A figure that can't be read is left out and named in
// Unread; a fault is named in Errors.
func (a *agent) observe(ctx context.Context) spec.Counters {
	ctx, cancel := context.WithTimeout(ctx, observeTimeout)
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
	unread := func(source string, err error) {
		if err != nil {
			c.Unread = append(c.Unread, source+": "+strings.ReplaceAll(err.Error(), "\n", "; "))
		}
	}
	var err error
	c.MonotonicNano, err = host.MonotonicNanos()
	fail("clock", err)
	if a.container != nil {
		a.observeContainer(ctx, &c, fail, unread)
		return c
	}
	if a.spec.Local == nil {
		use, err := host.OwnCgroup().Usage()
		unread("cgroup", err)
		setMachine(&c, use)
		received, sent, err := host.NetworkBytes()
		unread("network", err)
		setNetwork(&c, received, sent, err)
	} else {
		unread("machine", errSharedHost)
	}

	countErrors := a.readCounts(ctx, c.Processes)
	processes, err := host.ReadProcesses()
	unread("processes", err)
	a.observeProcesses(processes, countErrors, &c, fail, unread)
	if a.spec.Local != nil {
		unread("agent", sumProcesses(processes, &c))
	}
	return c
}

// errSharedHost is why a machine that shares its host has no figures of the kernel:
// the kernel's figures are the host's.
var errSharedHost = errors.New("shares its host: it has no cgroup and no network of its own")

// setMachine fills in what the kernel says of the whole machine.
func setMachine(c *spec.Counters, use host.CgroupUsage) {
	c.CPUSecondsTotal, c.MemoryBytes, c.OOMKillsTotal = use.CPUSeconds, use.WorkingSetBytes, use.OOMKills
	c.PeriodsTotal, c.ThrottledPeriods, c.ThrottledSTotal = use.Periods, use.ThrottledPeriods, use.ThrottledSeconds
}

// setNetwork fills in what the machine received and sent, if that could be read.
func setNetwork(c *spec.Counters, received, sent int64, err error) {
	if err == nil {
		c.NetRxBytesTotal, c.NetTxBytesTotal = maybe.Of(float64(received)), maybe.Of(float64(sent))
	}
}

// observeProcesses fills in the processes' figures. processes is nil where the
// process table could not be read.
func (a *agent) observeProcesses(processes host.Processes, countErrors []error, c *spec.Counters, fail, unread func(string, error)) {
	for i, p := range a.spec.Processes {
		out := &c.Processes[i]
		out.Name, out.Kind = p.Name, p.Kind
		reportCounts(p.Name, countErrors[i], fail, unread)
		pid := a.pidOf(p.Name)
		if pid == 0 {
			fail(p.Name, errors.New("not started"))
			continue
		}
		if processes == nil {
			continue
		}
		if _, there := processes[pid]; !there {
			fail(p.Name, fmt.Errorf("process %d is not there", pid))
			continue
		}
		use, err := processes.TreeUsage(pid)
		out.CPUSecondsTotal, out.RSSBytes = use.CPUSeconds, use.ResidentBytes
		unread(p.Name, err)
	}
}

// sumProcesses makes the machine's use the sum of its processes' and the agent's own.
// When a part of the sum is not known, the sum is not known.
func sumProcesses(processes host.Processes, c *spec.Counters) error {
	self := os.Getpid()
	own, there := processes[self]
	if !there {
		return errors.New("the agent's own process is not in the process table")
	}
	use, err := host.Processes{self: own}.TreeUsage(self)
	c.CPUSecondsTotal, c.MemoryBytes = use.CPUSeconds, use.ResidentBytes
	for _, p := range c.Processes {
		c.CPUSecondsTotal = c.CPUSecondsTotal.Plus(p.CPUSecondsTotal)
		c.MemoryBytes = c.MemoryBytes.Plus(p.RSSBytes)
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

// reportCounts tells why some of a process's counters are missing.
func reportCounts(process string, err error, fail, unread func(string, error)) {
	var unknown *UnknownCountersError
	if errors.As(err, &unknown) {
		unread(process, unknown)
		return
	}
	fail(process, err)
}
