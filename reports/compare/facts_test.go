// SPDX-License-Identifier: Apache-2.0

package compare

import (
	"testing"

	"headroom/harness/record"
	"headroom/internal/maybe"
	"headroom/scenarios"
)

// strangers are two databases that nobody has heard of, of which each counts in its
// own way, and a process that counts nothing.
func strangers() []scenarios.Kind {
	return []scenarios.Kind{
		{Name: "first", Facts: scenarios.Facts{Label: "First", Database: true, Counters: []scenarios.Counter{
			{Key: "took", Meaning: scenarios.MeaningStatementTime, Total: true, Unit: "s"},
			{Key: "waiting", Meaning: scenarios.MeaningLockWaiters}, {Key: "blocked", Meaning: scenarios.MeaningLockWaiters}}}},
		{Name: "second", Facts: scenarios.Facts{Label: "Second", Database: true, Counters: []scenarios.Counter{
			{Key: "busy_ms", Meaning: scenarios.MeaningStatementTime, Total: true, Unit: "ms"}}}},
		{Name: "other", Facts: scenarios.Facts{Label: "the other"}},
	}
}

// What is asked for by its meaning is found under whatever key and unit a kind has
// for it, and a key that has no meaning is never added.
func TestCountersByMeaning(t *testing.T) {
	trial := record.Trial{Measurement: record.Measurement{Sent: 1000, Succeeded: 1000}, Machines: []record.MachineUse{
		{Machine: "a", WindowS: 10, QuotaCPUs: 1, CPUSeconds: maybe.Of(3), Processes: []record.ProcessUse{
			{Name: "p", Kind: "first", Counts: map[string]float64{"took": 2, "waiting": 3, "blocked": 1, "busy_ms": 7}}}},
		{Machine: "b", WindowS: 10, QuotaCPUs: 1, CPUSeconds: maybe.Of(1), Processes: []record.ProcessUse{
			{Name: "p", Kind: "second", Counts: map[string]float64{"took": 9, "busy_ms": 500, "waiting": 8}}}},
		{Machine: "c", WindowS: 10, QuotaCPUs: 1, CPUSeconds: maybe.Of(2), Processes: []record.ProcessUse{
			{Name: "p", Kind: "other", Counts: map[string]float64{"took": 9}}, {Name: "q", Kind: "unknown", Counts: map[string]float64{"took": 9}}}},
	}}
	s := Pool([]record.Trial{trial}, strangers())
	ms, cpu, ok := s.Statements()
	if !ok {
		t.Error("the statements were counted")
	}
	near(t, "2 s and 500 ms of 1,000 requests", ms, 2.5, 1e-12)
	near(t, "CPU of both", cpu, 4, 1e-12)
	near(t, "both of a kind's gauges", s.Gauge(scenarios.MeaningLockWaiters), 4, 1e-12)
	near(t, "CPU of the databases", s.Value("db_cpu_ms_per_request").V, 4, 1e-12)
	if got := s.Value("statements_per_request"); got.Missing != "the database's statements were not counted" {
		t.Errorf("what no kind counts is %v (%q)", got.V, got.Missing)
	}
	labels := map[string]string{}
	for _, d := range s.Demands() {
		for _, p := range d.Processes {
			labels[string(p.Kind)] = p.Label
		}
	}
	if labels["first"] != "First" || labels["other"] != "the other" || labels["unknown"] != "unknown" {
		t.Errorf("the processes are called %v", labels)
	}
}

// Those that were read are named, else those that the scenario has, each once.
func TestWhoCounts(t *testing.T) {
	of := func(kinds []scenarios.Kind, names ...scenarios.KindName) Sample {
		var trial record.Trial
		for _, name := range names {
			trial.Machines = append(trial.Machines, record.MachineUse{Machine: string(name), Processes: []record.ProcessUse{{Name: "p", Kind: name}, {Name: "q", Kind: name}}})
		}
		return Pool([]record.Trial{trial}, kinds)
	}
	for _, test := range []struct {
		s    Sample
		want string
	}{
		{of(strangers(), "second", "first", "other"), "Second, First"},
		{of(strangers(), "second"), "Second"},
		{of(strangers(), "other"), "First, Second"},
		{of(strangers()[2:], "other"), "the database"},
		{of(nil, "first"), "the database"},
	} {
		if got := test.s.WhoCounts(scenarios.MeaningStatementTime); got != test.want {
			t.Errorf("it says %q, want %q", got, test.want)
		}
	}
	if got := of(nil).Value("db_cpu_share"); got.Missing != "no database" {
		t.Errorf("without a database: %q", got.Missing)
	}
}

// Services are of one kind, and each is what its file says: two on one kind's name
// count in their own ways, and before may have others than after.
func TestFactsOfServices(t *testing.T) {
	process := func(facts scenarios.Facts) scenarios.Process {
		return scenarios.Process{Name: facts.Label, Kind: "own", Facts: facts, Service: &scenarios.Service{Image: "a"}}
	}
	topology := func(processes ...scenarios.Process) (t scenarios.Topology) {
		for _, p := range processes {
			t.Machines = append(t.Machines, scenarios.Machine{Name: p.Name, Processes: []scenarios.Process{p}})
		}
		return t
	}
	took := scenarios.Counter{Key: "took", Meaning: scenarios.MeaningStatementTime, Total: true, Unit: "s"}
	rows := process(scenarios.Facts{Label: "rows", Database: true, Counters: []scenarios.Counter{took}})
	web := process(scenarios.Facts{Label: "web"})
	scenario := &scenarios.Scenario{Kinds: []scenarios.Kind{{Name: "own", Service: true, Facts: scenarios.Facts{Label: "a service"}}},
		Before: topology(web, process(scenarios.Facts{Label: "rows"})), After: topology(web, rows)}
	trial := func(v scenarios.Variant) record.Trial {
		use := func(name string, cpu float64) record.MachineUse {
			return record.MachineUse{Machine: name, WindowS: 10, QuotaCPUs: 1, CPUSeconds: maybe.Of(cpu),
				Processes: []record.ProcessUse{{Name: name, Kind: "own", Counts: map[string]float64{"took": 2}}}}
		}
		return record.Trial{Kind: record.KindSlice, RateName: record.RateCommon, Variant: v, Measurement: record.Measurement{Sent: 1000, Succeeded: 1000, DurationS: 10},
			Machines: []record.MachineUse{use("web", 1), use("rows", 3)}}
	}
	after := PoolOf([]record.Trial{trial(scenarios.After)}, scenario)
	ms, cpu, ok := after.Statements()
	if !ok {
		t.Error("the statements were counted")
	}
	near(t, "2 s of 1,000 requests", ms, 2, 1e-12)
	near(t, "CPU of the database", cpu, 3, 1e-12)
	if got := after.WhoCounts(scenarios.MeaningStatementTime); got != "rows" {
		t.Errorf("counted by %q", got)
	}
	for _, d := range after.Demands() {
		if d.Processes[0].Label != d.Machine {
			t.Errorf("%s's process is called %q", d.Machine, d.Processes[0].Label)
		}
	}
	before := PoolOf([]record.Trial{trial(scenarios.Before)}, scenario)
	if _, _, ok := before.Statements(); ok || before.Value("db_cpu_ms_per_request").OK() {
		t.Error("before has no database that counts")
	}
	if got := before.WhoCounts(scenarios.MeaningStatementTime); got != "rows" {
		t.Errorf("where nobody counts, the scenario has %q", got)
	}
	table := TableOf([]record.Trial{trial(scenarios.Before), trial(scenarios.After)}, scenario)
	near(t, "CPU of the table's database", table.Pooled(record.RateCommon, scenarios.After).Value("db_cpu_ms_per_request").V, 3, 1e-12)
}
