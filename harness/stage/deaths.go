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

const investigationPoll = 5 * time.Millisecond

// DeathWatch collects the deaths of one system's machines. The zero DeathWatch is ready.
type DeathWatch struct {
	mu            sync.Mutex
	deaths        []Death
	cancel        context.CancelCauseFunc
	over          bool // the machines are being stopped
	investigating int  // ends of machines that are being looked into
}

// Start runs a system's start. The first death cancels the start, and is its error. A
// part of the start that waits for the dead machine would otherwise wait in vain, and
// its timeout would be reported instead.
func (w *DeathWatch) Start(ctx context.Context, start func(context.Context) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	w.setCancel(cancel)
	defer w.setCancel(nil)
	err := start(ctx)
	if first, died := context.Cause(ctx).(*Death); died {
		return first // the cause, not what followed from it
	}
	return err
}

func (w *DeathWatch) setCancel(cancel context.CancelCauseFunc) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.cancel = cancel
}

// Investigate says that a machine has ended, and that the caller finds out how.
// Deaths waits until done is called.
func (w *DeathWatch) Investigate() (done func()) {
	w.addInvestigating(1)
	return func() { w.addInvestigating(-1) }
}

func (w *DeathWatch) addInvestigating(change int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.investigating += change
}

// Died notes a machine's death, and calls off a start.
func (w *DeathWatch) Died(d Death) {
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
func (w *DeathWatch) Stopping() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.over = true
}

// Deaths are the deaths so far, the first one first.
func (w *DeathWatch) Deaths() []Death {
	for {
		if deaths, known := w.snapshot(); known {
			return deaths
		}
		time.Sleep(investigationPoll) // whoever looks has a deadline
	}
}

func (w *DeathWatch) snapshot() (deaths []Death, all bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	deaths = slices.Clone(w.deaths)
	slices.SortStableFunc(deaths, func(a, b Death) int { return a.At.Compare(b.At) })
	return deaths, w.investigating == 0
}
