// SPDX-License-Identifier: Apache-2.0

package harness

import (
	"context"
	"math"
	"slices"
	"testing"
	"time"

	"headroom/harness/drive"
	"headroom/harness/record"
	"headroom/harness/stage"
	"headroom/scenarios"
)

// warming is a stage whose system answers the given numbers of requests, step by step, and
// repeats the last number. It notes after how many steps its quotas are set.
type warming struct {
	*fakeSystem
	answers []int64
	steps   int
	limited int // after how many steps; 0: never
}

func (w *warming) Start(context.Context, stage.Request) (stage.System, error) { return w, nil }

func (w *warming) Describe(context.Context, *record.Environment) error { return nil }

func (w *warming) Exec(ctx context.Context, stdin []byte, _ ...string) ([]byte, error) {
	return execJob(ctx, stdin, w.Drive)
}

func (w *warming) Machines() []stage.Machine { return nil }

func (w *warming) SetCPUQuotas(context.Context) error {
	w.limited = w.steps
	return nil
}

func (w *warming) Drive(_ context.Context, job drive.Job) (record.Measurement, error) {
	n := w.answers[min(w.steps, len(w.answers)-1)]
	w.steps++
	return record.Measurement{Sent: n, Succeeded: n, DurationS: job.Duration.Seconds(), OfferedRPS: job.RateRPS}, nil
}

// A fresh system is loaded while it gets faster, and limited then.
func TestWarmFresh(t *testing.T) {
	s := phase3(t)
	tests := []struct {
		name    string
		answers []int64
		steps   int
	}{
		{"warm already", []int64{1000}, 3},
		{"gets faster, then not", []int64{100, 500, 900, 1000, 1010, 1005}, 6},
		{"one slow step is no end", []int64{500, 400, 900, 901}, 5},
		{"answers nothing", []int64{0}, 2},
		{"faster to the end", []int64{1, 2, 4, 8, 16, 32, 64, 128, 256, 512}, 8},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			system := &warming{fakeSystem: &fakeSystem{}, answers: test.answers}
			c := &Conductor{Scenario: s, Plan: Plan{StartWarmup: 8 * time.Second}, Stage: system, Progress: silent{}}
			if err := c.makeReady(t.Context(), 1, map[scenarios.Variant]stage.System{scenarios.After: system}); err != nil {
				t.Fatal(err)
			}
			if system.steps != test.steps || system.limited != test.steps {
				t.Errorf("limited after %d of %d steps, want after %d", system.limited, system.steps, test.steps)
			}
		})
	}
}

// Interrupted while it warms up, a system is not limited: it is stopped.
func TestWarmFreshInterrupted(t *testing.T) {
	s := phase3(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	system := &warming{fakeSystem: &fakeSystem{}, answers: []int64{1}}
	c := &Conductor{Scenario: s, Plan: Plan{StartWarmup: 8 * time.Second}, Stage: system, Progress: silent{}}
	if err := c.makeReady(ctx, 1, map[scenarios.Variant]stage.System{scenarios.After: system}); err == nil || system.limited != 0 || system.steps > 1 {
		t.Errorf("%d steps, limited after %d, %v; want an error after one", system.steps, system.limited, err)
	}
}

// In a run every system is limited once, before anything of it is measured.
func TestRunLimitsEverySystem(t *testing.T) {
	stage := &fakeStage{capacity: map[scenarios.Variant]float64{scenarios.Before: 200, scenarios.After: 800}}
	if _, err := conduct(t, t.Context(), stage); err != nil {
		t.Fatal(err)
	}
	if len(stage.limits) != len(stage.started) {
		t.Errorf("limited %d systems of %d", len(stage.limits), len(stage.started))
	}
	for _, after := range stage.limits {
		if !slices.ContainsFunc(stage.drives[:after], func(j drive.Job) bool { return j.RateRPS == 0 }) {
			t.Error("a system was limited before it was warm")
		}
	}
}

// A search begins at about a third of the rate that the CPU demand of the warm-up allows.
func TestSearchBeginsWhereDemandSays(t *testing.T) {
	stage := &fakeStage{capacity: map[scenarios.Variant]float64{scenarios.Before: 200, scenarios.After: 800}}
	log, err := conduct(t, t.Context(), stage)
	if err != nil {
		t.Fatal(err)
	}
	first := map[scenarios.Variant]float64{}
	for _, trial := range log.Trials {
		if _, seen := first[trial.Variant]; !seen {
			first[trial.Variant] = trial.Measurement.OfferedRPS
		}
	}
	if math.Abs(first[scenarios.Before]-70) > 1e-9 || math.Abs(first[scenarios.After]-280) > 1e-9 {
		t.Errorf("the searches began at %v requests/s, want 70 and 280", first)
	}
}
