// SPDX-License-Identifier: Apache-2.0

package search

import (
	"math"
	"testing"
	"time"

	"headroom/harness/record"
	"headroom/harness/slo"
)

// A step lasts as its kind does, until a request can be too slow in it and enough of
// them were seen, and never longer than the longest.
func TestLengthOfAStep(t *testing.T) {
	c := config()
	for _, test := range []struct {
		kind Kind
		rps  float64
		want time.Duration
	}{
		{KindBracket, 1000, 1400 * time.Millisecond}, {KindBracket, 5, 2 * time.Second}, // ten requests
		{KindStairs, 1000, 3 * time.Second}, {KindStairs, 100, 3500 * time.Millisecond}, // 350 requests
		{KindStairs, 1, 15 * time.Second}, {KindOverload, 1, 4500 * time.Millisecond}, {KindRecover, 1000, 4500 * time.Millisecond},
	} {
		if got := c.Length(test.kind, test.rps); got != test.want {
			t.Errorf("%s at %v/s: %v, want %v", test.kind, test.rps, got, test.want)
		}
	}
	if c = c.For(7, time.Minute); c.Samples != 7 || c.Latency != time.Minute || c.Stair != 3*time.Second {
		t.Errorf("for another SLO: %+v", c)
	}
}

// at is a search that has spent so much of its 90 s, and drained for so long once.
func at(kind Kind, spent, drained time.Duration) *Search {
	s := New(config())
	s.kind, s.spent, s.drained = kind, spent, drained
	s.stairs = NewStaircase(1000, 0)
	return s
}

const nano = time.Nanosecond

// A step is begun when it ends in time, drained as long as the longest so far.
func TestWhatFits(t *testing.T) {
	s := at(KindStairs, 80*time.Second, time.Second)
	if !s.fits(9*time.Second) || s.fits(9*time.Second+nano) {
		t.Error("9 s are left, and no more")
	}
	if s.config.Total = 0; !s.fits(time.Hour) {
		t.Error("without a bound everything fits")
	}
}

// Overload and recovery take 4.5 s each, with a pause of 0.2 s after each. A soak gets the
// time that is left before them, and ten seconds at least.
func TestTimeOfASoak(t *testing.T) {
	s := at(KindSoak, 40*time.Second, time.Second)
	if got := s.recoverTime(); got != 9400*time.Millisecond {
		t.Errorf("overload and recovery take %v", got)
	}
	for spent, want := range map[time.Duration]time.Duration{
		40 * time.Second: 30 * time.Second, 49600 * time.Millisecond: 30 * time.Second, 60 * time.Second: 19600 * time.Millisecond, 75 * time.Second: 10 * time.Second} {
		if got := at(KindSoak, spent, time.Second).soakLength(); got != want {
			t.Errorf("after %v a soak lasts %v, want %v", spent, got, want)
		}
	}
	if s.ceilingRPS = 1; s.recoverTime() != 0 {
		t.Error("at a ceiling nothing is overloaded")
	}
	if s.ceilingRPS, s.config.Recover = 0, 0; s.recoverTime() != 0 {
		t.Error("a recovery that is left out takes time")
	}
}

// The staircase goes on while the time allows another step of 3 s, a soak of 30 s, and the
// recovery. With too few steps for an estimate the soak shrinks down to ten seconds.
func TestWhenTheStaircaseEnds(t *testing.T) {
	const step, soak, recovery = 3200 * time.Millisecond, 30200 * time.Millisecond, 9400 * time.Millisecond
	for _, test := range []struct {
		name    string
		stepped int
		left    time.Duration
		want    Kind
	}{
		{"just enough", minStairs, step + soak + recovery, KindStairs},
		{"a little less", minStairs, step + soak + recovery - nano, KindSoak},
		{"a little less, and too few steps", minStairs - 1, step + soak + recovery - nano, KindStairs},
		{"just enough for a short soak", minStairs - 1, step + 10*time.Second + recovery, KindStairs},
		{"not even that", minStairs - 1, step + 10*time.Second + recovery - nano, KindSoak},
	} {
		s := at(KindStairs, 90*time.Second-test.left, 0)
		s.validStairs = test.stepped
		if s.afterStair(); s.kind != test.want {
			t.Errorf("%s: %s, want %s", test.name, s.kind, test.want)
		}
		if s.kind == KindSoak {
			if rps, _ := s.soaks.RPS(); math.Abs(rps-930) > 1e-9 {
				t.Errorf("%s: it soaks at %v, want 93%% of where the staircase is", test.name, rps)
			}
		}
	}
	// The time that steps took to drain must fit twice: after the next step, and after the
	// soak.
	s := at(KindStairs, 90*time.Second-step-soak-recovery-2*time.Second, time.Second)
	s.validStairs = minStairs
	if s.afterStair(); s.kind != KindStairs {
		t.Error("two seconds to drain are enough")
	}
	s.spent += nano
	if s.afterStair(); s.kind != KindSoak {
		t.Error("less than two seconds to drain are not enough")
	}
	// Without a soak the reserve has none, and the recovery follows.
	s = at(KindStairs, 90*time.Second-step-recovery, 0)
	s.validStairs, s.config.Soak = minStairs, 0
	if s.afterStair(); s.kind != KindStairs {
		t.Errorf("without a soak: %s", s.kind)
	}
	s.spent += nano
	if s.afterStair(); s.kind != KindOverload || s.done {
		t.Errorf("without a soak it goes on to %s, done %v", s.kind, s.done)
	}
	// Nothing above what may be sent is soaked or asked for.
	s = at(KindStairs, 90*time.Second, 0)
	s.config.MaxRPS = 900
	if s.afterStair(); s.soaks.rps != 900 {
		t.Errorf("it soaks at %v where 900 may be sent", s.soaks.rps)
	}
}

// Overload needs a driver that can send 1.3 times the capacity, and a recovery after it.
func TestWhetherItIsOverloaded(t *testing.T) {
	for _, test := range []struct {
		name   string
		change func(*Search)
		done   bool
	}{
		{"no limit", func(*Search) {}, false},
		{"just so much may be sent", func(s *Search) { s.config.MaxRPS = 1300 }, false},
		{"less may be sent", func(s *Search) { s.config.MaxRPS = 1299 }, true},
		{"the ceiling held", func(s *Search) { s.ceilingRPS = 1000 }, true},
		{"no recovery", func(s *Search) { s.config.Recover = 0 }, true},
	} {
		s := at(KindSoak, 0, 0)
		test.change(s)
		if s.overload(); s.kind != KindOverload || s.done != test.done {
			t.Errorf("%s: %s, done %v", test.name, s.kind, s.done)
		}
		if step, more := s.Next(); more == test.done || more && math.Abs(step.RPS-1300) > 1e-9 {
			t.Errorf("%s: next %+v (%v)", test.name, step, more)
		}
	}
	s := at(KindRecover, 0, 0)
	if step, _ := s.Next(); math.Abs(step.RPS-700) > 1e-9 || step.Kind != KindRecover {
		t.Errorf("it recovers at %+v", step)
	}
}

// A soak that fails is followed by a lower one; a ceiling that fails its soak is none.
func TestBehindASoak(t *testing.T) {
	held, failed := slo.Step{Verdict: record.Verdict{Outcome: record.Held}}, slo.Step{Verdict: record.Verdict{Outcome: record.Failed}}
	soaking := func(ceiling float64) *Search {
		s := at(KindSoak, 0, 0)
		s.soaks, s.ceilingRPS = &Soaks{rps: 1000}, ceiling
		return s
	}
	s := soaking(0)
	if s.soaked(held); s.kind != KindOverload || s.done {
		t.Errorf("held: %s, done %v", s.kind, s.done)
	}
	s = soaking(0)
	if s.soaked(failed); s.kind != KindSoak || math.Abs(s.soaks.rps-930) > 1e-9 {
		t.Errorf("failed once: %s at %v", s.kind, s.soaks.rps)
	}
	if s.soaked(failed); s.kind != KindOverload {
		t.Errorf("failed twice: %s", s.kind)
	}
	s = soaking(1000)
	if s.soaked(held); !s.done {
		t.Error("a ceiling that held goes on")
	}
	s = soaking(1000)
	if s.soaked(failed); s.kind != KindStairs || s.ceilingRPS != 0 || math.Abs(s.stairs.RPS()-930) > 1e-9 || s.stairs.max != 1000 {
		t.Errorf("a ceiling that failed: %s from %v, ceiling %v", s.kind, s.stairs.RPS(), s.ceilingRPS)
	}
	// A driver that can't hold a soak is asked for four fifths.
	s = soaking(1000)
	s.Observe(Step{Kind: KindSoak, RPS: 1000}, slo.Step{Verdict: record.Verdict{Outcome: record.Saturated}}, 0)
	if !s.driverLimited || s.soaks.rps != 800 || s.ceilingRPS != 800 || s.kind != KindSoak {
		t.Errorf("the driver's end: limited %v, at %v, ceiling %v", s.driverLimited, s.soaks.rps, s.ceilingRPS)
	}
	s = soaking(0)
	s.Observe(Step{Kind: KindSoak, RPS: 1000}, slo.Step{Verdict: record.Verdict{Outcome: record.Invalid}}, 0)
	if s.driverLimited || s.soaks.rps != 1000 || s.kind != KindSoak {
		t.Errorf("an invalid soak: limited %v, at %v", s.driverLimited, s.soaks.rps)
	}
}

// The time that a step took counts, at least its own length. The longest time to drain is
// remembered.
func TestTimeSpent(t *testing.T) {
	s := at(KindStairs, 0, 0)
	step := Step{Kind: KindStairs, RPS: 1000, Duration: 3 * time.Second}
	for _, test := range []struct {
		took, spent, drained time.Duration
	}{{time.Second, 3 * time.Second, 0}, {3 * time.Second, 6 * time.Second, 0}, {5 * time.Second, 11 * time.Second, 2 * time.Second}, {4 * time.Second, 15 * time.Second, 2 * time.Second}} {
		s.Observe(step, came('c'), test.took)
		if s.spent != test.spent || s.drained != test.drained {
			t.Errorf("spent %v, drained %v; want %v and %v", s.spent, s.drained, test.spent, test.drained)
		}
	}
	if s.validStairs != 4 || s.heldRPS != 1000 || len(s.taken) != 4 || s.taken[0].Seconds != 3 || s.taken[0].RPS != 1000 || s.taken[0].Block != 1 {
		t.Errorf("%d steps, held %v, taken %+v", s.validStairs, s.heldRPS, s.taken)
	}
	s.Observe(step, came('s'), 0)
	if s.validStairs != 4 {
		t.Error("an invalid step counts")
	}
	s.Observe(Step{Kind: KindStairs, RPS: 900, Duration: time.Second}, came('c'), 0)
	if s.heldRPS != 1000 {
		t.Errorf("the highest that held is %v", s.heldRPS)
	}
}

// Eight steps in a row that say nothing end the search; an overload may say nothing.
func TestEightInvalidSteps(t *testing.T) {
	step := Step{Kind: KindStairs, RPS: 1000, Duration: time.Second}
	for came8, want := range map[string]bool{"sssssss": false, "ssssssss": true, "dddddddd": true, "sssssssc" + "sssssss": false, "sssssssf" + "s": false} {
		s := at(KindStairs, 0, 0)
		s.config.Total = time.Hour
		for _, letter := range came8 {
			s.Observe(step, came(letter), time.Second)
		}
		if s.done != want {
			t.Errorf("%s: done %v", came8, s.done)
		}
	}
	s := at(KindOverload, 0, 0)
	s.invalidInRow = maxInvalidInRow - 1
	if s.Observe(Step{Kind: KindOverload, RPS: 1300}, came('d'), 0); s.done || s.kind != KindRecover {
		t.Errorf("an overload that the driver could not send: done %v, %s", s.done, s.kind)
	}
	if s.Observe(Step{Kind: KindRecover, RPS: 700}, came('c'), 0); !s.done {
		t.Error("it goes on behind the recovery")
	}
}

// With fewer than four steps of a staircase there is a bound and no estimate, and the
// search says how much time it lacked.
func TestOnlyABound(t *testing.T) {
	s := at(KindStairs, 0, time.Second)
	s.config.Total = 10 * time.Hour
	s.heldRPS = 1000
	s.taken = []slo.Taken{{Name: record.RateStairs, Block: 1, Step: came('c')}, {Name: record.RateStairs, Block: 1, Step: came('f')}}
	for i := range s.taken {
		s.taken[i].RPS = 1000
	}
	s.validStairs = 2
	whole := slo.Of(s.taken)
	o := s.Outcome()
	if o.Known() || o.HighRPS != 0 || math.Abs(o.LowRPS-min(whole.LowRPS, 1000)) > 1e-9 || o.Missing != "the time was too short for a staircase" || o.Method != "" {
		t.Errorf("two steps: %+v", o.Capacity)
	}
	if want := 2*(3*time.Second+time.Second) + 30*time.Second; o.Needs != want { // two more steps, drained, and the soak
		t.Errorf("it needs %v more, want %v", o.Needs, want)
	}
	s.taken = append(s.taken, slo.Taken{Name: record.RateSoak, Block: 1, Step: came('h')})
	s.taken[2].RPS = 990
	if o = s.Outcome(); o.LowRPS != 990 {
		t.Errorf("with a soak of 990 that held: from %v", o.LowRPS)
	}
	s.validStairs = minStairs
	if o = s.Outcome(); !o.Known() || o.Needs != 0 {
		t.Errorf("with enough steps: %+v", o)
	}
	s.neededTime = time.Minute
	if o = s.Outcome(); o.Needs != time.Minute {
		t.Errorf("it needs %v", o.Needs)
	}
}

// The missing time is what the next step would take beyond the total. An overload asks for
// no more time.
func TestNeeds(t *testing.T) {
	for kind, want := range map[Kind]time.Duration{KindStairs: 3500 * time.Millisecond, KindOverload: 0, KindRecover: 0} {
		s := at(kind, 89*time.Second, 1500*time.Millisecond) // 1 s is left, and a step of 3 s drains for 1.5
		if step, more := s.Next(); more || !s.done || s.neededTime != want {
			t.Errorf("%s: next %+v (%v), needs %v, want %v", kind, step, more, s.neededTime, want)
		}
		if _, more := s.Next(); more {
			t.Errorf("%s: it goes on", kind)
		}
	}
	s := at(KindStairs, 0, 0)
	s.heldRPS = 950
	if step, more := s.Next(); !more || step != (Step{Kind: KindStairs, RPS: 1000, Duration: 3 * time.Second, HeldRPS: 950}) {
		t.Errorf("%+v (%v)", step, more)
	}
}

// The bracket's patience ends where an SLO allows a second.
func TestPatience(t *testing.T) {
	for latency, want := range map[time.Duration]bool{time.Second - nano: true, time.Second: false} {
		c := config()
		c.Latency = latency
		if got := New(c).bracket.RetriesFailed; got != want {
			t.Errorf("%v: patient %v", latency, got)
		}
	}
}
