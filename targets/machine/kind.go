// SPDX-License-Identifier: Apache-2.0

package machine

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"syscall"
	"time"

	"headroom/internal/child"
	"headroom/scenarios"
	"headroom/targets/machine/spec"
)

// Kind is a kind of process with the code that runs it. The kinds below
// targets/kinds are values of this type; the machine itself knows none of them.
type Kind struct {
	scenarios.Kind
	// New makes the program of a process of the kind. Nothing is started yet.
	New func(spec.Process, Host) Program
	// Server finds the program that is not ours; nil of a program of our own.
	Server *Server
	// Attach makes a program that is asked by its protocol and not started here; its
	// Command returns an error. It is nil when the kind's code can't ask a program that
	// it did not start.
	Attach func(spec.Process) (Program, error)
}

// Host is what a machine gives each of its programs.
type Host struct {
	Machine string
	Dir     string        // the process's own folder: there when the process begins with data or has run before
	Seeding bool          // the program runs only to have its data made
	Runner  *child.Runner // starts what the program needs beside itself
	Log     *child.SyncWriter
}

// Program is what the supervisor must know of a process to run it.
type Program interface {
	// Command prepares what the program needs and says how to run it.
	Command(context.Context) (*exec.Cmd, error)
	// Ready returns nil once the program answers. The supervisor asks until then.
	Ready(context.Context) error
	// Close gives back what the questions to the program took; the program itself has
	// ended or was never started.
	Close()
}

// Preparer is a program that prepares something after its first Ready and before the
// next process starts.
type Preparer interface {
	Prepare(context.Context) error
}

// SlowStarter is a program that says how long it may take to get ready. Each question
// to it may take long too.
type SlowStarter interface {
	ReadyTimeout() time.Duration
}

// Seeder is a program whose data a seed command may make.
type Seeder interface {
	// SeedEnv is the command's environment, made from ours. Its variables lead the
	// command to this program, and to no other of the same kind.
	SeedEnv(environ []string) []string
	// Seeded puts the data in order behind the command. The program is stopped next,
	// and its folder kept.
	Seeded(context.Context) error
}

// Stopper is a program that another signal than SIGTERM stops without loss.
type Stopper interface {
	StopSignal() syscall.Signal
}

// Counter is a program that has counters: the keys of its kind's Counters, and
// others. A key of a total ends in _total. When the program lacks some counters,
// Count returns the others and an UnknownCountersError.
type Counter interface {
	Count(context.Context) (map[string]float64, error)
}

// UnknownCountersError says why some counters of a program are not known. Unlike
// other errors of a Counter, it is no fault of the program.
type UnknownCountersError struct{ Why error }

// Error is the reason.
func (u *UnknownCountersError) Error() string { return u.Why.Error() }

// Unwrap returns the reason.
func (u *UnknownCountersError) Unwrap() error { return u.Why }

// CheckCounts is nil when the program's counters can be read, when the program says
// why they can't, or when it has none.
func CheckCounts(ctx context.Context, p Program) error {
	counter, counts := p.(Counter)
	if !counts {
		return nil
	}
	_, err := counter.Count(ctx)
	var unknown *UnknownCountersError
	if err == nil || errors.As(err, &unknown) {
		return nil
	}
	return fmt.Errorf("its counters: %w", err)
}

// ErrOnlyAsked is what Command returns of a program that Kind.Attach made.
var ErrOnlyAsked = errors.New("the program is only asked, and not started here")

// Quiescer is a program with timed background work that alters what a request costs.
// Quiesce runs that work now, so it does not run again for a while. Quiesce returns
// an error until the work is done.
type Quiescer interface {
	Quiesce(context.Context) error
}

// Worker is a program that tells what its counters are made of.
type Worker interface {
	Work(context.Context) ([]spec.Work, error)
}

// RowReader is a database that tells which of some rows it holds.
type RowReader interface {
	Rows(ctx context.Context, table string, ids []int64) ([]int64, error)
}

// LagReporter is a database that tells how far its replicas were behind it between
// two moments of the monotonic clock, in ns.
type LagReporter interface {
	Lag(from, till int64) ([]spec.LagSample, error)
}

// Server is where a program that is not ours is found, and how it tells its
// version.
type Server struct {
	Find    func() (path string, err error)
	Version func(ctx context.Context, path string) (string, error)
}

// Data are the kinds without their code, as a scenario's parser takes them.
func Data(kinds []Kind) []scenarios.Kind {
	data := make([]scenarios.Kind, len(kinds))
	for i, k := range kinds {
		data[i] = k.Kind
	}
	return data
}
