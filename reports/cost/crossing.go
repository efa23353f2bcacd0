// SPDX-License-Identifier: Apache-2.0

package cost

import (
	"math"
	"slices"
)

// Crossing says at how many users the dearer of two offers becomes the cheaper
// one. Both are bought in whole copies, so the two can change places many times.
type Crossing struct {
	First float64 // the smallest number of users at which dear costs less; 0: none
	// ForGood is the number from which on dear costs less at every number of users;
	// 0: there is none, or not within Compared.
	ForGood float64
	// Compared is up to how many users the two were compared; 0: as far as it takes to
	// know for all numbers.
	Compared float64
}

// maxSteps is how many steps of both offers are looked at.
const maxSteps = 100_000

// BreakEven finds where dear, whose copy costs no less than cheap's, costs less
// in total; false when one of the two is not known.
func BreakEven(cheap, dear Offer) (Crossing, bool) {
	if !cheap.Known() || !dear.Known() || dear.CopyUSD < cheap.CopyUSD {
		return Crossing{}, false
	}
	p := pair{cheap, dear}
	decidedBeyond := p.decidedBeyond()
	limit := math.Floor(maxSteps / (1/cheap.CopyUsers + 1/dear.CopyUsers))
	var c Crossing
	if decidedBeyond > limit {
		decidedBeyond, c.Compared = limit, limit
	}
	for _, s := range p.stretches(decidedBeyond) {
		at, ok := p.firstBelow(s)
		if ok {
			c.First = at
			break
		}
	}
	if c.First > 0 && c.Compared == 0 && dear.perUserInBulk() < cheap.perUserInBulk() {
		c.ForGood = 1
		for _, s := range slices.Backward(p.stretches(decidedBeyond)) {
			if last, ok := p.lastNotBelow(s); ok {
				c.ForGood = last + 1
				break
			}
		}
	}
	return c, true
}

// perUserInBulk is what a user costs when all copies are full.
func (o Offer) perUserInBulk() float64 { return o.CopyUSD/o.CopyUsers + o.UserUSD }

type pair struct{ cheap, dear Offer }

// decidedBeyond is a number of users beyond which one of the two is always the cheaper:
// there even one copy too many costs less than the difference in bulk. +Inf when users
// cost the same in bulk.
func (p pair) decidedBeyond() float64 {
	cheap, dear := p.cheap.perUserInBulk(), p.dear.perUserInBulk()
	switch {
	case dear < cheap:
		return math.Ceil(p.dear.CopyUSD/(cheap-dear)) + 1
	case cheap < dear:
		return math.Ceil(p.cheap.CopyUSD/(dear-cheap)) + 1
	}
	return math.Inf(1)
}

// stretch is a range of users in which neither offer adds a copy.
type stretch struct{ from, to float64 }

// stretches lists them in order, from one user to at least upTo.
func (p pair) stretches(upTo float64) []stretch {
	ends := []float64{}
	for _, o := range []Offer{p.cheap, p.dear} {
		for copies := 1; ; copies++ {
			last := o.lastOf(copies)
			if last >= 1 {
				ends = append(ends, last)
			}
			if last >= upTo {
				break
			}
		}
	}
	slices.Sort(ends)
	var all []stretch
	from := 1.0
	for _, end := range slices.Compact(ends) {
		all = append(all, stretch{from, end})
		from = end + 1
		if end >= upTo {
			break
		}
	}
	return all
}

// below says that dear costs less for so many users, by more than the rounding
// of sums.
func (p pair) below(users float64) bool {
	cheap := p.cheap.MonthlyUSD(users)
	return p.dear.MonthlyUSD(users) < cheap-1e-12*cheap
}

// firstBelow finds the smallest number of users in a stretch at which dear
// costs less. Within it only the metered part grows, so the two cross once at
// most.
func (p pair) firstBelow(s stretch) (float64, bool) {
	switch {
	case p.below(s.from):
		return s.from, true
	case !p.below(s.to):
		return 0, false
	}
	return p.turn(s), true
}

// lastNotBelow finds the largest number of users in a stretch at which dear
// does not cost less.
func (p pair) lastNotBelow(s stretch) (float64, bool) {
	switch {
	case !p.below(s.to):
		return s.to, true
	case p.below(s.from):
		return 0, false
	}
	return p.turn(s) - 1, true
}

// turn is the smallest number of users in a stretch at which dear costs less. Dear does
// not cost less at the stretch's start, and does at its end.
func (p pair) turn(s stretch) float64 {
	low, high := s.from, s.to
	for high-low > 1 {
		if middle := math.Floor((low + high) / 2); p.below(middle) {
			high = middle
		} else {
			low = middle
		}
	}
	return high
}
