// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"headroom/harness"
	"headroom/internal/outfile"
	"headroom/reports/gate"
	"headroom/scenarios"
)

// baselineFolder is where a project keeps its baselines.
const baselineFolder = "baselines"

type baselineFlags struct {
	update, fresh, allowErrors, beside bool
	file, stage                        string
	fillRate                           string
	runs, requests                     int
	seed                               uint64
}

func newBaseline() *cobra.Command {
	var f baselineFlags
	cmd := &cobra.Command{
		Use:   "baseline SCENARIO",
		Short: "Count what one request of each endpoint makes a scenario do, for headroom gate",
		Long: `Count what one request of each endpoint makes both variants of a scenario do:
statements by their text, rows read of each table, commands of the cache,
messages, bytes, allocations. The counts are kept beside the code, a line a
metric: headroom gate --baseline holds later versions against them.

The scenario is counted several times, each with fresh starts. What equal runs
differ by becomes each metric's tolerance; what agrees to the digit has none. No
clock is read, so any machine counts the same. A tolerance that would let a
regression through is refused, and so is a system whose requests fail: a baseline
of it would call the next version, which fails as well, good.

--update writes baselines/SCENARIO.json, or --file. A file that is there says by
which seed, fill rate and requests to count anew, and its lines stay as they are
where all runs lie within their tolerance: what is in the diff has changed. --fresh
writes every line anew. A change that is meant to alter counts does so in the same
commit: the diff is what is accepted.

Without --update the baseline goes to stdout. Don't send that to the file of the
last one: the shell empties it first, and nothing is left when the count fails.`,
		Example: `  headroom baseline --update phase3
  git diff baselines`,
		Args: exactly(1, "a scenario's name, for example: headroom baseline --update phase3"),
		RunE: func(cmd *cobra.Command, args []string) error {
			s, err := loadScenario(args[0])
			if err != nil {
				return err
			}
			return runBaseline(cmd, s, f)
		},
	}
	cmd.Flags().BoolVar(&f.update, "update", false, "write the baseline's file, with the seed, the fill rate and the requests that it has")
	cmd.Flags().BoolVar(&f.fresh, "fresh", false, "with --update, write every line anew")
	cmd.Flags().StringVar(&f.file, "file", "", "of --update (default "+baselineFolder+"/SCENARIO.json)")
	cmd.Flags().BoolVar(&f.allowErrors, "allow-errors", false, "take requests that fail for what the system does")
	cmd.Flags().StringVar(&f.fillRate, "fill-rate", "50/s", "caches are filled as traffic at this rate would")
	cmd.Flags().IntVar(&f.requests, "requests", 100, "of each endpoint")
	cmd.Flags().IntVar(&f.runs, "runs", defaultRuns, "equal runs that the tolerances come from, 2 to 20")
	cmd.Flags().Uint64Var(&f.seed, "seed", 1, "of keys")
	cmd.Flags().StringVar(&f.stage, "stage", stageDocker, "where the machines stand: docker, auto or process")
	addBeside(cmd, &f.beside)
	return cmd
}

// defaultRuns is a compromise: a run takes a quarter of a minute, and a metric
// that agreed in five may still differ in up to 45% of all runs (0.55^5 = 5%). So
// a gate counts twice before it calls what is exact a regression.
const defaultRuns = 5

// settings are what the baseline will be counted by: the flags', or those of the
// file that is renewed, which is the second result; nil where there is none.
func (f *baselineFlags) settings(cmd *cobra.Command, s *scenarios.Scenario) (b gate.Baseline, old *gate.Baseline, err error) {
	b = gate.Baseline{Format: gate.BaselineFormat, Scenario: s.Name, Hash: gate.Hash(s), Seed: f.seed, Requests: f.requests, Runs: f.runs}
	if b.FillRPS, err = scenarios.ParseRate(f.fillRate); err != nil {
		return b, nil, usageError(cmd, fmt.Errorf("--fill-rate: %w", err))
	}
	if err := errors.Join(within(f.runs, 2, 20, "--runs"), within(f.requests, 1, 100_000, "--requests"), checkStage(cmd, f.stage)); err != nil {
		return b, nil, usageError(cmd, err)
	}
	if !f.update {
		if f.file != "" || f.fresh {
			return b, nil, usageError(cmd, errors.New("--file and --fresh belong to --update: add --update, or write stdout to a new file"))
		}
		return b, nil, nil
	}
	if f.file == "" {
		f.file = filepath.Join(baselineFolder, s.Name+".json")
	}
	data, err := os.ReadFile(f.file)
	if errors.Is(err, os.ErrNotExist) {
		return b, nil, os.MkdirAll(filepath.Dir(f.file), 0o755)
	}
	if err != nil {
		return b, nil, err
	}
	found, err := gate.ParseBaseline(f.file, data)
	if err != nil {
		return b, nil, err
	}
	if found.Scenario != s.Name {
		return b, nil, fmt.Errorf("%s is the baseline of %s, not of %s: name another --file, or remove it first", f.file, found.Scenario, s.Name)
	}
	for name, keep := range map[string]func(){
		"seed": func() { b.Seed = found.Seed }, "fill-rate": func() { b.FillRPS = found.FillRPS },
		"requests": func() { b.Requests = found.Requests }, "runs": func() { b.Runs = max(found.Runs, f.runs) },
	} {
		if !cmd.Flags().Changed(name) {
			keep()
		}
	}
	return b, &found, nil
}

func within(n, least, most int, what string) error {
	if n < least || n > most {
		return fmt.Errorf("%s %d: give %d to %d", what, n, least, most)
	}
	return nil
}

func runBaseline(cmd *cobra.Command, s *scenarios.Scenario, f baselineFlags) error {
	b, old, err := f.settings(cmd, s)
	if err != nil {
		return err
	}
	var runs []gate.Counts
	err = onStage(cmd, onStageOf{what: "baseline", scenario: s, stage: f.stage, beside: f.beside}, func(ctx context.Context, m *session) error {
		b.MadeWith = gate.MadeWith(m.environment, s.Kinds)
		for run := 1; run <= b.Runs; run++ {
			m.progress.Note("counted run %d of %d", run, b.Runs)
			trials := &trialCollector{}
			conductor := m.conductor(s, harness.Plan{}, b.Seed, trials)
			if err := conductor.Count(ctx, harness.CountPlan{FillRPS: b.FillRPS, Requests: b.Requests, Run: run}); err != nil {
				return err
			}
			counted := gate.Counted(s, trials.trials, b.Requests)
			if err := f.checkAnswers(counted); err != nil {
				return err
			}
			runs = append(runs, counted)
		}
		return nil
	})
	if err != nil {
		if cmd.Context().Err() != nil {
			return errNothingYet
		}
		return err
	}
	return f.write(cmd, b, old, runs)
}

// checkAnswers refuses a system that fails requests.
func (f *baselineFlags) checkAnswers(run gate.Counts) error {
	if err := run.Failing(); err != nil && !f.allowErrors {
		return fmt.Errorf("%w: repair that first, or say --allow-errors", err)
	}
	return nil
}

// write writes the baseline of the runs: to stdout, or to its file, with a word
// on what has changed in it.
func (f *baselineFlags) write(cmd *cobra.Command, b gate.Baseline, old *gate.Baseline, runs []gate.Counts) (err error) {
	var lines []gate.Count
	if old != nil {
		lines = old.Metrics
	}
	var changes gate.Changes
	if b.Metrics, changes, err = gate.Renew(lines, runs, f.fresh); err != nil {
		return err
	}
	var text bytes.Buffer
	if err := b.Write(&text); err != nil {
		return err
	}
	if !f.update {
		_, err := cmd.OutOrStdout().Write(text.Bytes())
		return err
	}
	err = outfile.Write(f.file, func(w io.Writer) error {
		_, err := w.Write(text.Bytes())
		return err
	})
	if err == nil {
		fmt.Fprintf(cmd.ErrOrStderr(), "%s: %s; read: git diff %s\n", f.file, changes, f.file)
	}
	return err
}
