// SPDX-License-Identifier: Apache-2.0

package compare

import (
	"fmt"
	"maps"
	"math"
	"slices"

	"headroom/harness/record"
	"headroom/scenarios"
)

// Invalid is a slice or probe that was set aside.
type Invalid struct {
	Order    int                `json:"order"`
	Kind     record.TrialKind   `json:"kind"`
	Variant  scenarios.Variant  `json:"variant"`
	Block    int                `json:"block,omitempty"`
	RateName scenarios.RateName `json:"rate_name"`
	RateRPS  float64            `json:"rate_rps"`
	Reasons  []string           `json:"reasons"`
	// Judged is the verdict of an invalid step whose verdict is clear all the same: where
	// answers took too long from the actual send on, the driver's own delay does not
	// matter. Only the latencies of such a step take no part.
	Judged record.Outcome `json:"judged,omitempty"`
}

// cell is the slices of one variant at one rate.
type cell struct {
	rate    scenarios.RateName
	variant scenarios.Variant
}

// Table holds a run's slices by rate, block and variant.
type Table struct {
	Slices  int       // trials of kind slice
	Invalid []Invalid // slices and probes, in order

	scenario *scenarios.Scenario
	valid    map[cell][]record.Trial
	invalid  map[cell][]record.Trial
	rates    []scenarios.RateName
}

// TableOf sorts the trials of a run of the scenario into a table.
func TableOf(trials []record.Trial, scenario *scenarios.Scenario) Table {
	t := Table{scenario: scenario, valid: map[cell][]record.Trial{}, invalid: map[cell][]record.Trial{}}
	for _, trial := range trials {
		reasons := invalidReasons(&trial)
		if len(reasons) > 0 {
			t.Invalid = append(t.Invalid, Invalid{Order: trial.Order, Kind: trial.Kind, Variant: trial.Variant,
				Block: trial.Block, RateName: trial.RateName, RateRPS: trial.Measurement.OfferedRPS, Reasons: reasons, Judged: judged(&trial)})
		}
		c := cell{trial.RateName, trial.Variant}
		switch {
		case trial.Kind == record.KindSlice:
			t.Slices++
			if !slices.Contains(t.rates, trial.RateName) {
				t.rates = append(t.rates, trial.RateName)
			}
		case trial.RateName == record.RateSoak:
			c.rate = scenarios.RateHigh // each variant's own, so there is nothing to compare
		default:
			continue
		}
		if len(reasons) > 0 {
			t.invalid[c] = append(t.invalid[c], trial)
			continue
		}
		t.valid[c] = append(t.valid[c], trial)
	}
	return t
}

// judged is the verdict of a step that says something of the capacity.
func judged(t *record.Trial) record.Outcome {
	if v := t.Verdict; t.Kind == record.KindProbe && v != nil && (v.Outcome == record.Held || v.Outcome == record.Failed) {
		return v.Outcome
	}
	return ""
}

// Rates returns the names of the rates in the order they were first measured.
func (t Table) Rates() []scenarios.RateName { return t.rates }

// Pooled adds up every valid slice of a variant at a rate.
func (t Table) Pooled(rate scenarios.RateName, variant scenarios.Variant) Sample {
	return PoolOf(t.valid[cell{rate, variant}], t.scenario)
}

// AllInvalid gives the reasons when a variant was measured at a rate and no
// slice was valid, else "".
func (t Table) AllInvalid(rate scenarios.RateName, variant scenarios.Variant) string {
	c := cell{rate, variant}
	if len(t.valid[c]) > 0 || len(t.invalid[c]) == 0 {
		return ""
	}
	var reasons []string
	for _, trial := range t.invalid[c] {
		reasons = append(reasons, invalidReasons(&trial)...)
	}
	return fmt.Sprintf("every slice of %s was invalid: %s", variant, joined(reasons))
}

// blocks returns the blocks of a variant with valid slices, each added up.
func (t Table) blocks(rate scenarios.RateName, variant scenarios.Variant) map[int]Sample {
	samples := map[int]Sample{}
	for block, trials := range t.byBlock(rate, variant) {
		samples[block] = PoolOf(trials, t.scenario)
	}
	return samples
}

// byBlock returns the valid slices of a variant at a rate.
func (t Table) byBlock(rate scenarios.RateName, variant scenarios.Variant) map[int][]record.Trial {
	grouped := map[int][]record.Trial{}
	for _, trial := range t.valid[cell{rate, variant}] {
		grouped[trial.Block] = append(grouped[trial.Block], trial)
	}
	return grouped
}

// Comparison holds one rate's blocks, added up once for all metrics.
type Comparison struct {
	Rate   scenarios.RateName
	table  Table
	before map[int]Sample
	after  map[int]Sample
	// All blocks together.
	allBefore, allAfter Sample
}

// At prepares the comparison at one rate.
func (t Table) At(rate scenarios.RateName) Comparison {
	return Comparison{Rate: rate, table: t,
		before: t.blocks(rate, scenarios.Before), after: t.blocks(rate, scenarios.After),
		allBefore: t.Pooled(rate, scenarios.Before), allAfter: t.Pooled(rate, scenarios.After)}
}

// Pooled adds up every valid slice of a variant.
func (c Comparison) Pooled(variant scenarios.Variant) Sample {
	if variant == scenarios.After {
		return c.allAfter
	}
	return c.allBefore
}

// Blocks returns the blocks with valid slices of both variants, in order.
func (c Comparison) Blocks() []int {
	var blocks []int
	for block := range c.before {
		if _, ok := c.after[block]; ok {
			blocks = append(blocks, block)
		}
	}
	slices.Sort(blocks)
	return blocks
}

// invalid gives the reasons when either variant has only invalid slices.
func (c Comparison) invalid() string {
	for _, v := range scenarios.Variants() {
		if reason := c.table.AllInvalid(c.Rate, v); reason != "" {
			return reason
		}
	}
	return ""
}

// Ratio compares one metric over the blocks in which both variants have it.
func (c Comparison) Ratio(key scenarios.MetricKey) Effect {
	if reason := c.invalid(); reason != "" {
		return Effect{Missing: reason}
	}
	pairs, resolution, why := c.pairs(key)
	if len(pairs) == 0 && why != "" {
		return Effect{Missing: why}
	}
	if !cpuPerSuccess(key) {
		return ratioOf(pairs, resolution)
	}
	basis := c.correctForSpeed(key, pairs)
	e := ratioOf(pairs, resolution)
	if e.Missing == "" {
		e.Basis = basis
	}
	return e
}

// pairs returns the blocks with a number on both sides, the mean resolution of their
// ratios, and why the first of the other blocks has no number.
func (c Comparison) pairs(key scenarios.MetricKey) (pairs []Pair, resolution float64, why string) {
	for _, block := range c.Blocks() {
		before, after := c.before[block].Value(key), c.after[block].Value(key)
		switch {
		case before.OK() && after.OK():
			pairs = append(pairs, Pair{Block: block, Before: before.V, After: after.V})
			resolution += max(minResolution, before.relativeStep()+after.relativeStep())
		case why != "":
		case !before.OK():
			why = fmt.Sprintf("before: %s", before.Missing)
		default:
			why = fmt.Sprintf("after: %s", after.Missing)
		}
	}
	return pairs, resolution / float64(max(len(pairs), 1)), why
}

// level estimates a metric of one variant from its blocks.
func (c Comparison) level(variant scenarios.Variant, key scenarios.MetricKey) (estimate, string) {
	if reason := c.table.AllInvalid(c.Rate, variant); reason != "" {
		return estimate{}, reason
	}
	var values []Value
	why := "no block has a valid slice"
	for _, sample := range c.inOrder(variant) {
		if v := sample.Value(key); v.OK() {
			values = append(values, v)
		} else {
			why = v.Missing
		}
	}
	if len(values) == 0 {
		return estimate{}, why
	}
	return estimateLevel(values), ""
}

// inOrder returns a variant's blocks, each added up.
func (c Comparison) inOrder(variant scenarios.Variant) []Sample {
	samples := c.before
	if variant == scenarios.After {
		samples = c.after
	}
	var blocks []Sample
	for _, block := range slices.Sorted(maps.Keys(samples)) {
		blocks = append(blocks, samples[block])
	}
	return blocks
}

// estimateLevel estimates a figure from its value in each block. A share is estimated
// from its counts. No figure is below 0.
func estimateLevel(values []Value) estimate {
	if !slices.ContainsFunc(values, func(v Value) bool { return !v.part }) {
		counts := make([]tally, len(values))
		for i, v := range values {
			counts[i] = tally{count: v.V * v.of, of: v.of}
		}
		return estimate{point: shareOf(counts), interval: shareInterval(counts), detectable: math.NaN()}
	}
	numbers, resolution := make([]float64, len(values)), 0.0
	for i, v := range values {
		numbers[i] = v.V
		resolution += v.step() / float64(len(values))
	}
	e := estimateCentre(numbers, resolution)
	if e.interval != nil {
		e.interval.Low = max(e.interval.Low, 0)
	}
	return e
}

// Level is a figure of one variant with its interval over the blocks, nil with
// fewer than three; false when there is none.
func (c Comparison) Level(variant scenarios.Variant, key scenarios.MetricKey) (point float64, interval *Interval, ok bool) {
	e, why := c.level(variant, key)
	return e.point, e.interval, why == ""
}
