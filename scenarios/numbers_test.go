// SPDX-License-Identifier: Apache-2.0

package scenarios_test

import (
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"headroom/scenarios"
	"headroom/targets/kinds"
)

// The tightest latency is the smallest that is named, in whatever order; errors and
// oracles name none.
func TestLatenciesOfAnSLO(t *testing.T) {
	for text, want := range map[string][2]time.Duration{
		"p99<250ms":                                    {250 * time.Millisecond, 250 * time.Millisecond},
		"p99<250ms,p50<100ms,p99.9<1s":                 {100 * time.Millisecond, time.Second},
		"p99.9<1s,p50<100ms":                           {100 * time.Millisecond, time.Second},
		"p50<100ms,p99<250ms":                          {100 * time.Millisecond, 250 * time.Millisecond},
		"errors<1%,p99<250ms,stale<1%,GET /a p50<90ms": {90 * time.Millisecond, 250 * time.Millisecond},
		"errors<1%,lost=0":                             {},
	} {
		slo, err := scenarios.ParseSLO(text)
		if err != nil {
			t.Fatal(err)
		}
		if got := [2]time.Duration{slo.TightestLatency(), slo.LoosestLatency()}; got != want {
			t.Errorf("%s: %v, want %v", text, got, want)
		}
	}
}

// A condition is written as it is read, with its numbers.
func TestConditionsOfAnSLO(t *testing.T) {
	for text, want := range map[string]scenarios.SLOCondition{
		"p99<250ms":                     {Quantile: 0.99, Latency: 250 * time.Millisecond},
		"p0.1<1ns":                      {Quantile: 0.001, Latency: 1},
		"p99.99<1.5s":                   {Quantile: 0.9999, Latency: 1500 * time.Millisecond},
		"errors<100%":                   {ErrorShare: 1},
		"errors<0.01%":                  {ErrorShare: 0.0001},
		"stale<100%":                    {Oracle: scenarios.OracleStale, ViolationShare: 1},
		"stale<0.5%":                    {Oracle: scenarios.OracleStale, ViolationShare: 0.005},
		"lost=0":                        {Oracle: scenarios.OracleLost},
		"GET /a/{b} p50<1s":             {Endpoint: "GET /a/{b}", Quantile: 0.5, Latency: time.Second},
		"POST /a from eu-1 errors<2.5%": {Endpoint: "POST /a from eu-1", ErrorShare: 0.025},
	} {
		slo, err := scenarios.ParseSLO(" " + text + " ")
		if err != nil || len(slo.Conditions) != 1 || slo.Text != text {
			t.Errorf("%s: %+v, %v", text, slo, err)
			continue
		}
		got := slo.Conditions[0]
		if math.Abs(got.Quantile-want.Quantile) > 1e-12 || math.Abs(got.ErrorShare-want.ErrorShare) > 1e-12 || math.Abs(got.ViolationShare-want.ViolationShare) > 1e-12 {
			t.Errorf("%s: %+v, want %+v", text, got, want)
		}
		got.Quantile, got.ErrorShare, got.ViolationShare = want.Quantile, want.ErrorShare, want.ViolationShare
		if got != want || got.String() != text {
			t.Errorf("%s: %+v, written as %s", text, got, got)
		}
	}
	for text, says := range map[string]string{
		"errors<100.1%": "at most 100%", "errors<0%": "above 0%", "errors=0": "neither a quantile nor an error rate",
		"stale<0%": "for none at all write stale=0", "stale<100.1%": "at most 100%", "stale=1": "neither", "stael<1%": `did you mean "stale"?`,
		"replication_lag<1%": `no oracle counts "replication_lag"`, "replication_lag=0": "no oracle counts",
		"GET /a stale<1%": "neither", "p99<0ms": "must be above 0", "p100<1s": "neither", "p99<1s,": "neither",
	} {
		if slo, err := scenarios.ParseSLO(text); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: %+v, %v, want %q", text, slo, err, says)
		}
	}
}

// Each number of a file at its bounds: what may be just so, and what is beyond.
func TestNumbersAtTheirBounds(t *testing.T) {
	const timeout, feed, zipf, asset = "timeout: 10s", `feed", weight: 20%`, "user: zipf(0.99) of 100000", "uniform of 200"
	const claim = "db_cpu_ms_per_request ratio <= 0.30 at common"
	for _, test := range []struct {
		old, new string
		want     string // "": it is accepted
	}{
		{timeout, "timeout: 1ms", ""}, {timeout, "timeout: 1m", ""}, {timeout, "timeout: 999us", "999µs is out of range: at least 1ms and at most 1m0s"}, {timeout, "timeout: 1m1ns", "out of range"},
		{timeout, "timeout: 1s\n  warmup: 0s", ""}, {timeout, "timeout: 1s\n  warmup: 10m", ""}, {timeout, "timeout: 1s\n  warmup: 10m1s", "out of range"}, {timeout, "timeout: 1s\n  warmup: -1s", "out of range"},
		{timeout, "timeout: 1s\n  connections: 1", ""}, {timeout, "timeout: 1s\n  connections: 100000", ""}, {timeout, "timeout: 1s\n  connections: 0", "out of range"}, {timeout, "timeout: 1s\n  connections: 100001", "out of range"}, {timeout, "timeout: 1s\n  connections: 1.5", "not a whole number"}, {timeout, "timeout: 1s\n  connections: 100_000", ""},
		{timeout, "timeout: 1s\n  max_in_flight: 1000000", ""}, {timeout, "timeout: 1s\n  max_in_flight: 1000001", "out of range"}, {timeout, "timeout: 1s\n  max_in_flight: 0", "out of range"},
		{feed, `feed", weight: 0%`, "must be above 0% and at most 100%"}, {feed, `feed", weight: 101%`, "must be above 0% and at most 100%"}, {feed, `feed", weight: -20%`, "must be above 0%"},
		{feed, `feed", weight: 20.00000005%`, ""}, {feed, `feed", weight: 20.000001%`, "the weights sum to 100%, not 100%"},
		{zipf, "user: zipf(5) of 9", ""}, {zipf, "user: zipf(5.01) of 9", "at most 5"}, {zipf, "user: zipf(0) of 9", "above 0"}, {zipf, "user: zipf(-1) of 9", "above 0"},
		{zipf, "user: zipf(0.0001) of 1", ""}, {zipf, "user: zipf(1) of 0", "there must be at least one"}, {zipf, "user: normal(1) of 9", "no key distribution"}, {zipf, "user: zipf(1) of 1.5", "no key distribution"}, {zipf, "user: zipf(1) of -1", "no key distribution"},
		{asset, "uniform of 1", ""}, {asset, "uniform of 0", "there must be at least one"}, {asset, "uniform", "how many \"asset\" keys there are is not known"},
		{claim, "db_cpu_ms_per_request ratio <= 1e12 at common", ""}, {claim, "db_cpu_ms_per_request ratio <= 1.1e12 at common", "must be a number above 0"},
		{claim, "db_cpu_ms_per_request ratio <= 1e-9 at common", ""},
		{claim, "db_cpu_ms_per_request ratios <= 1 at common", `"ratios" is not known; did you mean "ratio"?`}, {claim, "db_cpu_ms_per_request ratio < 1 at common", `"<" is not known`},
		{claim, "db_cpu_ms_per_request ratio <= 1 at noon", `"noon" is not known`}, {claim, "db_cpu_ms_per_request after >= 1 at high", ""},
		{"test: " + claim, `test: "throughput_rps[GET /api/feed] ratio <= 1 at common"`, "throughput_rps is not measured by endpoint"},
		{"test: " + claim, `test: "p95_ms[GET /api/feed] ratio <= 1 at common"`, ""}, {"test: " + claim, `test: "p95_ms[GET /api/fed] ratio <= 1 at common"`, `the mix has no endpoint "GET /api/fed"; did you mean "GET /api/feed"?`},
		{"requests_per_user: 0.01/s", "requests_per_user: 3/m", ""},
	} {
		_, err := scenarios.Parse("mine.yaml", edit(t, test.old, test.new), kinds.Data())
		if (err == nil) != (test.want == "") || err != nil && !strings.Contains(err.Error(), test.want) {
			t.Errorf("%q: %v, want %q", test.new, err, test.want)
		}
	}
	s, err := scenarios.Parse("mine.yaml", edit(t, timeout, "timeout: 1s\n  warmup: 1m30s\n  connections: 7\n  max_in_flight: 9"), kinds.Data())
	if err != nil {
		t.Fatal(err)
	}
	if l := s.Load; l.WarmupSeconds != 90 || l.Connections != 7 || l.MaxInFlight != 9 || l.Timeout != time.Second || math.Abs(l.RequestsPerUserPerS-0.01) > 1e-15 || math.Abs(l.Mix[0].Weight-0.2) > 1e-15 {
		t.Errorf("the load is %+v", l)
	}
	if k := s.Load.Keys; k["asset"] != (scenarios.Keys{Distribution: "uniform", Count: 200}) || k["post"] != (scenarios.Keys{Distribution: "zipf", Exponent: 0.99, Count: 500_000}) || k["term"].Count != 10_000 {
		t.Errorf("the keys are %+v", k)
	}
}

// Claims of a file stand once, each with all that it takes.
func TestClaimsAreWhole(t *testing.T) {
	first := edit(t, "", "") // as it is
	s, err := scenarios.Parse("mine.yaml", first, kinds.Data())
	if err != nil || len(s.Claims) < 2 {
		t.Fatalf("%d claims, %v", len(s.Claims), err)
	}
	twice := strings.Replace(string(first), "id: "+s.Claims[1].ID, "id: "+s.Claims[0].ID, 1)
	if _, err := scenarios.Parse("mine.yaml", []byte(twice), kinds.Data()); err == nil || !strings.Contains(err.Error(), fmt.Sprintf("the claim %q stands twice", s.Claims[0].ID)) {
		t.Errorf("an id that stands twice: %v", err)
	}
	for _, key := range []string{"id: ", "source: ", "text: ", "test: "} {
		at := strings.Index(string(first), "\nclaims:")
		without := string(first)[:at] + strings.Replace(string(first)[at:], key, "x"+key, 1)
		if _, err := scenarios.Parse("mine.yaml", []byte(without), kinds.Data()); err == nil || !strings.Contains(err.Error(), fmt.Sprintf("%q is missing", strings.TrimSuffix(key, ": "))) {
			t.Errorf("without %s: %v", key, err)
		}
	}
}
