// SPDX-License-Identifier: Apache-2.0

package compare

import (
	"math"
	"strings"
	"testing"
	"time"

	"headroom/harness/record"
	"headroom/scenarios"
	"headroom/targets/kinds"
)

// lag is a check of a replica's lag with so many samples of so many ms.
func lag(replica string, samples int, ms float64) record.Oracle {
	o := record.Oracle{Name: scenarios.OracleLag, Scope: replica, Checked: int64(samples), Age: &record.Histogram{}}
	for range samples {
		o.Age.Record(time.Duration(ms * float64(time.Millisecond)))
	}
	o.LagBytes = map[string]float64{"p50": ms * 100, "p99": ms * 1000, "max": ms * 2000}
	return o
}

// cleanOracles is a slice in which every oracle checked and found nothing.
func cleanOracles() []record.Oracle {
	var all []record.Oracle
	for _, name := range scenarios.Oracles() {
		if name == scenarios.OracleLag {
			all = append(all, lag("replica-1", 100, 3), lag("replica-2", 100, 3))
			continue
		}
		all = append(all, record.Oracle{Name: name, Checked: 400})
	}
	return all
}

// with replaces what one check found in every slice.
func with(blocks int, o record.Oracle) []record.Trial {
	var trials []record.Trial
	for block := 1; block <= blocks; block++ {
		for _, v := range scenarios.Variants() {
			t := slice(v, block, 300, 10, 2)
			for i := range t.Oracles {
				if t.Oracles[i].Name == o.Name {
					t.Oracles[i] = o
				}
			}
			trials = append(trials, t)
		}
	}
	return trials
}

func TestPoolOracles(t *testing.T) {
	aged := func(name scenarios.OracleName, scope string, violations int64, ms float64) record.Oracle {
		o := lag(scope, int(violations), ms)
		return record.Oracle{Name: name, Scope: scope, Checked: 100, Violations: violations, Age: o.Age, Example: "user 7 at " + scope}
	}
	first := record.Trial{Oracles: []record.Oracle{
		{Name: scenarios.OracleLost, Unknown: "the queue was not drained"},
		aged(scenarios.OracleStale, "cache", 2, 10), aged(scenarios.OracleStale, "replica", 0, 0), lag("replica-1", 10, 5),
	}}
	second := record.Trial{Oracles: []record.Oracle{
		{Name: scenarios.OracleLost, Checked: 50}, aged(scenarios.OracleStale, "cache", 6, 30), lag("replica-1", 10, 9),
	}}
	s := Pool([]record.Trial{first, second}, kinds.Data())
	stale := s.Oracle(scenarios.OracleStale)
	if stale.Checked != 300 || stale.Violations != 8 || stale.Age.Count() != 8 || stale.Example != "user 7 at cache" {
		t.Errorf("stale over its scopes is %+v", stale)
	}
	if lost := s.Oracle(scenarios.OracleLost); lost.Checked != 50 || lost.Unknown != "the queue was not drained" {
		t.Errorf("what could not be checked is lost: %+v", lost)
	}
	if bytes := s.Oracle(scenarios.OracleLag).LagBytes["max"]; bytes != 18000 {
		t.Errorf("the largest lag is %v bytes, want the worst slice's 18000", bytes)
	}
	if names := s.Oracles(); len(names) != 4 || names[0].Name != scenarios.OracleStale || names[3].Name != scenarios.OracleLost {
		t.Errorf("not in the order of scenarios.Oracles: %+v", names)
	}
	if first.Oracles[1].Age.Count() != 2 {
		t.Error("pooling changed a trial")
	}
	// A sum of its own is not added to its parts.
	s = Pool([]record.Trial{{Oracles: []record.Oracle{{Name: "stale", Checked: 10, Violations: 1}, {Name: "stale", Scope: "cache", Checked: 6, Violations: 1}}}}, kinds.Data())
	if all := s.Oracle("stale"); all.Checked != 10 || all.Violations != 1 {
		t.Errorf("counted twice: %+v", all)
	}
}

func TestJudgeNone(t *testing.T) {
	none := scenarios.Claim{Metric: "read_your_writes_share", At: "common", Compare: "after", Op: "<=", Value: 0}
	oracle := func(checked, violations int64, unknown string) record.Oracle {
		return record.Oracle{Name: scenarios.OracleReadYourWrites, Checked: checked, Violations: violations, Unknown: unknown}
	}
	tests := []struct {
		name            string
		trials          []record.Trial
		quick           bool
		verdict         Verdict
		summary, reason string
	}{
		// 368 independent checks leave 1%, in bursts of 20 it takes 7,341: 3 blocks
		// of 2,447 and of 2,446.
		{"enough checks", with(3, oracle(2447, 0, "")), false, Confirmed, "none seen in 7,341 checks (below 0.05% if they are independent, below 1% if violations come in bursts of 20)", ""},
		{"too few checks", with(3, oracle(2446, 0, "")), false, Inconclusive, "none: unclear, none seen in 7,338", "it takes 7,341 to rule out 1% in bursts of 20"},
		{"enough only if independent", with(3, oracle(123, 0, "")), false, Inconclusive, "none: unclear, none seen in 369 checks (below 0.99% if they are independent, below 18% if violations come in bursts of 20)", "too few checks"},
		{"enough, but in two blocks", with(2, oracle(50000, 0, "")), false, Inconclusive, "none: unclear, none seen in 100,000", "fewer than three blocks"},
		{"one violation in many", with(3, oracle(100000, 1, "")), false, Refuted, "none: no, 3 of 300,000: 0.001% (0.000", ""},
		{"one violation in few", with(1, oracle(3, 1, "")), false, Refuted, "none: no, 1 of 3: 33%", ""},
		{"nothing checked", with(3, oracle(0, 0, "no session wrote")), false, Inconclusive, "not measured: no session wrote", "not measured"},
		{"some unchecked", with(3, oracle(5000, 0, "2 keys too many")), false, Confirmed, "none seen in 15,000", "not all could be checked: 2 keys too many"},
		{"as drawn", with(3, record.Oracle{}), false, Inconclusive, "none seen in 1,200", "too few checks"},
		{"quick", with(3, oracle(5000, 0, "")), true, Inconclusive, "none seen in 15,000", "not evidence"},
		{"no slices", nil, false, Inconclusive, "not measured", "under the scenario's oracles"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := Judge(none, tableOfKinds(tt.trials, kinds.Data()), nil, tt.quick)
			if r.Verdict != tt.verdict || !strings.Contains(r.Summary, tt.summary) || !strings.Contains(r.Reason, tt.reason) {
				t.Errorf("%s: %q, reason %q; want %s: ...%q..., reason ...%q...", r.Verdict, r.Summary, r.Reason, tt.verdict, tt.summary, tt.reason)
			}
		})
	}
	if r := Judge(none, tableOfKinds(with(3, oracle(0, 0, "not measured: no session wrote")), kinds.Data()), nil, false); r.Summary != "not measured: no session wrote" {
		t.Errorf("a check that says itself that it was not measured gives %q", r.Summary)
	}
	invalid := with(3, oracle(500, 0, ""))
	for i := range invalid {
		invalid[i].Invalid = []string{"steal 4%"}
	}
	if r := Judge(none, tableOfKinds(invalid, kinds.Data()), nil, false); r.Verdict != NoVerdict || !strings.Contains(r.Reason, "steal") {
		t.Errorf("invalid slices give %s (%s)", r.Verdict, r.Reason)
	}
}

func TestJudgeLag(t *testing.T) {
	spread := record.Oracle{Name: scenarios.OracleLag, Scope: "replica-1", Checked: 200, Age: &record.Histogram{}}
	for i := range 200 {
		spread.Age.Record(time.Duration(i+1) * time.Millisecond)
	}
	claim := func(metric scenarios.MetricKey, op string, value float64) scenarios.Claim {
		return scenarios.Claim{Metric: metric, At: "common", Compare: "after", Op: op, Value: value}
	}
	tests := []struct {
		claim   scenarios.Claim
		blocks  int
		verdict Verdict
		found   string
	}{
		// Blocks that agree: 600 samples are worth 124.5 with three blocks.
		{claim("replication_lag_p50_ms", "<=", 120), 3, Confirmed, "100 (8"},
		{claim("replication_lag_p50_ms", ">=", 120), 3, Refuted, "100 (8"},
		{claim("replication_lag_p50_ms", "<=", 103), 3, Inconclusive, "100 (8"},
		{claim("replication_lag_p99_ms", "<=", 100), 3, Refuted, "198"},
		{claim("replication_lag_p50_ms", "<=", 120), 2, Inconclusive, "unclear, 100 ms"},
		{claim("replication_lag_p99_ms", "<=", 190), 1, Inconclusive, "insufficient: 200 samples, p99 needs 299"},
	}
	for _, tt := range tests {
		trials := with(tt.blocks, spread)
		for i := range trials { // one replica's samples alone
			trials[i].Oracles = []record.Oracle{spread}
		}
		r := Judge(tt.claim, tableOfKinds(trials, kinds.Data()), nil, false)
		if r.Verdict != tt.verdict || !strings.Contains(r.Summary, tt.found) {
			t.Errorf("%s %s %v: %s, %q; want %s ...%s...", tt.claim.Metric, tt.claim.Op, tt.claim.Value, r.Verdict, r.Summary, tt.verdict, tt.found)
		}
	}
}

// Where no sample is left above p99's share, nothing bounds it from above.
func TestLagIntervalWithoutEnd(t *testing.T) {
	var h record.Histogram
	for i := range 100 {
		h.Record(time.Duration(i+1) * time.Millisecond)
	}
	block := Sample{oracles: []record.Oracle{{Name: scenarios.OracleLag, Checked: 100, Age: &h}}}
	if i := lagInterval(h, []Sample{block, block, block}, 0.99, 99); !math.IsInf(i.High, 1) || i.Low > 99 {
		t.Errorf("100 samples bound p99 from above: %+v", i)
	}
}

// lagBlocks are three blocks with so many samples of each of these ms.
func lagBlocks(samples int, ms ...float64) (record.Histogram, []Sample) {
	var all record.Histogram
	var blocks []Sample
	for range 3 {
		var age record.Histogram
		for _, each := range ms {
			age.Merge(*lag("", samples, each).Age)
		}
		all.Merge(age)
		blocks = append(blocks, Sample{oracles: []record.Oracle{{Name: scenarios.OracleLag, Checked: age.Count(), Age: &age}}})
	}
	return all, blocks
}

// Where samples are alike the interval is about the quantile, not about the share
// of samples that happen to lie above it.
func TestLagIntervalOfEqualSamples(t *testing.T) {
	// Of 240 samples, which are worth 50, 40% are at 1 ms, 50% at 3 and 10% at 5.
	// A half of them may truly be at 1 ms, not at 5.
	all, blocks := lagBlocks(8, 1, 1, 1, 1, 3, 3, 3, 3, 3, 5)
	i := lagInterval(all, blocks, 0.5, 3)
	near(t, "low of three", i.Low, 1, 0.01)
	near(t, "high of three", i.High, 3, 0.01)
	// A lag that never changes is known, but no finer than it was measured.
	all, blocks = lagBlocks(400, 3)
	i = lagInterval(all, blocks, 0.5, 3)
	near(t, "low of one", i.Low, 2.997, 0.004)
	near(t, "high of one", i.High, 3.003, 0.004)
	if i.Exact() {
		t.Errorf("no scatter is taken for certainty: %+v", i)
	}
	// A block without a sample is none.
	if i := lagInterval(all, append(blocks[:2:2], Sample{oracles: []record.Oracle{{Name: scenarios.OracleLag, Age: &record.Histogram{}}}}), 0.5, 3); i != nil {
		t.Errorf("two blocks with samples give %+v", i)
	}
}

func TestFormatShare(t *testing.T) {
	for v, want := range map[float64]string{0: "0%", 1: "100%", 0.0996: "10%", 0.0079: "0.79%", 0.02: "2%", 0.123: "12%", 0.0000021: "0.00021%", 0.5: "50%"} {
		if got := FormatShare(v); got != want {
			t.Errorf("FormatShare(%v) = %q, want %q", v, got, want)
		}
	}
}
