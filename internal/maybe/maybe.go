// SPDX-License-Identifier: Apache-2.0

// Package maybe holds the type of a figure that could not always be read.
package maybe

import (
	"encoding/json"
	"math"
	"strconv"
)

// Number is a figure, or none: the zero Number is not known. A figure that was
// read as 0 is known, and is 0. Counts of bytes are exact up to 2^53.
//
// In JSON a Number is a number. A field of the type carries omitzero, so that a
// figure that is not known has no key; null is read as not known too.
type Number struct {
	value float64
	known bool
}

// Of is a known figure. NaN and infinity are no figures: they are not known.
func Of(value float64) Number {
	if math.IsNaN(value) || math.IsInf(value, 0) {
		return Number{}
	}
	return Number{value, true}
}

// Get returns the figure, and whether it is known; 0 when it is not.
func (n Number) Get() (value float64, known bool) { return n.value, n.known }

// Known says whether the figure is known.
func (n Number) Known() bool { return n.known }

// OrNaN returns the figure, or NaN. Everything that is computed with NaN is NaN, and
// no comparison with NaN holds, so nothing is concluded from an unknown figure.
func (n Number) OrNaN() float64 {
	if !n.known {
		return math.NaN()
	}
	return n.value
}

// Plus is the sum, which is known when both figures are.
func (n Number) Plus(other Number) Number { return Of(n.OrNaN() + other.OrNaN()) }

// Times is the figure times a factor.
func (n Number) Times(factor float64) Number { return Of(n.OrNaN() * factor) }

// Over is the figure by a divisor; by 0 it is not known.
func (n Number) Over(divisor float64) Number { return Of(n.OrNaN() / divisor) }

// NotKnown is what stands in place of a figure that is not known.
const NotKnown = "not known"

// String is the figure with all its digits, or NotKnown.
func (n Number) String() string {
	if !n.known {
		return NotKnown
	}
	return strconv.FormatFloat(n.value, 'f', -1, 64)
}

// MarshalJSON writes the figure, null when it is not known.
func (n Number) MarshalJSON() ([]byte, error) {
	if !n.known {
		return []byte("null"), nil
	}
	return json.Marshal(n.value)
}

// UnmarshalJSON reads a number, or null for a figure that is not known.
func (n *Number) UnmarshalJSON(data []byte) error {
	var value *float64
	if err := json.Unmarshal(data, &value); err != nil {
		return err
	}
	*n = Number{}
	if value != nil {
		*n = Of(*value)
	}
	return nil
}
