// SPDX-License-Identifier: Apache-2.0

package compare

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"headroom/harness/record"
	"headroom/harness/slo"
	"headroom/scenarios"
)

// NearRates is the ratio up to which two rates count as the same.
const NearRates = 1.02

// minCapacityShare is the smallest share of the capacity at which a step shows what the
// machines do there: soaks run at 0.93 of the capacity, a staircase hovers about it.
const minCapacityShare = 0.88

// AtCapacity returns the steps just below the capacity that held: what the
// machines did then is their demand at the capacity. Steps of a proof take no
// part.
func AtCapacity(trials []record.Trial, variant scenarios.Variant, capacity slo.Capacity, s scenarios.SLO) []record.Trial {
	if !capacity.Known() {
		return nil
	}
	var at []record.Trial
	for i := range trials {
		t := &trials[i]
		share := t.Measurement.OfferedRPS / capacity.PointRPS
		if t.Variant != variant || t.Resize != nil || share < minCapacityShare || share > NearRates {
			continue
		}
		if slo.StepOf(t, s, true).Outcome == record.Held {
			at = append(at, *t)
		}
	}
	return at
}

// CapacityWarnings tell what a reader of a capacity must know.
func CapacityWarnings(variant scenarios.Variant, c slo.Capacity) []string {
	var warnings []string
	if c.Metastable {
		warnings = append(warnings, fmt.Sprintf("%s is metastable: after 1.3 times its capacity it did not recover at 0.7 times", variant))
	}
	for _, s := range c.Soaks {
		if s.Outcome == record.Failed {
			warnings = append(warnings, fmt.Sprintf("%s did not hold %s requests/s for %.0f s: %s", variant, FormatRate(s.RPS), s.Seconds, s.Reason))
		}
	}
	return warnings
}

// RangeOf is a capacity as a value with its range.
func RangeOf(c slo.Capacity) Range {
	if !c.Known() {
		return Range{Missing: c.Missing}
	}
	r := Range{Point: c.PointRPS, Low: c.LowRPS, High: c.HighOrInf(), Method: c.Method, Blocks: map[int]float64{}}
	if c.HighRPS > 0 { // else the blocks' values are no estimates: nothing bounded them
		for _, s := range c.Starts {
			r.Blocks[s.Block] = s.RPS
		}
	}
	return r
}

// Range is a value with the ends that it may lie between.
type Range struct {
	Point   float64
	Low     float64
	High    float64 // +Inf when nothing bounds it
	Method  string  // how the ends were found
	Missing string  // why there is none
	// Blocks are the values by block, if there are any: a ratio is taken block by block.
	Blocks map[int]float64
}

// invalidReasons is why a trial must not be averaged in, nil when it may. An
// interrupted trial is invalid even when no reason was written. An overload is data: an
// unsent request counts as slower than all others.
func invalidReasons(t *record.Trial) []string {
	if t.Valid() && t.Measurement.Interrupted {
		return []string{"interrupted"}
	}
	return t.Invalid
}

// maxJoined reasons are spelt out; the rest stand under Validity.
const maxJoined = 2

// joined lists reasons once each.
func joined(reasons []string) string {
	seen := map[string]bool{}
	var once []string
	for _, r := range reasons {
		if !seen[r] {
			seen[r] = true
			once = append(once, r)
		}
	}
	if more := len(once) - maxJoined; more > 0 {
		once = append(once[:maxJoined], fmt.Sprintf("and %d more under Validity", more))
	}
	return strings.Join(once, "; ")
}

// pairsOfRanges are the blocks in which both variants have a value.
func pairsOfRanges(before, after Range) []Pair {
	pairs := []Pair{}
	for _, block := range slices.Sorted(maps.Keys(before.Blocks)) {
		if a, ok := after.Blocks[block]; ok {
			pairs = append(pairs, Pair{Block: block, Before: before.Blocks[block], After: a})
		}
	}
	return pairs
}
