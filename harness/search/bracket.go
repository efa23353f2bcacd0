// SPDX-License-Identifier: Apache-2.0

package search

import (
	"math"

	"headroom/harness/record"
	"headroom/harness/slo"
)

// Bracket finds the neighbourhood of a capacity with short steps. The rate grows from
// a low rate, or from a guess, until a step fails. No result of a bracket is published.
type Bracket struct {
	rps, low, high float64 // of the next step, the highest that held, the lowest that failed
	min, max       float64
	guess          float64
	start          float64
	retriedRPS     float64 // a rate that failed once
	saturatedInRow int     // in a row
	invalidInRow   int     // in a row
	done           bool
	DriverLimited  bool // the driver had no more to give, twice
	Unmeasurable   bool // nothing could be measured
	// RetriesFailed repeats a failed step once if a lower rate held, and grows by larger
	// steps at first.
	RetriesFailed bool
}

const (
	growFactor        = 2.0
	guessBelow        = 0.5 // of the guess: where growing from it starts
	growNearGuess     = 1.5 // from one step to the next there
	maxInvalidInRow   = 8   // in a row: then nothing can be measured here
	maxSaturatedInRow = 2   // in a row: then the driver is the limit
)

// NewBracket begins at startRPS and stays between minRPS and maxRPS; a maxRPS of 0 is
// no maximum.
func NewBracket(startRPS, minRPS, maxRPS float64) *Bracket {
	b := &Bracket{start: startRPS, min: minRPS, max: maxRPS, RetriesFailed: true}
	b.rps = b.within(startRPS)
	return b
}

func (b *Bracket) within(rps float64) float64 {
	if b.max > 0 {
		rps = min(rps, b.max)
	}
	return max(rps, b.min)
}

// Guess sets where the capacity is thought to be.
func (b *Bracket) Guess(rps float64) { b.guess = rps }

// RPS is the rate of the next step, false when there is none.
func (b *Bracket) RPS() (float64, bool) { return b.rps, !b.done }

// Observe updates the bracket with the result of a step at RPS. Where a lower rate
// held, one failed short step does not count: the step may have met a checkpoint.
func (b *Bracket) Observe(step slo.Step) {
	switch step.Outcome {
	case record.Invalid:
		b.invalidInRow++
		b.Unmeasurable = b.invalidInRow >= maxInvalidInRow
		b.done = b.Unmeasurable
		return
	case record.Saturated:
		b.saturatedInRow++
		if b.saturatedInRow >= maxSaturatedInRow {
			b.DriverLimited, b.done = true, true
			b.Unmeasurable = b.low == 0
		}
		return
	}
	b.invalidInRow, b.saturatedInRow = 0, 0
	switch {
	case !slo.FailsSignificantly(step):
		b.low = max(b.low, b.rps)
	case b.low > 0 && b.RetriesFailed && b.retriedRPS != b.rps:
		b.retriedRPS = b.rps
		return
	default:
		b.high = b.rps
	}
	b.next(step)
}

func (b *Bracket) next(step slo.Step) {
	switch {
	case b.low > 0 && b.high > 0, b.low > 0 && b.low == b.max, b.high > 0 && b.rps <= b.min:
		b.done = true
	case b.low > 0:
		b.rps = b.within(b.faster(step))
	default:
		b.rps = b.within(b.rps / (growFactor * growFactor))
	}
}

// faster is the next rate while growing. Steps are small near the guess, and large
// while no request at all is bad.
func (b *Bracket) faster(step slo.Step) float64 {
	switch {
	case b.guess > 0:
		return max(b.rps*growNearGuess, b.guess*guessBelow)
	case b.RetriesFailed && clean(step) && b.rps < b.start*growFactor*growFactor:
		return b.rps * growFactor * growFactor
	}
	return b.rps * growFactor
}

func clean(step slo.Step) bool {
	for _, c := range step.Counts {
		if c.Bad > 0 {
			return false
		}
	}
	return true
}

// Middle is where a staircase begins: between what held and what failed. It is
// 0 where nothing held.
func (b *Bracket) Middle() float64 {
	switch {
	case b.low == 0:
		return 0
	case b.high == 0:
		return b.low
	}
	return math.Sqrt(b.low * b.high)
}

// BelowMin says that even the lowest rate failed.
func (b *Bracket) BelowMin() bool { return b.done && !b.Unmeasurable && b.low == 0 && b.high > 0 }

// AtMax says that the highest rate allowed held.
func (b *Bracket) AtMax() bool { return b.done && b.max > 0 && b.low == b.max }
