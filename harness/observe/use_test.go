// SPDX-License-Identifier: Apache-2.0

package observe

import (
	"reflect"
	"strings"
	"testing"
	"testing/quick"

	"headroom/harness/record"
	"headroom/internal/maybe"
	"headroom/targets/machine/spec"
)

// reading returns a machine's counters, fresh at every call.
func reading() spec.Counters {
	return spec.Counters{
		Machine: "database", AtUnixNano: 5e9, MonotonicNano: 10e9, StartedUnixNano: 1,
		CPUSecondsTotal: maybe.Of(2), ThrottledSTotal: maybe.Of(1), PeriodsTotal: maybe.Of(100), ThrottledPeriods: maybe.Of(10),
		MemoryBytes: maybe.Of(1000), OOMKillsTotal: maybe.Of(1), NetRxBytesTotal: maybe.Of(500), NetTxBytesTotal: maybe.Of(600),
		Processes: []spec.ProcessCounters{{
			Name: "postgres", Kind: "postgres", CPUSecondsTotal: maybe.Of(1.5), RSSBytes: maybe.Of(900),
			Counts: map[string]float64{"statements_total": 40, "connections": 8},
		}},
	}
}

// later returns the counters ten seconds on.
func later() spec.Counters {
	c := reading()
	c.AtUnixNano, c.MonotonicNano = 15e9, 20e9
	c.CPUSecondsTotal, c.ThrottledSTotal, c.PeriodsTotal, c.ThrottledPeriods = maybe.Of(3), maybe.Of(1.5), maybe.Of(1100), maybe.Of(60)
	c.MemoryBytes, c.NetRxBytesTotal, c.NetTxBytesTotal = maybe.Of(2000), maybe.Of(1500), maybe.Of(2600)
	c.Processes[0].CPUSecondsTotal, c.Processes[0].RSSBytes = maybe.Of(2.25), maybe.Of(1800)
	c.Processes[0].Counts = map[string]float64{"statements_total": 140, "connections": 5}
	return c
}

func TestUse(t *testing.T) {
	got, reasons := Use(reading(), later(), 0.4, 1<<30, "databases", true)
	want := record.MachineUse{
		Machine: "database", Group: "databases", External: true, WindowS: 10, QuotaCPUs: 0.4,
		CPUSeconds: maybe.Of(1), ThrottledS: maybe.Of(0.5), ThrottledPeriods: maybe.Of(50), Periods: maybe.Of(1000),
		MemoryBytes: maybe.Of(2000), MemoryLimitBytes: 1 << 30, OOMKills: maybe.Of(0), NetRxBytes: maybe.Of(1000), NetTxBytes: maybe.Of(2000),
		Processes: []record.ProcessUse{{
			Name: "postgres", Kind: "postgres", CPUSeconds: maybe.Of(0.75), RSSBytes: maybe.Of(1800),
			Counts: map[string]float64{"statements": 100, "connections": 5},
		}},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
	if len(reasons) > 0 {
		t.Errorf("reasons %q", reasons)
	}
}

func TestUseSaysWhyNot(t *testing.T) {
	tests := []struct {
		name   string
		change func(before, after *spec.Counters)
		want   []string
		check  func(use record.MachineUse) bool
	}{
		{"restart", func(_, after *spec.Counters) { after.StartedUnixNano = 12e9 },
			[]string{"machine database restarted at 1970-01-01T00:00:12Z"},
			func(use record.MachineUse) bool { return !use.CPUSeconds.Known() && use.MemoryBytes == maybe.Of(2000) }},
		{"OOM kill", func(_, after *spec.Counters) { after.OOMKillsTotal = maybe.Of(3) },
			[]string{"machine database: 2 of its processes OOM-killed before 1970-01-01T00:00:15Z"}, nil},
		{"backwards", func(_, after *spec.Counters) { after.NetTxBytesTotal = maybe.Of(1) },
			[]string{"machine database: counter net_tx_bytes went backwards, from 600 to 1"},
			func(use record.MachineUse) bool { return use.NetTxBytes == maybe.Of(0) }},
		{"backwards by much", func(before, _ *spec.Counters) { before.NetTxBytesTotal = maybe.Of(3e9) },
			[]string{"machine database: counter net_tx_bytes went backwards, from 3000000000 to 2600"}, nil},
		{"a process counter backwards", func(_, after *spec.Counters) { after.Processes[0].Counts["statements_total"] = 3 },
			[]string{"machine database: counter postgres statements went backwards, from 40 to 3"},
			func(use record.MachineUse) bool { return use.Processes[0].Counts["statements"] == 0 }},
		{"a counter appears", func(before, _ *spec.Counters) { delete(before.Processes[0].Counts, "statements_total") },
			[]string{"machine database: postgres statements_total was not there at the first reading"},
			func(use record.MachineUse) bool { _, has := use.Processes[0].Counts["statements"]; return !has }},
		{"a counter vanishes", func(_, after *spec.Counters) { delete(after.Processes[0].Counts, "statements_total") },
			[]string{"machine database: postgres statements_total is gone at the second reading"}, nil},
		{"a process vanishes", func(_, after *spec.Counters) { after.Processes = nil },
			[]string{"machine database: process postgres is gone at the second reading"}, nil},
		{"a process appears", func(before, _ *spec.Counters) { before.Processes = nil },
			[]string{"machine database: process postgres was not there at the first reading"},
			func(use record.MachineUse) bool { return use.Processes[0].Counts["statements"] == 0 }},
		{"no time between", func(before, after *spec.Counters) { after.MonotonicNano = before.MonotonicNano },
			[]string{"machine database: the two readings have no time between them"}, nil},
		{"a reading failed", func(_, after *spec.Counters) { after.Errors = []string{"pg_stat_statements: no such table"} },
			[]string{"machine database: could not read pg_stat_statements: no such table"}, nil},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			before, after := reading(), later()
			test.change(&before, &after)
			use, reasons := Use(before, after, 1, 0, "g", false)
			if !reflect.DeepEqual(reasons, test.want) {
				t.Errorf("reasons %q, want %q", reasons, test.want)
			}
			if test.check != nil && !test.check(use) {
				t.Errorf("use %+v", use)
			}
		})
	}
}

// A figure that either reading lacks is not known, and no other is lost; that is no
// reason against the slice.
func TestUseWithoutAFigure(t *testing.T) {
	for _, test := range []struct {
		name string
		of   func(*spec.Counters) *maybe.Number
	}{
		{"CPU time", func(c *spec.Counters) *maybe.Number { return &c.CPUSecondsTotal }},
		{"throttled time", func(c *spec.Counters) *maybe.Number { return &c.ThrottledSTotal }},
		{"CPU periods", func(c *spec.Counters) *maybe.Number { return &c.PeriodsTotal }},
		{"throttled CPU periods", func(c *spec.Counters) *maybe.Number { return &c.ThrottledPeriods }},
		{"memory", func(c *spec.Counters) *maybe.Number { return &c.MemoryBytes }},
		{"OOM kills", func(c *spec.Counters) *maybe.Number { return &c.OOMKillsTotal }},
		{"bytes received", func(c *spec.Counters) *maybe.Number { return &c.NetRxBytesTotal }},
		{"bytes sent", func(c *spec.Counters) *maybe.Number { return &c.NetTxBytesTotal }},
		{"CPU time of process postgres", func(c *spec.Counters) *maybe.Number { return &c.Processes[0].CPUSecondsTotal }},
		{"memory of process postgres", func(c *spec.Counters) *maybe.Number { return &c.Processes[0].RSSBytes }},
	} {
		atEnd := test.name == "memory" || test.name == "memory of process postgres" // no difference of two readings
		for i, when := range []string{"before", "after"} {
			readings := [2]spec.Counters{reading(), later()}
			*test.of(&readings[i]) = maybe.Number{}
			readings[i].Unread = []string{"a file: does not exist"}
			use, reasons := Use(readings[0], readings[1], 1, 0, "g", false)
			var want []string
			if !atEnd || when == "after" {
				want = []string{test.name}
			}
			if got := use.NotKnown(); !reflect.DeepEqual(got, want) || len(reasons) > 0 || !reflect.DeepEqual(use.Unread, readings[i].Unread) {
				t.Errorf("%s away %s: not known are %q, want %q; unread %q, reasons %q", test.name, when, got, want, use.Unread, reasons)
			}
		}
	}
}

// A counter that a reading lacks is no reason against the slice where that reading says
// why it lacks some of the process: the counter is not known.
func TestUseOfACounterThatAReadingDoesNotTell(t *testing.T) {
	const why, others = "postgres: the page can't be read", "postgres-2: the page can't be read"
	for _, test := range []struct {
		name   string
		change func(before, after *spec.Counters)
		want   []string
	}{
		{"the first says why", func(before, _ *spec.Counters) { before.Processes[0].Counts, before.Unread = nil, []string{why} }, nil},
		{"the last says why", func(_, after *spec.Counters) { after.Processes[0].Counts, after.Unread = nil, []string{why} }, nil},
		{"the last says why the first lacks it", func(before, after *spec.Counters) { before.Processes[0].Counts, after.Unread = nil, []string{why} },
			[]string{"machine database: postgres statements_total was not there at the first reading"}},
		{"the first says why the last lacks it", func(before, after *spec.Counters) { after.Processes[0].Counts, before.Unread = nil, []string{why} },
			[]string{"machine database: postgres statements_total is gone at the second reading"}},
		{"another process says why", func(before, _ *spec.Counters) { before.Processes[0].Counts, before.Unread = nil, []string{others} },
			[]string{"machine database: postgres statements_total was not there at the first reading"}},
	} {
		before, after := reading(), later()
		test.change(&before, &after)
		use, reasons := Use(before, after, 1, 0, "g", false)
		if !reflect.DeepEqual(reasons, test.want) {
			t.Errorf("%s: reasons %q, want %q", test.name, reasons, test.want)
		}
		if statements, known := use.Processes[0].Counts["statements"]; known || use.CPUSeconds != maybe.Of(1) {
			t.Errorf("%s: %v statements, CPU %v", test.name, statements, use.CPUSeconds)
		}
		if len(use.Unread) != len(before.Unread)+len(after.Unread) {
			t.Errorf("%s: unread %q", test.name, use.Unread)
		}
	}
}

// Both readings' reasons are kept, each once.
func TestUseKeepsWhyFiguresAreNotKnown(t *testing.T) {
	before, after := reading(), later()
	before.Unread, after.Unread = []string{"cgroup: a"}, []string{"cgroup: a", "network: b"}
	if use, _ := Use(before, after, 1, 0, "g", false); !reflect.DeepEqual(use.Unread, []string{"cgroup: a", "network: b"}) {
		t.Errorf("unread %q", use.Unread)
	}
}

// Whatever the two readings are, no difference is negative, and a counter that ran
// backwards always gives a reason.
func TestUseIsNeverNegative(t *testing.T) {
	property := func(cpuBefore, cpuAfter uint16, rowsBefore, rowsAfter uint16) bool {
		before, after := reading(), later()
		before.CPUSecondsTotal, after.CPUSecondsTotal = maybe.Of(float64(cpuBefore)), maybe.Of(float64(cpuAfter))
		before.Processes[0].Counts["rows_total"] = float64(rowsBefore)
		after.Processes[0].Counts["rows_total"] = float64(rowsAfter)
		use, reasons := Use(before, after, 1, 0, "g", false)
		backwards := cpuAfter < cpuBefore || rowsAfter < rowsBefore
		silent := !strings.Contains(strings.Join(reasons, " "), "backwards")
		return use.CPUSeconds.OrNaN() >= 0 && use.Processes[0].Counts["rows"] >= 0 && backwards != silent
	}
	if err := quick.Check(property, nil); err != nil {
		t.Error(err)
	}
}

// A queue is long under load and empty afterwards.
func TestGaugesAreThoseUnderLoad(t *testing.T) {
	use := record.MachineUse{Processes: []record.ProcessUse{
		{Name: "haproxy", Counts: map[string]float64{"requests": 100, "queue": 0}}, {Name: "shop", Counts: map[string]float64{"pool_max": 8}}}}
	ReplaceGauges(&use, spec.Counters{Processes: []spec.ProcessCounters{
		{Name: "haproxy", Counts: map[string]float64{"requests_total": 5000, "queue": 7, "unknown": 1}}, {Name: "gone", Counts: map[string]float64{"queue": 9}}}})
	if got := use.Processes[0].Counts; len(got) != 2 || got["requests"] != 100 || got["queue"] != 7 {
		t.Errorf("haproxy: %v, want 100 requests and a queue of 7", got)
	}
	if got := use.Processes[1].Counts; len(got) != 1 || got["pool_max"] != 8 {
		t.Errorf("shop: %v", got)
	}
}
