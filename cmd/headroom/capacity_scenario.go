// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"headroom/harness"
	"headroom/harness/record"
	"headroom/scenarios"
)

// variantFlags choose a variant of a scenario in place of a URL.
type variantFlags struct {
	variant, stage string
}

func (f *variantFlags) add(cmd *cobra.Command) {
	cmd.Flags().StringVar(&f.variant, "variant", string(scenarios.After), "of the scenario: before or after")
	cmd.Flags().StringVar(&f.stage, "stage", stageDocker, "where a scenario's machines stand: docker, auto or process")
}

// scenarioCapacity starts one variant of a scenario and searches its capacity.
func scenarioCapacity(cmd *cobra.Command, name string, f capacityFlags) error {
	s, plan, err := f.scenarioPlan(cmd, name)
	if err != nil {
		return err
	}
	return onStage(cmd, onStageOf{what: "capacity", scenario: s, stage: f.stage, beside: f.beside}, func(ctx context.Context, on *session) error {
		report := newCapacityReport(s.SLO, on.turn)
		began := time.Now()
		found, err := on.conductor(s, plan, f.seed, discardTrials{}).CapacityOf(ctx, scenarios.Variant(f.variant), func(step harness.CapacityStep) {
			if len(report.Probes) == 0 {
				began = step.Trial.StartedAt // starting the system is no part of the search
			}
			report.add(step)
			on.progress.Note("%s", report.lastLine())
		})
		on.progress.End()
		interrupted := errors.Is(err, context.Canceled)
		if found == nil && interrupted {
			return errNothingYet
		}
		if found == nil || err != nil && !interrupted {
			return err
		}
		return report.conclude(cmd, found.Outcome(), time.Since(began), interrupted, f.json)
	})
}

// scenarioPlan reads what is to be searched, and refuses what does not fit
// together.
func (f *capacityFlags) scenarioPlan(cmd *cobra.Command, name string) (*scenarios.Scenario, harness.Plan, error) {
	var plan harness.Plan
	for _, flag := range f.names() {
		if cmd.Flags().Changed(flag) && flag != "seed" {
			return nil, plan, usageError(cmd, fmt.Errorf("--%s is for a URL; the scenario %s says itself what is sent", flag, name))
		}
	}
	if v := scenarios.Variant(f.variant); v != scenarios.Before && v != scenarios.After {
		return nil, plan, usageError(cmd, fmt.Errorf("--variant %q: want before or after", f.variant))
	}
	if err := checkStage(cmd, f.stage); err != nil {
		return nil, plan, err
	}
	s, err := loadScenario(name)
	if err != nil {
		return nil, plan, err
	}
	if !cmd.Flags().Changed("max-time") {
		f.maxTime = scenarioSearchTime
	}
	maxRPS, err := f.bounds(cmd)
	if err != nil {
		return nil, plan, err
	}
	if f.slo != "" {
		if s.SLO, err = s.ParseSLO(f.slo); err != nil {
			return nil, plan, usageError(cmd, fmt.Errorf("--slo: %w", err))
		}
	}
	plan = harness.FullPlan()
	plan.Search = f.config(s.SLO, maxRPS)
	plan.StartWarmup = 6 * plan.StartWarmup // one system, not ten
	return s, plan, nil
}

// discardTrials drops the trials: nothing will be compared with this search, and the
// report tells the rest.
type discardTrials struct{}

func (discardTrials) WriteTrial(record.Trial) error { return nil }

func (discardTrials) WriteRestart(record.Restart) error { return nil }
