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

	"golang.org/x/sys/unix"

	"headroom/targets/machine/spec"
)

const (
	observeLimit    = 2 * time.Second // for all counters of a machine
	agentCloseLimit = time.Second
)

// counter is what the agent must know of a process to count it.
type counter interface {
	// counts reads the counters of its kind; nil when the kind has none.
	counts(ctx context.Context) (map[string]float64, error)
	// close lets go of what counts keeps open.
	close()
}

// agent answers for one machine.
type agent struct {
	spec     spec.Spec
	started  time.Time
	ready    func() error
	pidOf    func(process string) int
	counters []counter // one for each process of spec, in its order
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
	c.MonotonicNano, err = monotonicNanos()
	fail("clock", err)
	if a.spec.Local == nil { // else both are the host's, and no machine's
		fail("cgroup", readCgroup(cgroupRoot, &c))
		c.NetRxBytesTotal, c.NetTxBytesTotal, err = readNet()
		fail("network", err)
	}

	countErrors := a.readCounts(ctx, c.Processes)
	procs, err := readProcs(procRoot)
	fail("processes", err)
	a.observeProcesses(procs, countErrors, &c, fail)
	if a.spec.Local != nil {
		fail("agent", addUp(procs, &c))
	}
	return c
}

func (a *agent) observeProcesses(procs map[int]proc, countErrors []error, c *spec.Counters, fail func(string, error)) {
	for i, p := range a.spec.Processes {
		out := &c.Processes[i]
		out.Name, out.Kind = p.Name, p.Kind
		fail(p.Name, countErrors[i])
		pid := a.pidOf(p.Name)
		if pid == 0 {
			fail(p.Name, errors.New("not started"))
			continue
		}
		var err error
		out.CPUSecondsTotal, out.RSSBytes, err = treeUsage(procRoot, procs, pid)
		fail(p.Name, err)
	}
}

// addUp makes the machine's use the sum of its processes' and the agent's own.
func addUp(procs map[int]proc, c *spec.Counters) error {
	self := os.Getpid()
	alone := map[int]proc{self: procs[self]}
	cpuSeconds, rss, err := treeUsage(procRoot, alone, self)
	for _, p := range c.Processes {
		cpuSeconds += p.CPUSecondsTotal
		rss += p.RSSBytes
	}
	c.CPUSecondsTotal, c.MemoryBytes = cpuSeconds, rss
	return err
}

// readCounts asks all processes at the same time.
func (a *agent) readCounts(ctx context.Context, into []spec.ProcessCounters) []error {
	failed := make([]error, len(a.counters))
	var wg sync.WaitGroup
	for i, counter := range a.counters {
		wg.Go(func() { into[i].Counts, failed[i] = counter.counts(ctx) })
	}
	wg.Wait()
	return failed
}

func readNet() (rx, tx int64, err error) {
	text, err := os.ReadFile("/proc/net/dev")
	if err != nil {
		return 0, 0, err
	}
	return parseNetDev(text)
}

func monotonicNanos() (int64, error) {
	var now unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &now); err != nil {
		return 0, err
	}
	return now.Nano(), nil
}
