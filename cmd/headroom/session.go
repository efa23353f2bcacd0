package main

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"time"

	"github.com/spf13/cobra"

	"headroom/harness"
	"headroom/harness/record"
	"headroom/scenarios"
)

// session is an open stage, with what a command that measures on it records.
type session struct {
	stage       openedStage
	environment record.Environment
	shares      record.Shares
	progress    *progress
	turn        *turn
	runID       string
	started     time.Time
}

// onStage opens a scenario's stage when it is this command's turn, lets use
// measure, and removes everything that was started.
func onStage(cmd *cobra.Command, what string, s *scenarios.Scenario, word string, beside bool, use func(context.Context, *session) error) (err error) {
	ctx := cmd.Context()
	m := &session{progress: newProgress(cmd.ErrOrStderr()), started: time.Now()}
	m.runID = fmt.Sprintf("%s-%s-%s", s.Name, what, m.started.Format("20060102-150405"))
	defer m.progress.End()
	m.turn = newTurn(what+" "+s.Name, beside, m.progress.Note)
	defer m.turn.release()
	chosen, err := chooseStage(ctx, word, m.progress)
	if err != nil {
		return err
	}
	if m.shares, err = shareOut(chosen, s, float64(runtime.NumCPU())); err != nil {
		return err
	}
	if m.stage, err = openStage(ctx, chosen, s, m.runID, m.shares, m.progress, m.turn); err != nil {
		return err
	}
	defer func() {
		m.progress.Begin("stop and remove everything that was started", time.Second)
		err = errors.Join(err, m.stage.Close(ctx))
		m.progress.End()
	}()
	if m.environment, err = describe(ctx, m.stage, m.turn); err != nil {
		return err
	}
	return use(ctx, m)
}

// conductor of a scenario on the open stage.
func (m *session) conductor(s *scenarios.Scenario, plan harness.Plan, seed uint64, writer harness.TrialWriter) *harness.Conductor {
	return &harness.Conductor{
		Scenario: s, Plan: plan, Seed: seed, Environment: m.environment,
		Stage: m.stage, Writer: writer, Progress: m.progress,
	}
}

// gathered keeps a run's trials at hand, and writes them on where there is a
// file.
type gathered struct {
	trials []record.Trial
	file   harness.TrialWriter // nil: none
}

// WriteTrial implements harness.TrialWriter.
func (g *gathered) WriteTrial(t record.Trial) error {
	g.trials = append(g.trials, t)
	if g.file == nil {
		return t.Check()
	}
	return g.file.WriteTrial(t)
}
