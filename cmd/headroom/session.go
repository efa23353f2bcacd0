// SPDX-License-Identifier: Apache-2.0

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
	"headroom/harness/stage"
	"headroom/scenarios"
)

// session is an open stage, with what a command that measures on it records.
type session struct {
	stage       stage.Stage
	environment record.Environment
	shares      record.Shares
	progress    *progress
	turn        *turn
	runID       string
	started     time.Time
}

// onStageOf says what a command measures, and where.
type onStageOf struct {
	what     string // "gate": names the run, and tells who waits for whom
	scenario *scenarios.Scenario
	stage    string // what --stage said
	beside   bool
	id       string                    // of the run; "" is made of the scenario, what and the time
	allowed  func(chosen string) error // nil: every stage will do
}

// onStage opens a scenario's stage when it is this command's turn, lets use
// measure, and removes everything that was started.
func onStage(cmd *cobra.Command, of onStageOf, use func(context.Context, *session) error) (err error) {
	ctx, s := cmd.Context(), of.scenario
	m := &session{progress: newProgress(cmd.ErrOrStderr()), started: time.Now(), runID: of.id}
	if m.runID == "" {
		m.runID = fmt.Sprintf("%s-%s-%s", s.Name, of.what, m.started.Format(runTime))
	}
	defer m.progress.End()
	m.progress.Note("%s: %s", s.Name, s.Title)
	m.turn = newTurn(of.what+" "+s.Name, of.beside, m.progress.Note)
	defer m.turn.release()
	chosen, err := chooseStage(ctx, of.stage, m.progress)
	if err != nil {
		return err
	}
	if of.allowed != nil { // --stage auto may have chosen otherwise than was meant
		if err := of.allowed(chosen); err != nil {
			return err
		}
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

// runTime is how a run's id and folder say when it began.
const runTime = "20060102-150405"

// runLine is the first line of a trials file, which holds no secret of a service.
func (m *session) runLine(s *scenarios.Scenario, blocks int, seed uint64) record.Run {
	return record.Run{
		ID: m.runID, StartedAt: m.started.UTC(), Scenario: *s.Masked(), Seed: seed,
		Blocks: blocks, Shares: m.shares, Environment: m.environment,
	}
}

// conductor of a scenario on the open stage.
func (m *session) conductor(s *scenarios.Scenario, plan harness.Plan, seed uint64, writer harness.TrialWriter) *harness.Conductor {
	return &harness.Conductor{
		Scenario: s, Plan: plan, Seed: seed, Environment: m.environment,
		Stage: m.stage, Writer: writer, Progress: m.progress,
	}
}

// trialCollector keeps a run's trials at hand, and writes them on where there is a
// file.
type trialCollector struct {
	trials []record.Trial
	file   harness.TrialWriter // nil: none
}

// WriteTrial implements harness.TrialWriter.
func (g *trialCollector) WriteTrial(t record.Trial) error {
	g.trials = append(g.trials, t)
	if g.file == nil {
		return t.Check()
	}
	return g.file.WriteTrial(t)
}

// WriteRestart implements harness.TrialWriter.
func (g *trialCollector) WriteRestart(r record.Restart) error {
	r.Void(g.trials)
	if g.file == nil {
		return nil
	}
	return g.file.WriteRestart(r)
}
