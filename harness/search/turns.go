// SPDX-License-Identifier: Apache-2.0

package search

import "headroom/harness/record"

// Staircases holds a staircase for each of the compared systems. The staircases go on
// from block to block.
type Staircases[K comparable] map[K]*Staircase

// Clone returns a copy that later observations do not change.
func (c Staircases[K]) Clone() Staircases[K] {
	if c == nil {
		return nil
	}
	out := make(Staircases[K], len(c))
	for k, stairs := range c {
		copied := *stairs
		out[k] = &copied
	}
	return out
}

// Block takes the turns of a block. In each turn step measures every system once, at
// the rate of the system's staircase, and lets the staircase observe the result. coin
// draws from 0 to 1.
func (c Staircases[K]) Block(order []K, turns int, coin func() float64, step func(K, *Staircase) error) error {
	for _, k := range order {
		c[k].shift(coin() - 0.5)
	}
	for turn := range turns {
		for _, k := range InTurns(order, turn) {
			if err := step(k, c[k]); err != nil {
				return err
			}
		}
	}
	return nil
}

// Soaks holds the rate at which a system is soaked: SoakAt of its capacity, and after
// a failure SoakAt of the failed rate.
type Soaks struct {
	rps    float64
	failed int
	held   bool
}

// NewSoaks begins just below a capacity.
func NewSoaks(capacityRPS float64) *Soaks { return &Soaks{rps: capacityRPS * SoakAt} }

// RPS is the rate of the next soak, false when there is none.
func (s *Soaks) RPS() (float64, bool) { return s.rps, !s.held && s.failed < maxSoaks }

// Observe updates the rate with the outcome of a soak at RPS. After an invalid soak the
// rate stays, so that the caller repeats the soak.
func (s *Soaks) Observe(outcome record.Outcome) {
	switch outcome {
	case record.Held:
		s.held = true
	case record.Failed:
		s.Lower()
	}
}

// Lower goes on to the next rate, as after a failure.
func (s *Soaks) Lower() {
	s.failed++
	s.rps *= SoakAt
}
