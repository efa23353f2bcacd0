// SPDX-License-Identifier: Apache-2.0

package search

import (
	"math"
	"slices"
	"testing"

	"headroom/harness/record"
	"headroom/harness/slo"
)

// came is a step with a result: c(lean), h(eld with some bad requests), f(ailed), s for an
// invalid step, or d when the driver could not send more.
func came(letter rune) slo.Step {
	var s slo.Step
	switch letter {
	case 'c':
		s.Counts = []record.Count{{Condition: "p99<50ms", Of: 1000, Allowed: 0.01}}
	case 'h':
		s.Counts = []record.Count{{Condition: "p99<50ms", Bad: 3, Of: 1000, Allowed: 0.01}}
	case 'f':
		s.Counts = []record.Count{{Condition: "p99<50ms", Bad: 900, Of: 1000, Allowed: 0.01}}
	case 's':
		s.Outcome = record.Invalid
		return s
	case 'd':
		s.Outcome = record.Saturated
		return s
	}
	return slo.Decide(s)
}

// Each rate that a bracket asks for, by the results of the steps before.
func TestBracketSteps(t *testing.T) {
	for _, test := range []struct {
		name       string
		start, max float64
		guess      float64
		hasty      bool // not patient
		came       string
		want       []float64
		done       bool
		middle     float64
	}{
		{"nothing is bad: by four up to four times the start", 20, 0, 0, false, "ccc", []float64{20, 80, 160, 320}, false, 160},
		{"something is bad: by two", 20, 0, 0, false, "hh", []float64{20, 40, 80}, false, 40},
		{"hasty: by two", 20, 0, 0, true, "cc", []float64{20, 40, 80}, false, 40},
		{"near a guess", 20, 0, 400, false, "ccc", []float64{20, 200, 300, 450}, false, 300},
		{"a guess that is passed", 20, 0, 30, false, "cc", []float64{20, 30, 45}, false, 30},
		{"a failure is asked for again", 20, 0, 0, false, "hff", []float64{20, 40, 40, 40}, true, math.Sqrt(20 * 40)},
		{"a failure that was none", 20, 0, 0, false, "hfhff", []float64{20, 40, 40, 80, 80, 80}, true, math.Sqrt(40 * 80)},
		{"hasty, a failure is believed", 20, 0, 0, true, "hf", []float64{20, 40, 40}, true, math.Sqrt(20 * 40)},
		{"the first fails: down by four", 20, 0, 0, false, "ffh", []float64{20, 5, 1.25, 1.25}, true, math.Sqrt(1.25 * 5)},
		{"and ends at the lowest", 20, 0, 0, false, "fff", []float64{20, 5, 1.25, 1}, false, 0},
		{"where it fails too", 20, 0, 0, false, "ffff", []float64{20, 5, 1.25, 1, 1}, true, 0},
		{"up to the highest", 20, 100, 0, false, "cc", []float64{20, 80, 100}, false, 80},
		{"which holds", 20, 100, 0, false, "ccc", []float64{20, 80, 100, 100}, true, 100},
		{"or fails", 20, 100, 0, false, "ccff", []float64{20, 80, 100, 100, 100}, true, math.Sqrt(80 * 100)},
		{"a start above the highest", 20, 10, 0, false, "", []float64{10}, false, 0},
		{"a start below the lowest", 0.5, 0, 0, false, "", []float64{1}, false, 0},
		{"seven invalid", 20, 0, 0, false, "sssssss", slices.Repeat([]float64{20}, 8), false, 0},
		{"eight invalid", 20, 0, 0, false, "ssssssss", slices.Repeat([]float64{20}, 9), true, 0},
		{"not in a row", 20, 0, 0, false, "sssssssc" + "sssssss", append(slices.Repeat([]float64{20}, 8), slices.Repeat([]float64{80}, 8)...), false, 20},
		{"the driver's end, once", 20, 0, 0, false, "cd", []float64{20, 80, 80}, false, 20},
		{"the driver's end, twice", 20, 0, 0, false, "cdd", []float64{20, 80, 80, 80}, true, 20},
		{"not twice in a row", 20, 0, 0, false, "cdcd", []float64{20, 80, 80, 160, 160}, false, 80},
	} {
		b := NewBracket(test.start, 1, test.max)
		b.RetriesFailed = !test.hasty
		b.Guess(test.guess)
		rps, more := b.RPS()
		got := []float64{rps}
		for _, letter := range test.came {
			b.Observe(came(letter))
			rps, more = b.RPS()
			got = append(got, rps)
		}
		if !slices.Equal(got, test.want) || more == test.done || math.Abs(b.Middle()-test.middle) > 1e-9 {
			t.Errorf("%s: %v, more %v, middle %v; want %v, done %v, middle %v", test.name, got, more, b.Middle(), test.want, test.done, test.middle)
		}
	}
}

// How a bracket ended.
func TestBracketEnds(t *testing.T) {
	for came, want := range map[string]struct{ belowMin, atMax, limited, unmeasurable bool }{
		"cc":       {},
		"ccc":      {atMax: true},
		"ffff":     {belowMin: true},
		"ccff":     {},
		"cdd":      {limited: true},
		"dd":       {limited: true, unmeasurable: true},
		"ssssssss": {unmeasurable: true},
		"fsssssss": {}, // one short
	} {
		b := NewBracket(20, 1, 100)
		feed(b, came)
		if b.BelowMin() != want.belowMin || b.AtMax() != want.atMax || b.DriverLimited != want.limited || b.Unmeasurable != want.unmeasurable {
			t.Errorf("%s: below the lowest %v, at the highest %v, the driver's end %v, not measurable %v", came, b.BelowMin(), b.AtMax(), b.DriverLimited, b.Unmeasurable)
		}
	}
	b := NewBracket(20, 1, 0) // without a highest rate there is none to be at
	feed(b, "ccffff")
	if b.AtMax() {
		t.Error("it is at a highest rate that there is not")
	}
}

func feed(b *Bracket, outcomes string) {
	for _, letter := range outcomes {
		b.Observe(came(letter))
	}
}

// A step that fails by no more than chance explains counts as one that held.
func TestBracketBelievesNoChance(t *testing.T) {
	b := NewBracket(20, 1, 0)
	b.Observe(slo.Decide(slo.Step{Verdict: record.Verdict{Counts: []record.Count{{Condition: "p99<50ms", Bad: 12, Of: 1000, Allowed: 0.01}}}}))
	if rps, more := b.RPS(); rps != 40 || !more {
		t.Errorf("12 bad where 10 may be: next %v (%v), want 40", rps, more)
	}
}

// Four alike in a row take large steps; where a step down is larger, as many more up
// are waited for.
func TestStaircaseTakesLargeSteps(t *testing.T) {
	rare := func(bad int64) slo.Step { return stepOf(0, bad, 100, 0.0001) } // a step down is 4 up
	for _, test := range []struct {
		name  string
		steps string // u: one that held, d: one that failed
		rare  bool
		want  []float64 // moves of ln(rate)
	}{
		{"up, down, and then up", "uduuuuu", false, []float64{0.12, -0.05, 0.05, 0.05, 0.05, 0.12, 0.12}},
		{"down from the first", "dddu", false, []float64{-0.12, -0.12, -0.12, 0.05}},
		{"three down are near", "udddd", false, []float64{0.12, -0.05, -0.05, -0.05, -0.12}},
		{"rare ones: down by four, and eight up", "duuuuuuuuu", true, []float64{-0.2, 0.05, 0.05, 0.05, 0.05, 0.05, 0.05, 0.05, 0.12, 0.12}},
		{"rare ones, four down in a row", "udddd", true, []float64{0.12, -0.2, -0.2, -0.2, -0.2}},
	} {
		s, logs := NewStaircase(100, 0), 0.0
		for i, letter := range test.steps {
			step := came('c')
			switch {
			case letter == 'd' && test.rare:
				step = rare(100)
			case letter == 'd':
				step = came('f')
			}
			s.Observe(step)
			logs += test.want[i]
			if got := math.Log(s.RPS() / 100); math.Abs(got-logs) > 1e-9 {
				t.Errorf("%s: after %d steps ln(rate) moved by %v, want %v", test.name, i+1, got, logs)
				break
			}
		}
	}
	if got := downWeight(stepOf(1, 250, 250, 0.01)); math.Abs(got/(0.543813/0.456187)-1) > 1e-4 { // P[2 or fewer | 2.5]
		t.Errorf("2.5 may be: weight %v", got)
	}
	if got := downWeight(slo.Step{}); got != 1 {
		t.Errorf("without counts the weight is %v", got)
	}
}

// Two take turns AB BA BA AB; a block moves each staircase by up to half a step.
func TestTurnsOfABlock(t *testing.T) {
	var turns string
	pair := []string{"A", "B"}
	for turn := range 8 {
		order := InTurns(pair, turn)
		turns += order[0] + order[1] + " "
	}
	if turns != "AB BA BA AB AB BA BA AB " || pair[0] != "A" {
		t.Errorf("turns %s of %v", turns, pair)
	}
	climb := Staircases[string]{"A": NewStaircase(100, 0), "B": NewStaircase(100, 101)}
	coins := []float64{0, 1}
	var asked []string
	err := climb.Block(pair, 3, func() float64 {
		coin := coins[0]
		coins = coins[1:]
		return coin
	}, func(k string, s *Staircase) error {
		asked = append(asked, k)
		return nil
	})
	if err != nil || !slices.Equal(asked, []string{"A", "B", "B", "A", "B", "A"}) || len(coins) != 0 {
		t.Errorf("asked %v, %d coins left, %v", asked, len(coins), err)
	}
	if a, b := climb["A"].RPS(), climb["B"].RPS(); math.Abs(a-100*math.Exp(-0.025)) > 1e-9 || b != 101 {
		t.Errorf("they begin at %v and %v", a, b)
	}
	asked = nil
	err = climb.Block(pair, 3, func() float64 { return 0.5 }, func(k string, s *Staircase) error {
		asked = append(asked, k)
		return errStop
	})
	if err != errStop || len(asked) != 1 {
		t.Errorf("after an error it asked %v: %v", asked, err)
	}
}

type stop string

func (s stop) Error() string { return string(s) }

const errStop = stop("stop")

// A soak that fails is followed by one more, 7% below.
func TestSoaksFollow(t *testing.T) {
	for came, want := range map[string]struct {
		rps  float64
		more bool
	}{"": {93, true}, "s": {93, true}, "h": {93, false}, "f": {93 * 0.93, true}, "fs": {93 * 0.93, true}, "fh": {93 * 0.93, false}, "ff": {93 * 0.93 * 0.93, false}} {
		s := NewSoaks(100)
		for _, letter := range came {
			s.Observe(map[rune]record.Outcome{'s': record.Invalid, 'h': record.Held, 'f': record.Failed}[letter])
		}
		if rps, more := s.RPS(); math.Abs(rps-want.rps) > 1e-9 || more != want.more {
			t.Errorf("%q: %v, more %v; want %v, %v", came, rps, more, want.rps, want.more)
		}
	}
}
