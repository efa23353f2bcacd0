// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"headroom/reports/gate"
	"headroom/scenarios"
)

// What a gate without a verdict ends as.
const (
	inconclusiveReport = "report" // exit code 3
	inconclusivePass   = "pass"
	inconclusiveFail   = "fail"
)

// maxBlocks of --all-blocks take more than an hour.
const maxBlocks = 100

// acceptFile is read where it exists.
const acceptFile = "headroom.accept.yaml"

type gateFlags struct {
	baseline, accept, inconclusive, history, out, commit, stage string
	timed, expect, json, annotations, beside                    bool
	seed                                                        uint64
	allBlocks                                                   int
	plants                                                      []string
	baselineHash                                                string // gate.FileHash of the baseline
}

func newGate() *cobra.Command {
	var f gateFlags
	cmd := &cobra.Command{
		Use:   "gate SCENARIO",
		Short: "A regression check: counted work against a baseline, CPU time of after against before",
		Long: `A regression check. It ends with exit code 0 (pass), 1 (regression), 3 (no
verdict), or 2 (something went wrong).

With --baseline it counts what one request of each endpoint makes the system do,
and holds the counts against the file. That takes a minute, and the machine may
be busy. The endpoint, the statement and the table that do more are named. A
count that differs is counted a second time before it is believed.

Without --baseline, or with --timed, it holds the failures, the CPU time per
request and the p50 of after against those of before, as equals, in blocks of
short slices in turns, until a regression is shown or 10% are excluded, for at
most ` + strconv.Itoa(gate.MaxBlocks) + ` blocks. p95 and p99 are shown and do not gate.

Nothing passes without data. What gives no number, or does more than 30% less
work than the baseline (without --expect), has no verdict, and
--inconclusive=pass does not let that pass.

gate.html, gate.json, gate.md, gate.xml (JUnit), gate.openmetrics.txt and the
trials go to --out. headroom calls no service: CI posts them.`,
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
	cmd.Flags().StringVar(&f.inconclusive, "inconclusive", inconclusiveReport, "what a gate that noise left undecided ends as: report (exit code 3), pass (0) or fail (1, also where a number is missing)")
	cmd.Flags().StringVar(&f.accept, "accept", "", "file of accepted timed regressions (default "+acceptFile+", where it exists)")
	cmd.Flags().StringVar(&f.history, "history", "", "folder that keeps every gate's outcome; says how often a red gate turned green on the same commit")
	cmd.Flags().StringVar(&f.commit, "commit", "", "what is gated (default what CI or git says)")
	cmd.Flags().StringVar(&f.out, "out", "", "folder for the results (default out/<scenario>-gate-<time>)")
	cmd.Flags().StringArrayVar(&f.plants, "plant", nil, "a difference planted in after, such as app/shop:burn=20%, to see whether the gate finds it; again for more")
	cmd.Flags().BoolVar(&f.json, "json", false, "print gate.json instead of the table")
	cmd.Flags().BoolVar(&f.annotations, "annotations", false, "also print GitHub's annotations, at most ten")
	cmd.Flags().IntVar(&f.allBlocks, "all-blocks", 0, "time so many blocks, whatever they show: for headroom selftest gate --recorded")
	cmd.Flags().Uint64Var(&f.seed, "seed", 0, "of arrivals, keys and the order of slices (default: the baseline's for counts, another each time for what is timed)")
	cmd.Flags().StringVar(&f.stage, "stage", stageDocker, "where the machines stand: docker, auto or process")
	addBeside(cmd, &f.beside)
	return cmd
}

// gateInput is what a gate needs to know before it measures.
type gateInput struct {
	baseline *gate.Baseline // nil: nothing is counted
	accepted []gate.Acceptance
	seed     uint64
	// timedSeed says which side begins: the seed if one was given, else another in every
	// gate.
	timedSeed uint64
	measured  *scenarios.Scenario // with what was planted
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
	in.seed, in.timedSeed = f.seed, f.seed
	if !cmd.Flags().Changed("seed") {
		in.timedSeed = uint64(time.Now().UnixMilli())
	}
	if f.timed = f.timed || f.baseline == ""; f.timed {
		if err := gate.CheckAccepted(in.accepted, s); err != nil {
			return in, err
		}
	}
	if err := f.contradiction(); err != nil {
		return in, usageError(cmd, err)
	}
	if err := checkHistory(f.history); err != nil {
		return in, err
	}
	if f.baseline == "" {
		in.seed = in.timedSeed
		return in, nil
	}
	data, err := os.ReadFile(f.baseline)
	if errors.Is(err, os.ErrNotExist) {
		return in, fmt.Errorf("--baseline: there is no %s; make it with: headroom baseline --update %s --file %s", f.baseline, s.Name, f.baseline)
	}
	if err != nil {
		return in, fmt.Errorf("--baseline: %w", err)
	}
	b, err := gate.ParseBaseline(f.baseline, data)
	if err != nil {
		return in, err
	}
	if !cmd.Flags().Changed("seed") {
		in.seed = b.Seed
	}
	in.baseline, f.baselineHash = &b, gate.FileHash(data)
	if err := b.Fits(s, in.seed); err != nil {
		return in, fmt.Errorf("%s: %w", f.baseline, err)
	}
	return in, nil
}

// contradiction names a flag that would do nothing, or defeat what another asks
// for.
func (f *gateFlags) contradiction() error {
	switch {
	case f.expect && f.baseline == "":
		return errors.New("--expect is about counts: name a --baseline, or leave --expect out")
	case f.accept != "" && !f.timed:
		return errors.New("--accept is about timed metrics: add --timed, or leave --accept out; counts are accepted with headroom baseline --update")
	case f.allBlocks != 0 && !f.timed:
		return errors.New("--all-blocks is about timed metrics: add --timed, or leave --all-blocks out")
	case f.allBlocks != 0 && (f.allBlocks < gate.FirstLook || f.allBlocks > maxBlocks):
		return fmt.Errorf("--all-blocks %d: give %d to %d", f.allBlocks, gate.FirstLook, maxBlocks)
	case f.json && f.annotations:
		return errors.New("--json and --annotations both write to stdout: leave one out; gate.json stands in --out in any case")
	}
	return nil
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
	if f.out == "" {
		f.out = filepath.Join("out", fmt.Sprintf("%s-gate-%s", s.Name, time.Now().Format(runTime)))
	}
	if err := checkOut(f.out); err != nil {
		return err
	}
	var result gate.Result
	err = onStage(cmd, onStageOf{what: "gate", scenario: in.measured, stage: f.stage, beside: f.beside}, func(ctx context.Context, m *session) error {
		var err error
		result, err = f.measure(ctx, m, s, in)
		return err
	})
	switch {
	case result.Verdict == gate.Regression: // it stands, whatever ended the timed part
		return errors.Join(f.conclude(cmd, result), err)
	case cmd.Context().Err() != nil:
		return &exitError{exitInconclusive, fmt.Errorf("interrupted: there is no verdict; the trials are in %s", f.out)}
	case err != nil:
		return err
	}
	return f.conclude(cmd, result)
}
