// SPDX-License-Identifier: Apache-2.0

// Package machine is what runs inside a machine, as its first process:
//
//  1. SpecFromEnv reads what the machine is to run;
//  2. Run starts the processes in order, each once the one before it answers;
//  3. meanwhile its agent tells the stage when all are ready, and later counts
//     what the machine and each process have used;
//  4. a signal stops the processes in reverse order; a process that dies by
//     itself ends the machine, which names it.
//
// The package knows no kind of process: a Kind brings its Program. The Program's
// interfaces say what the Program can do beyond running.
//
// A machine may also make a dataset, with which a process begins (see seed.go).
// Nothing of this package can run in an image of the user's own: an observer beside
// such a machine answers in place of its agent (see observe.go).
package machine

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"headroom/internal/child"
	"headroom/internal/host"
	"headroom/scenarios"
	"headroom/targets/machine/spec"
)

// reapEvery is how often PID 1 looks for orphans: they cost only a table entry.
const reapEvery = 10 * time.Second

// SpecFromEnv reads the machine's Spec from the environment variable
// spec.EnvSpec. Unknown keys and specs that could not run are errors. kinds are all
// that a process may be: each process gets the facts of its kind.
func SpecFromEnv(kinds []Kind) (spec.Spec, error) {
	var s spec.Spec
	if err := decodeEnv(spec.EnvSpec, "a machine", &s); err != nil {
		return spec.Spec{}, err
	}
	setFacts(kinds, s.Processes)
	return s, checkSpec(s)
}

// decodeEnv decodes an environment variable in which a stage hands over a value to a
// program that it starts.
func decodeEnv(name, started string, into any) error {
	text, set := os.LookupEnv(name)
	if !set {
		return fmt.Errorf("machine: %s is not set: a stage sets it when it starts %s", name, started)
	}
	in := json.NewDecoder(strings.NewReader(text))
	in.DisallowUnknownFields()
	if err := in.Decode(into); err != nil {
		return fmt.Errorf("machine: %s: %w", name, err)
	}
	return nil
}

// setFacts gives each process the facts of its kind, where that is known.
func setFacts(kinds []Kind, processes []spec.Process) {
	for i, p := range processes {
		if kind, known := scenarios.KindOf(Data(kinds), p.Kind); known {
			processes[i].Facts = kind.Facts
		}
	}
}

// checkCopying checks the spec of a machine that only copies data from folder to folder.
func checkCopying(s spec.Spec) error {
	complete := len(s.Processes) == 0
	if s.Begin != nil {
		complete = complete && s.Seed == nil && s.Begin.Dataset.Dir != "" && s.Begin.To != ""
	} else {
		complete = complete && s.Seed.Dir != "" && len(s.Seed.Command) == 0
	}
	if !complete {
		return fmt.Errorf("machine %s: data are copied from a folder to a folder, and no process runs", s.Machine)
	}
	return nil
}

func checkSpec(s spec.Spec) error {
	if s.Begin != nil || s.Seed != nil && s.Seed.Made != "" {
		return checkCopying(s)
	}
	if len(s.Processes) == 0 {
		return fmt.Errorf("machine %s: has no process", s.Machine)
	}
	if s.Seed != nil && (len(s.Processes) != 1 || s.Seed.Dir == "" || len(s.Seed.Command) == 0) {
		return fmt.Errorf("machine %s: a dataset is made by one process, in a folder, by a command", s.Machine)
	}
	// No agent runs in an image of the user's own, and takes a port there.
	foreign := slices.ContainsFunc(s.Processes, func(p spec.Process) bool { return p.Service != nil && p.Service.Foreign() })
	names, ports := make(map[string]bool), map[int]bool{spec.AgentPort: !foreign}
	for _, p := range s.Processes {
		switch {
		case p.Name == "" || p.Name != filepath.Base(p.Name) || p.Name == "." || p.Name == "..":
			return fmt.Errorf("machine %s: %q cannot name a process", s.Machine, p.Name)
		case names[p.Name]:
			return fmt.Errorf("machine %s: two processes are named %s", s.Machine, p.Name)
		case p.Port < 1 || p.Port > 65535:
			return fmt.Errorf("machine %s: process %s: %d is not a port", s.Machine, p.Name, p.Port)
		}
		names[p.Name] = true
		for _, port := range portsOf(p) {
			if ports[port] || port > 65535 {
				return fmt.Errorf("machine %s: process %s: port %d is taken by another process or the agent (%d), or is none",
					s.Machine, p.Name, port, spec.AgentPort)
			}
			ports[port] = true
		}
	}
	return nil
}

// newProgram makes the program of a process. The process must have the settings of
// its kind.
func newProgram(kinds []Kind, s spec.Spec, p spec.Process, runner *child.Runner, out *child.SyncWriter) (Program, error) {
	kind, known := kindOf(kinds, p.Kind)
	if !known {
		return nil, fmt.Errorf("process %s: unknown kind %q", p.Name, p.Kind)
	}
	if err := kind.Check(p.Settings); err != nil {
		return nil, fmt.Errorf("process %s: %w", p.Name, err)
	}
	if kind.Service && p.Service == nil {
		return nil, fmt.Errorf("process %s: nothing says how this %s runs", p.Name, p.Kind)
	}
	return kind.New(p, Host{Machine: s.Machine, Dir: folderOf(s, p), Seeding: s.Seed != nil, Runner: runner, Log: out}), nil
}

func kindOf(kinds []Kind, name scenarios.KindName) (Kind, bool) {
	i := slices.IndexFunc(kinds, func(k Kind) bool { return k.Name == name })
	if i < 0 {
		return Kind{}, false
	}
	return kinds[i], true
}

// folderOf is a process's own folder. A service keeps data in a part of its folder: the
// part is taken once they are made.
func folderOf(s spec.Spec, p spec.Process) string {
	if s.Seed != nil && p.Service == nil {
		return filepath.Join(s.Seed.Dir, seedingDir)
	}
	return filepath.Join(s.DataDir(), p.Name)
}

// Run runs the machine until ctx ends, or a SIGTERM or SIGINT arrives: then it stops
// the processes in order and returns nil. When a process dies, does not get ready or
// does not stop, Run returns an error, which names the process and holds the last
// lines of its log. The processes' logs go to logOut, each line behind its process's
// name. kinds are all that a process may be. A spec with a seed makes its dataset and
// returns. One that begins another machine's data copies the data and returns.
func Run(ctx context.Context, kinds []Kind, s spec.Spec, logOut io.Writer) error {
	ctx, stopSignals := signal.NotifyContext(ctx, syscall.SIGTERM, syscall.SIGINT)
	defer stopSignals()
	if s.Seed != nil {
		return makeDataset(ctx, kinds, s, logOut)
	}
	out := child.NewSyncWriter(logOut)
	runner := &child.Runner{}
	if s.Begin != nil {
		// A folder that was half filled goes with its container: its system has not started.
		return copyDataset(ctx, s.Begin.Dataset, s.Begin.To, runner, out)
	}
	super := &supervisor{out: out, runner: runner, readyTimeout: readyTimeout, stopTimeout: stopTimeout}
	a := &agent{spec: s, started: time.Now(), ready: super.ready, pidOf: super.pidOf}
	var programs []namedProgram
	for _, p := range s.Processes {
		made, err := newProgram(kinds, s, p, runner, out)
		if err != nil {
			return fmt.Errorf("machine %s: %w", s.Machine, err)
		}
		defer made.Close()
		programs = append(programs, namedProgram{name: p.Name, Program: made, beforeStart: datasetCopier(p.Dataset, dataOf(p, folderOf(s, p)), runner, out)})
		a.programs = append(a.programs, made)
	}
	listener, err := net.Listen("tcp", s.AgentAddress())
	if err != nil {
		return fmt.Errorf("machine %s: agent: %w", s.Machine, err)
	}

	// The agent outlives the processes: it tells that they are stopping.
	agentCtx, stopAgent := context.WithCancel(context.WithoutCancel(ctx))
	var background sync.WaitGroup
	var agentErr error
	ctx, cancel := context.WithCancel(ctx)
	background.Go(func() {
		agentErr = serve(agentCtx, listener, a.handler())
		cancel() // a machine that cannot be observed must not go on
	})
	if os.Getpid() == 1 {
		background.Go(func() { reapUntil(agentCtx, runner) })
	}
	err = super.run(ctx, programs)
	stopAgent()
	background.Wait()
	if err := errors.Join(err, agentErr); err != nil {
		return fmt.Errorf("machine %s: %w", s.Machine, err)
	}
	return nil
}

// reapUntil does PID 1's duty until ctx ends.
func reapUntil(ctx context.Context, runner *child.Runner) {
	tick := time.NewTicker(reapEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			// When the table can't be read the next round tries again.
			if orphans, err := zombiesOf(os.Getpid()); err == nil {
				runner.Reap(orphans)
			}
		}
	}
}

// zombiesOf are the processes that have ended below a parent which has not taken
// their exit status.
func zombiesOf(parent int) ([]int, error) {
	processes, err := host.ReadProcesses()
	if err != nil {
		return nil, err
	}
	var zombies []int
	for pid, p := range processes {
		if p.State == 'Z' && p.Parent == parent {
			zombies = append(zombies, pid)
		}
	}
	return zombies, nil
}
