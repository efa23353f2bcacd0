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
	update, beside bool
	file, stage    string
	fillRate       string
	runs, requests int
	seed           uint64
}

func newBaseline() *cobra.Command {
	var f baselineFlags
	cmd := &cobra.Command{
		Use:   "baseline SCENARIO",
		Short: "Count what one request of each endpoint makes a scenario do, for headroom gate",
		Long: `Count what one request of each endpoint makes both variants of a scenario do:
statements by their text, rows read of each table, commands of the cache,
messages, bytes, allocations. The counts go to stdout, a line a metric, and are
kept beside the code: headroom gate --baseline holds later versions against them.

The scenario is counted several times, each with fresh starts. What equal runs
differ by becomes each metric's tolerance; what agrees to the digit has none. No
clock is read, so any machine counts the same.

--update counts anew as baselines/SCENARIO.json says, and writes that file. A
change that is meant to alter counts does so in the same commit: the diff is what
is accepted.`,
		Example: `  headroom baseline phase3 > baselines/phase3.json
  headroom baseline --update phase3 && git diff baselines`,
		Args: exactly(1, "a scenario's name, for example: headroom baseline phase3"),
		RunE: func(cmd *cobra.Command, args []string) error {
			s, err := loadScenario(args[0])
			if err != nil {
				return err
			}
			return runBaseline(cmd, s, f)
		},
	}
	cmd.Flags().BoolVar(&f.update, "update", false, "write the baseline's file, with the seed, the fill rate and the requests that it has")
	cmd.Flags().StringVar(&f.file, "file", "", "of --update (default "+baselineFolder+"/SCENARIO.json)")
	cmd.Flags().StringVar(&f.fillRate, "fill-rate", "50/s", "caches are filled as traffic at this rate would")
	cmd.Flags().IntVar(&f.requests, "requests", 100, "of each endpoint")
	cmd.Flags().IntVar(&f.runs, "runs", 3, "equal runs that the tolerances come from, 2 to 20")
	cmd.Flags().Uint64Var(&f.seed, "seed", 1, "of keys")
	cmd.Flags().StringVar(&f.stage, "stage", stageDocker, "where the machines stand: docker, auto or process")
	addBeside(cmd, &f.beside)
	return cmd
}

// settings are what the baseline will be counted by: the flags', or those of the
// file that is renewed.
func (f *baselineFlags) settings(cmd *cobra.Command, s *scenarios.Scenario) (gate.Baseline, error) {
	b := gate.Baseline{Format: gate.BaselineFormat, Scenario: s.Name, Hash: gate.Hash(s), Seed: f.seed, Requests: f.requests, Runs: f.runs}
	rate, err := scenarios.ParseRate(f.fillRate)
	if err != nil {
		return b, usageError(cmd, fmt.Errorf("--fill-rate: %w", err))
	}
	b.FillRPS = rate
	if err := errors.Join(within(f.runs, 2, 20, "--runs"), within(f.requests, 1, 100_000, "--requests"), checkStage(cmd, f.stage)); err != nil {
		return b, usageError(cmd, err)
	}
	if !f.update && f.file != "" {
		return b, usageError(cmd, errors.New("--file names what --update writes: add --update, or write stdout to a file"))
	}
	if !f.update {
		return b, nil
	}
	if f.file == "" {
		f.file = filepath.Join(baselineFolder, s.Name+".json")
	}
	data, err := os.ReadFile(f.file)
	if errors.Is(err, os.ErrNotExist) {
		return b, os.MkdirAll(filepath.Dir(f.file), 0o755)
	}
	if err != nil {
		return b, err
	}
	old, err := gate.ParseBaseline(f.file, data)
	if err != nil {
		return b, fmt.Errorf("%w; to begin anew, remove the file", err)
	}
	for name, keep := range map[string]func(){
		"seed": func() { b.Seed = old.Seed }, "fill-rate": func() { b.FillRPS = old.FillRPS },
		"requests": func() { b.Requests = old.Requests }, "runs": func() { b.Runs = old.Runs },
	} {
		if !cmd.Flags().Changed(name) {
			keep()
		}
	}
	return b, nil
}

func within(n, least, most int, what string) error {
	if n < least || n > most {
		return fmt.Errorf("%s %d: give %d to %d", what, n, least, most)
	}
	return nil
}

func runBaseline(cmd *cobra.Command, s *scenarios.Scenario, f baselineFlags) error {
	b, err := f.settings(cmd, s)
	if err != nil {
		return err
	}
	err = onStage(cmd, "baseline", s, f.stage, f.beside, func(ctx context.Context, m *session) error {
		var runs []gate.Counts
		for run := 1; run <= b.Runs; run++ {
			m.progress.Note("counted run %d of %d", run, b.Runs)
			trials := &gathered{}
			conductor := m.conductor(s, harness.Plan{}, b.Seed, trials)
			if err := conductor.Count(ctx, harness.CountPlan{FillRPS: b.FillRPS, Requests: b.Requests, Run: run}); err != nil {
				return err
			}
			runs = append(runs, gate.Counted(trials.trials, b.Requests))
		}
		b.Metrics, err = gate.Merge(runs)
		return err
	})
	if err != nil {
		if cmd.Context().Err() != nil {
			return errNothingYet
		}
		return err
	}
	var text bytes.Buffer
	if err := b.Write(&text); err != nil {
		return err
	}
	if f.update {
		return outfile.Write(f.file, func(w io.Writer) error {
			_, err := w.Write(text.Bytes())
			return err
		})
	}
	_, err = cmd.OutOrStdout().Write(text.Bytes())
	return err
}
