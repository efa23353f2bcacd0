package search

import (
	"math"
	"slices"

	"headroom/harness/record"
	"headroom/harness/slo"
)

// Sizes of a staircase's steps, in ln(rate): large until both outcomes were
// seen.
const (
	stairFar  = 0.12
	stairNear = 0.05
	// manyAlike outcomes in a row say that the way is still long: a first step
	// may have come out by chance.
	manyAlike = 4
)

// Staircase is an up-and-down search (Dixon and Mood, 1948): a little more
// after a step that held, a little less after one that failed. It comes to hover
// about the rate that a system holds in half of the steps. It never ends and
// needs no memory, so several of them can take turns for as long as there is
// time.
type Staircase struct {
	rps    float64
	max    float64 // 0: no limit
	last   record.Outcome
	alike  int  // outcomes in a row that were the same
	passed bool // both outcomes were seen
	// DriverLimited says that the driver had no more to give at a rate that the
	// staircase asked for. It goes no higher then.
	DriverLimited bool
}

// NewStaircase begins at a rate and never asks for more than maxRPS, 0 for no
// limit.
func NewStaircase(rps, maxRPS float64) *Staircase {
	s := &Staircase{rps: rps, max: maxRPS}
	s.bound()
	return s
}

// RPS is the rate of the next step.
func (s *Staircase) RPS() float64 { return s.rps }

// Feed takes what came of a step at RPS. A step that says nothing of the system
// is to be asked for again.
func (s *Staircase) Feed(step slo.Step) {
	switch step.Outcome {
	case record.Held, record.Failed:
	case record.Saturated:
		s.DriverLimited = true
		s.max = s.rps * math.Exp(-stairNear)
		s.bound()
		return
	default:
		return
	}
	s.passed = s.passed || s.last != "" && step.Outcome != s.last
	if s.alike++; step.Outcome != s.last {
		s.alike = 1
	}
	s.last = step.Outcome
	size := stairFar
	if s.passed && s.alike < manyAlike {
		size = stairNear
	}
	if step.Outcome == record.Failed {
		size = -size
	}
	s.rps *= math.Exp(size)
	s.bound()
}

// shift moves the staircase by a share of its step, -0.5 to 0.5. Else all the
// rates that the staircase ever visits lie on one lattice, and what lies between
// two of its rungs is never seen.
func (s *Staircase) shift(share float64) {
	s.rps *= math.Exp(stairNear * share)
	s.bound()
}

func (s *Staircase) bound() {
	if s.max > 0 {
		s.rps = min(s.rps, s.max)
	}
}

// InTurns is the order in which two staircases, or the slices of two variants,
// come in a turn: AB BA BA AB, so that what drifts meets both alike.
func InTurns[T any](pair []T, turn int) []T {
	order := slices.Clone(pair)
	if (turn+1)/2%2 == 1 {
		slices.Reverse(order)
	}
	return order
}
