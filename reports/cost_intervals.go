// SPDX-License-Identifier: Apache-2.0

package reports

import (
	"fmt"
	"math"
	"slices"

	"headroom/harness/record"
	"headroom/reports/compare"
	"headroom/reports/cost"
	"headroom/scenarios"
)

// overallKeys are the rows of what no rate belongs to. The two parts of a
// user's cost follow their sum where the price book has a price for downloads.
func overallKeys(variants []Variant) []scenarios.MetricKey {
	keys := []scenarios.MetricKey{compare.CapacityRPS, compare.MonthlyUSD, compare.CostPerUserUSD}
	if variants[0].EgressPerUserUSD > 0 || variants[1].EgressPerUserUSD > 0 {
		keys = append(keys, compare.InfraPerUserUSD, compare.DownloadsPerUserUSD)
	}
	return keys
}

// spread is the interval of a measured figure, as factors of the figure. Both are NaN
// without an interval.
type spread struct{ low, high float64 }

func spreadOf(point float64, i *compare.Interval) spread {
	if i == nil || !(point > 0) {
		return spread{math.NaN(), math.NaN()}
	}
	return spread{i.Low / point, i.High / point}
}

// of is the range of a value with this spread; of 0 the range is 0.
func (s spread) of(value float64) compare.Range {
	if value == 0 {
		return compare.Range{}
	}
	return compare.Range{Point: value, Low: value * s.low, High: value * s.high}
}

// downloads are the spreads of the bytes per request: of each variant, and of their
// ratio after/before. Both variants answer the same requests in each block, so the
// ratio is known better than either.
type downloads struct {
	variant map[scenarios.Variant]spread
	ratio   spread
}

// downloadsOf takes the spreads from the blocks at the common rate, or else at the
// first rate with enough blocks.
func downloadsOf(table compare.Table) downloads {
	const key = scenarios.MetricBytes
	d := downloads{variant: map[scenarios.Variant]spread{}, ratio: spreadOf(0, nil)}
	for _, v := range scenarios.Variants() {
		d.variant[v] = spreadOf(0, nil)
	}
	rates := slices.Clone(table.Rates())
	slices.SortStableFunc(rates, func(a, b scenarios.RateName) int {
		switch {
		case a == record.RateCommon && b != record.RateCommon:
			return -1
		case b == record.RateCommon && a != record.RateCommon:
			return 1
		}
		return 0
	})
	for _, rate := range rates {
		comparison := table.At(rate)
		effect := comparison.Ratio(key)
		if effect.Interval == nil {
			continue
		}
		d.ratio = spreadOf(effect.Ratio, effect.Interval)
		for _, v := range scenarios.Variants() {
			if point, interval, ok := comparison.Level(v, key); ok {
				d.variant[v] = spreadOf(point, interval)
			}
		}
		break
	}
	return d
}

// addCosts adds what a user costs a month: infrastructure, downloads and their sum.
// Their ranges come from the range of the capacity and the interval of the downloads.
func addCosts(runMetrics compare.RunMetrics, variants []Variant, d downloads) {
	infra, down, sum := map[scenarios.Variant]compare.Range{}, map[scenarios.Variant]compare.Range{}, map[scenarios.Variant]compare.Range{}
	for _, v := range variants {
		infra[v.Variant] = infraPerUser(v, runMetrics[compare.CapacityRPS][v.Variant])
		down[v.Variant] = d.variant[v.Variant].of(v.EgressPerUserUSD)
		sum[v.Variant] = plus(infra[v.Variant], down[v.Variant])
	}
	before, after := variants[0], variants[1]
	// After's downloads over before's: what both have in common cancels.
	against := d.ratio.of(after.EgressPerUserUSD)
	if usd := before.EgressPerUserUSD; usd > 0 {
		down[compare.AfterOverBefore] = compare.Range{Point: against.Point / usd, Low: against.Low / usd, High: against.High / usd}
	}
	if b, a := infra[before.Variant], infra[after.Variant]; b.Missing == "" && a.Missing == "" {
		sum[compare.AfterOverBefore] = costRatio(b.Point, compare.RunMetrics{compare.InfraPerUserUSD: infra}.Ratio(compare.InfraPerUserUSD), before.EgressPerUserUSD, against)
	}
	runMetrics[compare.InfraPerUserUSD], runMetrics[compare.DownloadsPerUserUSD], runMetrics[compare.CostPerUserUSD] = infra, down, sum
}

// costRatio is after's cost per user over before's, from the ratio of the
// infrastructure's parts. That ratio is taken block by block, as the capacities' is: a
// ratio of two ranges would keep what both variants of a block have in common.
func costRatio(infraUSD float64, infra compare.Effect, downloadsUSD float64, against compare.Range) compare.Range {
	if infra.Missing != "" {
		return compare.Range{Missing: infra.Missing}
	}
	of := func(ratio, downloads float64) float64 {
		return (infraUSD*ratio + downloads) / (infraUSD + downloadsUSD)
	}
	r := compare.Range{Point: of(infra.Ratio, against.Point), Low: math.NaN(), High: math.NaN()}
	if i := infra.Interval; i != nil {
		r.Low, r.High = of(i.Low, against.Low), of(i.High, against.High)
	}
	return r
}

// infraPerUser is a user's part of the variant's price; the larger the capacity, the
// smaller the part.
func infraPerUser(v Variant, capacity compare.Range) compare.Range {
	switch {
	case capacity.Missing != "":
		return compare.Range{Missing: capacity.Missing}
	case !(v.Users > 0):
		return compare.Range{Missing: "the scenario does not say how many requests a user makes"}
	}
	share := func(rps float64) float64 { return v.Bill.MonthlyUSD / (v.Users * rps / capacity.Point) }
	r := compare.Range{Point: share(capacity.Point), Low: share(capacity.High), High: share(capacity.Low), Blocks: map[int]float64{}}
	for block, rps := range capacity.Blocks {
		r.Blocks[block] = share(rps)
	}
	return r
}

func plus(a, b compare.Range) compare.Range {
	if a.Missing != "" {
		return a
	}
	return compare.Range{Point: a.Point + b.Point, Low: a.Low + b.Low, High: a.High + b.High}
}

// breakEven says from how many users on the dearer variant is the cheaper one per user,
// and how far the intervals move that number.
func breakEven(variants []Variant, runMetrics compare.RunMetrics, d downloads) string {
	cheap, dear := variants[0], variants[1]
	if more := cheap.Bill.MonthlyUSD - dear.Bill.MonthlyUSD; more > 0 || more == 0 && cheap.Users > dear.Users {
		cheap, dear = dear, cheap
	}
	crossing, ok := cost.BreakEven(cheap.offer(), dear.offer())
	if !ok {
		return "unknown: it takes the capacities of both variants"
	}
	perUser := runMetrics.Ratio(compare.CostPerUserUSD)
	if usd := cheap.Bill.MonthlyUSD; usd == dear.Bill.MonthlyUSD && perUser.Missing == "" && (perUser.Interval == nil || perUser.Spans1()) {
		return fmt.Sprintf("both cost %s a month, and it is not shown which is the cheaper per user", dollars(usd))
	}
	return crossingText(crossing, cheap, dear) + endsText(crossing, cheap, dear, runMetrics, d)
}

func crossingText(c cost.Crossing, cheap, dear Variant) string {
	number := compare.FormatNumber
	same := ""
	if cheap.Bill.MonthlyUSD == dear.Bill.MonthlyUSD && c.First > cheap.Users {
		same = fmt.Sprintf("both cost the same until one copy of %s is full, at %s users; ", cheap.Variant, number(c.First-1))
	}
	const whole = ", counted in whole copies of each"
	switch {
	case c.First == 0 && c.Compared > 0:
		return fmt.Sprintf("%s is the cheaper per user up to %s users, as far as was counted", cheap.Variant, number(c.Compared))
	case c.First == 0:
		return fmt.Sprintf("%s is the cheaper per user at any number of users", cheap.Variant)
	case c.ForGood == c.First:
		return fmt.Sprintf("%sfrom %s users on, %s is the cheaper%s", same, number(c.First), dear.Variant, whole)
	case c.ForGood > 0:
		return fmt.Sprintf("%sat %s users %s is the cheaper for the first time, from %s on for good%s", same, number(c.First), dear.Variant, number(c.ForGood), whole)
	case c.Compared > 0:
		return fmt.Sprintf("%sat %s users %s is the cheaper for the first time; up to %s the two change places, as far as was counted%s",
			same, number(c.First), dear.Variant, number(c.Compared), whole)
	}
	return fmt.Sprintf("%sat %s users %s is the cheaper for the first time, but not for good: with many users %s is%s",
		same, number(c.First), dear.Variant, cheap.Variant, whole)
}

// endsText says where the first crossing lies at the ends of the intervals: at those
// that favour the one variant, and at those that favour the other.
func endsText(measured cost.Crossing, cheap, dear Variant, runMetrics compare.RunMetrics, d downloads) string {
	const notKnown = "; how far off that may be is not known: "
	early, late := [2]cost.Offer{}, [2]cost.Offer{}
	for i, v := range []Variant{cheap, dear} {
		early[i] = offerAt(v, dear.Variant, runMetrics[compare.CapacityRPS][v.Variant], d)
		late[i] = offerAt(v, cheap.Variant, runMetrics[compare.CapacityRPS][v.Variant], d)
		if math.IsNaN(early[i].UserUSD) {
			return notKnown + "there are too few blocks for an interval of the downloads"
		}
	}
	soonest, ok := cost.BreakEven(early[0], early[1])
	latest, okToo := cost.BreakEven(late[0], late[1])
	number := compare.FormatNumber
	switch {
	case !ok || !okToo:
		return notKnown + "no rate failed"
	case soonest.First == latest.First && soonest.First == measured.First:
		return ", also at the ends of the intervals of capacity and downloads"
	case latest.First == 0:
		return fmt.Sprintf("; at the ends of the intervals of capacity and downloads, the first time is at %s users, or never", number(soonest.First))
	}
	return fmt.Sprintf("; at the ends of the intervals of capacity and downloads, the first time is at %s or at %s users", number(soonest.First), number(latest.First))
}

// offerAt is a variant's offer at the ends of the intervals that favour one of the two
// variants.
func offerAt(v Variant, favoured scenarios.Variant, capacity compare.Range, d downloads) cost.Offer {
	o := v.offer()
	rps, downloaded := capacity.Low, d.ratio.high
	if v.Variant == favoured {
		rps = capacity.High
	}
	if favoured == scenarios.After {
		downloaded = d.ratio.low
	}
	o.CopyUsers *= rps / capacity.Point
	if v.Variant == scenarios.After && o.UserUSD > 0 {
		o.UserUSD *= downloaded // against before's, as measured
	}
	return o
}
