// SPDX-License-Identifier: Apache-2.0

package harness

import (
	"context"
	"errors"
	"math"
	"strings"
	"testing"
	"time"

	"headroom/harness/record"
	"headroom/harness/stage"
	"headroom/scenarios"
)

// resizableStage runs systems whose capacity is that of their slowest group.
type resizableStage struct {
	*fakeStage
	groups  map[string]float64 // capacity of each as started
	factors map[string]float64
	fail    error
}

func (s *resizableStage) Start(ctx context.Context, r stage.Request) (stage.System, error) {
	system, err := s.fakeStage.Start(ctx, r)
	if err != nil {
		return nil, err
	}
	s.resized(r.Variant)
	return resizableSystem{system, s, r.Variant}, nil
}

// resized works out the capacity from the groups' sizes.
func (s *resizableStage) resized(v scenarios.Variant) {
	capacity := math.Inf(1)
	for name, alone := range s.groups {
		factor, set := s.factors[name]
		if !set {
			factor = 1
		}
		capacity = min(capacity, alone*factor)
	}
	s.capacity[v] = capacity
}

type resizableSystem struct {
	stage.System
	stage   *resizableStage
	variant scenarios.Variant
}

func (r resizableSystem) SetCPUQuotas(context.Context) error { return nil }

func (r resizableSystem) Resize(_ context.Context, group string, factor float64) error {
	r.stage.mu.Lock()
	defer r.stage.mu.Unlock()
	if r.stage.factors == nil {
		r.stage.factors = map[string]float64{}
	}
	r.stage.factors[group] = factor
	r.stage.resized(r.variant)
	return r.stage.fail
}

// proveOn runs a proof on the stage and reads back its trials.
func proveOn(t *testing.T, on stage.Stage, of Proof, plan ProofPlan) (*record.Log, error) {
	t.Helper()
	s := phase3(t)
	dir := t.TempDir()
	writer, err := record.Create(dir, record.Run{ID: "test", Scenario: *s})
	if err != nil {
		t.Fatal(err)
	}
	full := FullPlan()
	full.Search.Pause, full.Fill, full.Proof = 0, 0, plan
	conductor := &Conductor{Scenario: s, Plan: full, Seed: 7, Stage: on, Writer: writer, Progress: silent{}}
	proofErr := conductor.Prove(t.Context(), of)
	if err := writer.Finish(record.End{}); err != nil {
		t.Fatal(err)
	}
	log, err := record.ReadFile(dir)
	if err != nil {
		t.Fatal(err)
	}
	return log, proofErr
}

func newResizableStage(t *testing.T, groups map[string]float64) *resizableStage {
	fake := &fakeStage{t: t, running: map[*fakeSystem]bool{}, capacity: map[scenarios.Variant]float64{}}
	return &resizableStage{fakeStage: fake, groups: groups}
}

func proofOf(capacity float64) Proof {
	return Proof{Variant: scenarios.After, Named: "database", Other: "balancer", Groups: []string{"database", "app", "balancer"},
		Factor: 1.25, Scale: 0.9, CapacityRPS: capacity}
}

// Each of the three systems comes to hover about its own capacity, wherever
// the search began, and the steps take turns.
func TestProveFindsEachCapacity(t *testing.T) {
	tests := []struct {
		name                     string
		groups                   map[string]float64
		believed                 float64
		wantBase, named, control float64
	}{
		{"the bottleneck", map[string]float64{"database": 500, "app": 900, "balancer": 2000}, 500, 450, 562.5, 450},
		{"another limit close behind", map[string]float64{"database": 500, "app": 550, "balancer": 2000}, 500, 450, 495, 450},
		{"not the bottleneck", map[string]float64{"database": 900, "app": 500, "balancer": 2000}, 500, 450, 450, 450},
		{"the other is the bottleneck", map[string]float64{"database": 900, "app": 2000, "balancer": 500}, 500, 450, 450, 562.5},
		{"believed too low", map[string]float64{"database": 500, "app": 900, "balancer": 2000}, 400, 450, 562.5, 450},
		{"believed too high", map[string]float64{"database": 500, "app": 900, "balancer": 2000}, 600, 450, 562.5, 450},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			stage := newResizableStage(t, test.groups)
			plan := FullPlan().Proof
			log, err := proveOn(t, stage, proofOf(test.believed), plan)
			if err != nil {
				t.Fatal(err)
			}
			if want := plan.Rounds * plan.Turns * 3; len(log.Trials) != want {
				t.Fatalf("%d trials, want %d", len(log.Trials), want)
			}
			logs, count := map[record.ResizeStep]float64{}, map[record.ResizeStep]float64{}
			for i, trial := range log.Trials {
				checkProofTrial(t, trial, i, plan)
				if trial.Resize.Round > 1 { // the first looks for it
					logs[trial.Resize.Step] += math.Log(trial.Measurement.OfferedRPS)
					count[trial.Resize.Step]++
				}
			}
			for step, want := range map[record.ResizeStep]float64{record.ResizeBase: test.wantBase, record.ResizeNamed: test.named, record.ResizeOther: test.control} {
				if got := math.Exp(logs[step] / count[step]); math.Abs(got/want-1) > 0.04 {
					t.Errorf("%s: %.0f requests/s, want about %.0f", step, got, want)
				}
			}
			if len(stage.running) != 0 {
				t.Error("the system was left running")
			}
		})
	}
}

func checkProofTrial(t *testing.T, trial record.Trial, i int, plan ProofPlan) {
	t.Helper()
	want := map[record.ResizeStep]record.Resize{
		record.ResizeBase:  {Step: record.ResizeBase, Factor: 1},
		record.ResizeNamed: {Step: record.ResizeNamed, Group: "database", Factor: 1.25},
		record.ResizeOther: {Step: record.ResizeOther, Group: "balancer", Factor: 1.25},
	}
	if trial.Resize == nil || trial.Kind != record.KindProbe || trial.RateName != record.RateProof {
		t.Fatalf("trial %d does not say that it belongs to a proof", i+1)
	}
	expected := want[trial.Resize.Step]
	expected.Scale, expected.Round = 0.9, i/(3*plan.Turns)+1
	if *trial.Resize != expected {
		t.Errorf("trial %d: %+v, want %+v", i+1, *trial.Resize, expected)
	}
	if turn := i/3 + 1; trial.Block != turn {
		t.Errorf("trial %d is of turn %d, want %d", i+1, trial.Block, turn)
	}
}

// In every turn each system is measured once, and none always comes first.
func TestProveTakesTurns(t *testing.T) {
	stage := newResizableStage(t, map[string]float64{"database": 500, "app": 900, "balancer": 2000})
	log, err := proveOn(t, stage, proofOf(500), FullPlan().Proof)
	if err != nil {
		t.Fatal(err)
	}
	first := map[record.ResizeStep]int{}
	for i := 0; i+2 < len(log.Trials); i += 3 {
		seen := map[record.ResizeStep]bool{}
		for _, trial := range log.Trials[i : i+3] {
			seen[trial.Resize.Step] = true
		}
		if len(seen) != 3 {
			t.Errorf("turn %d measured %v", i/3+1, seen)
		}
		first[log.Trials[i].Resize.Step]++
	}
	for _, step := range proofSteps {
		if first[step] < 6 { // of 20
			t.Errorf("%s came first %d times", step, first[step])
		}
	}
}

// fixedStage is one whose machines have no quotas.
type fixedStage struct{ *fakeStage }

func (s fixedStage) Start(ctx context.Context, r stage.Request) (stage.System, error) {
	system, err := s.fakeStage.Start(ctx, r)
	return struct{ stage.System }{system}, err
}

func TestProveFailures(t *testing.T) {
	fixed := &fakeStage{t: t, running: map[*fakeSystem]bool{}, capacity: map[scenarios.Variant]float64{scenarios.After: 500}}
	broken := newResizableStage(t, map[string]float64{"database": 500})
	broken.fail = errors.New("the engine is away")
	for name, test := range map[string]struct {
		stage stage.Stage
		want  string
		left  func() int
	}{
		"no limits":       {fixedStage{fixed}, "no CPU limits", func() int { return len(fixed.running) }},
		"resizing failed": {broken, "the engine is away", func() int { return len(broken.running) }},
	} {
		log, err := proveOn(t, test.stage, proofOf(500), FullPlan().Proof)
		if err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: error %v", name, err)
		}
		if len(log.Trials) != 0 || test.left() != 0 {
			t.Errorf("%s: %d trials, %d systems left", name, len(log.Trials), test.left())
		}
	}
}

// Whatever a step takes, there are enough rounds for an interval, or the total time is
// kept.
func TestProofPlanFits(t *testing.T) {
	plan := ProofPlan{Rounds: 5, Turns: 4, Total: 220 * time.Second}
	for _, test := range []struct {
		step          time.Duration
		rounds, turns int
	}{
		{time.Second, 5, 4},
		{3200 * time.Millisecond, 5, 4},
		{5 * time.Second, 3, 4},
		{12200 * time.Millisecond, 3, 2},
		{100 * time.Second, 1, 1},
		{10 * time.Minute, 1, 1},
	} {
		rounds, turns := plan.fit(test.step)
		if rounds != test.rounds || turns != test.turns {
			t.Errorf("steps of %v: %d rounds of %d turns, want %d of %d", test.step, rounds, turns, test.rounds, test.turns)
		}
	}
}
