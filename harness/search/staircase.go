// SPDX-License-Identifier: Apache-2.0

package search

import (
	"math"
	"slices"

	"gonum.org/v1/gonum/stat/distuv"

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
	mostAlike = 8 // so many say so whatever is to be expected
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
	alike  int     // outcomes in a row that were the same
	passed bool    // both outcomes were seen
	down   float64 // how much larger a step down is than one up, by the last that failed
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
	size, many := 1.0, float64(manyAlike)
	if step.Outcome == record.Failed {
		s.down = weight(step)
		size = -s.down
	} else {
		many *= max(s.down, 1) // so many more steps up than down are to be expected
	}
	if s.passed && float64(s.alike) < min(many, mostAlike) {
		size *= stairNear
	} else {
		size = math.Copysign(max(stairFar, stairNear*-size), size)
	}
	s.rps *= math.Exp(size)
	s.bound()
}

const (
	// fewAllowed bad requests in a step: from so many on a step that just keeps to
	// its share holds about as often as not.
	fewAllowed = 3
	mostWeight = 4
)

// weight is how much larger a step down is than a step up (weighted up-down: Kaernbach,
// 1991). A staircase hovers where the steps up and down cancel. Where a step may
// have a quarter of a bad request, a step at just that share holds in 78 of 100,
// and equal steps up and down would hover at nearly three times the allowed share.
func weight(failed slo.Step) float64 {
	c := slo.Nearest(failed.Counts)
	allowed := float64(c.Of) * c.Allowed
	if c.Of <= 1 || allowed <= 0 || allowed >= fewAllowed {
		return 1
	}
	held := distuv.Poisson{Lambda: allowed}.CDF(math.Floor(allowed + 1e-6)) // 1 - 0.9 is a little less than 0.1
	return min(max(held/(1-held), 1), mostWeight)
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
