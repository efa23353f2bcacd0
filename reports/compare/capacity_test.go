// SPDX-License-Identifier: Apache-2.0

package compare

import (
	"math"
	"slices"
	"testing"

	"headroom/harness/record"
	"headroom/harness/slo"
	"headroom/scenarios"
)

// The demand at the capacity is that of steps from 88% of it on, and of those a
// hair above it.
func TestAtCapacity(t *testing.T) {
	s, err := scenarios.ParseSLO("p99<250ms")
	if err != nil {
		t.Fatal(err)
	}
	step := func(rps float64, change func(*record.Trial)) record.Trial {
		trial := record.Trial{Kind: record.KindProbe, Variant: scenarios.After, RateName: record.RateStairs,
			Measurement: record.Measurement{OfferedRPS: rps}, Verdict: &record.Verdict{Outcome: record.Held}}
		if change != nil {
			change(&trial)
		}
		return trial
	}
	trials := []record.Trial{
		step(87.9, nil), step(88, nil), step(100, nil), step(102, nil), step(102.1, nil),
		step(99, func(t *record.Trial) { t.Variant = scenarios.Before }),
		step(98, func(t *record.Trial) { t.Resize = &record.Resize{} }),
		step(97, func(t *record.Trial) { t.Verdict.Outcome = record.Failed }),
		step(96, func(t *record.Trial) { t.Verdict.Outcome = record.Invalid }),
	}
	var got []float64
	for _, trial := range AtCapacity(trials, scenarios.After, slo.Capacity{PointRPS: 100}, s) {
		got = append(got, trial.Measurement.OfferedRPS)
	}
	if want := []float64{88, 100, 102}; !slices.Equal(got, want) {
		t.Errorf("the steps of %v, want %v", got, want)
	}
	if got := AtCapacity(trials, scenarios.After, slo.Capacity{}, s); got != nil {
		t.Errorf("without a capacity: %d steps", len(got))
	}
}

func TestCapacityWarnings(t *testing.T) {
	soak := func(outcome record.Outcome) slo.Soak {
		return slo.Soak{RPS: 93, Seconds: 30, Verdict: record.Verdict{Outcome: outcome, Reason: "slow"}}
	}
	for _, test := range []struct {
		c    slo.Capacity
		want []string
	}{
		{slo.Capacity{Recovered: true, Soaks: []slo.Soak{soak(record.Held)}}, nil},
		{slo.Capacity{Soaks: []slo.Soak{soak(record.Failed), soak(record.Held)}}, []string{"after did not hold 93 requests/s for 30 s: slow"}},
		{slo.Capacity{Metastable: true}, []string{"after is metastable: after 1.3 times its capacity it did not recover at 0.7 times"}},
	} {
		if got := CapacityWarnings(scenarios.After, test.c); !slices.Equal(got, test.want) {
			t.Errorf("%+v: %q, want %q", test.c, got, test.want)
		}
	}
}

// The blocks' values are estimates only where something bounded the capacity.
func TestRangeOfACapacity(t *testing.T) {
	starts := []slo.Start{{Block: 1, RPS: 98}, {Block: 3, RPS: 102}}
	r := RangeOf(slo.Capacity{PointRPS: 100, LowRPS: 90, HighRPS: 110, Method: "m", Starts: starts})
	if r.Point != 100 || r.Low != 90 || r.High != 110 || r.Method != "m" || len(r.Blocks) != 2 || r.Blocks[1] != 98 || r.Blocks[3] != 102 {
		t.Errorf("%+v", r)
	}
	r = RangeOf(slo.Capacity{PointRPS: 100, LowRPS: 100, Starts: starts})
	if !math.IsInf(r.High, 1) || len(r.Blocks) != 0 {
		t.Errorf("nothing bounds it: %+v", r)
	}
	if r = RangeOf(slo.Capacity{Missing: "why"}); r.Missing != "why" || r.Point != 0 {
		t.Errorf("none: %+v", r)
	}
	before := Range{Blocks: map[int]float64{3: 30, 1: 10, 4: 40}}
	after := Range{Blocks: map[int]float64{1: 11, 2: 22, 3: 33}}
	want := []Pair{{Block: 1, Before: 10, After: 11}, {Block: 3, Before: 30, After: 33}}
	if got := pairsOfRanges(before, after); !slices.Equal(got, want) {
		t.Errorf("pairs of %+v, want %+v", got, want)
	}
}

func TestReasonsAreJoinedOnce(t *testing.T) {
	for want, reasons := range map[string][]string{
		"":                                nil,
		"a; b":                            {"a", "a", "b", "a"},
		"a; b; and 1 more under Validity": {"a", "b", "b", "c"},
		"a; b; and 2 more under Validity": {"a", "b", "c", "d"},
	} {
		if got := joined(reasons); got != want {
			t.Errorf("%q are %q, want %q", reasons, got, want)
		}
	}
}

// After/before of two ranges is as wide as their ends allow: 300 (200 to 400) over
// 100 (80 to 125) is 3, from 200/125 to 400/80.
func TestRatioOfRanges(t *testing.T) {
	before, after := Range{Point: 100, Low: 80, High: 125}, Range{Point: 300, Low: 200, High: 400}
	r := ratioOfRanges(before, after)
	if r.Point != 3 || r.Low != 1.6 || r.High != 5 {
		t.Errorf("%+v, want 3 (1.6 to 5)", r)
	}
	before.Low = 0
	if r = ratioOfRanges(before, after); r.Low != 1.6 || !math.IsInf(r.High, 1) {
		t.Errorf("before may be nothing: %+v", r)
	}
	for want, pair := range map[string][2]Range{
		"before: no step":                        {{Missing: "no step"}, {Missing: "no price"}},
		"after: no price":                        {{Point: 1}, {Missing: "no price"}},
		"before's value is 0: there is no ratio": {{}, {Point: 1}},
		"":                                       {{Point: 1}, {}},
	} {
		if got := ratioOfRanges(pair[0], pair[1]).Missing; got != want {
			t.Errorf("%+v: %q, want %q", pair, got, want)
		}
	}
}

// A ratio is taken block by block where both variants have blocks, else from
// AfterOverBefore, else from the ends of the ranges; a capacity's ratio is never taken
// from the ends.
func TestRatioOfRunMetrics(t *testing.T) {
	plain := map[scenarios.Variant]Range{
		scenarios.Before: {Point: 100, Low: 80, High: 125, Method: "m"}, scenarios.After: {Point: 300, Low: 200, High: 400, Method: "m"}}
	for key, want := range map[scenarios.MetricKey]*Interval{CapacityRPS: nil, CostPerUserUSD: {Low: 1.6, High: 5}} {
		e := RunMetrics{key: plain}.Ratio(key)
		if e.Ratio != 3 || (e.Interval == nil) != (want == nil) {
			t.Fatalf("%s: %+v", key, e)
		}
		if want != nil && (e.Interval.Low != want.Low || e.Interval.High != want.High ||
			e.Interval.Method != "from the ranges of the capacities and of what is downloaded") {
			t.Errorf("%s: %+v", key, e.Interval)
		}
	}
	both := map[scenarios.Variant]Range{scenarios.Before: plain[scenarios.Before], scenarios.After: plain[scenarios.After],
		AfterOverBefore: {Point: 2.9, Low: 2.5, High: 3.5}}
	if e := (RunMetrics{CostPerUserUSD: both}).Ratio(CostPerUserUSD); e.Ratio != 2.9 || e.Interval.Low != 2.5 || e.Interval.High != 3.5 {
		t.Errorf("more is known of both: %+v", e)
	}
	blocks := map[scenarios.Variant]Range{
		scenarios.Before: {Point: 100, Low: 80, High: 125, Blocks: map[int]float64{1: 100, 2: 100, 3: 100}},
		scenarios.After:  {Point: 300, Low: 200, High: 400, Blocks: map[int]float64{1: 200, 2: 200, 3: 200}}}
	e := RunMetrics{CapacityRPS: blocks}.Ratio(CapacityRPS)
	near(t, "by blocks", e.Ratio, 2, 1e-12)
	near(t, "by blocks, low", e.Interval.Low, 2*math.Exp(-slo.Resolution), 1e-12)
	if e := (RunMetrics{}).Ratio(CapacityRPS); e.Missing == "" && e.Ratio != 0 {
		t.Errorf("nothing is given: %+v", e)
	}
	level := RunMetrics{CapacityRPS: plain}.Level(CapacityRPS, scenarios.After)
	if level.Value == nil || *level.Value != 300 {
		t.Errorf("after's level is %+v", level)
	}
}

// Of one variant the interval is its range; of a price it is exact, and of what has
// no known ends there is none.
func TestIntervalOfARange(t *testing.T) {
	i := Range{Point: 2, Low: 1, High: 3, Method: "m"}.interval()
	if i.Low != 1 || i.High != 3 || i.Confidence != 0.95 || i.Method != "m" {
		t.Errorf("%+v", i)
	}
	if i = (Range{Point: 2, Low: 2, High: 2, Method: "m"}).intervalOf(MonthlyUSD); !i.Exact() || i.Method != "exact" || i.Confidence != 0 {
		t.Errorf("a price: %+v", i)
	}
	if i = (Range{Point: 2, Low: 1, High: 3, Method: "m"}).intervalOf(CapacityRPS); i.Method != "m" {
		t.Errorf("a capacity: %+v", i)
	}
	for _, r := range []Range{{Low: math.NaN(), High: 1}, {Low: 1, High: math.NaN()}} {
		if i = r.interval(); i != nil {
			t.Errorf("of %+v: %+v", r, i)
		}
	}
}
