// SPDX-License-Identifier: Apache-2.0

package compare

import (
	"fmt"
	"math"
	"strconv"
	"strings"

	"headroom/harness/slo"
	"headroom/scenarios"
)

// Verdict is what the trials say of a claim.
type Verdict string

// The verdicts.
const (
	Confirmed    Verdict = "confirmed"    // the interval lies wholly on the claimed side
	Refuted      Verdict = "refuted"      // the interval lies wholly on the other side
	Inconclusive Verdict = "inconclusive" // the interval spans the value, or there is too little data
	NoVerdict    Verdict = "invalid"      // what was measured must not be used, or cannot be asked
)

// Result is a claim with its verdict.
type Result struct {
	scenarios.Claim
	Verdict Verdict `json:"verdict"`
	// Direction says of a claim about a ratio whether the metric changed towards the
	// claimed side at all: "yes", "no" or "unclear". Such a change is shown for all rows
	// of its table together, or follows from the claimed value, which was written down
	// before the run.
	Direction string    `json:"direction,omitempty"`
	Point     *float64  `json:"point,omitempty"`
	Interval  *Interval `json:"interval,omitempty"`
	Summary   string    `json:"summary"`          // "lower: yes; <= 0.30x: no, 0.42x (0.40-0.44)"
	Reason    string    `json:"reason,omitempty"` // why there is no verdict, or what to know of it

	together bool // the change is shown for all rows of its table together, or stands in none
}

// RunMetrics holds the values of both variants that no slice has: the capacities and
// the costs, by metric.
type RunMetrics map[scenarios.MetricKey]map[scenarios.Variant]Range

// AfterOverBefore is the key of a metric's ratio in RunMetrics, where the ratio is
// known better than the ranges of the two variants tell.
const AfterOverBefore scenarios.Variant = "ratio"

// notEvidence is the reason that no quick run gives a verdict.
const notEvidence = "quick run: not evidence"

// Judge decides a claim by the trials. A verdict needs an interval wholly on one side
// of the claimed value, and an interval needs three blocks. A metric of the whole run
// has its range as the interval. A quick run shows its figures and gives no verdict.
func Judge(claim scenarios.Claim, table Table, runMetrics RunMetrics, quick bool) Result {
	result := Result{Claim: claim}
	metric, known := Describe(claim.Metric)
	if !known {
		return result.without(NoVerdict, fmt.Sprintf("no metric is called %q", claim.Metric))
	}
	if oracle, counted := scenarios.OracleOf(claim.Metric); counted && claim.Value == 0 {
		result.judgeNone(table, oracle)
	} else if result.measure(table, runMetrics); result.Point != nil {
		result.decide(metric)
	}
	if quick && result.Verdict != NoVerdict {
		result.Verdict, result.Reason = Inconclusive, notEvidence
	}
	return result
}

func (r Result) without(v Verdict, reason string) Result {
	r.Verdict, r.Reason, r.Summary = v, reason, reason
	return r
}

// measure finds the claim's value and interval, or says why there is none.
func (r *Result) measure(table Table, runMetrics RunMetrics) {
	if values, ok := runMetrics[r.Metric]; ok {
		r.measureRunMetric(values)
		return
	}
	comparison := table.At(r.At)
	if r.Compare == "ratio" {
		if reason := comparison.invalid(); reason != "" {
			*r = r.without(NoVerdict, reason)
			return
		}
		e := comparison.inItsTable(r.Metric)
		r.take(e.Ratio, e.Interval, e.Survives, e.Missing)
		return
	}
	r.ofVariant(table, func() {
		if q, lag := lagQuantiles[r.Metric]; lag {
			r.measureLag(table, q)
			return
		}
		e, why := comparison.level(scenarios.Variant(r.Compare), r.Metric)
		if why != "" {
			why = fmt.Sprintf("%s: %s", r.Compare, why)
		}
		r.take(e.point, e.interval, false, why)
	})
}

// take takes a value and its interval, or the reason why there is none.
func (r *Result) take(point float64, interval *Interval, together bool, missing string) {
	if missing != "" {
		*r = r.without(Inconclusive, missing)
		return
	}
	r.Point, r.Interval, r.together = &point, interval, together
}

// ofVariant measures if the claim's variant has a valid slice at its rate.
func (r *Result) ofVariant(table Table, measure func()) {
	if reason := table.AllInvalid(r.At, scenarios.Variant(r.Compare)); reason != "" {
		*r = r.without(NoVerdict, reason)
		return
	}
	measure()
}

func (r *Result) measureRunMetric(values map[scenarios.Variant]Range) {
	if r.Compare == "ratio" {
		e := ratioOfRunMetric(r.Metric, values)
		r.take(e.Ratio, e.Interval, true, e.Missing)
		return
	}
	v := values[scenarios.Variant(r.Compare)]
	r.take(v.Point, v.intervalOf(r.Metric), true, v.Missing)
}

// interval is the range as an interval; nil when its ends are not known.
func (v Range) interval() *Interval {
	if math.IsNaN(v.Low) || math.IsNaN(v.High) {
		return nil
	}
	if v.Low == v.High {
		return &Interval{Low: v.Low, High: v.High, Method: "exact"}
	}
	return &Interval{Low: v.Low, High: v.High, Confidence: Confidence, Method: v.Method}
}

// intervalOf is the interval of a metric. Each cost's interval comes from the
// capacities and the downloads.
func (v Range) intervalOf(key scenarios.MetricKey) *Interval {
	i := v.interval()
	if i != nil && !i.Exact() && key != CapacityRPS {
		i.Method = "from the ranges of the capacities and of what is downloaded"
	}
	return i
}

// Level returns a variant's value for a report.
func (g RunMetrics) Level(key scenarios.MetricKey, variant scenarios.Variant) Level {
	v := g[key][variant]
	return Value{V: v.Point, Missing: v.Missing}.Level()
}

// Ratio returns after/before for a report.
func (g RunMetrics) Ratio(key scenarios.MetricKey) Effect {
	return ratioOfRunMetric(key, g[key])
}

// ratioOfRunMetric is after/before of one metric. Where both variants have values by
// block, the ratio is taken block by block, as every other metric's is. With too few
// blocks the ratio has no interval: two ranges from one start each say less than they
// seem to.
func ratioOfRunMetric(key scenarios.MetricKey, values map[scenarios.Variant]Range) Effect {
	before, after := values[scenarios.Before], values[scenarios.After]
	v := ratioOfRanges(before, after)
	if v.Missing != "" {
		return Effect{Pairs: []Pair{}, Missing: v.Missing}
	}
	if pairs := pairsOfRanges(before, after); len(pairs) > 0 {
		return ratioOf(pairs, slo.Resolution)
	}
	if both, known := values[AfterOverBefore]; known {
		v = both
	}
	e := Effect{Pairs: []Pair{}, Ratio: v.Point}
	if key != CapacityRPS {
		e.Interval = v.intervalOf(key)
	}
	return e
}

// ratioOfRanges is after/before with the widest ends that both ranges allow.
func ratioOfRanges(before, after Range) Range {
	for _, side := range []struct {
		name  string
		value Range
	}{{"before", before}, {"after", after}} {
		if side.value.Missing != "" {
			return Range{Missing: side.name + ": " + side.value.Missing}
		}
	}
	if !(before.Point > 0) {
		return Range{Missing: "before's value is 0: there is no ratio"}
	}
	ratio := Range{Point: after.Point / before.Point, Low: after.Low / before.High, High: math.Inf(1)}
	if before.Low > 0 {
		ratio.High = after.High / before.Low
	}
	return ratio
}

// claimed is a claim's number with all of its digits: "0.23" for 0.225 would be another
// claim.
func claimed(v float64) string {
	text := FormatNumber(v)
	if read, err := strconv.ParseFloat(strings.ReplaceAll(text, ",", ""), 64); err == nil && read == v {
		return text
	}
	return strconv.FormatFloat(v, 'g', -1, 64)
}

// decide compares the value with the claim.
func (r *Result) decide(metric Metric) {
	suffix := ""
	if r.Compare == "ratio" {
		suffix = "x"
	}
	size := r.against(r.Value, false)
	switch size {
	case "yes":
		r.Verdict = Confirmed
	case "no":
		r.Verdict = Refuted
	default:
		r.Verdict = Inconclusive
		if r.Interval == nil {
			r.Reason = "fewer than three blocks: no interval"
		}
	}
	r.Summary = fmt.Sprintf("%s %s%s: %s, %s", r.Op, claimed(r.Value), suffix, size, WithInterval(*r.Point, suffix, r.Interval))
	if r.Compare != "ratio" {
		if metric.Unit != scenarios.UnitShare && metric.Unit != scenarios.UnitCount {
			r.Summary += " " + string(metric.Unit)
		}
		return
	}
	r.Direction = r.direction(size)
	word := "lower"
	if r.Op == ">=" {
		word = "higher"
	}
	r.Summary = fmt.Sprintf("%s: %s; %s", word, r.Direction, r.Summary)
}

// direction says whether the metric changed towards the claimed side; size says whether
// the change reaches the claimed value.
func (r *Result) direction(size string) string {
	beyond1 := r.Value <= 1 // the claimed value lies on the claimed side of 1
	if r.Op == ">=" {
		beyond1 = r.Value >= 1
	}
	within1 := !beyond1 || r.Value == 1
	follows := size == "yes" && beyond1 || size == "no" && within1
	if !r.together && !follows {
		return "unclear"
	}
	return r.against(1, true)
}

// against says on which side of value the interval lies: "yes" for the claimed side,
// "no" for the other, "unclear" when the interval spans the value or is absent. The
// value itself is on the claimed side, unless strict.
func (r *Result) against(value float64, strict bool) string {
	if r.Interval == nil {
		return "unclear"
	}
	low, high := r.Interval.Low, r.Interval.High
	if r.Op == ">=" {
		low, high, value = -high, -low, -value
	}
	switch {
	case high < value, high == value && !strict:
		return "yes"
	case low > value, low == value && strict:
		return "no"
	}
	return "unclear"
}
