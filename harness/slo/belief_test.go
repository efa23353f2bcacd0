// SPDX-License-Identifier: Apache-2.0

package slo

import (
	"math"
	"testing"

	"headroom/harness/record"
)

// near says whether two figures agree to a share of the wanted one.
func near(got, want, share float64) bool {
	return math.Abs(got-want) <= share*math.Abs(want)
}

// only is a step with an outcome and no counts.
func only(rps float64, outcome record.Outcome) Step {
	c := record.Count{Condition: conditionBacklog, Of: 1, Allowed: 0.5}
	if outcome == record.Failed {
		c.Bad = 1
	}
	return Step{RPS: rps, Verdict: record.Verdict{Outcome: outcome, Counts: []record.Count{c}}}
}

// counted is a step with so many bad requests where 1% may be.
func counted(rps float64, bad, of int64) Step {
	c := record.Count{Condition: "p99<250ms", Bad: bad, Of: of, Allowed: 0.01, Burst: 1}
	s := Step{RPS: rps, Verdict: record.Verdict{Outcome: record.Held, Counts: []record.Count{c}}}
	if exceeds(c) {
		s.Outcome = record.Failed
	}
	return s
}

func TestBurstsGrowWithTheRate(t *testing.T) {
	// 0.12 s of requests, at least 2 and at most 40.
	for rps, want := range map[float64]float64{1: 2, 100: 12, 300: 36, 1000: 40} {
		if got := expectedBurst(rps); !near(got, want, 1e-12) {
			t.Errorf("at %v requests/s %v come together, want %v", rps, got, want)
		}
	}
}

// The rule of three points has a normal distribution's moments up to the fifth.
func TestWandersAreNormal(t *testing.T) {
	const s = 0.015
	for moment, want := range []float64{1, 0, s * s, 0, 3 * s * s * s * s} {
		got := 0.0
		for _, w := range driftPoints {
			got += w.weight * math.Pow(w.shift, float64(moment))
		}
		if math.Abs(got-want) > 1e-12 {
			t.Errorf("moment %d is %v, want %v", moment, got, want)
		}
	}
}

// Before anything is learned all capacities from 0.7 below the lowest rate to 0.7
// above the highest are alike, in ln(rate).
func TestBeliefBeginsFlat(t *testing.T) {
	b := beliefOf([]Step{{RPS: 200}, {RPS: 100}, {RPS: 400}})
	from, till := math.Log(100)-0.7, math.Log(400)+0.7
	if got := b.logs[0]; math.Abs(got-from) > 1e-9 {
		t.Errorf("it begins at ln %v, want %v", got, from)
	}
	if got := b.logs[len(b.logs)-1]; got < till-1e-9 || got > till+0.005 {
		t.Errorf("it ends at ln %v, want %v and less than a step of 0.005 more", got, till)
	}
	for _, q := range []float64{0.1, 0.25, 0.5, 0.9} {
		if got, want := math.Log(b.quantile(q)), from+q*(till-from); math.Abs(got-want) > 0.01 {
			t.Errorf("quantile %v is at ln %v, want %v", q, got, want)
		}
	}
}

func TestBeliefQuantile(t *testing.T) {
	b := belief{logs: []float64{0, math.Log(2), math.Log(4)}, weights: [][]float64{{0.25, 0.25, 0.125}, {0, 0.25, 0.125}}}
	for _, test := range []struct{ q, want float64 }{{0.25, 1}, {0.26, 2}, {0.75, 2}, {0.76, 4}, {1, 4}, {1.01, 4}} {
		if got := b.quantile(test.q); !near(got, test.want, 1e-12) {
			t.Errorf("quantile %v is %v, want %v", test.q, got, test.want)
		}
	}
}

// A step that held says: the capacity is above its rate, but for the 2% of steps
// that come out by a coin. With a slope of 60 nothing else is left at the ends; with
// a slope of 5 a step at 10% above the capacity holds by 1 / (1 + e^0.5).
func TestWhatAStepTells(t *testing.T) {
	b := beliefOf([]Step{only(100, record.Held)})
	steep, flat := b.weights[len(slopes)-1], b.weights[0]
	last := len(steep) - 1
	if got, want := steep[0]/steep[last], 0.01/0.99; !near(got, want, 1e-6) {
		t.Errorf("far below against far above: %v, want %v", got, want)
	}
	if got, want := flat[120]/steep[last], (0.01+0.98/(1+math.Exp(0.5)))/0.99; !near(got, want, 0.001) {
		t.Errorf("a tenth below against far above: %v, want %v", got, want)
	}
	sum := 0.0
	for _, weights := range b.weights {
		for _, w := range weights {
			sum += w
		}
	}
	if !near(sum, 1, 1e-9) {
		t.Errorf("all together are %v, want 1", sum)
	}
	b = beliefOf([]Step{only(100, record.Failed)})
	steep = b.weights[len(slopes)-1]
	if got, want := steep[0]/steep[last], 0.99/0.01; !near(got, want, 1e-6) {
		t.Errorf("after a failure, far below against far above: %v, want %v", got, want)
	}
	// One step that held and one that failed at the same rate: the median of the belief is
	// that rate.
	b = beliefOf([]Step{only(100, record.Held), only(100, record.Failed)})
	if got := b.quantile(0.5); !near(got, 100, 0.006) {
		t.Errorf("held and failed at 100: the median is %v", got)
	}
}

// What counts is how many bursts a step saw, and what share of them was bad: 200
// requests in bursts of 2 tell as much as 4,000 in bursts of 40.
func TestBurstsAreWhatAStepTellsWith(t *testing.T) {
	slow := beliefOf([]Step{counted(10, 1, 200), {RPS: 10.02}})
	fast := beliefOf([]Step{counted(1000, 20, 4000), {RPS: 1002}})
	if len(slow.logs) != len(fast.logs) {
		t.Fatalf("%d and %d points", len(slow.logs), len(fast.logs))
	}
	for k := range slow.weights {
		for i, w := range slow.weights[k] {
			if !near(fast.weights[k][i], w, 1e-6) {
				t.Fatalf("slope %v, point %d: %v and %v", slopes[k], i, w, fast.weights[k][i])
			}
		}
	}
	// Half a percent where one may be: the capacity is rather above the rate.
	if got := fast.quantile(0.5); got <= 1000 || got > 1500 {
		t.Errorf("half of the allowed share at 1,000 requests/s: the median is %v", got)
	}
}

// One outlier outweighs no twenty other steps, however bad the outlier is.
func TestOneLapseIsForgotten(t *testing.T) {
	var steps []Step
	for range 10 {
		steps = append(steps, only(200, record.Held), only(220, record.Failed))
	}
	b := beliefOf(append(steps, counted(100, 500, 1000)))
	if got := b.quantile(0.5); got < 195 || got > 225 {
		t.Errorf("the median is %v, want about 210", got)
	}
}

// likelihood is the likelihood of a binomial draw relative to the greatest. For n draws
// with the bad share seen it is (p^seen (1-p)^(1-seen))^n over the same with p = seen.
func TestLikelihood(t *testing.T) {
	count := func(bad, of int64, allowed float64) record.Count {
		return record.Count{Bad: bad, Of: of, Allowed: allowed}
	}
	logOdds := func(share float64) float64 { return math.Log(share / (1 - share)) }
	to := func(share, allowed float64) float64 { return logOdds(share) - logOdds(allowed) }
	for _, test := range []struct {
		name      string
		c         record.Count
		excess, n float64
		want      float64
	}{
		{"held at the capacity", count(0, 1, 0.5), 0, 1, 0.5},
		{"held where the odds are 3", count(0, 1, 0.5), math.Log(3), 1, 0.25},
		{"failed where the odds are 3", count(1, 1, 0.5), math.Log(3), 1, 0.75},
		{"the allowed share", count(2, 200, 0.01), 0, 1000, 1},
		{"1 of 2 by a quarter", count(1, 2, 0.25), 0, 2, 0.75},
		{"twice as many say it twice", count(1, 2, 0.25), 0, 4, 0.75 * 0.75},
		{"1 of 2 at a half", count(1, 2, 0.25), math.Log(3), 50, 1},
		{"none of three at a half", count(0, 3, 0.5), 0, 3, 0.125},
		{"none at all, the rate far below", count(0, 200, 0.04), to(0.0099, 0.04), 1000, 1},
		{"none at all, a little too much", count(0, 200, 0.04), to(0.02, 0.04), 10, math.Pow(0.98, 10)},
		{"a quarter of the allowed share is not far below", count(2, 200, 0.04), to(0.005, 0.04), 100,
			math.Pow(0.5, 1) * math.Pow(0.995/0.99, 99)},
		{"far above both", count(30, 100, 1.0/32), to(0.26, 1.0/32), 1000, 1},
		{"far above, and taken as eight times", count(100, 100, 1.0/32), to(0.5, 1.0/32) - 1e-9, 4, 1},
		{"eight times are not far above", count(1, 4, 1.0/32), to(0.5, 1.0/32), 4, 0.5 * 0.5 * 0.5 * 0.5 / (0.25 * 0.75 * 0.75 * 0.75)},
		{"more than eight times count as eight", count(30, 100, 1.0/32), to(0.125, 1.0/32), 4,
			0.125 * 0.875 * 0.875 * 0.875 / (0.25 * 0.75 * 0.75 * 0.75)},
		{"a half is far above in any case", count(4, 5, 0.125), to(0.6, 0.125), 1000, 1},
	} {
		if got := likelihood(test.c, test.excess, test.n); !near(got, test.want, 1e-6) {
			t.Errorf("%s: %v, want %v", test.name, got, test.want)
		}
	}
}

// P[Poisson(1) >= 1] is 1 - 1/e, and of two or more 1 - 2/e.
func TestChanceOfFew(t *testing.T) {
	for _, test := range []struct {
		c    record.Count
		want float64
	}{
		{record.Count{Bad: 0, Of: 100, Allowed: 0.01}, 1},
		{record.Count{Bad: 1, Of: 100, Allowed: 0.01}, 1 - 1/math.E},
		{record.Count{Bad: 2, Of: 100, Allowed: 0.01}, 1 - 2/math.E},
		{record.Count{Bad: 0, Of: 100}, 1},
		{record.Count{Bad: 1, Of: 100}, 0},
	} {
		if got := chanceOf(test.c); math.Abs(got-test.want) > 1e-9 {
			t.Errorf("%+v: %v, want %v", test.c, got, test.want)
		}
	}
}

func TestNearestOfFew(t *testing.T) {
	none, unbroken := record.Count{Condition: "none"}, record.Count{Condition: "unbroken", Of: 100, Allowed: 0.01}
	broken := record.Count{Condition: "broken", Of: 100, Bad: 2, Allowed: 0.01}
	alike := broken
	alike.Condition = "alike"
	for _, test := range []struct {
		counts []record.Count
		want   string
	}{
		{nil, ""},
		{[]record.Count{none}, ""},
		{[]record.Count{none, unbroken}, "unbroken"},
		{[]record.Count{unbroken, broken}, "broken"},
		{[]record.Count{broken, unbroken, none}, "broken"},
		{[]record.Count{broken, alike}, "broken"}, // the first of equals
	} {
		if got := Nearest(test.counts); got.Condition != test.want {
			t.Errorf("of %+v the nearest is %q, want %q", test.counts, got.Condition, test.want)
		}
	}
}
