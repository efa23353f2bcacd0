// SPDX-License-Identifier: Apache-2.0

package scenarios

import "slices"

// Unit is what a metric is counted in.
type Unit string

// The units of metrics.
const (
	UnitMillis    Unit = "ms"
	UnitPerSecond Unit = "requests/s"
	UnitShare     Unit = "share" // 0..1
	UnitCount     Unit = "count"
	UnitBytes     Unit = "bytes"
	UnitUSD       Unit = "usd"
)

// MetricKey names a metric. A metric of one endpoint has the endpoint in brackets:
// `p95_ms[GET /api/feed]`.
type MetricKey string

// The keys of the metrics.
const (
	MetricP50                 MetricKey = "p50_ms"
	MetricP95                 MetricKey = "p95_ms"
	MetricP99                 MetricKey = "p99_ms"
	MetricThroughput          MetricKey = "throughput_rps"
	MetricErrorRate           MetricKey = "error_rate"
	MetricDBCPUPerRequest     MetricKey = "db_cpu_ms_per_request"
	MetricDBCPUShare          MetricKey = "db_cpu_share"
	MetricStatements          MetricKey = "statements_per_request"
	MetricFeedStatements      MetricKey = "feed_statements_per_request"
	MetricRowsRead            MetricKey = "rows_read_per_row_returned"
	MetricBytes               MetricKey = "bytes_per_request"
	MetricCacheHits           MetricKey = "cache_hit_ratio"
	MetricEdgeHits            MetricKey = "edge_hit_ratio"
	MetricOriginRequests      MetricKey = "origin_requests_per_request"
	MetricDatabaseDemand      MetricKey = "database_demand_share"
	MetricLagP50              MetricKey = "replication_lag_p50_ms"
	MetricLagP99              MetricKey = "replication_lag_p99_ms"
	MetricCapacityRPS         MetricKey = "limit_rps"
	MetricMonthlyUSD          MetricKey = "monthly_cost_usd"
	MetricCostPerUserUSD      MetricKey = "cost_per_user_usd"
	MetricInfraPerUserUSD     MetricKey = "infrastructure_per_user_usd"
	MetricDownloadsPerUserUSD MetricKey = "downloads_per_user_usd"
)

// Metric is all that is known of a metric, except its formula, which is in
// reports/compare.
type Metric struct {
	Key        MetricKey
	Label      string
	Unit       Unit
	Claimed    bool // a claim may speak of it
	ByEndpoint bool // and of one endpoint's: `p95_ms[GET /api/feed]`
	Headline   bool // it stands in the table that everybody sees, where it tells anything
	// TellsWith is the metric that has to have a value for this headline to tell
	// anything; "": it always does.
	TellsWith MetricKey
	Detail    bool // it stands in the table of details
	Rateless  bool // its value does not come from slices, and no rate belongs to it
}

// metrics are all without a parameter of their own, the headlines in their order.
var metrics = append([]Metric{
	{Key: MetricP50, Label: "p50", Unit: UnitMillis, Claimed: true, ByEndpoint: true, Headline: true},
	{Key: MetricP95, Label: "p95", Unit: UnitMillis, Claimed: true, ByEndpoint: true, Headline: true},
	{Key: MetricP99, Label: "p99", Unit: UnitMillis, Claimed: true, ByEndpoint: true, Headline: true},
	{Key: MetricThroughput, Label: "throughput", Unit: UnitPerSecond, Claimed: true, Headline: true},
	{Key: MetricErrorRate, Label: "error rate", Unit: UnitShare, Claimed: true, Headline: true},
	{Key: MetricDBCPUPerRequest, Label: "database CPU per request", Unit: UnitMillis, Claimed: true, Headline: true},
	{Key: MetricDBCPUShare, Label: "database CPU utilisation", Unit: UnitShare, Claimed: true, Headline: true},
	{Key: MetricStatements, Label: "statements per request", Unit: UnitCount, Claimed: true, Headline: true},
	{Key: MetricFeedStatements, Label: "statements per feed request", Unit: UnitCount, Claimed: true, Headline: true, TellsWith: MetricFeedStatements},
	{Key: MetricRowsRead, Label: "rows read per row returned", Unit: UnitCount, Claimed: true, Headline: true},
	{Key: MetricBytes, Label: "bytes per request", Unit: UnitBytes, Claimed: true, Headline: true},
	{Key: MetricCacheHits, Label: "cache hit ratio", Unit: UnitShare, Claimed: true, Headline: true, TellsWith: MetricCacheHits},
	{Key: MetricEdgeHits, Label: "edge hit ratio", Unit: UnitShare, Claimed: true, Headline: true, TellsWith: MetricEdgeHits},
	// Without an edge every request gets to the shop.
	{Key: MetricOriginRequests, Label: "shop requests per request", Unit: UnitCount, Claimed: true, Headline: true, TellsWith: MetricEdgeHits},
	{Key: MetricDatabaseDemand, Label: "the database's demand over the largest other", Unit: UnitCount, Claimed: true, Detail: true},
	{Key: MetricLagP50, Label: "replication lag, p50", Unit: UnitMillis, Claimed: true},
	{Key: MetricLagP99, Label: "replication lag, p99", Unit: UnitMillis, Claimed: true},

	{Key: MetricCapacityRPS, Label: "capacity under the SLO", Unit: UnitPerSecond, Claimed: true, Rateless: true},
	{Key: MetricMonthlyUSD, Label: "monthly cost", Unit: UnitUSD, Claimed: true, Rateless: true},
	{Key: MetricCostPerUserUSD, Label: "monthly cost per user", Unit: UnitUSD, Claimed: true, Rateless: true},
	{Key: MetricInfraPerUserUSD, Label: "of it infrastructure", Unit: UnitUSD, Rateless: true},
	{Key: MetricDownloadsPerUserUSD, Label: "of it downloads", Unit: UnitUSD, Rateless: true},
}, shareMetrics()...)

// shareMetrics are the violations of each oracle over its checks.
func shareMetrics() []Metric {
	var out []Metric
	for _, o := range oracles {
		if !o.Samples {
			out = append(out, Metric{Key: MetricKey(o.Name) + shareSuffix, Label: o.Label, Unit: UnitShare, Claimed: true})
		}
	}
	return out
}

// Metrics lists every metric. The metrics of reports' tables have the tables' order.
func Metrics() []Metric { return slices.Clone(metrics) }

// MetricOf returns the metric of a key, false when none has that key.
func MetricOf(key MetricKey) (Metric, bool) {
	i := slices.IndexFunc(metrics, func(m Metric) bool { return m.Key == key })
	if i < 0 {
		return Metric{}, false
	}
	return metrics[i], true
}

// claimedMetrics are the keys of the metrics that a claim may speak of.
func claimedMetrics() []MetricKey {
	var keys []MetricKey
	for _, m := range metrics {
		if m.Claimed {
			keys = append(keys, m.Key)
		}
	}
	return keys
}
