package compare

import (
	"encoding/json"
	"fmt"
	"math"
)

// Confidence is what every interval aims at.
const Confidence = 0.95

// Blocks that the two kinds of interval need. With fewer than three no
// interval is given, and so no verdict. With fewer than six no rank method
// reaches 95%: the widest has 1 - 2/2^n, 75% for three.
const (
	fewestBlocks     = 3
	fewestRankBlocks = 6
)

// power is the chance of detection that the minimum detectable effect is for.
const power = 0.8

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

// estimate is the centre of one value per block.
type estimate struct {
	point      float64
	interval   *Interval // nil with fewer than three blocks
	detectable float64   // the smallest shift that would be seen; NaN with fewer than two blocks
}

// estimateCentre estimates the centre of d.
//
// The point is Hodges-Lehmann's. From six blocks on the interval is the exact
// signed-rank one. With three to five it spans two intervals: the range of the
// blocks, which is the widest that ranks give, and Student's 95% interval of
// the mean, which assumes that blocks scatter normally. So a verdict from few
// blocks needs all of them on one side, and little scatter.
func estimateCentre(d []float64) estimate {
	e := estimate{point: HodgesLehmann(d), detectable: math.NaN()}
	n := len(d)
	if n < 2 {
		return e
	}
	mean, sd := meanAndSD(d)
	standardError := sd / math.Sqrt(float64(n))
	half := studentQuantile((1+Confidence)/2, n-1)
	e.detectable = (half + studentQuantile(power, n-1)) * standardError
	if n < fewestBlocks {
		return e
	}
	low, high, attained := SignedRankInterval(d, Confidence)
	if n >= fewestRankBlocks {
		e.interval = &Interval{Low: low, High: high, Confidence: attained, RankConfidence: attained,
			Method: fmt.Sprintf("exact signed-rank over %d blocks", n)}
		return e
	}
	e.interval = &Interval{
		Low:        min(low, mean-half*standardError),
		High:       max(high, mean+half*standardError),
		Confidence: Confidence, RankConfidence: attained,
		Method: fmt.Sprintf("Student's t over %d blocks, at least their range", n),
	}
	return e
}

// Pair is one block's value of both variants.
type Pair struct {
	Block  int     `json:"block"`
	Before float64 `json:"before"`
	After  float64 `json:"after"`
}

// Effect is a metric of after as a ratio of before's.
type Effect struct {
	Pairs    []Pair    `json:"blocks"`
	Ratio    float64   `json:"ratio,omitempty"`    // 0 when Missing
	Interval *Interval `json:"interval,omitempty"` // of the ratio; nil with fewer than three blocks
	// DetectableRatio is the minimum detectable effect: a true ratio as far
	// from 1 as this would be told from 1 with probability 0.8.
	DetectableRatio float64 `json:"minimum_detectable_ratio,omitempty"` // above 1; 0 with fewer than two blocks
	// PAdjusted holds for all metrics of the table together (max-T over
	// shared sign flips); 0 when it was not computed.
	PAdjusted float64 `json:"p_max_t,omitempty"`
	Missing   string  `json:"missing,omitempty"` // why there is no ratio
}

// ratioOf estimates after/before from one pair a block, on the scale of
// logarithms: D = ln after - ln before. A block without a positive value on
// both sides has no ratio; then the effect has none.
func ratioOf(pairs []Pair) Effect {
	effect := Effect{Pairs: pairs}
	d, missing := logRatios(pairs)
	if missing != "" {
		effect.Missing = missing
		return effect
	}
	e := estimateCentre(d)
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

// logRatios is a difference of logarithms, not the logarithm of a ratio, so
// that swapping the variants negates it to the last bit.
func logRatios(pairs []Pair) (d []float64, missing string) {
	if len(pairs) == 0 {
		return nil, "no block has a valid value of both variants"
	}
	for _, p := range pairs {
		if !(p.Before > 0) || !(p.After > 0) {
			return nil, fmt.Sprintf("block %d has no ratio: before %.4g, after %.4g", p.Block, p.Before, p.After)
		}
		d = append(d, math.Log(p.After)-math.Log(p.Before))
	}
	return d, ""
}
