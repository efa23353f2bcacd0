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
	// Attach makes a program that is not started here and only asked, by its protocol;
	// its Command is an error. nil: the kind's code can't ask a program that it did not
	// start.
	Attach func(spec.Process) (Program, error)
}

// Host is what a machine gives each of its programs.
type Host struct {
	Machine string
	Dir     string        // the process's own folder: there when the process begins with data or has run before
	Seeding bool          // the program runs only to have its data made
	Family  *child.Family // starts what the program needs beside itself
	Log     *child.Lines
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

// Settler is a program that prepares something after its first Ready and before the
// next process starts.
type Settler interface {
	Settle(context.Context) error
}

// Patient is a program that says how long it may take to answer. Each question to it may
// take long too.
type Patient interface {
	ReadyWithin() time.Duration
}

// Seeder is a program whose data a seed command may make.
type Seeder interface {
	// SeedEnv is the command's environment, made of ours: by its variables the command
	// finds the program, and nothing else of the same sort.
	SeedEnv(environ []string) []string
	// Seeded puts the data in order behind the command. The program is stopped next,
	// and its folder kept.
	Seeded(context.Context) error
}

// Stopper is a program that another signal than SIGTERM stops without loss.
type Stopper interface {
	StopSignal() syscall.Signal
}

// Counter is a program that tells what it counts: the keys of its kind's Counters,
// and others. A key of a total ends in _total. Counters that the program does not have
// are an Uncounted, beside which the others stand.
type Counter interface {
	Count(context.Context) (map[string]float64, error)
}

// Uncounted says why some counters of a program are not known. That is no fault of
// the program, as another error of a Counter is.
type Uncounted struct{ Why error }

// Error is the reason.
func (u *Uncounted) Error() string { return u.Why.Error() }

// Unwrap returns the reason.
func (u *Uncounted) Unwrap() error { return u.Why }

// CheckCounts is nil of a program that tells what it counts, that says why it can't, or
// that counts nothing.
func CheckCounts(ctx context.Context, p Program) error {
	counter, counts := p.(Counter)
	if !counts {
		return nil
	}
	_, err := counter.Count(ctx)
	var uncounted *Uncounted
	if err == nil || errors.As(err, &uncounted) {
		return nil
	}
	return fmt.Errorf("its counters: %w", err)
}

// ErrOnlyAsked is what Command returns of a program that Kind.Attach made.
var ErrOnlyAsked = errors.New("the program is only asked, and not started here")

// Quieter is a program in which something goes on by the clock that alters what work
// costs. Quiet has it go on now, so that it does not for a while, and is an error
// while that is not done.
type Quieter interface {
	Quiet(context.Context) error
}

// Worker is a program that tells what its counters are made of.
type Worker interface {
	Work(context.Context) ([]spec.Work, error)
}

// RowReader is a database that tells which of some rows it holds.
type RowReader interface {
	Rows(ctx context.Context, table string, ids []int64) ([]int64, error)
}

// LagTeller is a database that tells how far its replicas were behind it between
// two moments of the monotonic clock, in ns.
type LagTeller interface {
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
