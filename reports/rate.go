// SPDX-License-Identifier: Apache-2.0

package reports

import (
	"fmt"
	"math"
	"slices"

	"headroom/harness/record"
	"headroom/internal/maybe"
	"headroom/reports/compare"
	"headroom/scenarios"
)

// percentiles are the points of the latency curve.
var percentiles = []float64{50, 60, 70, 75, 80, 85, 90, 92.5, 95, 96, 97, 98, 98.5, 99, 99.5, 99.8, 99.9}

// meanings says what a rate's name stands for.
var meanings = map[scenarios.RateName]string{
	record.RateCommon: "80% of the smaller capacity that the first block found, the same for both",
}

func rateOf(table compare.Table, name scenarios.RateName) Rate {
	comparison := table.At(name)
	before, after := comparison.Pooled(scenarios.Before), comparison.Pooled(scenarios.After)
	r := Rate{
		Name: name, Meaning: meanings[name], BeforeRPS: before.OfferedRPS(), AfterRPS: after.OfferedRPS(),
		Blocks: slices.Concat([]int{}, comparison.Blocks()), Invalid: []string{},
	}
	for _, v := range scenarios.Variants() {
		if reason := table.AllInvalid(name, v); reason != "" {
			r.Invalid = append(r.Invalid, reason)
		}
	}
	rows, details := comparison.Tables()
	r.Rows, r.Details = rowsOf(comparison, rows), rowsOf(comparison, details)
	r.Bottleneck = Bottleneck{Before: busiestOf(before), After: busiestOf(after)}
	r.Curves, r.Timeline = curvesOf(before, after), timelineOf(before, after)
	r.Machines = utilisationOf(comparison)
	return r
}

// hasBasis says whether a ratio of CPU says what it rests on.
func (r Rate) hasBasis() bool {
	return slices.ContainsFunc(slices.Concat(r.Rows, r.Details), func(row Row) bool { return row.Effect.Basis != "" })
}

// rowsOf is one table of a rate: its rows are judged together.
func rowsOf(comparison compare.Comparison, keys []scenarios.MetricKey) []Row {
	var rows []Row
	before, after := comparison.Pooled(scenarios.Before), comparison.Pooled(scenarios.After)
	for i, effect := range comparison.Effects(keys) {
		metric, _ := compare.Describe(keys[i])
		effect.Pairs = slices.Concat([]compare.Pair{}, effect.Pairs)
		rows = append(rows, Row{Metric: metric, Before: before.Value(keys[i]).Level(), After: after.Value(keys[i]).Level(), Effect: effect})
	}
	return rows
}

// chanceOf says how many of the rates' intervals are to be expected to miss by
// chance, and what the mark stands for; "" without intervals.
func chanceOf(rates []Rate) string {
	intervals := 0
	for _, rate := range rates {
		for _, row := range slices.Concat(rate.Rows, rate.Details) {
			if row.Effect.Interval != nil {
				intervals++
			}
		}
	}
	if intervals == 0 {
		return ""
	}
	byChance := "fewer than one"
	if expected := math.Round((1 - compare.Confidence) * float64(intervals)); expected >= 1 {
		byChance = compare.FormatCount(int(expected))
	}
	return fmt.Sprintf("Of the %d intervals of the tables by rate, details included, %s can be expected to miss the true ratio by chance. "+
		"%s marks a change that remains when all rows of its table are judged together. Of a row without a mark no direction is claimed; the capacity is judged alone.", intervals, byChance, survivesMark)
}

// busiestOf is the machine that uses the largest part of its CPUs, or the group of
// like machines. It is not known where the CPU time of one is not.
func busiestOf(s compare.Sample) string {
	demands := compare.Collapse(s.Demands())
	switch {
	case len(demands) == 0:
		return ""
	case len(compare.CPUNotKnown(demands)) > 0:
		return maybe.NotKnown
	}
	return demands[0].Machine
}

func curvesOf(before, after compare.Sample) []Curve {
	curves := []Curve{}
	for _, p := range percentiles {
		curves = append(curves, Curve{Percentile: p,
			BeforeMS: before.Quantile(p / 100).Level().Value, AfterMS: after.Quantile(p / 100).Level().Value})
	}
	return curves
}

func timelineOf(before, after compare.Sample) []Second {
	bySecond := map[int]*Second{}
	at := func(second int) *Second {
		if bySecond[second] == nil {
			bySecond[second] = &Second{Second: second}
		}
		return bySecond[second]
	}
	quantiles := func(s record.Second) (p50, p95 *float64) {
		return compare.QuantileMillis(s.Response, s.Sent, 0.5).Level().Value, compare.QuantileMillis(s.Response, s.Sent, 0.95).Level().Value
	}
	for _, s := range before.Timeline {
		point := at(s.Second)
		point.BeforeP50MS, point.BeforeP95MS = quantiles(s)
	}
	for _, s := range after.Timeline {
		point := at(s.Second)
		point.AfterP50MS, point.AfterP95MS = quantiles(s)
	}
	timeline := []Second{}
	for _, point := range bySecond {
		timeline = append(timeline, *point)
	}
	slices.SortFunc(timeline, func(a, b Second) int { return a.Second - b.Second })
	return timeline
}

func utilisationOf(c compare.Comparison) []Utilisation {
	use := []Utilisation{}
	before, after := c.Pooled(scenarios.Before), c.Pooled(scenarios.After)
	for _, m := range c.Machines() {
		key := scenarios.MetricKey(fmt.Sprintf("utilisation[%s]", m))
		use = append(use, Utilisation{Machine: m,
			Before: before.Value(key).Level().Value, After: after.Value(key).Level().Value})
	}
	return use
}
