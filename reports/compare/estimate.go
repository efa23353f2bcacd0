// SPDX-License-Identifier: Apache-2.0

package compare

import (
	"encoding/json"
	"fmt"
	"math"
)

// Confidence is what every interval aims at.
const Confidence = 0.95

// Blocks that an interval needs, and the number from which on ranks give the interval.
// With fewer than three blocks there is no interval, and so no verdict. Ranks reach 95%
// with six blocks, but their interval is then the whole range, and finds no more than
// Student's does with five.
const (
	MinBlocks     = 3
	minRankBlocks = 7
)

// minResolution is the resolution of a ratio of two figures at best: a histogram has
// three significant digits. Blocks that agree to the last digit do not show
// more than that.
const minResolution = 0.001

// Interval is a range for a value.
type Interval struct {
	Low  float64 `json:"low"`
	High float64 `json:"high"` // +Inf when nothing bounds it: null in JSON
	// Confidence is 0 for a range that is not statistical.
	Confidence float64 `json:"confidence,omitempty"`
	// RankConfidence is what the rank test alone attains with these blocks.
	RankConfidence float64 `json:"rank_confidence,omitempty"`
	Method         string  `json:"method"`
}

// MarshalJSON writes null for an end that is infinite, which JSON cannot say.
func (i Interval) MarshalJSON() ([]byte, error) {
	type plain Interval
	if !math.IsInf(i.High, 1) {
		return json.Marshal(plain(i))
	}
	i.High = 0
	return json.Marshal(struct {
		plain
		High *float64 `json:"high"`
	}{plain: plain(i)})
}

// holds says whether a value lies within the interval.
func (i Interval) holds(v float64) bool { return i.Low <= v && v <= i.High }

// estimate is the centre of one value per block.
type estimate struct {
	point      float64
	interval   *Interval // nil with fewer than three blocks
	detectable float64   // the smallest shift that would be found; NaN without an interval
}

// estimateCentre estimates the centre of d, whose values can be told apart when
// they differ by the resolution.
//
// The point is Hodges-Lehmann's. With three to six blocks the interval is
// Student's 95% interval of the mean, which takes blocks to scatter normally;
// from seven on it is the exact signed-rank one. No interval is narrower than
// the resolution to both sides of the point: no scatter is not certainty.
func estimateCentre(d []float64, resolution float64) estimate {
	e := estimate{point: HodgesLehmann(d), detectable: math.NaN()}
	n := len(d)
	if n < MinBlocks {
		return e
	}
	low, high, attained := SignedRankInterval(d, Confidence)
	i := Interval{Low: low, High: high, Confidence: attained, RankConfidence: attained,
		Method: fmt.Sprintf("exact signed-rank over %d blocks", n)}
	mean, sd := meanAndSD(d)
	if n < minRankBlocks {
		half := studentQuantile((1+Confidence)/2, n-1) * sd / math.Sqrt(float64(n))
		i = Interval{Low: mean - half, High: mean + half, Confidence: Confidence, RankConfidence: attained,
			Method: fmt.Sprintf("Student's t over %d blocks", n)}
	}
	if i.Low > e.point-resolution || i.High < e.point+resolution {
		i.Low, i.High = min(i.Low, e.point-resolution), max(i.High, e.point+resolution)
		i.Method += ", at least the figures' resolution"
	}
	e.interval = &i
	e.detectable = detectable(n, sd, resolution)
	return e
}

// Pair is one block's value of both variants.
type Pair struct {
	Block  int     `json:"block"`
	Before float64 `json:"before"`
	After  float64 `json:"after"`
	// The driver's CPU in ms per request of the same slices, where the ratio is divided
	// by the driver's; else 0.
	DriverBefore float64 `json:"driver_before,omitempty"`
	DriverAfter  float64 `json:"driver_after,omitempty"`
}

// logRatio is ln(after/before), minus the same of the driver's CPU where the pair has
// it. A difference of logarithms, not the logarithm of a ratio: swapping the variants
// negates it to the last bit.
func (p Pair) logRatio() float64 {
	d := math.Log(p.After) - math.Log(p.Before)
	if p.DriverBefore > 0 && p.DriverAfter > 0 {
		d -= math.Log(p.DriverAfter) - math.Log(p.DriverBefore)
	}
	return d
}

// Effect is a metric of after as a ratio of before's.
type Effect struct {
	Pairs    []Pair    `json:"blocks"`
	Ratio    float64   `json:"ratio,omitempty"`    // 0 when Missing
	Interval *Interval `json:"interval,omitempty"` // of the ratio; nil with fewer than three blocks
	// DetectableRatio is the minimum detectable effect: a true ratio as far
	// from 1 as this would be found with probability 0.8, if blocks scatter as
	// these did.
	DetectableRatio float64 `json:"minimum_detectable_ratio,omitempty"` // above 1; 0 with fewer than three blocks
	// PAdjusted holds for all metrics of the table together (adjustTogether); 0
	// when it was not computed.
	PAdjusted float64 `json:"p_max_t,omitempty"`
	// Survives says that the change is shown for all metrics of the table
	// together. Only such a change has a direction.
	Survives bool   `json:"survives,omitempty"`
	Missing  string `json:"missing,omitempty"` // why there is no ratio
	// Basis says whether a ratio of CPU per success is divided by the driver's, or why it
	// is raw.
	Basis string `json:"basis,omitempty"`

	resolution float64 // of the logarithm of the ratio
}

// Spans1 says that the interval holds 1: no change is shown.
func (e Effect) Spans1() bool { return e.Interval != nil && e.Interval.holds(1) }

// ratioOf estimates after/before from one pair a block, on the scale of
// logarithms: D = Pair.logRatio. A block without a positive value on
// both sides has no ratio; then the effect has none.
func ratioOf(pairs []Pair, resolution float64) Effect {
	effect := Effect{Pairs: pairs, resolution: resolution}
	d, missing := logRatios(pairs)
	if missing != "" {
		effect.Missing = missing
		return effect
	}
	e := estimateCentre(d, resolution)
	effect.Ratio = math.Exp(e.point)
	if !math.IsNaN(e.detectable) {
		effect.DetectableRatio = math.Exp(e.detectable)
	}
	if e.interval != nil {
		i := *e.interval
		i.Low, i.High = math.Exp(i.Low), math.Exp(i.High)
		effect.Interval = &i
	}
	return effect
}

// logRatios is the logarithm of each pair's ratio, or why there is none.
func logRatios(pairs []Pair) (d []float64, missing string) {
	if len(pairs) == 0 {
		return nil, "no block has a valid value of both variants"
	}
	for _, p := range pairs {
		if !(p.Before > 0) || !(p.After > 0) {
			return nil, fmt.Sprintf("block %d has no ratio: before %.4g, after %.4g", p.Block, p.Before, p.After)
		}
		d = append(d, p.logRatio())
	}
	return d, ""
}
