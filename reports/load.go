// SPDX-License-Identifier: Apache-2.0

package reports

import (
	"cmp"
	"fmt"
	"html/template"
	"slices"

	"headroom/harness/record"
	"headroom/reports/chart"
	"headroom/reports/compare"
	"headroom/scenarios"
)

// LoadPoint is response time at one offered rate.
type LoadPoint struct {
	OfferedRPS float64  `json:"offered_rps"`
	OfCapacity float64  `json:"of_limit"` // share of the variant's capacity; 0 without one
	Requests   int64    `json:"requests"`
	P50MS      *float64 `json:"p50_ms"` // null: too few samples
	P95MS      *float64 `json:"p95_ms"`
	P99MS      *float64 `json:"p99_ms"`
	// SLOMS is the response time at the SLO's quantile.
	SLOMS *float64 `json:"slo_ms"`
}

// loadCurve adds up a variant's valid trials by offered rate, the lowest first. Trials
// of the bracket are too short for a point of the curve. Overloaded trials take part:
// the curve is to show that latency explodes there. Their sent requests have response
// times, and their unsent ones hide none.
func loadCurve(trials []record.Trial, v scenarios.Variant, slo scenarios.SLO, capacityRPS float64) []LoadPoint {
	var usable []record.Trial
	for _, t := range trials {
		counts := t.Valid() && !t.Measurement.Interrupted || t.Overloaded()
		if t.Variant == v && counts && t.RateName != record.RateBracket {
			usable = append(usable, t)
		}
	}
	slices.SortStableFunc(usable, func(a, b record.Trial) int {
		return cmp.Compare(a.Measurement.OfferedRPS, b.Measurement.OfferedRPS)
	})
	points := []LoadPoint{}
	for start := 0; start < len(usable); {
		rps, end := usable[start].Measurement.OfferedRPS, start
		for end < len(usable) && usable[end].Measurement.OfferedRPS <= rps*compare.NearRates {
			end++
		}
		points = append(points, loadPoint(usable[start:end], slo, capacityRPS))
		start = end
	}
	return points
}

func loadPoint(trials []record.Trial, slo scenarios.SLO, capacityRPS float64) LoadPoint {
	s := compare.Pool(trials, nil) // response times need no counter
	at := func(q float64) *float64 { return s.Quantile(q).Level().Value }
	p := LoadPoint{OfferedRPS: s.OfferedRPS(), P50MS: at(0.5), P95MS: at(0.95), P99MS: at(0.99)}
	for _, t := range trials {
		p.Requests += t.Measurement.Sent
	}
	if capacityRPS > 0 {
		p.OfCapacity = p.OfferedRPS / capacityRPS
	}
	if quantile, _ := sloQuantile(slo); quantile > 0 {
		p.SLOMS = at(quantile)
	}
	return p
}

// sloQuantile returns the SLO's first condition on the latency of all requests,
// its quantile and latency in ms; 0 when it has none.
func sloQuantile(slo scenarios.SLO) (quantile, latencyMS float64) {
	for _, c := range slo.Conditions {
		if c.Quantile > 0 && c.Endpoint == "" {
			return c.Quantile, c.Latency.Seconds() * 1e3
		}
	}
	return 0, 0
}

// drawLoad draws the SLO's quantile, and p50 dashed, of both variants.
func drawLoad(r Report) (template.HTML, error) {
	var lines []chart.Line
	for _, v := range r.Variants {
		line, median := chart.Line{Variant: v.Variant}, chart.Line{Variant: v.Variant, Dashed: true}
		for _, p := range v.Load {
			if p.SLOMS != nil { // a point with too few samples is no gap in the curve
				line.Points = append(line.Points, chart.Point{X: p.OfferedRPS, Y: *p.SLOMS})
			}
			if p.P50MS != nil {
				median.Points = append(median.Points, chart.Point{X: p.OfferedRPS, Y: *p.P50MS})
			}
		}
		lines = append(lines, line, median)
	}
	return drawing(chart.Load("Response time by offered load, before and after", lines, r.Scenario.SLOLatencyMS))
}

// loadCaption says what the curve shows.
func loadCaption(s Scenario) string {
	if s.SLOQuantile == 0 {
		return "Response time by load: p50 dashed"
	}
	return fmt.Sprintf("Response time by load: p%.4g, and p50 dashed; the dotted rule is the SLO, %s ms", s.SLOQuantile*100, compare.FormatNumber(s.SLOLatencyMS))
}
