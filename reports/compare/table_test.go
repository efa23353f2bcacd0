// SPDX-License-Identifier: Apache-2.0

package compare

import (
	"slices"
	"strings"
	"testing"

	"headroom/harness/record"
	"headroom/scenarios"
	"headroom/targets/kinds"
)

// A run's slices stand by rate, block and variant; a soak is the slice of the rate
// that is each variant's own.
func TestTableSortsTrials(t *testing.T) {
	trial := func(kind record.TrialKind, v scenarios.Variant, rate scenarios.RateName, block int, invalid ...string) record.Trial {
		out := slice(v, block, 100, 10, 2)
		out.Kind, out.RateName, out.Invalid = kind, rate, invalid
		return out
	}
	before, after := scenarios.Before, scenarios.After
	table := tableOfKinds([]record.Trial{
		trial(record.KindProbe, before, record.RateStairs, 1), // no slice, and no soak
		trial(record.KindSlice, before, "common", 2), trial(record.KindSlice, before, "common", 2), trial(record.KindSlice, after, "common", 2),
		trial(record.KindSlice, before, "low", 1), trial(record.KindSlice, after, "low", 1, "late"),
		trial(record.KindSlice, before, "common", 1), trial(record.KindSlice, after, "common", 3), trial(record.KindSlice, after, "common", 1),
		trial(record.KindProbe, after, record.RateSoak, 4),
	}, kinds.Data())
	if table.Slices != 8 || !slices.Equal(table.Rates(), []scenarios.RateName{"common", "low"}) || len(table.Invalid) != 1 {
		t.Errorf("%d slices at %v, %d invalid", table.Slices, table.Rates(), len(table.Invalid))
	}
	common := table.At("common")
	if got := common.Blocks(); !slices.Equal(got, []int{1, 2}) {
		t.Errorf("blocks of both variants are %v, want 1 and 2", got)
	}
	if b, a := common.Pooled(before).Slices, common.Pooled(after).Slices; b != 3 || a != 3 {
		t.Errorf("%d and %d slices, want 3 and 3", b, a)
	}
	if got := common.inOrder(after); len(got) != 3 || got[0].Slices != 1 {
		t.Errorf("after has %d blocks, want 3", len(got))
	}
	if got := table.Pooled(scenarios.RateHigh, after).Slices; got != 1 {
		t.Errorf("%d soaks, want 1", got)
	}
	for want, of := range map[string]struct {
		rate    scenarios.RateName
		variant scenarios.Variant
	}{
		"": {"low", before}, "every slice of after was invalid: late": {"low", after},
	} {
		if got := table.AllInvalid(of.rate, of.variant); got != want {
			t.Errorf("%v: %q, want %q", of, got, want)
		}
	}
	if got := table.AllInvalid("nowhere", before); got != "" {
		t.Errorf("a rate that was not measured: %q", got)
	}
	if got := table.At("low").Ratio("p50_ms"); !strings.HasPrefix(got.Missing, "every slice of after") {
		t.Errorf("the ratio where after is invalid: %+v", got)
	}
}

// The verdict of a step stands although it was set aside; of a slice none does.
func TestWhatWasJudged(t *testing.T) {
	for _, test := range []struct {
		kind    record.TrialKind
		outcome record.Outcome
		want    record.Outcome
	}{
		{record.KindProbe, record.Held, record.Held}, {record.KindProbe, record.Failed, record.Failed},
		{record.KindProbe, record.Invalid, ""}, {record.KindProbe, record.Saturated, ""}, {record.KindSlice, record.Held, ""},
	} {
		trial := record.Trial{Kind: test.kind, Invalid: []string{"late"}, Verdict: &record.Verdict{Outcome: test.outcome}}
		if got := tableOfKinds([]record.Trial{trial}, kinds.Data()).Invalid[0].Judged; got != test.want {
			t.Errorf("%s %s is judged %q, want %q", test.kind, test.outcome, got, test.want)
		}
	}
	if got := tableOfKinds([]record.Trial{{Kind: record.KindProbe, Invalid: []string{"late"}}}, kinds.Data()).Invalid[0].Judged; got != "" {
		t.Errorf("without a verdict: %q", got)
	}
	interrupted := record.Trial{Measurement: record.Measurement{Interrupted: true}}
	if got := invalidReasons(&interrupted); !slices.Equal(got, []string{"interrupted"}) {
		t.Errorf("an interrupted trial: %q", got)
	}
	interrupted.Invalid = []string{"late"}
	if got := invalidReasons(&interrupted); !slices.Equal(got, []string{"late"}) {
		t.Errorf("an interrupted trial that was late: %q", got)
	}
}

// The first block without a value says why, and before speaks before after. The
// others are paired all the same.
func TestPairsOfBlocks(t *testing.T) {
	few := func(v scenarios.Variant, block int, requests int64) record.Trial {
		return slice(v, block, requests, 10, 2)
	}
	// p95 needs 59 samples.
	trials := []record.Trial{few(scenarios.Before, 1, 100), few(scenarios.After, 1, 58), few(scenarios.Before, 2, 57), few(scenarios.After, 2, 56),
		few(scenarios.Before, 3, 59), few(scenarios.After, 3, 59)}
	pairs, _, why := tableOfKinds(trials, kinds.Data()).At("common").pairs("p95_ms")
	if len(pairs) != 1 || pairs[0].Block != 3 || why != "after: insufficient: 58 samples, p95 needs 59" {
		t.Errorf("%+v, %q", pairs, why)
	}
	e := tableOfKinds(trials[2:4], kinds.Data()).At("common").Ratio("p95_ms")
	if e.Missing != "before: insufficient: 57 samples, p95 needs 59" {
		t.Errorf("no pair: %q", e.Missing)
	}
	// Their resolution is the mean of the blocks': a grain of each side, or a thousandth.
	counted := func(block int, before, after int64) []record.Trial {
		var out []record.Trial
		for i, v := range scenarios.Variants() {
			trial := slice(v, block, 100, 10, 2)
			failed := []int64{before, after}[i]
			trial.Measurement.Planned, trial.Measurement.Sent, trial.Measurement.Failed = 100+failed, 100+failed, failed
			out = append(out, trial)
		}
		return out
	}
	_, resolution, _ := tableOfKinds(append(counted(1, 50, 25), counted(2, 10_000, 10_000)...), kinds.Data()).At("common").pairs("error_rate")
	near(t, "resolution", resolution, (1.0/50+1.0/25+0.001)/2, 1e-12)
	_, resolution, _ = tableOfKinds(nil, kinds.Data()).At("common").pairs("error_rate")
	near(t, "resolution of nothing", resolution, 0, 0)
}

// A figure of one variant: counts as shares, anything else by its centre, never
// below 0.
func TestEstimateLevel(t *testing.T) {
	part := func(count, of float64) Value { return Value{V: count / of, of: of, part: true} }
	e := estimateLevel([]Value{part(10, 100), part(30, 100), part(80, 200)})
	near(t, "a share over all", e.point, 0.3, 1e-12)
	if want := shareInterval([]tally{{10, 100}, {30, 100}, {80, 200}}); *e.interval != *want {
		t.Errorf("%+v, want %+v", e.interval, want)
	}
	e = estimateLevel([]Value{part(10, 100), part(30, 100), {V: 0.4}})
	near(t, "a figure that is no count makes all figures", e.point, 0.275, 1e-12) // Walsh: 0.1 0.2 0.25 0.3 0.35 0.4
	e = estimateLevel([]Value{{V: 0.1}, {V: 1}, {V: 2}})
	if e.interval.Low != 0 || e.interval.High < 2 {
		t.Errorf("figures that scatter: %+v", e.interval)
	}
	e = estimateLevel([]Value{{V: 2}, {V: 2}, {V: 2}, {V: 2}})
	near(t, "the resolution of figures that agree", e.interval.High, 2.002, 1e-12)
	point, interval, ok := tableOfKinds(noisy(2, 1, 1), kinds.Data()).At("common").Level(scenarios.After, "throughput_rps")
	if !ok || interval != nil {
		t.Errorf("of two blocks %+v (%v)", interval, ok)
	}
	near(t, "throughput", point, 40, 1e-12)
	if _, _, ok := tableOfKinds(nil, kinds.Data()).At("common").Level(scenarios.After, "throughput_rps"); ok {
		t.Error("a figure of nothing")
	}
}

// Metrics of a pattern stand in the table where either variant has it.
func TestTablesTellOfPatterns(t *testing.T) {
	patterns := []scenarios.MetricKey{"feed_statements_per_request", "cache_hit_ratio", "edge_hit_ratio", "origin_requests_per_request"}
	of := func(before, after func(*record.Trial)) []scenarios.MetricKey {
		trials := []record.Trial{slice(scenarios.Before, 1, 100, 10, 2), slice(scenarios.After, 1, 100, 10, 2)}
		before(&trials[0])
		after(&trials[1])
		rows, _ := tableOfKinds(trials, kinds.Data()).At("common").Tables()
		var told []scenarios.MetricKey
		for _, key := range rows {
			if slices.Contains(patterns, key) {
				told = append(told, key)
			}
		}
		if len(rows)-len(told) != 10 { // three quantiles, and seven that always tell
			t.Errorf("the rows are %v", rows)
		}
		return told
	}
	whole := func(*record.Trial) {}
	bare := func(t *record.Trial) { t.Machines = nil }
	want := []scenarios.MetricKey{"feed_statements_per_request", "cache_hit_ratio", "edge_hit_ratio", "origin_requests_per_request"}
	for name, got := range map[string][]scenarios.MetricKey{"both": of(whole, whole), "before alone": of(whole, bare), "after alone": of(bare, whole)} {
		if !slices.Equal(got, want) {
			t.Errorf("%s: %v, want %v", name, got, want)
		}
	}
	if got := of(bare, bare); len(got) != 0 {
		t.Errorf("neither has a pattern: %v", got)
	}
	trials := []record.Trial{slice(scenarios.Before, 1, 100, 10, 2), slice(scenarios.After, 1, 100, 10, 2)}
	trials[1].Machines = trials[1].Machines[1:2] // the edge alone
	trials[1].Machines[0].Machine = "new"
	trials[1].Measurement.Counts = map[string]int64{"X-New: yes": 1}
	comparison := tableOfKinds(trials, kinds.Data()).At("common")
	if got := comparison.Machines(); !slices.Equal(got, []string{"server", "edge", "cache", "new"}) {
		t.Errorf("the machines are %v", got)
	}
	_, details := comparison.Tables()
	wanted := []scenarios.MetricKey{"database_demand_share", "p50_ms[GET /api/feed]", "p95_ms[GET /api/feed]", "header_share[X-Cache: hit]", "header_share[X-New: yes]",
		"cpu_ms_per_request[server]", "utilisation[server]", "throttled_share[server]"}
	if len(details) != 5+3*4 || !slices.Equal(details[:len(wanted)], wanted) {
		t.Errorf("the details are %v", details)
	}
	// What stands in neither table is judged with the details.
	if e := comparison.inItsTable("p90_ms"); len(e.Pairs) != 1 || e.Missing != "" {
		t.Errorf("p90: %+v", e)
	}
}

// tableOfKinds sorts trials of a scenario of which the kinds of its processes are all
// that is known.
func tableOfKinds(trials []record.Trial, kinds []scenarios.Kind) Table {
	return TableOf(trials, &scenarios.Scenario{Kinds: kinds})
}
