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

// Watch collects the deaths of one system's machines. While the system starts it
// ends the start at the first death: whatever waits for the dead machine would
// wait in vain, and then be blamed. The zero Watch is ready.
type Watch struct {
	mu     sync.Mutex
	deaths []Death
	cancel context.CancelCauseFunc
	over   bool // the machines are being stopped
}

// Starting returns a ctx for the system's start, which the first death ends with
// itself as the cause. done lets go of it.
func (w *Watch) Starting(ctx context.Context) (starting context.Context, done func()) {
	starting, cancel := context.WithCancelCause(ctx)
	w.mu.Lock()
	w.cancel = cancel
	w.mu.Unlock()
	return starting, func() {
		w.mu.Lock()
		w.cancel = nil
		w.mu.Unlock()
		cancel(nil)
	}
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
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.deaths)
}

// FirstDeath is the death that ended ctx, or nil when something else did.
func FirstDeath(ctx context.Context) *Death {
	d, _ := context.Cause(ctx).(*Death)
	return d
}
