package main

import (
	"math"
	"testing"

	"headroom/reports/gate"
	"headroom/scenarios"
)

func TestLiveCases(t *testing.T) {
	red := func(metric string, v scenarios.Variant) gate.Result {
		return gate.Result{Verdict: gate.Regression, Counted: []gate.CountResult{{Count: gate.Count{Variant: v, Metric: metric}, Status: gate.StatusRegression}}}
	}
	cpu := gate.Result{Verdict: gate.Regression, Timed: []gate.Timed{{Key: "cpu app", Status: gate.StatusRegression}}}
	for _, test := range []struct {
		c    liveCase
		r    gate.Result
		want bool
	}{
		{liveCase{}, gate.Result{Verdict: gate.Pass}, true},
		{liveCase{}, gate.Result{Verdict: gate.NoVerdict}, false},
		{liveCase{}, red("statements", scenarios.After), false},
		{liveCase{finds: "statements"}, red("statements", scenarios.After), true},
		{liveCase{finds: "statements"}, red("statements", scenarios.Before), false},
		{liveCase{finds: "statements"}, red("response", scenarios.After), false},
		{liveCase{finds: "statements"}, gate.Result{Verdict: gate.Pass}, false},
		{liveCase{finds: "cpu app"}, cpu, true},
		{liveCase{finds: "cpu database"}, cpu, false},
	} {
		if got := test.c.right(test.r); got != test.want {
			t.Errorf("%q of %+v: %v", test.c.finds, test.r, got)
		}
	}
	s, err := scenarios.LoadNamed(liveScenario)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range liveCases {
		if c.plant == "" {
			continue
		}
		if planted, err := plantInto(s, []string{c.plant}); err != nil || len(planted.Differences()) != 1 {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}

// 0 of 10 leaves 26%, 0 of 59 leaves 5%.
func TestMostMissed(t *testing.T) {
	if got := mostMissed(10); math.Abs(got-0.259) > 0.001 {
		t.Errorf("of 10: %v", got)
	}
	if got := mostMissed(59); got > 0.05 || got < 0.049 {
		t.Errorf("of 59: %v", got)
	}
}
