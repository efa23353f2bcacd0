package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"headroom/harness"
	"headroom/harness/record"
	"headroom/reports/gate"
	"headroom/scenarios"
)

// What a gate without a verdict ends as.
const (
	inconclusiveReport = "report" // exit code 3
	inconclusivePass   = "pass"
	inconclusiveFail   = "fail"
)

// acceptFile is read where it exists.
const acceptFile = "headroom.accept.yaml"

type gateFlags struct {
	baseline, accept, inconclusive, history, out, commit, stage string
	timed, expect, json, annotations, beside                    bool
	seed                                                        uint64
	plants                                                      []string
}

func newGate() *cobra.Command {
	var f gateFlags
	cmd := &cobra.Command{
		Use:   "gate SCENARIO",
		Short: "A regression check: counted work against a baseline, CPU time of after against before",
		Long: `A regression check. It ends with exit code 0 (pass), 1 (regression), 3 (no
verdict), or 2 (something went wrong).

With --baseline it counts what one request of each endpoint makes the system do,
and holds that against the file. It takes a minute, and the machine may be busy. The
endpoint, the statement and the table that do more are named.

Without --baseline, or with --timed, it holds the CPU time per request and the
p50 of after against those of before, as equals, in blocks of short slices in
turns, until a regression is shown or 10% are excluded, for at most 12 blocks.
p95, p99 and capacity are shown and do not gate.

Nothing passes without data: what is absent, fails every request, or does more
than 30% less work than the baseline (without --expect) has no verdict.

gate.html, gate.json, gate.md, gate.xml (JUnit), gate.openmetrics.txt and the trials go to
--out. headroom calls no service: CI posts them.`,
		Example: `  headroom gate phase3 --baseline baselines/phase3.json
  headroom gate gate-shop --inconclusive=pass --history out/gates`,
		Args: exactly(1, "a scenario's name, for example: headroom gate phase3 --baseline baselines/phase3.json"),
		RunE: func(cmd *cobra.Command, args []string) error {
			s, err := loadScenario(args[0])
			if err != nil {
				return err
			}
			return runGate(cmd, s, f)
		},
	}
	cmd.Flags().StringVar(&f.baseline, "baseline", "", "file of headroom baseline; without it nothing is counted")
	cmd.Flags().BoolVar(&f.timed, "timed", false, "with --baseline, time before against after too")
	cmd.Flags().BoolVar(&f.expect, "expect", false, "less work is expected: more than 30% less passes")
	cmd.Flags().StringVar(&f.inconclusive, "inconclusive", inconclusiveReport, "what no verdict ends as: report (exit code 3), pass (0) or fail (1)")
	cmd.Flags().StringVar(&f.accept, "accept", "", "file of accepted timed regressions (default "+acceptFile+", where it exists)")
	cmd.Flags().StringVar(&f.history, "history", "", "folder that keeps every gate's outcome; says how often a red gate turned green on the same commit")
	cmd.Flags().StringVar(&f.commit, "commit", "", "what is gated (default what CI or git says)")
	cmd.Flags().StringVar(&f.out, "out", "", "folder for the results (default out/<scenario>-gate-<time>)")
	cmd.Flags().StringArrayVar(&f.plants, "plant", nil, "a difference planted in after, such as app/shop:burn=200us, to see whether the gate finds it; again for more")
	cmd.Flags().BoolVar(&f.json, "json", false, "print gate.json instead of the table")
	cmd.Flags().BoolVar(&f.annotations, "annotations", false, "also print GitHub's annotations, at most ten")
	cmd.Flags().Uint64Var(&f.seed, "seed", 1, "of arrivals, keys and the order of slices; a baseline has its own")
	cmd.Flags().StringVar(&f.stage, "stage", stageDocker, "where the machines stand: docker, auto or process")
	addBeside(cmd, &f.beside)
	return cmd
}

// gateInput is what a gate needs to know before it measures.
type gateInput struct {
	baseline *gate.Baseline // nil: nothing is counted
	accepted []gate.Acceptance
	seed     uint64
	measured *scenarios.Scenario // with what was planted
}

// read checks the flags and reads the files: a mistake in them must not cost a
// measurement.
func (f *gateFlags) read(cmd *cobra.Command, s *scenarios.Scenario) (in gateInput, err error) {
	words := []string{inconclusiveReport, inconclusivePass, inconclusiveFail}
	if !slices.Contains(words, f.inconclusive) {
		return in, usageError(cmd, fmt.Errorf("--inconclusive=%s: want one of %s", f.inconclusive, strings.Join(words, ", ")))
	}
	if err := checkStage(cmd, f.stage); err != nil {
		return in, err
	}
	if in.accepted, err = f.readAccept(); err != nil {
		return in, err
	}
	if in.measured, err = plantInto(s, f.plants); err != nil {
		return in, usageError(cmd, err)
	}
	in.seed = f.seed
	if f.baseline == "" {
		f.timed = true
		return in, nil
	}
	data, err := os.ReadFile(f.baseline)
	if err != nil {
		return in, fmt.Errorf("--baseline: %w; write one with: headroom baseline %s > %s", err, s.Name, f.baseline)
	}
	b, err := gate.ParseBaseline(f.baseline, data)
	if err != nil {
		return in, err
	}
	if !cmd.Flags().Changed("seed") {
		in.seed = b.Seed
	}
	in.baseline = &b
	if err := b.Fits(s, in.seed); err != nil {
		return in, fmt.Errorf("%s: %w", f.baseline, err)
	}
	return in, nil
}

func (f *gateFlags) readAccept() ([]gate.Acceptance, error) {
	file := f.accept
	if file == "" {
		file = acceptFile
	}
	data, err := os.ReadFile(file)
	if errors.Is(err, os.ErrNotExist) && f.accept == "" {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("--accept: %w", err)
	}
	return gate.ParseAccept(file, data)
}

func runGate(cmd *cobra.Command, s *scenarios.Scenario, f gateFlags) error {
	in, err := f.read(cmd, s)
	if err != nil {
		return err
	}
	began := time.Now()
	if f.out == "" {
		f.out = filepath.Join("out", fmt.Sprintf("%s-gate-%s", s.Name, began.Format("20060102-150405")))
	}
	if err := checkOut(f.out); err != nil {
		return err
	}
	var result gate.Result
	err = onStage(cmd, "gate", in.measured, f.stage, f.beside, func(ctx context.Context, m *session) error {
		var err error
		result, err = f.measure(ctx, m, s, in)
		return err
	})
	if cmd.Context().Err() != nil {
		return &exitError{exitInconclusive, errors.New("interrupted: there is no verdict")}
	}
	if err != nil {
		return err
	}
	return f.conclude(cmd, result)
}

// measure counts, then times, and puts both together.
func (f *gateFlags) measure(ctx context.Context, m *session, s *scenarios.Scenario, in gateInput) (result gate.Result, err error) {
	about := gate.About{Scenario: s, Seed: in.seed, At: m.started.UTC(), Commit: f.commitOf(ctx), Headroom: harness.Version(), Baseline: f.baseline}
	var notes []string
	if note := record.BesideNote(m.environment.Beside); note != "" {
		notes = append(notes, "the gate "+note)
	}
	for _, p := range f.plants {
		notes = append(notes, "planted in after: "+p)
	}
	writer, err := record.Create(f.out, record.Run{
		ID: m.runID, StartedAt: m.started.UTC(), Scenario: *in.measured, Seed: in.seed, Blocks: gate.MostBlocks, Shares: m.shares, Environment: m.environment,
	})
	if err != nil {
		return result, err
	}
	defer func() { err = errors.Join(err, writer.Finish(ending(ctx, err))) }()
	trials := &gathered{file: writer}
	conductor := m.conductor(in.measured, harness.GatePlan(gate.MostBlocks), in.seed, trials)
	var counted []gate.CountResult
	if b := in.baseline; b != nil {
		if err := conductor.Count(ctx, harness.CountPlan{FillRPS: b.FillRPS, Requests: b.Requests, Run: 1}); err != nil {
			return result, err
		}
		counted = gate.Compare(*b, gate.Counted(trials.trials, b.Requests), f.expect)
	}
	var timed []gate.Timed
	if f.timed {
		if stalled := harness.StalledShare(time.Second); stalled > maxStalledShare {
			about.Unfit = fmt.Sprintf("this machine stood still for %.0f%% of a second: other work, or a hypervisor that throttles it; nothing was timed", stalled*100)
		} else if err := conductor.Gate(ctx, func(blocks int) bool {
			about.Blocks = blocks
			timed = gate.Decide(gate.TimedSeries(trials.trials, s))
			return gate.Finished(timed, blocks)
		}); err != nil {
			return result, err
		}
	}
	for _, why := range gate.SpoiltBlocks(trials.trials) {
		notes = append(notes, "left out: "+why)
	}
	timed, expired := gate.Accept(timed, in.accepted, about.At)
	about.Took = time.Since(m.started)
	return gate.NewResult(about, counted, timed, gate.ShownOf(trials.trials), append(notes, expired...)), nil
}
