// SPDX-License-Identifier: Apache-2.0

package compare

import (
	"encoding/json"
	"math"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"headroom/harness/record"
	"headroom/internal/maybe"
	"headroom/scenarios"
	"headroom/targets/kinds"
)

// slice is a trial whose requests all took about ms, with so much database CPU.
func slice(v scenarios.Variant, block int, requests int64, ms, databaseMS float64) record.Trial {
	m := record.Measurement{OfferedRPS: float64(requests) / 10, DurationS: 10,
		Planned: requests, Sent: requests, Succeeded: requests, BytesIn: 1024 * requests}
	e := record.EndpointMeasurement{Name: "GET /api/feed", Sent: requests, Succeeded: requests}
	for i := range requests {
		d := time.Duration(ms * (1 + float64(i)/float64(requests)) * float64(time.Millisecond))
		m.Response.Record(d)
		m.ResponseSuccess.Record(d)
		e.Response.Record(d)
	}
	m.Endpoints = []record.EndpointMeasurement{e}
	n := float64(requests)
	m.Counts = map[string]int64{"X-Cache: hit": requests / 4}
	return record.Trial{Kind: record.KindSlice, Variant: v, Block: block, RateName: "common", Measurement: m, Oracles: cleanOracles(),
		Machines: []record.MachineUse{
			{Machine: "server", WindowS: 10, QuotaCPUs: 0.4, CPUSeconds: maybe.Of(n * databaseMS / 1000 * 1.5), Periods: maybe.Of(1000), ThrottledPeriods: maybe.Of(50),
				Processes: []record.ProcessUse{
					{Name: "postgres", Kind: "postgres", CPUSeconds: maybe.Of(n * databaseMS / 1000),
						Counts: map[string]float64{"statements": n * 51, "rows": n * 50, "tuples_read": n * 5000}},
					{Name: "shop", Kind: "shop", CPUSeconds: maybe.Of(n * databaseMS / 2000),
						Counts: map[string]float64{"feed_requests": n / 5, "feed_statements": n / 5, "requests": n / 2}},
				}},
			{Machine: "edge", WindowS: 10, QuotaCPUs: 0.2, CPUSeconds: maybe.Of(n * 0.0001), Processes: []record.ProcessUse{
				{Name: "varnish", Kind: "varnish", Counts: map[string]float64{"hits": n / 2, "misses": n / 8}}}},
			{Machine: "cache", WindowS: 10, QuotaCPUs: 0.2, CPUSeconds: maybe.Of(n * 0.0001), Processes: []record.ProcessUse{
				{Name: "valkey", Kind: "valkey", Counts: map[string]float64{"hits": n * 3, "misses": n}}}},
			{Machine: "mail", External: true, WindowS: 10, QuotaCPUs: 0.01, CPUSeconds: maybe.Of(n),
				Processes: []record.ProcessUse{{Name: "mail", Kind: "mail", CPUSeconds: maybe.Of(n)}}},
		}}
}

func TestMetrics(t *testing.T) {
	trial := slice(scenarios.Before, 1, 400, 10, 2)
	trial.Measurement.Planned += 100
	trial.Measurement.Unsent = 100
	s := Pool([]record.Trial{trial, trial}, kinds.Data())
	tests := map[scenarios.MetricKey]float64{
		"p50_ms":                      16.25, // of all that were due: what was not sent is slower than all others
		"p95_ms[GET /api/feed]":       19.5,
		"throughput_rps":              40,
		"error_rate":                  0.2,
		"db_cpu_ms_per_request":       2,
		"statements_per_request":      51,
		"rows_read_per_row_returned":  100,
		"bytes_per_request":           1024,
		"cache_hit_ratio":             0.75,
		"database_demand_share":       2, // the shop takes half as much
		"cpu_ms_per_request[server]":  3,
		"utilisation[server]":         400 * 0.003 / 4,
		"throttled_share[server]":     0.05,
		"utilisation[cache]":          0.02,
		"cpu_ms_per_request[cache]":   0.1,
		"p99_ms":                      math.NaN(),
		"p50_ms[GET /api/feed]":       15,
		"cpu_ms_per_request[unknown]": math.NaN(),
		"db_cpu_share":                400 * 0.002 / 4, // not the shop's beside it
		"edge_hit_ratio":              0.8,
		"origin_requests_per_request": 0.5,
		"header_share[X-Cache: hit]":  0.25,
		"header_share[X-Cache: miss]": math.NaN(),
		"lost_share":                  0,
		"replication_lag_p50_ms":      3,
	}
	for key, want := range tests {
		got := s.Value(key)
		if math.IsNaN(want) {
			if got.OK() {
				t.Errorf("%s is %v, want none", key, got.V)
			}
			continue
		}
		if !got.OK() {
			t.Errorf("%s: %s", key, got.Missing)
		}
		near(t, string(key), got.V, want, want*0.005)
		if _, ok := Describe(key); !ok {
			t.Errorf("%s is not described", key)
		}
	}
	if d := s.Demands(); len(d) == 0 || d[0].Machine != "server" {
		t.Errorf("busiest %+v: an external machine has no share of its CPUs", d)
	}
}

// TestEveryMetric holds scenarios.Metrics and this package together.
func TestEveryMetric(t *testing.T) {
	full := slice(scenarios.Before, 1, 400, 10, 2)
	s := Pool([]record.Trial{full, full}, kinds.Data())
	for _, m := range scenarios.Metrics() {
		if d, ok := Describe(m.Key); !ok || d != (Metric{m.Key, m.Label, m.Unit}) || m.Label == "" || m.Unit == "" {
			t.Errorf("%s is described as %+v, want %+v", m.Key, d, m)
		}
		if v := s.Value(m.Key); v.OK() == m.Rateless {
			t.Errorf("%s is rateless (%v), and a full trial gives it (%v): %s", m.Key, m.Rateless, v.OK(), v.Missing)
		}
		if _, known := scenarios.MetricOf(m.TellsWith); m.TellsWith != "" && !known {
			t.Errorf("%s tells something with %s, which is no metric", m.Key, m.TellsWith)
		}
	}
	for key := range formulas {
		if _, known := scenarios.MetricOf(key); !known {
			t.Errorf("a formula works out %s, which is no row of scenarios.Metrics", key)
		}
	}
}

func TestMissingMetrics(t *testing.T) {
	few := slice(scenarios.Before, 1, 298, 10, 2)
	bare := few
	bare.Machines = nil
	clipped := slice(scenarios.Before, 1, 300, 10, 2)
	clipped.Measurement.Planned += 10
	clipped.Measurement.Sent += 10
	clipped.Measurement.Clipped = 10
	tests := []struct {
		trials []record.Trial
		key    scenarios.MetricKey
		want   string
	}{
		{nil, "p50_ms", "no valid slice"},
		{[]record.Trial{few}, "p99_ms", "insufficient: 298 samples, p99 needs 299"},
		{[]record.Trial{few}, "p99.9_ms[GET /api/feed]", "insufficient"},
		{[]record.Trial{few}, "p50_ms[GET /nowhere]", "no request went to GET /nowhere"},
		{[]record.Trial{clipped}, "p99_ms", "beyond what was measured: 10 of 310 requests could not be sent, or took longer"},
		{[]record.Trial{bare}, "db_cpu_ms_per_request", "no PostgreSQL"},
		{[]record.Trial{bare}, "statements_per_request", "not counted"},
		{[]record.Trial{bare}, "cache_hit_ratio", "no cache"},
		{[]record.Trial{few}, "loveliness", "unknown metric"},
	}
	for _, tt := range tests {
		if got := Pool(tt.trials, kinds.Data()).Value(tt.key); !strings.Contains(got.Missing, tt.want) {
			t.Errorf("%s is %v (%q), want missing: %s", tt.key, got.V, got.Missing, tt.want)
		}
	}
}

func TestPoolMergesHistograms(t *testing.T) {
	// 900 fast and 100 slow requests: p95 of all is slow; the mean of the two
	// p95s would be neither.
	s := Pool([]record.Trial{slice(scenarios.Before, 1, 900, 1, 2), slice(scenarios.Before, 1, 100, 100, 2)}, kinds.Data())
	if got := s.Value("p95_ms").V; got < 100 {
		t.Errorf("p95 of the merged slices is %v ms, want at least 100", got)
	}
}

// noisy is a run of so many blocks in which after takes ratio of before.
func noisy(blocks int, ratio float64, seed uint64) []record.Trial {
	random := rand.New(rand.NewPCG(seed, seed))
	var trials []record.Trial
	for block := 1; block <= blocks; block++ {
		n := func() float64 { return math.Exp(0.03 * random.NormFloat64()) }
		trials = append(trials, slice(scenarios.Before, block, 400, 20*n(), 2*n()),
			slice(scenarios.After, block, 400, 20*ratio*n(), 2*ratio*n()))
	}
	return trials
}

func TestRatio(t *testing.T) {
	e := tableOfKinds(noisy(6, 0.4, 3), kinds.Data()).At("common").Ratio("db_cpu_ms_per_request")
	near(t, "ratio", e.Ratio, 0.4, 0.03)
	if e.Interval == nil || e.Interval.Low > 0.4 || e.Interval.High < 0.4 || e.DetectableRatio <= 1 || e.DetectableRatio > 1.2 {
		t.Errorf("interval %+v, detectable %v", e.Interval, e.DetectableRatio)
	}
	if len(e.Pairs) != 6 || e.Pairs[5].Block != 6 {
		t.Errorf("blocks %+v", e.Pairs)
	}
}

func TestInvalidSlicesAreNotAveragedIn(t *testing.T) {
	trials := noisy(3, 0.5, 4)
	want := tableOfKinds(trials, kinds.Data()).At("common").Ratio("p95_ms")
	wild := slice(scenarios.After, 2, 400, 5000, 100)
	wild.Invalid = []string{"the driver was throttled"}
	interrupted := slice(scenarios.Before, 1, 400, 5000, 100)
	interrupted.Measurement.Interrupted = true
	table := tableOfKinds(append(trials, wild, interrupted), kinds.Data())
	if got := table.At("common").Ratio("p95_ms"); got.Ratio != want.Ratio {
		t.Errorf("ratio %v with invalid slices, %v without", got.Ratio, want.Ratio)
	}
	if len(table.Invalid) != 2 || table.Slices != 8 {
		t.Errorf("%d slices, invalid %+v", table.Slices, table.Invalid)
	}
}

// swapped is the same run with the variants' names changed over.
func swapped(trials []record.Trial) []record.Trial {
	other := map[scenarios.Variant]scenarios.Variant{scenarios.Before: scenarios.After, scenarios.After: scenarios.Before}
	result := append([]record.Trial(nil), trials...)
	for i := range result {
		result[i].Variant = other[result[i].Variant]
	}
	return result
}

func TestSwapInvertsRatios(t *testing.T) {
	for seed := range uint64(20) {
		blocks := 1 + int(seed%8)
		trials := noisy(blocks, 0.8, seed)
		forth, back := tableOfKinds(trials, kinds.Data()).At("common"), tableOfKinds(swapped(trials), kinds.Data()).At("common")
		for _, key := range []scenarios.MetricKey{"p50_ms", "p95_ms", "db_cpu_ms_per_request", "statements_per_request"} {
			a, b := forth.Ratio(key), back.Ratio(key)
			near(t, string(key), a.Ratio*b.Ratio, 1, 1e-14)
			if a.DetectableRatio != b.DetectableRatio {
				t.Errorf("%s: detectable %v one way, %v the other", key, a.DetectableRatio, b.DetectableRatio)
			}
			if (a.Interval == nil) != (b.Interval == nil) {
				t.Fatalf("%s: interval %v one way, %v the other", key, a.Interval, b.Interval)
			}
			if a.Interval != nil {
				near(t, string(key)+" low", a.Interval.Low*b.Interval.High, 1, 1e-14)
				near(t, string(key)+" high", a.Interval.High*b.Interval.Low, 1, 1e-14)
			}
		}
	}
}

func TestSwapSwapsVerdicts(t *testing.T) {
	opposite := map[Verdict]Verdict{Confirmed: Refuted, Refuted: Confirmed, Inconclusive: Inconclusive}
	seen := map[Verdict]int{}
	for seed := range uint64(30) {
		trials := noisy(3+int(seed%5), []float64{0.5, 0.97, 1, 1.6}[seed%4], seed)
		for _, op := range []string{"<=", ">="} {
			claim := scenarios.Claim{Metric: "p95_ms", At: "common", Compare: "ratio", Op: op, Value: 1}
			forth := Judge(claim, tableOfKinds(trials, kinds.Data()), nil, false)
			back := Judge(claim, tableOfKinds(swapped(trials), kinds.Data()), nil, false)
			seen[forth.Verdict]++
			if back.Verdict != opposite[forth.Verdict] {
				t.Errorf("seed %d %s: %s forth (%s), %s back (%s)", seed, op, forth.Verdict, forth.Summary, back.Verdict, back.Summary)
			}
		}
	}
	if seen[Confirmed] == 0 || seen[Refuted] == 0 || seen[Inconclusive] == 0 {
		t.Errorf("the runs did not show all verdicts: %v", seen)
	}
}

// Equal counts show no direction, and no certainty either: 51 statements for
// each of 400 requests are told to a thousandth.
func TestAAHasNoDifference(t *testing.T) {
	for _, op := range []string{"<=", ">="} {
		claim := scenarios.Claim{Metric: "statements_per_request", At: "common", Compare: "ratio", Op: op, Value: 1}
		r := Judge(claim, tableOfKinds(noisy(3, 1, 5), kinds.Data()), nil, false)
		if r.Direction != "unclear" || r.Verdict != Inconclusive || !strings.Contains(r.Summary, "1.000x (0.999-1.001)") {
			t.Errorf("%s of equal counts: %s, %s", op, r.Verdict, r.Summary)
		}
	}
}

// What was counted is known to one more or less.
func TestResolutionOfCounts(t *testing.T) {
	few := func(v scenarios.Variant, block int) record.Trial {
		trial := slice(v, block, 100, 10, 2)
		trial.Measurement.Planned, trial.Measurement.Sent, trial.Measurement.Failed = 150, 150, 50
		return trial
	}
	var trials []record.Trial
	for block := 1; block <= 3; block++ {
		trials = append(trials, few(scenarios.Before, block), few(scenarios.After, block))
	}
	e := tableOfKinds(trials, kinds.Data()).At("common").Ratio("error_rate")
	near(t, "50 of 150 against 50 of 150", e.Interval.High, math.Exp(1.0/50+1.0/50), 1e-12)
	near(t, "detectable", e.DetectableRatio, math.Exp(2*(1.0/50+1.0/50)), 1e-12)
}

func TestIntervalWithoutEnd(t *testing.T) {
	data, err := json.Marshal(Interval{Low: 2, High: math.Inf(1), Method: "m"})
	if err != nil {
		t.Fatal(err)
	}
	if want := `{"low":2,"method":"m","high":null}`; string(data) != want {
		t.Errorf("got %s, want %s", data, want)
	}
}

func TestFormatNumber(t *testing.T) {
	for v, want := range map[float64]string{0: "0", 0.0123: "0.012", 0.42: "0.42", 9.994: "9.99", 9.996: "10.0",
		42.34: "42.3", 412.4: "412", 1234567.8: "1,234,568", -1234: "-1,234", 99.96: "100"} {
		if got := FormatNumber(v); got != want {
			t.Errorf("FormatNumber(%v) = %q, want %q", v, got, want)
		}
	}
	for _, test := range []struct {
		low, point, high float64
		want             string
	}{
		{0.40, 0.42, 0.44, "0.42x (0.40-0.44)"}, {0.4489, 0.45, 0.4511, "0.450x (0.449-0.451)"}, {0.05163, 0.0518, 0.05197, "0.0518x (0.0516-0.0520)"},
		{99.96, 100, 100.04, "100.00x (99.96-100.04)"}, {1023, 1024, 1025, "1,024x (1,023-1,025)"}, {7.4, 7.4, 7.4, "7.40x"},
		{2, 2.5, math.Inf(1), "2.50x (>= 2.00)"},
	} {
		if got := WithInterval(test.point, "x", &Interval{Low: test.low, High: test.high}); got != test.want {
			t.Errorf("WithInterval gives %q, want %q", got, test.want)
		}
	}
	if got := FormatRate(80); got != "80" {
		t.Errorf("FormatRate(80) = %q", got)
	}
}
