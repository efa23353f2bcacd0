// SPDX-License-Identifier: Apache-2.0

package machine

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"headroom/internal/child"
)

const (
	readyLimit   = 60 * time.Second // for one process, its preparation included
	readyPoll    = 50 * time.Millisecond
	attemptLimit = 3 * time.Second // for one question to a process
	stopLimit    = 10 * time.Second
)

// A program of somebody else's may need long for an answer, and may count the questions.
const (
	patientPoll         = 500 * time.Millisecond
	patientAttemptLimit = 10 * time.Second
)

// named is a program under the name it has on its machine.
type named struct {
	name string
	Program
	prepare func(context.Context) error // before the command; nil: nothing
}

// stopSignal asks the program to stop without losing anything.
func (n named) stopSignal() syscall.Signal {
	if stopper, own := n.Program.(Stopper); own {
		return stopper.StopSignal()
	}
	return syscall.SIGTERM
}

// settle has the program prepare what it wants to, once it is ready.
func (n named) settle(ctx context.Context) error {
	if settler, settles := n.Program.(Settler); settles {
		return settler.Settle(ctx)
	}
	return nil
}

// readyWithin is how long the program may take to get ready where others may take the
// limit.
func (n named) readyWithin(limit time.Duration) time.Duration {
	if patient, says := n.Program.(Patient); says {
		return patient.ReadyWithin()
	}
	return limit
}

// asking is how long one question to the program may take, and how often the program is
// asked.
func (n named) asking() (attempt, poll time.Duration) {
	if patient, says := n.Program.(Patient); says {
		return min(patient.ReadyWithin(), patientAttemptLimit), patientPoll
	}
	return attemptLimit, readyPoll
}

// supervisor runs the processes of one machine, in order.
type supervisor struct {
	out        io.Writer
	family     *child.Family
	readyLimit time.Duration
	stopLimit  time.Duration

	status atomic.Pointer[string] // why the machine is not ready; nil before the start

	mu       sync.Mutex
	children []*child.Child // in start order
}

// ready returns nil while every process runs and answers.
func (s *supervisor) ready() error {
	reason := s.status.Load()
	switch {
	case reason == nil:
		return errors.New("not started")
	case *reason != "":
		return errors.New(*reason)
	}
	return nil
}

func (s *supervisor) say(status string) { s.status.Store(&status) }

// pidOf returns the process ID of a process that has been started, or 0.
func (s *supervisor) pidOf(name string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range s.children {
		if c.Name == name {
			return c.PID
		}
	}
	return 0
}

// run starts the programs, keeps them until ctx ends or one dies, and stops
// them in reverse order. It returns nil only when ctx asked it to stop and all
// stopped by themselves.
func (s *supervisor) run(ctx context.Context, programs []named) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	err := s.startAll(ctx, cancel, programs)
	if err == nil {
		s.say("")
		<-ctx.Done()
		err = deathOf(ctx)
	} else if death := deathOf(ctx); death != nil {
		err = death // the first cause, not what followed from it
	} else if ctx.Err() != nil {
		err = nil // asked to stop while starting
	}
	s.say("stopping")
	return errors.Join(err, s.stopAll())
}

// deathError names the process that exited by itself.
type deathError struct{ child *child.Child }

func (e *deathError) Error() string {
	return e.child.Log.Explain(fmt.Errorf("process %s died: %w", e.child.Name, e.child.Death())).Error()
}

// deathOf returns the death that ended ctx, or nil when something else did.
func deathOf(ctx context.Context) error {
	var death *deathError
	if errors.As(context.Cause(ctx), &death) {
		return death
	}
	return nil
}

func (s *supervisor) startAll(ctx context.Context, cancel context.CancelCauseFunc, programs []named) error {
	for _, p := range programs {
		s.say("starting " + p.name)
		if err := s.startOne(ctx, cancel, p); err != nil {
			return err
		}
	}
	return nil
}

func (s *supervisor) startOne(ctx context.Context, died context.CancelCauseFunc, p named) error {
	begin, limit := time.Now(), p.readyWithin(s.readyLimit)
	ctx, cancel := context.WithTimeoutCause(ctx, limit, fmt.Errorf("not ready within %v", limit))
	defer cancel()
	c, err := s.launch(ctx, died, p)
	if err != nil {
		return err
	}
	if err := p.settle(ctx); err != nil {
		return c.Log.Explain(fmt.Errorf("process %s: preparing it: %w", p.name, err))
	}
	fmt.Fprintf(s.out, "machine | %s ready after %.1f s\n", p.name, time.Since(begin).Seconds())
	return nil
}

// launch starts a program and waits until the program answers.
func (s *supervisor) launch(ctx context.Context, died context.CancelCauseFunc, p named) (*child.Child, error) {
	if p.prepare != nil {
		if err := p.prepare(ctx); err != nil {
			return nil, fmt.Errorf("process %s: %w", p.name, err)
		}
	}
	cmd, err := p.Command(ctx)
	if err != nil {
		return nil, fmt.Errorf("process %s: %w", p.name, err)
	}
	c, err := s.family.Start(cmd, child.Options{Name: p.name, Stop: p.stopSignal(), Out: s.out})
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	s.children = append(s.children, c)
	s.mu.Unlock()
	go func() {
		<-c.Done()
		died(&deathError{child: c})
	}()
	if err := s.awaitReady(ctx, p); err != nil {
		return nil, c.Log.Explain(fmt.Errorf("process %s: %w", p.name, err))
	}
	return c, nil
}

// awaitReady asks the process until it answers or ctx ends.
func (s *supervisor) awaitReady(ctx context.Context, p named) error {
	limit, every := p.asking()
	poll := time.NewTicker(every)
	defer poll.Stop()
	for {
		attempt, cancel := context.WithTimeout(ctx, limit)
		err := p.Ready(attempt)
		cancel()
		if err == nil {
			return nil
		}
		if ctx.Err() == nil {
			s.say(fmt.Sprintf("%s: %v", p.name, err))
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%w: %w", context.Cause(ctx), err)
		case <-poll.C:
		}
	}
}

// stopAll stops in reverse order. Each process gets an equal share of the time
// that is left, so that one that hangs does not take it all.
func (s *supervisor) stopAll() error {
	s.mu.Lock()
	children := s.children
	s.mu.Unlock()
	deadline := time.Now().Add(s.stopLimit)
	var errs []error
	for i := len(children) - 1; i >= 0; i-- {
		share := time.Until(deadline) / time.Duration(i+1)
		if children[i].Stop(share) {
			errs = append(errs, fmt.Errorf("process %s: did not stop within %v and was killed",
				children[i].Name, share.Round(time.Millisecond)))
		}
	}
	return errors.Join(errs...)
}
