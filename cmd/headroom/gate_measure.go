// SPDX-License-Identifier: Apache-2.0

package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"headroom/harness"
	"headroom/harness/record"
	"headroom/reports/gate"
	"headroom/scenarios"
)

// gateRun is one gate while it is measured.
type gateRun struct {
	flags     *gateFlags
	in        gateInput
	scenario  *scenarios.Scenario // without what was planted
	conductor *harness.Conductor
	trials    *trialCollector
	about     gate.About
	notes     []string
	counted   []gate.CountResult
	timed     []gate.Timed
}

// measure counts, then times, and puts both together.
func (f *gateFlags) measure(ctx context.Context, m *session, s *scenarios.Scenario, in gateInput) (result gate.Result, err error) {
	plan := harness.GatePlan(cmp.Or(f.allBlocks, gate.MaxBlocks))
	writer, err := record.Create(f.out, m.runLine(in.measured, plan.Blocks, in.seed))
	if err != nil {
		return result, err
	}
	defer func() { err = errors.Join(err, writer.Finish(ending(ctx, err))) }()
	g := gateRun{flags: f, in: in, scenario: s, trials: &trialCollector{file: writer}}
	g.conductor = m.conductor(in.measured, plan, in.seed, g.trials)
	g.about = gate.About{Scenario: s, Seed: in.seed, At: m.started.UTC(), Commit: f.commitOf(ctx), Headroom: harness.Version(), Baseline: f.baseline}
	if note := record.BesideNote(m.environment.Beside); note != "" {
		g.note("the gate %s", note)
	}
	for _, p := range f.plants {
		g.note("planted in after: %s", p)
	}
	if err := g.count(ctx, m.environment); err != nil {
		return result, err
	}
	if err := g.time(ctx); err != nil {
		if !gate.Red(g.counted) {
			return result, err
		}
		g.note("the timed part was cut short: %v", err)
	}
	g.about.Took = time.Since(m.started)
	return gate.NewResult(g.about, g.counted, g.timed, gate.ShownOf(g.trials.trials), append(g.notes, record.NotKnownOf(g.trials.trials)...)), nil
}

func (g *gateRun) note(format string, args ...any) {
	g.notes = append(g.notes, fmt.Sprintf(format, args...))
}

// count holds a counted run against the baseline. What differs is counted again
// with fresh starts: three runs that agreed when the baseline was made leave room
// for a count that differs now and then.
func (g *gateRun) count(ctx context.Context, here record.Environment) error {
	b := g.in.baseline
	if b == nil {
		return nil
	}
	for _, difference := range b.Differences(gate.MadeWith(here, g.scenario.Kinds), g.scenario.Kinds) {
		g.note("%s", difference)
	}
	run := func(number int) ([]gate.CountResult, error) {
		start := len(g.trials.trials)
		err := g.conductor.Count(ctx, harness.CountPlan{FillRPS: b.FillRPS, Requests: b.Requests, Run: number})
		if err != nil {
			return nil, err
		}
		return gate.Compare(*b, gate.Counted(g.scenario, g.trials.trials[start:], b.Requests), g.flags.expect), nil
	}
	var err error
	if g.counted, err = run(1); err != nil || !gate.Suspects(g.counted) {
		return err
	}
	again, err := run(2)
	if err != nil {
		return err
	}
	g.counted = gate.Repeated(g.counted, again)
	return nil
}

// time holds after against before, block by block.
func (g *gateRun) time(ctx context.Context) error {
	if !g.flags.timed {
		return nil
	}
	if g.about.Unfit = unfit(ctx); g.about.Unfit != "" {
		return ctx.Err()
	}
	// A baseline's seed is for its counts: which side begins is another matter.
	g.conductor.Seed = g.in.timedSeed
	accepted, notes := gate.InForce(g.in.accepted, g.scenario, g.about.At)
	g.notes = append(g.notes, notes...)
	err := g.conductor.Gate(ctx, func(blocks int) bool {
		g.about.Blocks = blocks
		g.timed = append(gate.Correctness(g.trials.trials, g.scenario), gate.Decide(gate.TimedSeries(g.trials.trials, g.scenario), accepted)...)
		if n := g.flags.allBlocks; n > 0 {
			return blocks >= n
		}
		return gate.Finished(g.timed, blocks)
	})
	for _, why := range gate.InvalidBlocks(g.trials.trials) {
		g.note("left out: %s", why)
	}
	return err
}
