// SPDX-License-Identifier: Apache-2.0

package reports

import (
	"math"
	"strings"
	"testing"

	"headroom/harness/record"
	"headroom/reports/compare"
	"headroom/scenarios"
)

// twoOffers are variants of 100 USD for 1,000 users and of 250 for 3,000, which
// hold 10 and 30 requests/s.
func twoOffers(egressUSD float64) []Variant {
	before := Variant{Variant: scenarios.Before, Users: 1000, EgressPerUserUSD: egressUSD}
	after := Variant{Variant: scenarios.After, Users: 3000, EgressPerUserUSD: egressUSD}
	before.Bill.MonthlyUSD, after.Bill.MonthlyUSD = 100, 250
	return []Variant{before, after}
}

func capacities(before, after compare.Range) compare.RunMetrics {
	return compare.RunMetrics{compare.CapacityRPS: {scenarios.Before: before, scenarios.After: after}}
}

func exactly(v float64) compare.Range { return compare.Range{Point: v, Low: v, High: v} }

func sure(ratio spread) downloads {
	return downloads{ratio: ratio, variant: map[scenarios.Variant]spread{scenarios.Before: {1, 1}, scenarios.After: {1, 1}}}
}

// "From 2,001 users on" was untrue: the other one is cheaper again from 3,001 to
// 4,000 and from 6,001 to 7,000.
func TestBreakEvenText(t *testing.T) {
	unknown := spread{math.NaN(), math.NaN()}
	tests := []struct {
		name       string
		variants   []Variant
		runMetrics compare.RunMetrics
		bytes      spread
		want       string
	}{
		{"exact", twoOffers(0), capacities(exactly(10), exactly(30)), unknown,
			"at 2,001 users after is the cheaper for the first time, from 10,001 on for good, counted in whole copies of each, also at the ends"},
		// After at 24 to 36/s carries 2,400 to 3,600 users, before 900 to 1,100.
		{"capacities", twoOffers(0), capacities(compare.Range{Point: 10, Low: 9, High: 11}, compare.Range{Point: 30, Low: 24, High: 36}), unknown,
			"the first time is at 1,801 or at 2,201 users"},
		{"downloads", twoOffers(1), capacities(exactly(10), exactly(30)), spread{0.97, 1.015},
			"the first time is at 1,667 or at 2,001 users"},
		{"downloads that cost more than is saved", twoOffers(1), capacities(exactly(10), exactly(30)), spread{0.97, 1.03},
			"the first time is at 1,667 users, or never"},
		{"no rate failed", twoOffers(0), capacities(exactly(10), compare.Range{Point: 30, Low: 30, High: math.Inf(1)}), unknown,
			"how far off that may be is not known: no rate failed"},
		{"too few blocks", twoOffers(1), capacities(exactly(10), exactly(30)), unknown,
			"how far off that may be is not known: there are too few blocks"},
		{"no capacity", []Variant{{Variant: scenarios.Before}, twoOffers(0)[1]}, capacities(compare.Range{Missing: "none"}, exactly(30)), unknown,
			"unknown: it takes the capacities of both variants"},
	}
	for _, tt := range tests {
		if got := breakEven(tt.variants, tt.runMetrics, sure(tt.bytes)); !strings.Contains(got, tt.want) {
			t.Errorf("%s: %q, want ...%q...", tt.name, got, tt.want)
		}
	}
	// The same price: what carries more is the one that can become the cheaper.
	same := twoOffers(0)
	same[0].Bill.MonthlyUSD, same[0].Users = 250, 4000
	got := breakEven(same, capacities(exactly(40), exactly(30)), sure(unknown))
	if want := "both cost the same until one copy of after is full, at 3,000 users; at 3,001 users before is the cheaper for the first time"; !strings.HasPrefix(got, want) {
		t.Errorf("%q, want %q...", got, want)
	}
}

// Two that cost the same and carry about the same: neither is the cheaper one. A run
// of a system against itself said "from 1 user on, before is the cheaper".
func TestBreakEvenOfEqualsHasNoDirection(t *testing.T) {
	same := twoOffers(0)
	same[0].Bill.MonthlyUSD, same[0].Users = 250, 2990
	runMetrics := capacities(compare.Range{Point: 29.9, Low: 28, High: 32}, compare.Range{Point: 30, Low: 28, High: 32})
	d := sure(spread{math.NaN(), math.NaN()})
	addCosts(runMetrics, same, d)
	want := "both cost $250 a month, and it is not shown which is the cheaper per user"
	if got := breakEven(same, runMetrics, d); got != want {
		t.Errorf("%q, want %q", got, want)
	}
}

// A user's cost carries the interval of what is downloaded. Where downloads are
// 96% of it and 0.99x (0.97-1.00) is known of them, it is no "0.97x (0.97-0.97)".
func TestCostPerUserCarriesAllIntervals(t *testing.T) {
	variants := twoOffers(0)
	variants[0].EgressPerUserUSD, variants[1].EgressPerUserUSD = 2.4, 2.4*0.99
	variants[1].Bill.MonthlyUSD = 0.06 * 3000 // infrastructure: 0.1 against 0.06
	runMetrics := capacities(exactly(10), exactly(30))
	d := sure(spread{0.97 / 0.99, 1.00 / 0.99})
	addCosts(runMetrics, variants, d)
	total := runMetrics.Ratio(compare.CostPerUserUSD)
	for what, pair := range map[string][2]float64{
		"ratio": {total.Ratio, (0.06 + 2.4*0.99) / 2.5}, "low": {total.Interval.Low, (0.06 + 2.4*0.97) / 2.5}, "high": {total.Interval.High, (0.06 + 2.4) / 2.5},
	} {
		if math.Abs(pair[0]-pair[1]) > 1e-12 {
			t.Errorf("%s: %v, want %v", what, pair[0], pair[1])
		}
	}
	parts := runMetrics.Ratio(compare.DownloadsPerUserUSD)
	if math.Abs(parts.Interval.Low-0.97) > 1e-12 || math.Abs(parts.Interval.High-1) > 1e-12 {
		t.Errorf("downloads: %+v", parts.Interval)
	}
	if infra := runMetrics.Ratio(compare.InfraPerUserUSD); math.Abs(infra.Ratio-0.6) > 1e-12 || !infra.Interval.Exact() {
		t.Errorf("infrastructure: %+v", infra)
	}
	// With the capacities' ranges it is wider still.
	wide := capacities(compare.Range{Point: 10, Low: 9, High: 11}, compare.Range{Point: 30, Low: 24, High: 36})
	addCosts(wide, variants, d)
	if i := wide.Ratio(compare.CostPerUserUSD).Interval; !(i.Low < total.Interval.Low) || !(i.High > total.Interval.High) {
		t.Errorf("with the capacities' ranges %+v, without %+v", i, total.Interval)
	}
	if i := wide.Ratio(compare.InfraPerUserUSD).Interval; math.Abs(i.Low-0.6*(30./36)*0.9) > 1e-12 || math.Abs(i.High-0.6*(30./24)*1.1) > 1e-12 {
		t.Errorf("infrastructure with the capacities' ranges: %+v", i)
	}
	// What has no interval gives none.
	blind := capacities(exactly(10), exactly(30))
	addCosts(blind, variants, sure(spread{math.NaN(), math.NaN()}))
	if e := blind.Ratio(compare.CostPerUserUSD); e.Interval != nil || e.Ratio != total.Ratio {
		t.Errorf("without an interval of the downloads: %+v", e)
	}
}

// The page shows both parts and their sum, and the sum's key stays.
func TestBothPartsOfACost(t *testing.T) {
	run, trials := syntheticRun(), syntheticTrials(3)
	for i := range trials {
		trials[i].Measurement.BytesIn += int64(i) * 400 // blocks differ in what they download
	}
	r := build(t, run, trials, &record.End{})
	byKey := map[scenarios.MetricKey]Row{}
	for _, row := range r.Overall {
		byKey[row.Key] = row
	}
	sum, infra, down := byKey[compare.CostPerUserUSD], byKey[compare.InfraPerUserUSD], byKey[compare.DownloadsPerUserUSD]
	for side, values := range map[string][3]*float64{
		"before": {sum.Before.Value, infra.Before.Value, down.Before.Value}, "after": {sum.After.Value, infra.After.Value, down.After.Value},
	} {
		if values[0] == nil || values[1] == nil || values[2] == nil || math.Abs(*values[0]-*values[1]-*values[2]) > 1e-12 {
			t.Errorf("%s: the sum is not that of its parts", side)
		}
	}
	for _, row := range []Row{sum, infra, down} {
		if i := row.Effect.Interval; i == nil || !(i.Low < i.High) {
			t.Errorf("%s has no interval: %+v", row.Key, row.Effect)
		}
	}
	if sum.Key != r.Overall[2].Key {
		t.Errorf("the sum is no longer the third row: %+v", r.Overall)
	}
}
