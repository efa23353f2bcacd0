// SPDX-License-Identifier: Apache-2.0

package slo

import (
	"math"
	"strings"
	"testing"

	"headroom/harness/record"
	"headroom/scenarios"
)

// neutral is a step of just the allowed share, as PointOf counts it: with half a
// bad request more, of one request more, 9.5 of 950 are 1%.
func neutral(rps float64) Step { return counted(rps, 9, 949) }

// as is a step of a name, in a block.
func as(name scenarios.RateName, block int, s Step) Taken {
	return Taken{Name: name, Block: block, Seconds: 3, Step: s}
}

// byShare is a rate corrected by an excess over the allowed odds, in logarithms.
func byShare(rps, excess float64) float64 { return rps * math.Exp(-excess/20) }

func TestPointOfASteps(t *testing.T) {
	threeOfFour := Step{RPS: 100, Verdict: record.Verdict{Outcome: record.Failed,
		Counts: []record.Count{{Condition: "p50<1s", Bad: 7, Of: 9, Allowed: 0.5}}}} // 7.5 of 10: odds of 3
	noneAllowed := Step{RPS: 100, Verdict: record.Verdict{Outcome: record.Failed,
		Counts: []record.Count{{Condition: "lost=0", Bad: 1, Of: 100}}}}
	for _, test := range []struct {
		name  string
		steps []Step
		want  float64
	}{
		{"the allowed share", []Step{neutral(100)}, 100},
		{"two of them", []Step{neutral(100), neutral(400)}, 200},
		{"three times the allowed odds", []Step{threeOfFour}, byShare(100, math.Log(3))},
		{"no more than a fifth is taken", []Step{counted(100, 0, 1_000_000)}, byShare(100, -1.6)},
		{"no more than eight times is taken", []Step{counted(100, 1000, 1000)}, byShare(100, 2.1)},
		{"only held", []Step{only(100, record.Held)}, byShare(100, -1)},
		{"only failed", []Step{only(100, record.Failed)}, byShare(100, 1)},
		{"failed where none is allowed", []Step{noneAllowed}, byShare(100, 1)},
		{"one of each", []Step{only(100, record.Held), only(121, record.Failed)}, 110},
	} {
		if got := PointOf(test.steps); !near(got, test.want, 1e-9) {
			t.Errorf("%s: %v, want %v", test.name, got, test.want)
		}
	}
}

// The bad requests of all steps are counted together, by condition.
func TestPooledPoint(t *testing.T) {
	pooled := pooledPoint([]Step{counted(100, 0, 474), counted(400, 9, 475)}) // 9 of 949
	if !near(pooled, 200, 1e-9) {
		t.Errorf("9 of 949 in two steps: %v, want 200", pooled)
	}
	of := func(rps float64, slow, errors record.Count) Step {
		slow.Condition, errors.Condition = "p50<1s", "errors<50%"
		slow.Allowed, errors.Allowed = 0.5, 0.5
		return Step{RPS: rps, Verdict: record.Verdict{Outcome: record.Held, Counts: []record.Count{slow, errors}}}
	}
	// 7 of 9 are slow: odds of 3, where 1 is allowed. The errors are none of them.
	pooled = pooledPoint([]Step{
		of(100, record.Count{Bad: 7, Of: 8}, record.Count{Bad: 0, Of: 8}),
		of(100, record.Count{Bad: 0, Of: 1}, record.Count{Bad: 0, Of: 1}),
	})
	if want := byShare(100, math.Log(3)); !near(pooled, want, 1e-9) {
		t.Errorf("7 of 9 slow, no errors: %v, want %v", pooled, want)
	}
}

// starts are steps of three fresh starts at rates with a ratio of 1.1, and one far
// above that failed.
func starts(steps ...Taken) []Taken {
	return append([]Taken{
		as(record.RateBracket, 0, only(400, record.Failed)),
		as(record.RateStairs, 0, neutral(50)), // the way there is no start
		as(record.RateStairs, 1, neutral(100)), as(record.RateStairs, 2, neutral(110)), as(record.RateStairs, 3, neutral(121)),
	}, steps...)
}

// Student's t of 2 degrees is 4.30265 at 97.5%; the standard deviation of three
// starts a factor of 1.1 apart is ln 1.1.
func TestRangeByStarts(t *testing.T) {
	c := Of(starts())
	half := 4.30265 * math.Log(1.1) / math.Sqrt(3)
	point := byShare(110, math.Log(27.5/2820.5*99)) // 27 of 2,847 in all: a little less than 1%
	if !near(c.PointRPS, point, 1e-9) || !near(c.LowRPS, 110*math.Exp(-half), 1e-5) || !near(c.HighRPS, point*math.Exp(half), 1e-5) {
		t.Errorf("%v (%v to %v), want %v (%v to %v)", c.PointRPS, c.LowRPS, c.HighRPS, point, 110*math.Exp(-half), point*math.Exp(half))
	}
	if c.Method != "Student's t over 3 fresh starts" || c.HeldRPS != 121 || c.FailedRPS != 400 {
		t.Errorf("%q, held %v, failed %v", c.Method, c.HeldRPS, c.FailedRPS)
	}
	if len(c.Starts) != 3 || c.Starts[1].Block != 2 || c.Starts[1].Steps != 1 || !near(c.Starts[1].RPS, 110, 1e-9) {
		t.Errorf("the starts are %+v", c.Starts)
	}
	if two := Of(append(starts()[:4], as(record.RateStairs, 2, neutral(121)))); !strings.HasPrefix(two.Method, "belief over 5 steps") {
		t.Errorf("two starts: %q", two.Method)
	}
}

// Starts that agree to the last digit are known to half a step of a staircase.
// Where bad requests come in bursts the point of the pooled steps lies lower than
// the starts' mean, and the range holds both.
func TestRangeOfStartsThatAgree(t *testing.T) {
	taken := []Taken{as(record.RateBracket, 0, only(400, record.Failed))}
	for block := 1; block <= 4; block++ {
		taken = append(taken, as(record.RateStairs, block, counted(100, 0, 500)), as(record.RateStairs, block, counted(100, 40, 500)))
	}
	c := Of(taken)
	mean := byShare(100, (-1.6+2.1)/2)                // each step's excess ends at the bounds
	pooled := byShare(100, math.Log(160.5/3840.5*99)) // 160 of 4,000
	if !near(c.PointRPS, pooled, 1e-9) || !near(c.LowRPS, pooled*math.Exp(-0.025), 1e-9) || !near(c.HighRPS, mean*math.Exp(0.025), 1e-9) {
		t.Errorf("%v (%v to %v), want %v (%v to %v)", c.PointRPS, c.LowRPS, c.HighRPS, pooled, pooled*math.Exp(-0.025), mean*math.Exp(0.025))
	}
}

// With few starts the range is that of the belief, widened by the scatter from start to
// start: 4.6%, times 1.959964 at 95%.
func TestRangeByBelief(t *testing.T) {
	var all []Step
	var taken []Taken
	for range 2 { // at two rates with 19 of 1,898 in all
		for _, s := range []Step{counted(95, 4, 949), counted(105, 15, 949)} {
			all = append(all, s)
			taken = append(taken, as(record.RateStairs, 1, s))
		}
	}
	b, c := beliefOf(all), Of(taken)
	point := pooledPoint(all)
	widened := func(end float64) float64 { return math.Hypot(math.Log(end/point), 1.959964*0.046) }
	low, high := point*math.Exp(-widened(b.quantile(0.025))), point*math.Exp(widened(b.quantile(0.975)))
	if !near(c.PointRPS, point, 1e-9) || !near(c.LowRPS, low, 1e-6) || !near(c.HighRPS, high, 1e-6) {
		t.Errorf("%v (%v to %v), want %v (%v to %v)", c.PointRPS, c.LowRPS, c.HighRPS, point, low, high)
	}
	// Without a staircase the point is the median of the belief.
	c = Of([]Taken{as(record.RateCurve, 1, neutral(100)), as(record.RateCurve, 1, counted(110, 60, 949))})
	b = beliefOf([]Step{neutral(100), counted(110, 60, 949)})
	if want := b.quantile(0.5); !near(c.PointRPS, want, 1e-9) || len(c.Starts) != 0 {
		t.Errorf("of two steps: %v by %d starts, want %v by none", c.PointRPS, len(c.Starts), want)
	}
}

func TestEndsOfACapacity(t *testing.T) {
	invalid := Step{RPS: 100, Verdict: record.Verdict{Outcome: record.Invalid, Reason: "late"}}
	failed := only(80, record.Failed)
	failed.Reason = "too slow"
	for _, test := range []struct {
		name    string
		taken   []Taken
		missing string
		want    Capacity
	}{
		{"nothing", nil, "no valid step was measured", Capacity{}},
		{"only what was invalid", []Taken{as(record.RateBracket, 0, invalid)}, "no valid step was measured: late", Capacity{}},
		{"only an overload", []Taken{as(record.RateOverload, 0, only(90, record.Held))}, "no valid step was measured", Capacity{}},
		{"only failures", []Taken{as(record.RateBracket, 0, only(100, record.Failed)), as(record.RateBracket, 0, failed), as(record.RateStairs, 0, failed)},
			"the SLO failed at the lowest rate tried, 80 requests/s (too slow)", Capacity{FailedRPS: 80, FailedReason: "too slow"}},
		{"no failure", []Taken{as(record.RateBracket, 0, only(100, record.Held)), as(record.RateBracket, 0, only(90, record.Held)), as(record.RateBracket, 0, invalid)},
			"", Capacity{HeldRPS: 100, PointRPS: 100, LowRPS: 100}},
	} {
		got := Of(test.taken)
		if got.Missing != test.missing || got.PointRPS != test.want.PointRPS || got.LowRPS != test.want.LowRPS || got.HighRPS != 0 ||
			got.HeldRPS != test.want.HeldRPS || got.FailedRPS != test.want.FailedRPS || got.FailedReason != test.want.FailedReason {
			t.Errorf("%s: %+v", test.name, got)
		}
		if got.Known() != (test.missing == "") || !math.IsInf(got.HighOrInf(), 1) {
			t.Errorf("%s: known %v, at most %v", test.name, got.Known(), got.HighOrInf())
		}
	}
	if got := (Capacity{HighRPS: 5}).HighOrInf(); got != 5 {
		t.Errorf("a range up to 5 ends at %v", got)
	}
}

// A bracket's failed step does not count where its rate held later, in a step that counts.
func TestWhatIsForgiven(t *testing.T) {
	bracket := as(record.RateBracket, 0, only(100, record.Failed))
	for _, test := range []struct {
		name  string
		taken []Taken
		want  bool
	}{
		{"held later", []Taken{bracket, as(record.RateSoak, 0, only(100, record.Held))}, true},
		{"more held later", []Taken{bracket, as(record.RateBracket, 0, only(200, record.Held))}, true},
		{"less held later", []Taken{bracket, as(record.RateSoak, 0, only(99, record.Held))}, false},
		{"failed again", []Taken{bracket, as(record.RateSoak, 0, only(100, record.Failed))}, false},
		{"held before", []Taken{as(record.RateBracket, 0, only(100, record.Held)), bracket}, false},
		{"an overload was held", []Taken{bracket, as(record.RateOverload, 0, only(130, record.Held))}, false},
		{"a stair", []Taken{as(record.RateStairs, 0, only(100, record.Failed)), as(record.RateSoak, 0, only(100, record.Held))}, false},
	} {
		if got := Of(test.taken).FailedRPS == 0; got != test.want {
			t.Errorf("%s: forgiven %v, want %v", test.name, got, test.want)
		}
	}
}

func TestWhatARecoveryTells(t *testing.T) {
	for outcome, want := range map[record.Outcome][2]bool{record.Held: {true, false}, record.Failed: {false, true}, record.Invalid: {false, false}} {
		c := Of([]Taken{as(record.RateCurve, 0, only(50, record.Held)), as(record.RateRecover, 0, only(90, outcome))})
		if got := [2]bool{c.Recovered, c.Metastable}; got != want {
			t.Errorf("%s: recovered and metastable are %v, want %v", outcome, got, want)
		}
		if c.HeldRPS != 50 || c.FailedRPS != 0 {
			t.Errorf("%s: the recovery counts as a step: held %v, failed %v", outcome, c.HeldRPS, c.FailedRPS)
		}
	}
}

func TestConfirmedIsTheLastThatHeld(t *testing.T) {
	soak := func(rps float64, outcome record.Outcome) Soak {
		return Soak{RPS: rps, Verdict: record.Verdict{Outcome: outcome}}
	}
	for _, test := range []struct {
		soaks []Soak
		want  float64
	}{
		{nil, 0},
		{[]Soak{soak(100, record.Failed)}, 0},
		{[]Soak{soak(100, record.Held)}, 100},
		{[]Soak{soak(100, record.Failed), soak(93, record.Held)}, 93},
		{[]Soak{soak(100, record.Held), soak(93, record.Held), soak(90, record.Failed)}, 93},
	} {
		got, ok := Capacity{Soaks: test.soaks}.Confirmed()
		if got.RPS != test.want || ok != (test.want > 0) {
			t.Errorf("%+v: confirmed %v (%v), want %v", test.soaks, got.RPS, ok, test.want)
		}
	}
}

// A range that no soak confirmed reaches down to where the next soak would be.
func TestAFailedSoakLowersTheRange(t *testing.T) {
	failed := as(record.RateSoak, 3, only(90, record.Failed))
	failed.Seconds = 60
	c := Of(starts(failed))
	if !near(c.LowRPS, 90*0.93, 1e-9) || len(c.Soaks) != 1 || c.Soaks[0].Seconds != 60 || c.Soaks[0].RPS != 90 {
		t.Errorf("from %v by the soaks %+v, want from %v", c.LowRPS, c.Soaks, 90*0.93)
	}
	without := Of(starts()).LowRPS
	if c = Of(starts(failed, as(record.RateSoak, 3, only(84, record.Held)))); c.LowRPS != without {
		t.Errorf("with a second soak that held: from %v, want from %v as without soaks", c.LowRPS, without)
	}
}

// The range reaches down to what a soak's count leaves open, by a slope of 8.
func TestWhatASoakTells(t *testing.T) {
	over := func(share float64) float64 { return math.Log(share/(1-share)) - math.Log(0.01/0.99) }
	soak := func(rps float64, bad, of int64) Soak {
		s := counted(rps, bad, of)
		return Soak{RPS: rps, Seconds: 60, Verdict: s.Verdict}
	}
	unknown := soak(100, 0, 1)
	none := soak(100, 1, 1000)
	none.Counts[0].Allowed = 0
	few := ShareUpperBound(soak(100, 40, 1000).Counts[0])
	for _, test := range []struct {
		name             string
		point, low, high float64
		soak             Soak
		wantPoint, want  float64
	}{
		{"held with room", 100, 90, 120, soak(93, 0, 800), 100, 90},
		{"held with room, below the range", 100, 98, 120, soak(93, 0, 800), 100, 93},
		{"held by its own rate", 90, 89, 120, soak(93, 9, 949), 93, 93 * math.Exp(-over(ShareUpperBound(soak(93, 9, 949).Counts[0]))/8)},
		{"held far above the range", 100, 100, 120, soak(120, 0, 800), 120, 100},
		{"failed by four times the share", 100, 90, 120, soak(100, 40, 1000), byShare(100, math.Log(40.5/960.5*99)), 100 * math.Exp(-over(few)/8)},
		{"failed outright", 100, 99, 120, soak(100, 1000, 1000), byShare(100, 2.1), 100 * math.Exp(-2.1/8)},
		{"no upper end", 100, 90, 0, soak(100, 40, 1000), 100, 90},
		{"no estimate", 0, 0, 120, soak(100, 40, 1000), 0, 0},
		{"only an outcome", 100, 90, 120, unknown, 100, 90},
		{"a condition that allows none", 100, 90, 120, none, 100, 90},
	} {
		c := Capacity{PointRPS: test.point, LowRPS: test.low, HighRPS: test.high, Soaks: []Soak{soak(50, 900, 1000), test.soak}}
		c.bySoak()
		if !near(c.PointRPS, test.wantPoint, 1e-9) || !near(c.LowRPS, test.want, 1e-9) || c.HighRPS != test.high {
			t.Errorf("%s: %v from %v, want %v from %v", test.name, c.PointRPS, c.LowRPS, test.wantPoint, test.want)
		}
	}
	c := Capacity{PointRPS: 100, LowRPS: 90, HighRPS: 120}
	c.bySoak()
	if c.PointRPS != 100 || c.LowRPS != 90 {
		t.Errorf("no soak at all changed it: %+v", c)
	}
}

// Only the variant's own probes count. With another SLO the staircases and the soaks
// of the run say nothing but what each step says.
func TestCapacityOfTrials(t *testing.T) {
	trial := func(name scenarios.RateName, block int, s Step, change func(*record.Trial)) record.Trial {
		out := record.Trial{Kind: record.KindProbe, Variant: scenarios.Before, Block: block, RateName: name, Verdict: &s.Verdict,
			Measurement: record.Measurement{OfferedRPS: s.RPS, DurationS: 7}}
		if change != nil {
			change(&out)
		}
		return out
	}
	held := only(1000, record.Held)
	trials := []record.Trial{
		trial(record.RateStairs, 1, neutral(100), nil),
		trial(record.RateSoak, 1, neutral(110), nil),
		trial(record.RateStairs, 1, held, func(t *record.Trial) { t.Variant = scenarios.After }),
		trial(record.RateStairs, 1, held, func(t *record.Trial) { t.Resize = &record.Resize{} }),
		trial(record.RateCommon, 1, held, func(t *record.Trial) { t.Kind = record.KindSlice }),
	}
	s := parse(t, "p99<250ms")
	c := CapacityOf(trials, scenarios.Before, s, true)
	if c.HeldRPS != 110 || len(c.Starts) != 1 || len(c.Soaks) != 1 || c.Soaks[0].Seconds != 7 {
		t.Errorf("held %v, starts %+v, soaks %+v", c.HeldRPS, c.Starts, c.Soaks)
	}
	for i := range trials { // what is judged anew must be there to be judged
		rps := trials[i].Measurement.OfferedRPS
		trials[i].Measurement = measured(1000, 0, 0, 0)
		trials[i].Measurement.OfferedRPS = rps
	}
	c = CapacityOf(trials, scenarios.Before, s, false)
	if c.HeldRPS != 110 || len(c.Starts) != 0 || len(c.Soaks) != 0 {
		t.Errorf("by another SLO: held %v, starts %+v, soaks %+v", c.HeldRPS, c.Starts, c.Soaks)
	}
}
