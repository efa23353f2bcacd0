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
	readyTimeout   = 60 * time.Second // for one process, its preparation included
	readyPoll      = 50 * time.Millisecond
	attemptTimeout = 3 * time.Second // for one question to a process
	stopTimeout    = 10 * time.Second
)

// A program that is not ours may need long for an answer, and may count the
// questions.
const (
	slowPoll           = 500 * time.Millisecond
	slowAttemptTimeout = 10 * time.Second
)

// namedProgram is a program under the name it has on its machine.
type namedProgram struct {
	name string
	Program
	beforeStart func(context.Context) error // before the command; nil: nothing
}

// stopSignal asks the program to stop without losing anything.
func (n namedProgram) stopSignal() syscall.Signal {
	if stopper, own := n.Program.(Stopper); own {
		return stopper.StopSignal()
	}
	return syscall.SIGTERM
}

// prepareReady calls the program's Prepare, if it has one. The program is ready by
// then.
func (n namedProgram) prepareReady(ctx context.Context) error {
	if preparer, prepares := n.Program.(Preparer); prepares {
		return preparer.Prepare(ctx)
	}
	return nil
}

// readyTimeout is how long the program may take to get ready. A program that does not
// say may take the fallback.
func (n namedProgram) readyTimeout(fallback time.Duration) time.Duration {
	if slow, says := n.Program.(SlowStarter); says {
		return slow.ReadyTimeout()
	}
	return fallback
}

// asking returns the timeout of one question to the program, and the time between two
// questions.
func (n namedProgram) asking() (attempt, poll time.Duration) {
	if slow, says := n.Program.(SlowStarter); says {
		return min(slow.ReadyTimeout(), slowAttemptTimeout), slowPoll
	}
	return attemptTimeout, readyPoll
}

// supervisor runs the processes of one machine, in order.
type supervisor struct {
	out          io.Writer
	runner       *child.Runner
	readyTimeout time.Duration
	stopTimeout  time.Duration

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

func (s *supervisor) setStatus(status string) { s.status.Store(&status) }

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

// run starts the programs, keeps them until ctx ends or a program dies, and stops
// them in reverse order. It returns nil only when ctx has ended and no program had to
// be killed.
func (s *supervisor) run(ctx context.Context, programs []namedProgram) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	err := s.startAll(ctx, cancel, programs)
	if err == nil {
		s.setStatus("")
		<-ctx.Done()
		err = deathOf(ctx)
	} else if death := deathOf(ctx); death != nil {
		err = death // the first cause, not what followed from it
	} else if ctx.Err() != nil {
		err = nil // asked to stop while starting
	}
	s.setStatus("stopping")
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

func (s *supervisor) startAll(ctx context.Context, cancel context.CancelCauseFunc, programs []namedProgram) error {
	for _, p := range programs {
		s.setStatus("starting " + p.name)
		if err := s.startOne(ctx, cancel, p); err != nil {
			return err
		}
	}
	return nil
}

func (s *supervisor) startOne(ctx context.Context, died context.CancelCauseFunc, p namedProgram) error {
	begin, timeout := time.Now(), p.readyTimeout(s.readyTimeout)
	ctx, cancel := context.WithTimeoutCause(ctx, timeout, fmt.Errorf("not ready within %v", timeout))
	defer cancel()
	c, err := s.launch(ctx, died, p)
	if err != nil {
		return err
	}
	if err := p.prepareReady(ctx); err != nil {
		return c.Log.Explain(fmt.Errorf("process %s: preparing it: %w", p.name, err))
	}
	fmt.Fprintf(s.out, "machine | %s ready after %.1f s\n", p.name, time.Since(begin).Seconds())
	return nil
}

// launch starts a program and waits until the program answers.
func (s *supervisor) launch(ctx context.Context, died context.CancelCauseFunc, p namedProgram) (*child.Child, error) {
	if p.beforeStart != nil {
		if err := p.beforeStart(ctx); err != nil {
			return nil, fmt.Errorf("process %s: %w", p.name, err)
		}
	}
	cmd, err := p.Command(ctx)
	if err != nil {
		return nil, fmt.Errorf("process %s: %w", p.name, err)
	}
	c, err := s.runner.Start(cmd, child.Options{Name: p.name, Stop: p.stopSignal(), Out: s.out})
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
func (s *supervisor) awaitReady(ctx context.Context, p namedProgram) error {
	timeout, every := p.asking()
	poll := time.NewTicker(every)
	defer poll.Stop()
	for {
		attempt, cancel := context.WithTimeout(ctx, timeout)
		err := p.Ready(attempt)
		cancel()
		if err == nil {
			return nil
		}
		if ctx.Err() == nil {
			s.setStatus(fmt.Sprintf("%s: %v", p.name, err))
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%w: %w", context.Cause(ctx), err)
		case <-poll.C:
		}
	}
}

// stopAll stops in reverse order. Each process gets an equal share of the time that
// is left, so a process that hangs does not take it all.
func (s *supervisor) stopAll() error {
	s.mu.Lock()
	children := s.children
	s.mu.Unlock()
	deadline := time.Now().Add(s.stopTimeout)
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
