// SPDX-License-Identifier: Apache-2.0

package search

import (
	"math"
	"slices"

	"gonum.org/v1/gonum/stat/distuv"

	"headroom/harness/record"
	"headroom/harness/slo"
)

// Sizes of a staircase's steps, in ln(rate). Steps are coarse until both outcomes were
// seen.
const (
	coarseStep = 0.12
	fineStep   = 0.05
	// After longStreak equal outcomes in a row the steps are coarse again: the rate is
	// still far from the capacity, and the one other outcome came by chance.
	longStreak = 4
	maxStreak  = 8 // the most that a long streak needs, however unequal the steps
)

// Staircase is an up-and-down search (Dixon and Mood, 1948): the rate rises a little
// after a step that held, and falls a little after a step that failed. So the rate
// hovers about the rate that a system holds in half of the steps. A staircase never
// ends and needs no memory, so several staircases can take turns for as long as there
// is time.
type Staircase struct {
	rps        float64
	max        float64 // 0: no limit
	last       record.Outcome
	streak     int     // outcomes in a row that were the same
	bothSeen   bool    // both outcomes were seen
	downWeight float64 // how much larger a step down is than a step up, by the last failed step
	// DriverLimited says that the driver could not send a rate that the staircase
	// asked for. The staircase goes no higher then.
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

// Observe updates the rate with the result of a step at RPS. After an invalid step the
// rate stays, so that the caller repeats the step.
func (s *Staircase) Observe(step slo.Step) {
	switch step.Outcome {
	case record.Held, record.Failed:
	case record.Saturated:
		s.DriverLimited = true
		s.max = s.rps * math.Exp(-fineStep)
		s.bound()
		return
	default:
		return
	}
	s.bothSeen = s.bothSeen || s.last != "" && step.Outcome != s.last
	if s.streak++; step.Outcome != s.last {
		s.streak = 1
	}
	s.last = step.Outcome
	size, many := 1.0, float64(longStreak)
	if step.Outcome == record.Failed {
		s.downWeight = downWeight(step)
		size = -s.downWeight
	} else {
		many *= max(s.downWeight, 1) // so many more steps up than down are to be expected
	}
	if s.bothSeen && float64(s.streak) < min(many, maxStreak) {
		size *= fineStep
	} else {
		size = math.Copysign(max(coarseStep, fineStep*-size), size)
	}
	s.rps *= math.Exp(size)
	s.bound()
}

const (
	// When a step may have at least balancedAllowed bad requests, a step at exactly the
	// allowed share holds about as often as it fails.
	balancedAllowed = 3
	maxDownWeight   = 4
)

// downWeight is how much larger a step down is than a step up (weighted up-down:
// Kaernbach, 1991). A staircase hovers where the steps up and down cancel. If a step
// may have a quarter of a bad request, a step at exactly the allowed share holds in 78
// of 100 cases. Equal steps up and down would then hover at nearly three times the
// allowed share.
func downWeight(failed slo.Step) float64 {
	c := slo.Nearest(failed.Counts)
	allowed := float64(c.Of) * c.Allowed
	if c.Of <= 1 || allowed <= 0 || allowed >= balancedAllowed {
		return 1
	}
	held := distuv.Poisson{Lambda: allowed}.CDF(math.Floor(allowed + 1e-6)) // 1 - 0.9 is a little less than 0.1
	return min(max(held/(1-held), 1), maxDownWeight)
}

// shift moves the staircase by a share of its step, -0.5 to 0.5. Without shift all
// rates of a staircase lie on one lattice, and no rate between two lattice points is
// ever tried.
func (s *Staircase) shift(share float64) {
	s.rps *= math.Exp(fineStep * share)
	s.bound()
}

func (s *Staircase) bound() {
	if s.max > 0 {
		s.rps = min(s.rps, s.max)
	}
}

// InTurns is the order of two staircases, or of the slices of two variants, in a turn:
// AB BA BA AB. So drift meets both alike.
func InTurns[T any](pair []T, turn int) []T {
	order := slices.Clone(pair)
	if (turn+1)/2%2 == 1 {
		slices.Reverse(order)
	}
	return order
}
