// SPDX-License-Identifier: Apache-2.0

package reports

import (
	"bytes"
	"slices"
	"strings"
	"testing"

	"headroom/harness/record"
	"headroom/scenarios"
)

func oracleRow(t *testing.T, r Report, name scenarios.OracleName, scope string) OracleRow {
	t.Helper()
	i := slices.IndexFunc(r.Oracles, func(row OracleRow) bool { return row.Name == name && row.Scope == scope })
	if i < 0 {
		t.Fatalf("no row of %s %q: %+v", name, scope, r.Oracles)
	}
	return r.Oracles[i]
}

func TestOracleRows(t *testing.T) {
	r := build(t, finalRun(), finalTrials(), &record.End{})
	stale := oracleRow(t, r, scenarios.OracleStale, "")
	// 9 slices of 480 requests and a soak of 17,856, half of them checked.
	if stale.After.Checked != 11088 || stale.After.Violations != 146 || *stale.After.ShareLow > 146./11088 || *stale.After.ShareHigh < 146./11088 {
		t.Errorf("stale reads after: %+v", stale.After)
	}
	if stale.Before.Violations != 0 || *stale.Before.ShareHigh <= 0 || stale.Before.NotMeasured != "" {
		t.Errorf("stale reads before: %+v", stale.Before)
	}
	lag := oracleRow(t, r, scenarios.OracleLag, "replica-2")
	if lag.Before.NotMeasured != "there is no replica" || lag.After.AgeP50MS == nil || lag.After.Share != nil || len(lag.After.LagCurve) == 0 {
		t.Errorf("lag: %+v", lag)
	}
	if slices.ContainsFunc(r.Oracles, func(row OracleRow) bool { return row.Name == scenarios.OracleLag && row.Scope == "" }) {
		t.Error("the reason of a side without replicas has a row of its own")
	}
	if lost := oracleRow(t, r, scenarios.OracleLost, ""); lost.After.Share != nil || oracleText(lost.Name, lost.After) != "not measured: the queue was not drained within 20 s" {
		t.Errorf("zero checks: %+v", lost.After)
	}
}

// An oracle that was asked for and never ran must not look like a clean one.
func TestOracleThatNeverRan(t *testing.T) {
	run := finalRun()
	trials := finalTrials()
	for i := range trials {
		trials[i].Oracles = nil
	}
	r := build(t, run, trials, &record.End{})
	if len(r.Oracles) != len(run.Scenario.Oracles) {
		t.Fatalf("%d rows of %d oracles", len(r.Oracles), len(run.Scenario.Oracles))
	}
	for _, row := range r.Oracles {
		if row.Before.Share != nil || row.After.NotMeasured == "" {
			t.Errorf("%s has a figure: %+v", row.Name, row.After)
		}
	}
	if !slices.ContainsFunc(r.Answer, func(s string) bool { return strings.Contains(s, "not measured after: stale reads") }) {
		t.Errorf("the answer does not say so: %q", r.Answer)
	}
}

func TestConsistencySentence(t *testing.T) {
	r := build(t, finalRun(), finalTrials(), &record.End{})
	i := slices.IndexFunc(r.Answer, func(s string) bool { return strings.HasPrefix(s, "Consistency") })
	if i < 0 {
		t.Fatalf("no sentence: %q", r.Answer)
	}
	for _, want := range []string{"stale reads after: 1.3% (0.", "%) of 11,088, half of them older than", "before: none seen in 4,710",
		"after none of these was seen in", "own writes not read", "replicas lag", "not measured after: jobs lost"} {
		if !strings.Contains(r.Answer[i], want) {
			t.Errorf("%q is not in: %s", want, r.Answer[i])
		}
	}
	if plain := build(t, syntheticRun(), syntheticTrials(1), &record.End{}); slices.ContainsFunc(plain.Answer, func(s string) bool { return strings.Contains(s, "Consistency") }) {
		t.Errorf("a run without oracles speaks of them: %q", plain.Answer)
	}
}

// What went wrong in a slice that was set aside is in no figure, and is said.
func TestViolationsOfInvalidSlices(t *testing.T) {
	trials := finalTrials()
	for i := range trials {
		trials[i].Invalid = []string{"steal 4%"}
	}
	r := build(t, finalRun(), trials, &record.End{})
	if row := oracleRow(t, r, scenarios.OracleStale, ""); row.After.Checked != 0 {
		t.Errorf("invalid slices were counted: %+v", row.After)
	}
	if !slices.ContainsFunc(r.Warnings, func(w string) bool { return strings.HasPrefix(w, "stale reads of after: 146 of 11,088 checks") }) {
		t.Errorf("no warning: %q", r.Warnings)
	}
}

// Many machines stay readable: copies stand once, settings that do nothing
// not at all.
func TestManyMachinesStayReadable(t *testing.T) {
	r := build(t, finalRun(), finalTrials(), &record.End{})
	names := map[string]Machine{}
	for _, m := range r.Variants[1].Machines {
		names[m.Name] = m
	}
	if len(r.Variants[1].Machines) != 11 || names["shard"].Copies != 2 || names["app"].Copies != 3 || names["shard"].QuotaCPUs != 4*0.05 {
		t.Errorf("machines: %+v", r.Variants[1].Machines)
	}
	var page bytes.Buffer
	if err := WriteHTML(&page, r); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"<b>shard ×2</b>", "each large, 4 vCPU", "primary: shard/postgres, one each", "replicas: replica/postgres x2", "own_writes: primary", "far: edge-far/varnish; near: edge-near/varnish",
		"managed balancer, CDN, queue"} {
		if !strings.Contains(page.String(), want) {
			t.Errorf("the page does not say %q", want)
		}
	}
	if before, _, _ := strings.Cut(page.String()[strings.Index(page.String(), "<h3>Before:"):], "<h3>After:"); strings.Contains(before, "shard_by") || strings.Contains(before, "purge") {
		t.Errorf("one server's settings are cluttered: %s", before)
	}
}
