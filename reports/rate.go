package reports

import (
	"fmt"
	"slices"

	"headroom/reports/compare"
	"headroom/scenarios"
)

// headline are the metrics of the table that everybody sees.
var headline = []string{
	"p50_ms", "p95_ms", "p99_ms", "throughput_rps", "error_rate",
	"db_cpu_ms_per_request", "db_cpu_share", "statements_per_request", "feed_statements_per_request", "rows_read_per_row_returned", "bytes_per_request",
	"cache_hit_ratio", "edge_hit_ratio", "origin_requests_per_request",
}

// telling says whether a headline metric tells anything: those of a pattern
// only where one of the variants has it.
func telling(row Row, before, after compare.Sample) bool {
	has := func(key string) bool { return before.Value(key).OK() || after.Value(key).OK() }
	switch row.Key {
	case "feed_statements_per_request", "cache_hit_ratio", "edge_hit_ratio":
		return has(row.Key)
	case "origin_requests_per_request":
		return has("edge_hit_ratio") // without an edge every request gets there
	}
	return true
}

// percentiles are the points of the latency curve.
var percentiles = []float64{50, 60, 70, 75, 80, 85, 90, 92.5, 95, 96, 97, 98, 98.5, 99, 99.5, 99.8, 99.9}

// overloaded is why a variant has no figures at a rate that it cannot carry.
const overloaded = "overloaded"

// meanings says what a rate's name stands for.
var meanings = map[string]string{
	"common": "80% of before's limit, the same for both",
	"high":   "near after's limit",
}

func rateOf(table compare.Table, name string) Rate {
	comparison := table.At(name)
	before, after := table.Pooled(name, scenarios.Before), table.Pooled(name, scenarios.After)
	r := Rate{
		Name: name, Meaning: meanings[name], BeforeRPS: before.OfferedRPS(), AfterRPS: after.OfferedRPS(),
		Blocks: slices.Concat([]int{}, comparison.Blocks()), Invalid: []string{},
	}
	for _, v := range scenarios.Variants() {
		if reason := table.AllInvalid(name, v); reason != "" {
			r.Invalid = append(r.Invalid, reason)
		}
	}
	row := func(key string) Row {
		metric, _ := compare.Describe(key)
		effect := comparison.Ratio(key)
		effect.Pairs = slices.Concat([]compare.Pair{}, effect.Pairs)
		r := Row{Metric: metric, Before: before.Value(key).Level(), After: after.Value(key).Level(), Effect: effect}
		for v, level := range map[scenarios.Variant]*compare.Level{scenarios.Before: &r.Before, scenarios.After: &r.After} {
			if table.Overloaded(name, v) {
				level.Missing = overloaded
			}
		}
		return r
	}
	for _, key := range headline {
		if line := row(key); telling(line, before, after) {
			r.Rows = append(r.Rows, line)
		}
	}
	var effects []*compare.Effect
	for i := range r.Rows {
		effects = append(effects, &r.Rows[i].Effect)
	}
	comparison.AdjustP(effects)
	for _, key := range detailKeys(before, after) {
		r.Details = append(r.Details, row(key))
	}
	r.Bottleneck = Bottleneck{Before: bottleneckOf(before), After: bottleneckOf(after)}
	r.Curves, r.Timeline = curvesOf(before, after), timelineOf(before, after)
	r.Machines = utilisationOf(before, after)
	return r
}

// detailKeys lists the metrics by endpoint and machine that either side has.
func detailKeys(before, after compare.Sample) []string {
	keys := []string{"postgres_demand_share"}
	for _, e := range union(before.Endpoints(), after.Endpoints()) {
		keys = append(keys, fmt.Sprintf("p50_ms[%s]", e), fmt.Sprintf("p95_ms[%s]", e))
	}
	for _, header := range union(before.Headers(), after.Headers()) {
		keys = append(keys, fmt.Sprintf("header_share[%s]", header))
	}
	for _, m := range union(before.Machines(), after.Machines()) {
		for _, metric := range []string{"cpu_ms_per_request", "utilisation", "throttled_share"} {
			keys = append(keys, fmt.Sprintf("%s[%s]", metric, m))
		}
	}
	return keys
}

// union lists the names of a, then those that only b has.
func union(a, b []string) []string {
	all := slices.Clone(a)
	for _, name := range b {
		if !slices.Contains(all, name) {
			all = append(all, name)
		}
	}
	return all
}

func bottleneckOf(s compare.Sample) string {
	if name, ok := s.Bottleneck(); ok {
		return name
	}
	return ""
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
	for _, s := range before.Timeline {
		point := at(s.Second)
		point.BeforeP50MS = compare.QuantileMillis(s.Response, s.Sent, 0.5).Level().Value
		point.BeforeP95MS = compare.QuantileMillis(s.Response, s.Sent, 0.95).Level().Value
	}
	for _, s := range after.Timeline {
		point := at(s.Second)
		point.AfterP50MS = compare.QuantileMillis(s.Response, s.Sent, 0.5).Level().Value
		point.AfterP95MS = compare.QuantileMillis(s.Response, s.Sent, 0.95).Level().Value
	}
	timeline := []Second{}
	for _, point := range bySecond {
		timeline = append(timeline, *point)
	}
	slices.SortFunc(timeline, func(a, b Second) int { return a.Second - b.Second })
	return timeline
}

func utilisationOf(before, after compare.Sample) []Utilisation {
	use := []Utilisation{}
	for _, m := range union(before.Machines(), after.Machines()) {
		key := fmt.Sprintf("utilisation[%s]", m)
		use = append(use, Utilisation{Machine: m,
			Before: before.Value(key).Level().Value, After: after.Value(key).Level().Value})
	}
	return use
}
