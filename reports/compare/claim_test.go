// SPDX-License-Identifier: Apache-2.0

package compare

import (
	"math"
	"slices"
	"strings"
	"testing"

	"headroom/harness/record"
	"headroom/scenarios"
	"headroom/targets/kinds"
)

// asBusy are the same trials with a shop that takes as much CPU as PostgreSQL.
func asBusy(trials []record.Trial) []record.Trial {
	var changed []record.Trial
	for _, t := range trials {
		t.Machines = slices.Clone(t.Machines)
		server := &t.Machines[0]
		server.Processes = slices.Clone(server.Processes)
		server.Processes[1].CPUSeconds = server.Processes[0].CPUSeconds
		changed = append(changed, t)
	}
	return changed
}

func TestJudgeAgainstTrials(t *testing.T) {
	half := noisy(6, 0.5, 1)
	invalid := noisy(3, 0.5, 1)
	for i := range invalid {
		if invalid[i].Variant == scenarios.After {
			invalid[i].Invalid = []string{"steal 4%"}
		}
	}
	claim := func(metric scenarios.MetricKey, compare, op string, value float64) scenarios.Claim {
		return scenarios.Claim{Metric: metric, At: "common", Compare: compare, Op: op, Value: value}
	}
	tests := []struct {
		name    string
		claim   scenarios.Claim
		trials  []record.Trial
		quick   bool
		verdict Verdict
		summary string
		reason  string
	}{
		{"right side and size", claim("p95_ms", "ratio", "<=", 0.7), half, false, Confirmed, "lower: yes; <= 0.70x: yes, 0.48x (0.45-0.53)", ""},
		{"right side, wrong size", claim("p95_ms", "ratio", "<=", 0.3), half, false, Refuted, "lower: yes; <= 0.30x: no, 0.48x (0.45-0.53)", ""},
		{"wrong side", claim("p95_ms", "ratio", ">=", 1.2), half, false, Refuted, "higher: no; >= 1.20x: no", ""},
		{"value inside the interval", claim("p95_ms", "ratio", "<=", 0.51), noisy(3, 0.51, 9), false, Inconclusive, "unclear", ""},
		{"two blocks", claim("p95_ms", "ratio", "<=", 0.9), noisy(2, 0.5, 1), false, Inconclusive, "<= 0.90x: unclear", "fewer than three blocks"},
		{"no such metric", claim("loveliness", "ratio", "<=", 0.9), half, false, NoVerdict, "", "no metric is called"},
		{"invalid slices", claim("p95_ms", "ratio", "<=", 0.9), invalid, false, NoVerdict, "", "every slice of after was invalid: steal 4%"},
		{"invalid slices of the other side", claim("p95_ms", "before", "<=", 900), invalid, false, Confirmed, "<= 900: yes", ""},
		{"rate not measured", scenarios.Claim{Metric: "p95_ms", At: "high", Compare: "ratio", Op: "<=", Value: 1}, half, false, Inconclusive, "", "no block"},
		{"metric not there", claim("p99.9_ms", "ratio", "<=", 1), half, false, Inconclusive, "", "insufficient"},
		{"0 errors have no ratio", claim("error_rate", "ratio", "<=", 1), half, false, Inconclusive, "", "has no ratio"},
		// 0 of 2,400 requests: below 3% in bursts of 20.
		{"0 errors are a level", claim("error_rate", "after", "<=", 0.05), half, false, Confirmed, "<= 0.05: yes, 0 (0-0.03)", ""},
		{"0 errors are no certainty", claim("error_rate", "after", "<=", 0.01), half, false, Inconclusive, "<= 0.01: unclear, 0 (0-0.03)", ""},
		{"bottleneck", claim("database_demand_share", "before", ">=", 1), half, false, Confirmed, ">= 1.00: yes, 2.00", ""},
		{"as busy as another", claim("database_demand_share", "before", ">=", 1), asBusy(half), false, Inconclusive, ">= 1.00: unclear, 1.000 (0.999-1.001)", ""},
		{"level with its unit", claim("db_cpu_ms_per_request", "after", ">=", 5), half, false, Refuted, "ms", ""},
		{"quick run", claim("p95_ms", "ratio", "<=", 0.7), half, true, Inconclusive, "<= 0.70x: yes", "not evidence"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := Judge(tt.claim, tableOfKinds(tt.trials, kinds.Data()), nil, tt.quick)
			if r.Verdict != tt.verdict || !strings.Contains(r.Summary, tt.summary) || !strings.Contains(r.Reason, tt.reason) {
				t.Errorf("%s: %q, reason %q; want %s: ...%q..., reason ...%q...", r.Verdict, r.Summary, r.Reason, tt.verdict, tt.summary, tt.reason)
			}
		})
	}
}

// A direction is told where the change is shown for its whole table, or follows
// from the claimed value. Seven rows change here by as much as their scatter lets
// one of them show alone.
func TestDirectionNeedsTheWholeTable(t *testing.T) {
	little := noisy(5, 0.94, 11)
	e := tableOfKinds(little, kinds.Data()).At("common").inItsTable("db_cpu_ms_per_request")
	if e.Spans1() || e.Survives {
		t.Fatalf("the change is not the one that this test is about: %+v", e)
	}
	for _, test := range []struct {
		op        string
		value     float64
		verdict   Verdict
		direction string
	}{
		{"<=", 0.3, Refuted, "unclear"},
		{">=", 0.5, Confirmed, "unclear"},
		{"<=", 1, Confirmed, "yes"}, // asked for itself, before the run
		{">=", 1, Refuted, "no"},
		{">=", 1.2, Refuted, "unclear"},
	} {
		claim := scenarios.Claim{Metric: "db_cpu_ms_per_request", At: "common", Compare: "ratio", Op: test.op, Value: test.value}
		if r := Judge(claim, tableOfKinds(little, kinds.Data()), nil, false); r.Verdict != test.verdict || r.Direction != test.direction {
			t.Errorf("%s %v: %s, %q; want %s, direction %s", test.op, test.value, r.Verdict, r.Summary, test.verdict, test.direction)
		}
	}
	if r := Judge(scenarios.Claim{Metric: "db_cpu_ms_per_request", At: "common", Compare: "ratio", Op: "<=", Value: 0.3}, tableOfKinds(noisy(5, 0.5, 11), kinds.Data()), nil, false); r.Direction != "yes" {
		t.Errorf("half of the CPU at five blocks: %q", r.Summary)
	}
}

func TestJudgeAgainstRunMetrics(t *testing.T) {
	runMetrics := RunMetrics{
		CapacityRPS: {
			scenarios.Before: {Point: 100, Low: 96, High: 104, Blocks: map[int]float64{1: 98, 2: 102, 3: 100, 4: 97, 5: 103}},
			scenarios.After:  {Point: 320, Low: 315, High: 326, Blocks: map[int]float64{1: 318, 2: 325, 3: 320, 4: 314, 5: 322}},
		},
		CostPerUserUSD: {
			scenarios.Before: {Missing: "no probe held the SLO"},
			scenarios.After:  {Point: 1, Low: 0.9, High: 1},
		},
		MonthlyUSD: {
			scenarios.Before: {Point: 100, Low: 100, High: 100},
			scenarios.After:  {Point: 250, Low: 250, High: 250},
		},
	}
	open := RunMetrics{CapacityRPS: {
		scenarios.Before: {Point: 100, Low: 96, High: 104, Blocks: map[int]float64{1: 98, 2: 102, 3: 100}},
		scenarios.After:  {Point: 320, Low: 320, High: math.Inf(1)},
	}}
	tests := []struct {
		name       string
		runMetrics RunMetrics
		claim      scenarios.Claim
		verdict    Verdict
		summary    string
	}{
		{"four times", runMetrics, scenarios.Claim{Metric: CapacityRPS, Compare: "ratio", Op: ">=", Value: 4}, Refuted, "higher: yes; >= 4.00x: no, 3.2"},
		{"three times", runMetrics, scenarios.Claim{Metric: CapacityRPS, Compare: "ratio", Op: ">=", Value: 3}, Confirmed, ">= 3.00x: yes"},
		{"of one variant", runMetrics, scenarios.Claim{Metric: CapacityRPS, Compare: "after", Op: ">=", Value: 318}, Inconclusive, "(315-326)"},
		{"exact", runMetrics, scenarios.Claim{Metric: MonthlyUSD, Compare: "ratio", Op: "<=", Value: 2.5}, Confirmed, "lower: no; <= 2.50x: yes"},
		{"unknown", runMetrics, scenarios.Claim{Metric: CostPerUserUSD, Compare: "ratio", Op: "<=", Value: 1}, Inconclusive, "before: no probe held"},
		{"after never failed", open, scenarios.Claim{Metric: CapacityRPS, Compare: "ratio", Op: ">=", Value: 2.9}, Inconclusive, "unclear"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := Judge(tt.claim, tableOfKinds(nil, kinds.Data()), tt.runMetrics, false)
			if r.Verdict != tt.verdict || !strings.Contains(r.Summary, tt.summary) {
				t.Errorf("%s: %q, want %s: ...%q...", r.Verdict, r.Summary, tt.verdict, tt.summary)
			}
		})
	}
}
