// SPDX-License-Identifier: Apache-2.0

package scenarios_test

import (
	"strings"
	"testing"

	"headroom/scenarios"
	"headroom/targets/kinds"
)

// parseWithTest parses phase 3 with another test of its first claim.
func parseWithTest(t *testing.T, test string) (*scenarios.Scenario, error) {
	t.Helper()
	return scenarios.Parse("mine.yaml", edit(t, "test: db_cpu_ms_per_request ratio <= 0.30 at common", `test: "`+test+`"`), kinds.Data())
}

func TestClaimOfNone(t *testing.T) {
	tests := []struct {
		test, want string // want: "" is accepted
	}{
		{"read_your_writes_share after <= 0 at common", ""},
		{"lost_share before <= 0 at high", ""},
		{"stale_share after <= 0.01 at common", ""},
		{"replication_lag_p99_ms after <= 100 at common", ""},
		{"origin_requests_per_request ratio <= 0.5 at common", ""},
		{"read_your_writes_share ratio <= 0 at common", "no violation"}, // there is no ratio to nothing
		{"read_your_writes_share after >= 0 at common", "no violation"}, // can't fail
		{"error_rate after <= 0 at common", "no violation"},             // no oracle counts it
		{"replication_lag_p50_ms after <= 0 at common", "no violation"},
		{"stale_share after <= -1 at common", "above 0"},
		{"stale_share after <= NaN at common", "above 0"},
		{"replication_lag_share after <= 0.1 at common", "unknown metric"},
		{"downloads_per_user_usd ratio <= 1 at limit", "unknown metric"}, // a part of a claimed sum
	}
	for _, tt := range tests {
		s, err := parseWithTest(t, tt.test)
		switch {
		case tt.want == "" && err != nil:
			t.Errorf("%s: %v", tt.test, err)
		case tt.want == "" && s.Claims[0].Metric != scenarios.MetricKey(strings.Fields(tt.test)[0]):
			t.Errorf("%s: the metric is %q", tt.test, s.Claims[0].Metric)
		case tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)):
			t.Errorf("%s: got %v, want ...%s...", tt.test, err, tt.want)
		}
	}
}

// Users in several places have endpoints with " from PLACE" in their names:
// claims and SLOs must be able to name them.
func TestEndpointFromAPlace(t *testing.T) {
	data := string(edit(t, "test: db_cpu_ms_per_request ratio <= 0.30 at common",
		`test: "p50_ms[GET /assets/{asset} from far] ratio <= 0.2 at common"`))
	data = strings.ReplaceAll(data, "entry: balancer/haproxy", "entry: {far: balancer/haproxy}")
	data = strings.ReplaceAll(data, `    - {request: `, `    - {from: far, request: `)
	data = strings.Replace(data, "slo: p99<250ms", "slo: GET /assets/{asset} from far p95<90ms,p99<250ms", 1)
	s, err := scenarios.Parse("mine.yaml", []byte(data), kinds.Data())
	if err != nil {
		t.Fatal(err)
	}
	if got := s.Claims[0].Metric; got != "p50_ms[GET /assets/{asset} from far]" {
		t.Errorf("the claim's metric is %q", got)
	}
	if got := s.SLO.Conditions[0]; got.Endpoint != "GET /assets/{asset} from far" || got.Quantile != 0.95 {
		t.Errorf("the SLO's condition is %+v", got)
	}
}

func TestOracleOf(t *testing.T) {
	for _, name := range scenarios.Oracles() {
		got, ok := scenarios.OracleOf(scenarios.MetricKey(name) + "_share")
		if want := name != scenarios.OracleLag; ok != want || got != name {
			t.Errorf("%s_share: %q, %v", name, got, ok)
		}
		if o, known := scenarios.OracleNamed(name); !known || o.Name != name || o.Label == "" {
			t.Errorf("the oracle %s is %+v", name, o)
		}
		if m, _ := scenarios.MetricOf(scenarios.MetricKey(name) + "_share"); m.Claimed != ok {
			t.Errorf("a claim can speak of the oracle %s: %v, want %v", name, m.Claimed, ok)
		}
	}
	for _, metric := range []scenarios.MetricKey{"database_demand_share", "db_cpu_share", "stale", "error_rate"} {
		if name, ok := scenarios.OracleOf(metric); ok {
			t.Errorf("%s is taken for the oracle %q", metric, name)
		}
	}
}
