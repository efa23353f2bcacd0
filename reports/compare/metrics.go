// SPDX-License-Identifier: Apache-2.0

package compare

import (
	"slices"

	"headroom/harness/record"
	"headroom/scenarios"
)

// Metrics whose values do not come from a slice but from the search for a
// limit and the price book: see Given.
const (
	LimitRPS       = "limit_rps"
	MonthlyUSD     = "monthly_cost_usd"
	CostPerUserUSD = "cost_per_user_usd"
	// The two parts of a user's cost, for reports; no claim speaks of them.
	InfraPerUserUSD     = "infrastructure_per_user_usd"
	DownloadsPerUserUSD = "downloads_per_user_usd"
)

// Rateless says whether a key is one of the metrics that no rate belongs to.
func Rateless(key string) bool {
	m, ok := metricOf(key)
	return ok && m.compute == nil
}

// metric is all that is known of one: a further metric is a further row.
type metric struct {
	Metric
	// compute works the metric out from a sample; nil: its value does not come from
	// slices, and no rate belongs to it.
	compute  func(Sample) Value
	headline bool // stands in the table that everybody sees, where it tells anything
	// tellsWith is the metric that has to have a value for this headline to tell
	// anything; "": it always does.
	tellsWith string
}

// metrics are all without a parameter, the headlines in their order.
var metrics = append([]metric{
	{Metric: Metric{"throughput_rps", "throughput", PerSecond}, headline: true, compute: func(s Sample) Value {
		return ratioOfCount(float64(s.Succeeded), s.DurationS, "the slices have no duration")
	}},
	{Metric: Metric{"error_rate", "error rate", Share}, headline: true, compute: func(s Sample) Value {
		return share(float64(s.Failed+s.Unsent), float64(s.Planned), "no request was planned")
	}},
	{Metric: Metric{"db_cpu_ms_per_request", "database CPU per request", Millis}, headline: true, compute: Sample.dbCPUPerRequest},
	{Metric: Metric{"db_cpu_share", "database CPU utilisation", Share}, headline: true, compute: Sample.dbCPUShare},
	{Metric: Metric{"statements_per_request", "statements per request", Count}, headline: true, compute: func(s Sample) Value {
		return s.countPer(scenarios.MeaningStatements, s.Succeeded, s.uncounted(scenarios.MeaningStatements, "the database", "statements"), noneSucceeded)
	}},
	{Metric: Metric{"feed_statements_per_request", "statements per feed request", Count}, headline: true, tellsWith: "feed_statements_per_request",
		compute: func(s Sample) Value {
			return s.countBy(scenarios.MeaningFeedStatements, scenarios.MeaningFeedRequests, "the feed's statements were not counted", "no feed was asked for")
		}},
	{Metric: Metric{"rows_read_per_row_returned", "rows read per row returned", Count}, headline: true, compute: func(s Sample) Value {
		return s.countBy(scenarios.MeaningRowsRead, scenarios.MeaningRowsReturned, s.uncounted(scenarios.MeaningRowsRead, "the database", "rows"), "no row was returned")
	}},
	{Metric: Metric{"bytes_per_request", "bytes per request", Bytes}, headline: true, compute: func(s Sample) Value {
		return s.perRequest(float64(s.bytesIn))
	}},
	{Metric: Metric{"cache_hit_ratio", "cache hit ratio", Share}, headline: true, tellsWith: "cache_hit_ratio", compute: func(s Sample) Value {
		return s.hitRatio(scenarios.MeaningCacheHits, scenarios.MeaningCacheMisses, "no cache", "the cache was not asked") // of all caches
	}},
	{Metric: Metric{"edge_hit_ratio", "edge hit ratio", Share}, headline: true, tellsWith: "edge_hit_ratio", compute: func(s Sample) Value {
		// Of all edges, without what they pass on.
		return s.hitRatio(scenarios.MeaningEdgeHits, scenarios.MeaningEdgeMisses, "no edge", "the edges were not asked for what they keep")
	}},
	// Without an edge every request gets to the shop.
	{Metric: Metric{"origin_requests_per_request", "shop requests per request", Count}, headline: true, tellsWith: "edge_hit_ratio", compute: func(s Sample) Value {
		return s.countPer(scenarios.MeaningAppRequests, s.Sent, s.uncounted(scenarios.MeaningAppRequests, "the application", "requests"), "no request was sent")
	}},
	{Metric: Metric{"database_demand_share", "the database's demand over the largest other", Count}, compute: Sample.databaseDemandShare},
	{Metric: Metric{"replication_lag_p50_ms", "replication lag, p50", Millis}, compute: func(s Sample) Value { return s.lagMS(0.5) }}, // of all replicas
	{Metric: Metric{"replication_lag_p99_ms", "replication lag, p99", Millis}, compute: func(s Sample) Value { return s.lagMS(0.99) }},

	{Metric: Metric{LimitRPS, "capacity under the SLO", PerSecond}},
	{Metric: Metric{MonthlyUSD, "monthly cost", USD}},
	{Metric: Metric{CostPerUserUSD, "monthly cost per user", USD}},
	{Metric: Metric{InfraPerUserUSD, "of it infrastructure", USD}},
	{Metric: Metric{DownloadsPerUserUSD, "of it downloads", USD}},
}, oracleMetrics()...)

// oracleMetrics are the violations of each oracle over what it checked.
func oracleMetrics() []metric {
	labels := map[string]string{
		scenarios.OracleStale: "stale reads", scenarios.OracleReadYourWrites: "own writes not read", scenarios.OracleMonotonic: "reads going back in time",
		scenarios.OracleMisplaced: "rows in the wrong shard", scenarios.OracleDuplicateIDs: "ids given twice", scenarios.OracleLost: "jobs lost",
		scenarios.OracleDuplicated: "jobs done twice", scenarios.OracleReordered: "jobs out of order", scenarios.OracleOverLimit: "admitted over the limit",
	}
	var out []metric
	for _, oracle := range scenarios.Oracles() {
		if label := labels[oracle]; label != "" {
			out = append(out, metric{Metric: Metric{oracle + "_share", label, Share}, compute: func(s Sample) Value { return s.oracleShare(oracle) }})
		}
	}
	return out
}

// argument is a metric with a parameter in brackets: of one machine, or of one
// response header.
type argument struct {
	base    string
	label   string
	unit    Unit
	compute func(s Sample, of string) Value
}

// byArgument are all metrics with a parameter.
var byArgument = []argument{
	{"cpu_ms_per_request", "CPU per request", Millis, ofMachine(func(s Sample, m record.MachineUse) Value { return s.cpuPerRequest(m.CPUSeconds, m.Machine) })},
	{"utilisation", "CPU utilisation", Share, ofMachine(func(_ Sample, m record.MachineUse) Value {
		cpu, known := m.CPUSeconds.Get()
		if !known {
			return cpuNotKnown(m.Machine)
		}
		return per(cpu, m.WindowS*m.QuotaCPUs, "its CPU quota is not known")
	})},
	{"throttled_share", "throttled CPU periods", Share, ofMachine(func(_ Sample, m record.MachineUse) Value {
		throttled, known1 := m.ThrottledPeriods.Get()
		periods, known2 := m.Periods.Get()
		if !known1 || !known2 {
			return missing("the CPU periods of %s are not known", m.Machine)
		}
		return share(throttled, periods, "its CPU periods were not counted")
	})},
	{"header_share", "answers with", Share, Sample.headerShare}, // of the requests sent
}

func metricOf(key string) (metric, bool) {
	i := slices.IndexFunc(metrics, func(m metric) bool { return m.Key == key })
	if i < 0 {
		return metric{}, false
	}
	return metrics[i], true
}

func argumentOf(base string) (argument, bool) {
	i := slices.IndexFunc(byArgument, func(a argument) bool { return a.base == base })
	if i < 0 {
		return argument{}, false
	}
	return byArgument[i], true
}
