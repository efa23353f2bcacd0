// SPDX-License-Identifier: Apache-2.0

package stage

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"headroom/internal/child"
)

// Death is the end of a machine that nobody asked for.
type Death struct {
	Machine string
	At      time.Time
	Err     error      // its exit code, or that its memory ran out
	Log     *child.Log // has its last lines; nil: they are not known
}

// Brief names the machine, the time and how it ended, on one line.
func (d *Death) Brief() string {
	return fmt.Sprintf("machine %s died at %s: %v", d.Machine, d.At.UTC().Format("15:04:05 UTC"), d.Err)
}

// Error is Brief with the machine's last lines.
func (d *Death) Error() string {
	if d.Log == nil {
		return d.Brief()
	}
	return d.Log.Explain(errors.New(d.Brief())).Error()
}

// Unwrap returns how it ended.
func (d *Death) Unwrap() error { return d.Err }

const lookPoll = 5 * time.Millisecond

// Watch collects the deaths of one system's machines. The zero Watch is ready.
type Watch struct {
	mu      sync.Mutex
	deaths  []Death
	cancel  context.CancelCauseFunc
	over    bool // the machines are being stopped
	looking int  // ends of machines that are being looked into
}

// Start runs a system's start. The first death ends it, and is its error: whatever
// waits for the dead machine would wait in vain, and then be blamed.
func (w *Watch) Start(ctx context.Context, start func(context.Context) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	w.calledOffBy(cancel)
	defer w.calledOffBy(nil)
	err := start(ctx)
	if first, died := context.Cause(ctx).(*Death); died {
		return first // the cause, not what followed from it
	}
	return err
}

func (w *Watch) calledOffBy(cancel context.CancelCauseFunc) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.cancel = cancel
}

// LookInto says that a machine has ended, and that it is being found out how:
// until done Deaths waits for the news.
func (w *Watch) LookInto() (done func()) {
	w.look(1)
	return func() { w.look(-1) }
}

func (w *Watch) look(change int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.looking += change
}

// Died notes a machine's death, and calls off a start.
func (w *Watch) Died(d Death) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.over {
		return
	}
	w.deaths = append(w.deaths, d)
	if w.cancel != nil {
		w.cancel(&d)
	}
}

// Stopping says that machines which end from now on were asked to.
func (w *Watch) Stopping() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.over = true
}

// Deaths are the deaths so far, the first one first.
func (w *Watch) Deaths() []Death {
	for {
		if deaths, known := w.known(); known {
			return deaths
		}
		time.Sleep(lookPoll) // whoever looks has a deadline
	}
}

func (w *Watch) known() (deaths []Death, all bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	deaths = slices.Clone(w.deaths)
	slices.SortStableFunc(deaths, func(a, b Death) int { return a.At.Compare(b.At) })
	return deaths, w.looking == 0
}
