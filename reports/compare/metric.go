package compare

import (
	"regexp"
	"slices"
	"strconv"
	"strings"

	"headroom/harness/record"
	"headroom/scenarios"
)

// Unit is what a metric is counted in.
type Unit string

// The units of metrics.
const (
	Millis    Unit = "ms"
	PerSecond Unit = "requests/s"
	Share     Unit = "share" // 0..1
	Count     Unit = "count"
	Bytes     Unit = "bytes"
	USD       Unit = "usd"
)

// Metric describes one key.
type Metric struct {
	Key   string `json:"key"`
	Label string `json:"label"`
	Unit  Unit   `json:"unit"`
}

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
	return slices.Contains([]string{LimitRPS, MonthlyUSD, CostPerUserUSD, InfraPerUserUSD, DownloadsPerUserUSD}, key)
}

// described holds the metrics without a parameter.
var described = []Metric{
	{"throughput_rps", "throughput", PerSecond},
	{"error_rate", "error rate", Share},
	{"db_cpu_ms_per_request", "database CPU per request", Millis},
	{"statements_per_request", "statements per request", Count},
	{"feed_statements_per_request", "statements per feed request", Count},
	{"rows_read_per_row_returned", "rows read per row returned", Count},
	{"bytes_per_request", "bytes per request", Bytes},
	{"postgres_demand_share", "PostgreSQL's demand over the largest other", Count},
	{"cache_hit_ratio", "cache hit ratio", Share},
	{"db_cpu_share", "database CPU utilisation", Share},
	{"edge_hit_ratio", "edge hit ratio", Share},
	{"origin_requests_per_request", "shop requests per request", Count},
	{"stale_share", "stale reads", Share},
	{"read_your_writes_share", "own writes not read", Share},
	{"monotonic_reads_share", "reads going back in time", Share},
	{"replication_lag_p50_ms", "replication lag, p50", Millis},
	{"replication_lag_p99_ms", "replication lag, p99", Millis},
	{"misplaced_share", "rows in the wrong shard", Share},
	{"duplicate_ids_share", "ids given twice", Share},
	{"lost_share", "jobs lost", Share},
	{"duplicated_share", "jobs done twice", Share},
	{"reordered_share", "jobs out of order", Share},
	{"over_limit_share", "admitted over the limit", Share},
	{LimitRPS, "capacity under the SLO", PerSecond},
	{MonthlyUSD, "monthly cost", USD},
	{CostPerUserUSD, "monthly cost per user", USD},
	{InfraPerUserUSD, "of it infrastructure", USD},
	{DownloadsPerUserUSD, "of it downloads", USD},
}

// Metrics with a parameter in brackets: a machine or a response header.
var parametric = map[string]Metric{
	"cpu_ms_per_request": {Label: "CPU per request", Unit: Millis},
	"utilisation":        {Label: "CPU utilisation", Unit: Share},
	"throttled_share":    {Label: "throttled CPU periods", Unit: Share},
	"header_share":       {Label: "answers with", Unit: Share},
}

var (
	quantileKey = regexp.MustCompile(`^p(\d{1,2}(?:\.\d+)?)_ms$`)
	withArg     = regexp.MustCompile(`^([a-z0-9_.]+)\[(.+)\]$`)
)

// Describe returns the metric of a key, false when no metric has that key:
//
//	p95_ms, p99.9_ms, p95_ms[GET /api/feed]        response time
//	throughput_rps, error_rate, bytes_per_request  of all requests
//	db_cpu_ms_per_request, statements_per_request,
//	feed_statements_per_request, rows_read_per_row_returned,
//	postgres_demand_share
//	cache_hit_ratio                                of all Valkeys
//	db_cpu_share                                   of PostgreSQL on its machine, the busiest
//	edge_hit_ratio                                 of all Varnishes, without what they pass on
//	origin_requests_per_request                    requests that reached the shop, per request sent
//	stale_share, lost_share, ...                   violations per check of an oracle
//	replication_lag_p50_ms, replication_lag_p99_ms of all replicas
//	header_share[X-Cache: hit]                     of the requests sent
//	cpu_ms_per_request[machine], utilisation[machine], throttled_share[machine]
//	limit_rps, monthly_cost_usd, cost_per_user_usd,
//	infrastructure_per_user_usd, downloads_per_user_usd of the variant, at no rate
func Describe(key string) (Metric, bool) {
	base, arg := splitKey(key)
	if q := quantileKey.FindStringSubmatch(base); q != nil {
		if v, err := strconv.ParseFloat(q[1], 64); err != nil || v <= 0 {
			return Metric{}, false
		}
		return Metric{Key: key, Label: labelled("p"+q[1], arg), Unit: Millis}, true
	}
	if m, ok := parametric[base]; ok && arg != "" {
		return Metric{Key: key, Label: labelled(m.Label, arg), Unit: m.Unit}, true
	}
	for _, m := range described {
		if m.Key == key {
			return m, true
		}
	}
	return Metric{}, false
}

func labelled(label, arg string) string { return strings.TrimSpace(label + " " + arg) }

func splitKey(key string) (base, arg string) {
	if m := withArg.FindStringSubmatch(key); m != nil {
		return m[1], m[2]
	}
	return key, ""
}

// Value computes a metric from the sample. CPU, statements and rows are per
// request that succeeded, so that a variant gains nothing by failing.
func (s Sample) Value(key string) Value {
	if s.Slices == 0 {
		return missing("no valid slice")
	}
	base, arg := splitKey(key)
	if q := quantileKey.FindStringSubmatch(base); q != nil {
		return s.quantileOf(q[1], arg)
	}
	if base == "header_share" && arg != "" {
		return s.headerShare(arg)
	}
	if _, ok := parametric[base]; ok && arg != "" {
		return s.machineValue(base, arg)
	}
	switch key {
	case "throughput_rps":
		return ratioOfCount(float64(s.Succeeded), s.DurationS, "the slices have no duration")
	case "error_rate":
		return share(float64(s.Failed+s.Unsent), float64(s.Planned), "no request was planned")
	case "bytes_per_request":
		return s.perRequest(float64(s.bytesIn))
	case "db_cpu_ms_per_request":
		cpu := 0.0
		if !s.each(scenarios.KindPostgres, func(m record.MachineUse, p record.ProcessUse) { cpu += processCPU(m, p) }) {
			return missing("no PostgreSQL")
		}
		return s.perRequest(cpu * 1000)
	case "statements_per_request":
		return s.countPer(scenarios.KindPostgres, "statements", s.Succeeded, "PostgreSQL's statements were not counted", noneSucceeded)
	case "feed_statements_per_request":
		return s.countBy(scenarios.KindShop, "feed_statements", "feed_requests", "the feed's statements were not counted", "no feed was asked for")
	case "rows_read_per_row_returned":
		return s.countBy(scenarios.KindPostgres, "tuples_read", "rows", "PostgreSQL's rows were not counted", "no row was returned")
	case "cache_hit_ratio":
		return s.hitRatio(scenarios.KindValkey, "no cache", "the cache was not asked")
	case "postgres_demand_share":
		return s.postgresDemandShare()
	}
	return s.patternValue(key)
}

// patternValue computes the metrics of replicas, edges and oracles.
func (s Sample) patternValue(key string) Value {
	if q, ok := lagQuantiles[key]; ok {
		return s.lagMS(q)
	}
	if name, ok := scenarios.OracleOf(key); ok {
		return s.oracleShare(name)
	}
	switch key {
	case "db_cpu_share":
		return s.dbCPUShare()
	case "edge_hit_ratio":
		return s.hitRatio(scenarios.KindVarnish, "no edge", "the edges were not asked for what they keep")
	case "origin_requests_per_request":
		return s.countPer(scenarios.KindShop, "requests", s.Sent, "the shop's requests were not counted", "no request was sent")
	}
	return missing("unknown metric %q", key)
}

func (s Sample) quantileOf(percentile, endpoint string) Value {
	p, err := strconv.ParseFloat(percentile, 64)
	if err != nil || p <= 0 {
		return missing("unknown quantile p%s", percentile)
	}
	if endpoint == "" {
		return s.all.quantile(p / 100)
	}
	for _, e := range s.endpoints {
		if e.name == endpoint {
			return e.quantile(p / 100)
		}
	}
	return missing("no request went to %s", endpoint)
}

func (s Sample) machineValue(base, machine string) Value {
	for _, m := range s.machines {
		switch {
		case m.Machine != machine:
		case base == "utilisation":
			return per(m.CPUSeconds, m.WindowS*m.QuotaCPUs, "its CPU quota is not known")
		case base == "throttled_share":
			return share(float64(m.ThrottledPeriods), float64(m.Periods), "its CPU periods were not counted")
		default:
			return s.perRequest(m.CPUSeconds * 1000)
		}
	}
	return missing("no machine %s", machine)
}

// postgresDemandShare is the service demand of PostgreSQL (the busiest, if
// several) over the largest of any other process, both per CPU that the machine
// may use, external machines excepted. It is above 1 when PostgreSQL runs out
// first, by as much as it does: a figure that ended at 1 would have no scatter
// there, and no interval.
func (s Sample) postgresDemandShare() Value {
	postgres, other := 0.0, 0.0
	for _, m := range s.machines {
		if m.External || !(m.QuotaCPUs > 0) {
			continue
		}
		for _, p := range m.Processes {
			demand := processCPU(m, p) / m.QuotaCPUs
			if p.Kind == scenarios.KindPostgres {
				postgres = max(postgres, demand)
			} else {
				other = max(other, demand)
			}
		}
	}
	return per(postgres, other, "no process but PostgreSQL used CPU on a machine with a quota")
}

// countPer is one counter of all processes of a kind by a number of requests.
func (s Sample) countPer(kind scenarios.Kind, counted string, requests int64, uncounted, none string) Value {
	count, ok := s.count(kind, counted)
	if !ok {
		return missing("%s", uncounted)
	}
	return ratioOfCount(count, float64(requests), none)
}

// countBy is one counter of all processes of a kind by another.
func (s Sample) countBy(kind scenarios.Kind, counted, by, uncounted, none string) Value {
	count, ok1 := s.count(kind, counted)
	of, ok2 := s.count(kind, by)
	if !ok1 || !ok2 {
		return missing("%s", uncounted)
	}
	return ratioOfCount(count, of, none)
}

// hitRatio is the share of hits in what all processes of a kind were asked for.
func (s Sample) hitRatio(kind scenarios.Kind, uncounted, none string) Value {
	hits, ok1 := s.count(kind, "hits")
	misses, ok2 := s.count(kind, "misses")
	if !ok1 || !ok2 {
		return missing("%s", uncounted)
	}
	return share(hits, hits+misses, none)
}

const noneSucceeded = "no request succeeded"

func (s Sample) perRequest(amount float64) Value {
	return per(amount, float64(s.Succeeded), noneSucceeded)
}

func per(amount, by float64, otherwise string) Value {
	if !(by > 0) {
		return missing("%s", otherwise)
	}
	return Value{V: amount / by}
}

// ratioOfCount is a count by something: one more or less is a step of it.
func ratioOfCount(count, by float64, otherwise string) Value {
	v := per(count, by, otherwise)
	if v.OK() {
		v.of = by
	}
	return v
}

// share is a count that is a part of another.
func share(count, of float64, otherwise string) Value {
	v := ratioOfCount(count, of, otherwise)
	v.part = v.OK()
	return v
}
