// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"headroom/harness"
	"headroom/harness/record"
	"headroom/harness/stage"
	"headroom/reports"
	"headroom/reports/cost"
	"headroom/scenarios"
)

type runFlags struct {
	quick   bool
	beside  bool
	timings bool
	soak    time.Duration
	out     string
	seed    uint64
	stage   string
	prove   string
	// prices are read before any load: a mistake in them must not cost a run.
	priceFile string
	prices    cost.Book
}

func newRun() *cobra.Command {
	var flags runFlags
	cmd := &cobra.Command{
		Use:   "run SCENARIO",
		Short: "Measure a scenario's before and after, and report",
		Long: `Measure a scenario's before and after in containers, and report.
SCENARIO is a name from ` + "`headroom list`" + `, or a YAML file. The trials go to
out/<scenario>-<time>/trials.jsonl, the page to report.html beside it.

Without Docker, --stage process runs the machines as local processes on loopback
addresses. It needs Linux and the scenario's servers on this computer: PostgreSQL
15 or newer, and valkey-server or redis-server, and haproxy, where they are used.
Machines then have no CPU limits and share the computer, so absolute rates and
the bottleneck are the computer's. --stage auto takes Docker where it answers,
and says so when it does not.

--prove measures after's capacity again behind the run, on one fresh system in
turns: with the bottleneck's CPU quota 25% larger, with another machine's, and
with neither. The capacity must rise by more than 5% with the first and stay
within 7% with the second, else the report says "unproved". It takes about 4
minutes more. --prove=before does so for before.

Two measurements on one machine disturb each other unseen, so they take turns: a
second run builds its image, says whom it waits for, and goes on when the other
has ended.`,
		Args: exactly(1, "a scenario's name, for example: headroom run phase3"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := errors.Join(flags.check(cmd), checkStage(cmd, flags.stage)); err != nil {
				return err
			}
			if err := checkProve(cmd, flags.prove, flags.stage); err != nil {
				return err
			}
			s, err := loadScenario(args[0])
			if err != nil {
				return err
			}
			if flags.prices, err = readPrices(flags.priceFile); err != nil {
				return err
			}
			if err := checkPrices(s, flags.prices); err != nil {
				return err
			}
			return runScenario(cmd, s, flags)
		},
	}
	cmd.Flags().BoolVar(&flags.quick, "quick", false, "one short block: shows that everything works, proves nothing")
	cmd.Flags().DurationVar(&flags.soak, "soak", harness.FullPlan().Search.Soak, "how long a rate must hold to be called confirmed; 0 stops behind the blocks: no soak, no recovery, no curve")
	cmd.Flags().BoolVar(&flags.timings, "timings", false, "print where the time went")
	addBeside(cmd, &flags.beside)
	cmd.Flags().StringVar(&flags.out, "out", "", "folder for the results (default out/<scenario>-<time>)")
	cmd.Flags().Uint64Var(&flags.seed, "seed", 1, "of arrivals, keys and the order of slices")
	cmd.Flags().StringVar(&flags.stage, "stage", stageDocker, "where the machines stand: docker, auto or process")
	cmd.Flags().StringVar(&flags.prove, "prove", "", "prove the bottleneck of after, or of before: make it larger, and another machine")
	cmd.Flags().Lookup("prove").NoOptDefVal = string(scenarios.After)
	addPrices(cmd, &flags.priceFile)
	return cmd
}

// plan is how long the run measures.
func (f runFlags) plan(s *scenarios.Scenario) harness.Plan {
	if f.quick {
		return harness.QuickPlan().For(s.SLO)
	}
	return harness.FullPlan().For(s.SLO).Soaking(f.soak)
}

// check refuses what does not fit together.
func (f runFlags) check(cmd *cobra.Command) error {
	if f.soak < 0 {
		return usageError(cmd, fmt.Errorf("--soak %v is negative: give a time, or 0 to leave the soaks out", f.soak))
	}
	if f.quick && cmd.Flags().Changed("soak") && f.soak > 0 {
		return usageError(cmd, errors.New("--quick soaks nothing: leave out --soak, or --quick"))
	}
	return nil
}

func runScenario(cmd *cobra.Command, s *scenarios.Scenario, flags runFlags) error {
	runID := fmt.Sprintf("%s-%s", s.Name, time.Now().Format(runTime))
	dir := flags.out
	if dir == "" {
		dir = filepath.Join("out", runID)
	}
	if err := checkOut(dir); err != nil {
		return err
	}
	of := onStageOf{
		what: "run", scenario: s, stage: flags.stage, beside: flags.beside, id: runID,
		allowed: func(chosen string) error { return checkProve(cmd, flags.prove, chosen) },
	}
	return onStage(cmd, of, func(ctx context.Context, m *session) error {
		warnOfStalls(m.progress)
		runErr, err := flags.measure(ctx, m, s, dir)
		if err != nil {
			return err
		}
		m.progress.End()
		if flags.timings {
			m.progress.writeTimings()
		}
		return finish(cmd, dir, flags.prices, runErr)
	})
}

// measure runs the scenario into the folder's trials file. runErr is why the run
// was cut short, err that its trials cannot be reported.
func (f runFlags) measure(ctx context.Context, m *session, s *scenarios.Scenario, dir string) (runErr, err error) {
	plan := f.plan(s)
	line := m.runLine(s, plan.Blocks, f.seed)
	line.Quick, line.Prove = plan.Quick, scenarios.Variant(f.prove)
	writer, err := record.Create(dir, line)
	if err != nil {
		return nil, err
	}
	conductor := m.conductor(s, plan, f.seed, writer)
	runErr = conductor.Run(ctx)
	if runErr == nil && f.prove != "" {
		runErr = prove(ctx, dir, conductor, scenarios.Variant(f.prove))
	}
	if err := writer.Finish(ending(ctx, runErr)); err != nil {
		return runErr, errors.Join(runErr, err)
	}
	return runErr, nil
}

// checkOut finds out before any load whether the results can be written.
func checkOut(dir string) error {
	if _, err := os.Lstat(filepath.Join(dir, record.FileName)); err == nil {
		return fmt.Errorf("%s already holds a run: choose another folder with --out, or remove it", dir)
	}
	for _, name := range []string{pageName, dataName} {
		if _, err := os.Lstat(filepath.Join(dir, name)); err == nil {
			return fmt.Errorf("%s already holds a %s, which this run would replace: choose another folder with --out, or remove it", dir, name)
		}
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("the output folder can't be made: %w; choose another with --out", err)
	}
	probe, err := os.CreateTemp(dir, ".writable.*")
	if err != nil {
		return fmt.Errorf("the output folder can't be written: %w; choose another with --out", err)
	}
	return errors.Join(probe.Close(), os.Remove(probe.Name()))
}

// describe completes the host's environment with the stage's, and with what the
// run's turn came to.
func describe(ctx context.Context, on stage.Stage, turn *turn) (record.Environment, error) {
	environment := harness.HostEnvironment()
	environment.Beside = turn.beside
	err := on.Describe(ctx, &environment)
	return environment, err
}

// ending is how the run's last line says that it ended.
func ending(ctx context.Context, runErr error) record.End {
	end := record.End{At: time.Now().UTC(), Interrupted: ctx.Err() != nil}
	if runErr != nil {
		end.Reason = runErr.Error()
	}
	return end
}

// finish reports what was measured, also when the run was cut short.
func finish(cmd *cobra.Command, dir string, prices cost.Book, runErr error) error {
	interrupted := cmd.Context().Err() != nil
	if runErr != nil && !interrupted {
		return fmt.Errorf("%w\nWhat was measured until then: headroom report %s", runErr, dir)
	}
	err := writeReports(dir, prices, false, cmd.OutOrStdout())
	if interrupted && errors.Is(err, reports.ErrNoTrials) {
		return errNothingYet
	}
	if err != nil {
		return errors.Join(runErr, err)
	}
	if interrupted {
		return &exitError{exitInconclusive, fmt.Errorf("interrupted: the finished trials are in %s", dir)}
	}
	return checkAnyValid(dir)
}

// checkAnyValid makes a run of which nothing can be used end as such.
func checkAnyValid(dir string) error {
	log, err := record.ReadFile(dir)
	if err != nil {
		return err
	}
	for _, t := range log.Trials {
		if t.Kind == record.KindSlice && t.Valid() {
			return nil
		}
	}
	return &exitError{exitInconclusive, errors.New("no slice was valid, so there is no result: the reasons are under Validity; a quiet machine is needed")}
}
