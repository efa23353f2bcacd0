package record

import (
	"math"
	"strings"
	"testing"
	"time"

	"headroom/scenarios"
)

// measured makes a slice of fast and slow successes, fast failures and
// requests that were never sent, all at one endpoint.
func measured(fast, slow, failed, unsent int64) Measurement {
	m := Measurement{Planned: fast + slow + failed + unsent, Sent: fast + slow + failed,
		Succeeded: fast + slow, Failed: failed, Unsent: unsent}
	e := EndpointMeasurement{Name: "GET /a", Sent: m.Sent, Succeeded: m.Succeeded, Failed: failed}
	put := func(count int64, d time.Duration, success bool) {
		for range count {
			m.Response.Record(d)
			e.Response.Record(d)
			if success {
				m.ResponseSuccess.Record(d)
			}
		}
	}
	put(fast, 10*time.Millisecond, true)
	put(slow, 400*time.Millisecond, true)
	put(failed, time.Millisecond, false)
	m.Endpoints = []EndpointMeasurement{e}
	return m
}

func TestJudge(t *testing.T) {
	tests := []struct {
		name   string
		m      Measurement
		slo    string
		want   Judgement
		reason string
	}{
		{"nothing planned", Measurement{}, "p99<250ms", SLOInsufficient, "no request"},
		{"298 fast ones cannot show p99", measured(298, 0, 0, 0), "p99<250ms", SLOInsufficient, "0 of 298"},
		{"299 fast ones can", measured(299, 0, 0, 0), "p99<250ms", SLOHolds, ""},
		{"one slow of 299 is too near", measured(298, 1, 0, 0), "p99<250ms", SLOInsufficient, "1 of 299"},
		{"one slow of 473 holds", measured(472, 1, 0, 0), "p99<250ms", SLOHolds, ""},
		{"one slow of 472 does not yet", measured(471, 1, 0, 0), "p99<250ms", SLOInsufficient, "1 of 472"},
		{"4 slow of 299 fail", measured(295, 4, 0, 0), "p99<250ms", SLOFails, "4 of 299"},
		{"fast failures are not answers", measured(280, 0, 20, 0), "p99<250ms", SLOFails, "20 of 300"},
		{"unsent requests are not absent", measured(280, 0, 0, 20), "p99<250ms", SLOFails, "20 of 300"},
		{"all failed fast", measured(0, 0, 400, 0), "p50<250ms,errors<1%", SLOFails, "100%"},
		{"errors below the limit", measured(999, 0, 1, 0), "errors<0.2%", SLOHolds, ""},
		{"errors at the limit", measured(998, 0, 2, 0), "errors<0.2%", SLOFails, "0.2%"},
		{"endpoint", measured(400, 0, 0, 0), "GET /a p95<250ms", SLOHolds, ""},
		{"slow endpoint", measured(100, 100, 0, 0), "GET /a p95<250ms", SLOFails, "GET /a"},
		{"absent endpoint", measured(400, 0, 0, 0), "GET /b p95<250ms", SLOInsufficient, "GET /b"},
		{"failure outranks too few", measured(20, 0, 2, 0), "p99<250ms,errors<0.1%", SLOFails, "failed"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			slo, err := scenarios.ParseSLO(tt.slo)
			if err != nil {
				t.Fatal(err)
			}
			got, reason := Judge(tt.m, slo)
			if got != tt.want || !strings.Contains(reason, tt.reason) {
				t.Errorf("got %s (%q), want %s (...%q...)", got, reason, tt.want, tt.reason)
			}
		})
	}
}

func TestSamplesNeeded(t *testing.T) {
	for q, want := range map[float64]int64{0.5: 5, 0.95: 59, 0.99: 299, 0.999: 2995} {
		if got := SamplesNeeded(q); got != want {
			t.Errorf("p%g needs %d, want %d", q*100, got, want)
		}
	}
}

func TestBinomialAtMost(t *testing.T) {
	tests := []struct {
		t, n int64
		p    float64
		want float64
	}{
		{0, 1, 0.5, 0.5},
		{1, 4, 0.5, 5.0 / 16}, // (1 + 4) / 16
		{2, 3, 1.0 / 3, 26.0 / 27},
		{3, 3, 0.1, 1},
		{0, 299, 0.01, math.Pow(0.99, 299)},
		{0, 2_000_000, 0.01, 0},
	}
	for _, tt := range tests {
		if got := binomialAtMost(tt.t, tt.n, tt.p); math.Abs(got-tt.want) > 1e-9 {
			t.Errorf("P[Bin(%d, %g) <= %d] = %g, want %g", tt.n, tt.p, tt.t, got, tt.want)
		}
	}
}

func TestFailsByMoreThanChance(t *testing.T) {
	for _, test := range []struct {
		bad, n  int64
		allowed float64
		want    bool
	}{
		{1, 28, 0.01, false}, // expected: 0.28, and P[>= 1] is 24%
		{3, 28, 0.01, true},  // 0.3%
		{14, 1000, 0.01, false},
		{18, 1000, 0.01, true}, // P[>= 18] is 1.4%
		{0, 1000, 0.01, false},
		{2_100, 200_000, 0.01, true},
		{2_050, 200_000, 0.01, false},
		{5_000, 5_000, 0.01, true},
		{0, 0, 0, true}, // nothing was counted
	} {
		if got := FailsByMoreThanChance(test.bad, test.n, test.allowed); got != test.want {
			t.Errorf("%d of %d: %v, want %v", test.bad, test.n, got, test.want)
		}
	}
}
