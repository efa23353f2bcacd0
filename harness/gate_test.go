// SPDX-License-Identifier: Apache-2.0

package harness

import (
	"math"
	"strings"
	"testing"

	"headroom/harness/drive"
	"headroom/harness/record"
	"headroom/scenarios"
)

func gateOn(t *testing.T, stage *fakeStage, until int) ([]record.Trial, error) {
	t.Helper()
	return gateSeeded(t, stage, 1, until)
}

func gateSeeded(t *testing.T, stage *fakeStage, seed uint64, until int) ([]record.Trial, error) {
	t.Helper()
	stage.t, stage.running = t, map[*fakeSystem]bool{}
	writer := &kept{}
	plan := GatePlan(12)
	plan.Fill = 0 // there is no shop behind it
	c := &Conductor{Scenario: phase3(t), Plan: plan, Seed: seed, Environment: record.Environment{CPUs: 4}, Stage: stage, Writer: writer, Progress: silent{}}
	err := c.Gate(t.Context(), func(blocks int) bool { return blocks >= until })
	if len(stage.running) > 0 {
		t.Errorf("%d systems still run", len(stage.running))
	}
	return writer.trials, err
}

// A gate's blocks have six slices in turns, mirrored from block to block. All slices run
// at 40% of what the weaker variant's CPUs allow. The gate ends when finished says so.
func TestGate(t *testing.T) {
	trials, err := gateOn(t, &fakeStage{capacity: map[scenarios.Variant]float64{scenarios.Before: 100, scenarios.After: 200}}, 4)
	if err != nil {
		t.Fatal(err)
	}
	orders := make([]string, 5)
	for _, trial := range trials {
		orders[trial.Block] += strings.ToUpper(string(trial.Variant[:1]))
		if rps := trial.Measurement.OfferedRPS; trial.RateName != record.RateGate || trial.Kind != record.KindSlice || rps < 39 || rps > 41 {
			t.Errorf("%s %s at %v requests/s", trial.Kind, trial.RateName, rps)
		}
	}
	for block := 1; block <= 4; block++ {
		want := map[bool]string{true: orders[1], false: mirrored(orders[1])}[block%2 == 1]
		if orders[block] != want || orders[block] != "BAABBA" && orders[block] != "ABBAAB" {
			t.Errorf("block %d is %s", block, orders[block])
		}
	}
}

// Under its quotas each side is loaded once, unrecorded, before the block's first
// slice: no slice is a side's first load under them.
func TestGateWarmsUpUnderQuotas(t *testing.T) {
	stage := &fakeStage{capacity: map[scenarios.Variant]float64{scenarios.Before: 100, scenarios.After: 100}}
	trials, err := gateOn(t, stage, 1)
	if err != nil {
		t.Fatal(err)
	}
	limited := stage.limits[len(stage.limits)-1]
	sides := map[string]bool{}
	for _, job := range stage.drives[limited : limited+2] {
		sides[job.BaseURL] = true
		if want := GatePlan(1).QuotaWarmup; job.Duration != want || math.Abs(job.RateRPS-40) > 1 {
			t.Errorf("under its quotas %s is loaded for %v at %v requests/s first, want %v at 40", job.BaseURL, job.Duration, job.RateRPS, want)
		}
	}
	if len(sides) != 2 || len(trials) != 6 || len(stage.drives) != limited+2+2*6 {
		t.Errorf("%d sides, %d trials, %d drives behind the limit", len(sides), len(trials), len(stage.drives)-limited)
	}
}

// The seed decides which side begins and which keys are requested, so gates with other
// seeds differ.
func TestGateSeeds(t *testing.T) {
	began, schedules := map[scenarios.Variant]int{}, map[uint64]bool{}
	for seed := range uint64(12) {
		trials, err := gateSeeded(t, &fakeStage{capacity: map[scenarios.Variant]float64{scenarios.Before: 20, scenarios.After: 20}}, seed, 1)
		if err != nil {
			t.Fatal(err)
		}
		began[trials[0].Variant]++
		schedules[trials[0].Measurement.Seed] = true
	}
	if began[scenarios.Before] < 2 || began[scenarios.After] < 2 || len(schedules) != 12 {
		t.Errorf("of 12 gates %v began; %d schedules", began, len(schedules))
	}
}

// A gate that nothing finishes has all blocks of its plan.
func TestGateOfAllBlocks(t *testing.T) {
	trials, err := gateOn(t, &fakeStage{capacity: map[scenarios.Variant]float64{scenarios.Before: 20, scenarios.After: 20}}, 1000)
	if err != nil || len(trials) != 12*6 || trials[len(trials)-1].Block != 12 {
		t.Errorf("%d trials, %v", len(trials), err)
	}
}

func mirrored(order string) string {
	return strings.NewReplacer("A", "B", "B", "A").Replace(order)
}

// A slice that the driver disturbed is measured again, and both are on file.
func TestGateRepeatsInvalidSlices(t *testing.T) {
	disturbed := 0
	trials, err := gateOn(t, &fakeStage{
		capacity: map[scenarios.Variant]float64{scenarios.Before: 100, scenarios.After: 100},
		disturbed: func(job drive.Job) bool {
			if job.Duration != GatePlan(1).Slice {
				return false
			}
			disturbed++
			return disturbed == 3
		},
	}, 1)
	if err != nil || len(trials) != 7 {
		t.Errorf("%d trials, %v", len(trials), err)
	}
}
