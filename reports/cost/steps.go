// SPDX-License-Identifier: Apache-2.0

package cost

import (
	"math"
	"slices"
)

// Offer is a variant as something to buy: whole copies, each with a price and
// room for so many users, and what every user costs besides.
type Offer struct {
	CopyUSD   float64 // a month
	CopyUsers float64 // at the SLO; 0: not known
	UserUSD   float64 // a month, metered: egress
}

// Known says whether a price by users can be told.
func (o Offer) Known() bool { return o.CopyUsers > 0 && !math.IsInf(o.CopyUsers, 0) }

// Copies is how many whole copies so many users need, at least one.
func (o Offer) Copies(users float64) float64 { return max(1, math.Ceil(users/o.CopyUsers)) }

// MonthlyUSD is the price of so many users.
func (o Offer) MonthlyUSD(users float64) float64 {
	return o.Copies(users)*o.CopyUSD + users*o.UserUSD
}

// PerUserUSD is each user's share of it.
func (o Offer) PerUserUSD(users float64) float64 { return o.MonthlyUSD(users) / users }

// lastOf is the largest number of users that so many copies carry.
func (o Offer) lastOf(copies int) float64 { return math.Floor(float64(copies) * o.CopyUsers) }

// Bounds of the curves below.
const (
	drawnCopies     = 24 // steps that a curve shows exactly
	pointsPerDecade = 12
	emptiestShare   = 0.1 // a curve begins where the smaller copy is this full
	fullestCopies   = 6   // and ends at so many copies of the larger
)

// CurveUsers are the numbers of users at which the curves of several offers
// are to be drawn: spread evenly on a logarithmic axis, and both sides of
// every step, so that a step stands upright. It is nil when no offer is known.
func CurveUsers(offers ...Offer) []float64 {
	smallest, largest := math.Inf(1), 0.0
	for _, o := range offers {
		if o.Known() {
			smallest, largest = min(smallest, o.CopyUsers), max(largest, o.CopyUsers)
		}
	}
	if largest == 0 {
		return nil
	}
	from, to := max(1, math.Floor(smallest*emptiestShare)), math.Ceil(largest*fullestCopies)
	users := []float64{from, to}
	for i := 1; ; i++ {
		at := math.Round(from * math.Pow(10, float64(i)/pointsPerDecade))
		if at >= to {
			break
		}
		users = append(users, at)
	}
	for _, o := range offers {
		for copies := 1; o.Known() && copies <= drawnCopies; copies++ {
			if last := o.lastOf(copies); last >= from && last < to {
				users = append(users, last, last+1)
			}
		}
	}
	slices.Sort(users)
	return slices.Compact(users)
}
