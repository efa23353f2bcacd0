// SPDX-License-Identifier: Apache-2.0

package machine

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"os"
	"os/signal"
	"strconv"
	"sync"
	"syscall"
	"time"

	"headroom/internal/child"
	"headroom/scenarios"
	"headroom/targets/machine/spec"
)

// ObserverFromEnv reads what an observer answers for from the environment variable
// spec.EnvObserver. kinds are all that a process may be.
func ObserverFromEnv(kinds []Kind) (spec.Observer, error) {
	var o spec.Observer
	if err := decodeEnv(spec.EnvObserver, "an observer", &o); err != nil {
		return spec.Observer{}, err
	}
	if len(o.Machines) == 0 {
		return o, fmt.Errorf("machine: %s: has no machine to answer for", spec.EnvObserver)
	}
	for _, m := range o.Machines {
		setFacts(kinds, m.Spec.Processes)
		if err := checkObserved(m); err != nil {
			return o, err
		}
	}
	return o, nil
}

func checkObserved(m spec.Observed) error {
	if err := checkSpec(m.Spec); err != nil {
		return err
	}
	p := m.Spec.Processes[0]
	if len(m.Spec.Processes) != 1 || m.ContainerID == "" || p.Service == nil || p.Address == "" {
		return fmt.Errorf("machine %s: what is observed is one service, at an address, in a container", m.Spec.Machine)
	}
	return nil
}

// Observe answers for machines without an agent. It returns nil when ctx ends, or a
// SIGTERM or SIGINT arrives. kinds are all that a process may be. The Attach of the
// process's own kind asks whether the machine is ready. The Attach of the kind that
// the process is attached as, if there is one, asks for the counters. A machine whose
// counters can't be read is not ready. Log lines go to logOut.
func Observe(ctx context.Context, kinds []Kind, o spec.Observer, logOut io.Writer) error {
	ctx, stopSignals := signal.NotifyContext(ctx, syscall.SIGTERM, syscall.SIGINT)
	defer stopSignals()
	answers, err := newObserver(ctx, kinds, o, os.DirFS(spec.HostCgroupDir), child.NewSyncWriter(logOut))
	if err != nil {
		return fmt.Errorf("observer: %w", err)
	}
	defer answers.close()
	listener, err := net.Listen("tcp", net.JoinHostPort("", strconv.Itoa(spec.AgentPort)))
	if err != nil {
		return fmt.Errorf("observer: %w", err)
	}
	if err := serve(ctx, listener, answers.handler()); err != nil {
		return fmt.Errorf("observer: %w", err)
	}
	return nil
}

// observer has an agent for each machine that it answers for.
type observer struct {
	nonce    string
	agents   []*agent
	programs []Program // of all agents
}

// newObserver makes the agents. cgroups are those of the engine's host.
func newObserver(ctx context.Context, kinds []Kind, o spec.Observer, cgroups fs.FS, out *child.SyncWriter) (*observer, error) {
	all := &observer{nonce: o.Nonce}
	for _, m := range o.Machines {
		a := &agent{spec: m.Spec, started: time.Now(), container: &container{id: m.ContainerID, cgroups: cgroups}}
		a.spec.Nonce = o.Nonce
		if err := all.attach(ctx, a, kinds, out); err != nil {
			all.close()
			return nil, fmt.Errorf("machine %s: %w", m.Spec.Machine, err)
		}
	}
	return all, nil
}

// attach has an agent ask the one process of its machine.
func (o *observer) attach(ctx context.Context, a *agent, kinds []Kind, out *child.SyncWriter) error {
	p := a.spec.Processes[0]
	own, err := attachTo(kinds, p, p.Kind)
	if err != nil {
		return err
	}
	o.programs, a.programs = append(o.programs, own), []Program{own}
	if as := p.Service.Attach; as != "" {
		counted, err := attachTo(kinds, p, as)
		if err != nil {
			return err
		}
		o.programs, a.programs = append(o.programs, counted), []Program{counted}
	}
	super := &supervisor{out: out, readyTimeout: readyTimeout}
	asked := observedProgram{Program: own, counts: a.programs[0], within: cmp.Or(p.Service.Ready.Within, readyTimeout)}
	// Before the first question the machine does not run yet.
	begin := sync.OnceFunc(func() {
		super.setStatus("asking " + p.Name)
		go super.awaitObserved(ctx, a.spec.Machine, namedProgram{name: p.Name, Program: asked})
	})
	a.ready = func() error {
		begin()
		return super.ready()
	}
	o.agents = append(o.agents, a)
	return nil
}

// observedProgram is the process of a machine without an agent, while it gets ready.
type observedProgram struct {
	Program         // says whether the process answers
	counts  Program // tells what the process counts: the same, or what it is attached as
	within  time.Duration
}

// Ready is nil once the process answers and its counters can be read. So a system
// with a wrong password or path does not start, and no slice lacks the counters that
// the scenario asks for.
func (o observedProgram) Ready(ctx context.Context) error {
	if err := o.Program.Ready(ctx); err != nil {
		return err
	}
	return CheckCounts(ctx, o.counts)
}

// ReadyTimeout is how long the process may take.
func (o observedProgram) ReadyTimeout() time.Duration { return o.within }

// awaitObserved asks the process of a machine without an agent until the process is
// ready or its time is over, and says which.
func (s *supervisor) awaitObserved(ctx context.Context, machine string, p namedProgram) {
	began, timeout := time.Now(), p.readyTimeout(s.readyTimeout)
	ctx, cancel := context.WithTimeoutCause(ctx, timeout, fmt.Errorf("not ready within %v", timeout))
	defer cancel()
	if err := s.awaitReady(ctx, p); err != nil {
		s.setStatus(fmt.Sprintf("%s: %v", p.name, err))
		return
	}
	fmt.Fprintf(s.out, "observer | machine %s ready after %.1f s\n", machine, time.Since(began).Seconds())
	s.setStatus("")
}

// attachTo makes the program that asks a process by the protocol of a kind.
func attachTo(kinds []Kind, p spec.Process, as scenarios.KindName) (Program, error) {
	kind, _ := kindOf(kinds, as)
	if kind.Attach == nil {
		return nil, fmt.Errorf("process %s: a %s can't be asked from outside", p.Name, as)
	}
	program, err := kind.Attach(p)
	if err != nil {
		return nil, fmt.Errorf("process %s: asking it as a %s: %w", p.Name, as, err)
	}
	return program, nil
}

// handler is the observer's whole interface.
func (o *observer) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /ready", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "ready") })
	for _, a := range o.agents {
		path := spec.ObservedPath(a.spec.Machine)
		mux.Handle(path+"/", http.StripPrefix(path, a.handler()))
	}
	return withNonce(o.nonce, mux)
}

// close gives back what the questions to the programs took.
func (o *observer) close() {
	for _, p := range o.programs {
		p.Close()
	}
}
