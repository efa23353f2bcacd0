// SPDX-License-Identifier: Apache-2.0

package search

import "headroom/harness/record"

// Climb is the staircases of the systems that are compared. They go on from block
// to block.
type Climb[K comparable] map[K]*Staircase

// Clone is the staircases as they stand: what they are fed from now on does not
// change it.
func (c Climb[K]) Clone() Climb[K] {
	if c == nil {
		return nil
	}
	out := make(Climb[K], len(c))
	for k, stairs := range c {
		copied := *stairs
		out[k] = &copied
	}
	return out
}

// Block takes so many turns of a block: in each turn step measures every system
// once, at the rate of its staircase, and feeds the staircase. Coin draws from 0
// to 1.
func (c Climb[K]) Block(order []K, turns int, coin func() float64, step func(K, *Staircase) error) error {
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

// Soaks are the rates at which a system is soaked: SoakAt of its capacity, and
// after a failure SoakAt of that.
type Soaks struct {
	rps    float64
	failed int
	held   bool
}

// NewSoaks begins just below a capacity.
func NewSoaks(capacityRPS float64) *Soaks { return &Soaks{rps: capacityRPS * SoakAt} }

// RPS is the rate of the next soak, false when there is none.
func (s *Soaks) RPS() (float64, bool) { return s.rps, !s.held && s.failed < mostSoaks }

// Feed takes what came of a soak at RPS. A soak that says nothing of the system is
// to be asked for again.
func (s *Soaks) Feed(outcome record.Outcome) {
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
