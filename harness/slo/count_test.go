// SPDX-License-Identifier: Apache-2.0

package slo

import (
	"math"
	"strings"
	"testing"
	"time"

	"headroom/harness/record"
	"headroom/internal/maybe"
	"headroom/scenarios"
)

// Counts of a condition, computed by hand from the measurement.
func TestCountOfACondition(t *testing.T) {
	mixed := measured(90, 5, 3, 2) // fast, slow, failed fast, unsent
	mixed.Planned += 4             // and sent beyond the histogram
	mixed.Sent, mixed.Succeeded, mixed.Clipped = mixed.Sent+4, mixed.Succeeded+4, 4
	mixed.Endpoints[0].Sent, mixed.Endpoints[0].Succeeded = mixed.Sent, mixed.Succeeded
	failedSlow := record.Measurement{Planned: 10, Sent: 10, Failed: 10}
	slow := record.EndpointMeasurement{Name: "GET /a", Sent: 10, Failed: 10}
	for range 10 {
		slow.Response.Record(time.Second)
	}
	failedSlow.Endpoints = []record.EndpointMeasurement{slow, {Name: "GET /none"}}
	for _, test := range []struct {
		name    string
		m       record.Measurement
		slo     string
		bad, of int64
		allowed float64
		counted bool
	}{
		{"slow, failed, unsent and clipped", mixed, "p99<250ms", 14, 104, 0.01, true},
		{"at the limit all are fast", mixed, "p90<500ms", 9, 104, 0.1, true},
		{"failed and unsent", mixed, "errors<2%", 5, 104, 0.02, true},
		{"an endpoint's slow, failed and clipped", mixed, "GET /a p95<250ms", 12, 102, 0.05, true},
		{"an endpoint's failures", mixed, "GET /a errors<1%", 3, 102, 0.01, true},
		{"slow failures count once at the most", failedSlow, "GET /a p95<250ms", 10, 10, 0.05, true},
		{"an endpoint that nothing was sent to", failedSlow, "GET /none p95<250ms", 0, 0, 0, false},
		{"an endpoint that is not there", mixed, "GET /b p95<250ms", 0, 0, 0, false},
		{"nothing was due", record.Measurement{}, "p95<250ms", 0, 0, 0, false},
	} {
		got, ok := count(test.m, parse(t, test.slo).Conditions[0])
		if ok != test.counted {
			t.Errorf("%s: counted %v, want %v", test.name, ok, test.counted)
		}
		if ok && (got.Bad != test.bad || got.Of != test.of || math.Abs(got.Allowed-test.allowed) > 1e-12 || got.Condition != test.slo) {
			t.Errorf("%s: %+v, want %d of %d where %v may be", test.name, got, test.bad, test.of, test.allowed)
		}
	}
}

// What could not be counted is named with its condition, the first of several.
func TestWhatCouldNotBeCounted(t *testing.T) {
	trial := record.Trial{Measurement: measured(100, 0, 0, 0)}
	counts, unknown := countAll(&trial, parse(t, "GET /b p95<250ms,p99<250ms,GET /c p95<250ms"))
	if len(counts) != 1 || counts[0].Condition != "p99<250ms" || unknown != "GET /b p95<250ms: no request was sent" {
		t.Errorf("%+v, %q", counts, unknown)
	}
}

// From the second third of its readings to the last the queue grew from 15 to 35,
// while 200 were put in: by a tenth.
func TestGrowth(t *testing.T) {
	put := []int64{0, 100, 200, 300, 400, 500}
	for _, test := range []struct {
		name       string
		depth, put []int64
		floor      float64
		want       float64
	}{
		{"a tenth", []int64{0, 0, 10, 20, 30, 40}, put, 20, 0.1},
		{"it shrinks", []int64{0, 0, 40, 60, 30, 40}, put, 20, -0.075},
		{"the last six of eight", []int64{9, 9, 0, 0, 10, 20, 30, 40}, []int64{-9, -9, 0, 100, 200, 300, 400, 500}, 20, 0.1},
		{"as many as both have", []int64{0, 0, 10, 20, 30, 40, 90, 90, 90}, put, 20, 0.1},
		{"as many as both have, the other way", []int64{0, 0, 10, 20, 30, 40}, []int64{0, 100, 200, 300, 400, 500, 600, 900, 900}, 20, 0.1},
		{"three readings", []int64{0, 20, 40}, []int64{0, 100, 200}, 20, 0.2},
		{"two readings", []int64{0, 40}, []int64{0, 100}, 20, 0},
		{"just at the floor", []int64{0, 0, 10, 20, 30, 40}, put, 35, 0},
		{"just above the floor", []int64{0, 0, 10, 20, 30, 40}, put, 34.9, 0.1},
		{"nothing was put in", []int64{0, 0, 10, 20, 30, 40}, []int64{5, 5, 5, 5, 5, 5}, 20, 0},
		{"less than nothing was put in", []int64{0, 0, 10, 20, 30, 40}, []int64{5, 4, 3, 2, 1, 0}, 20, 0},
	} {
		if got := Growth(test.depth, test.put, test.floor); math.Abs(got-test.want) > 1e-12 {
			t.Errorf("%s: %v, want %v", test.name, got, test.want)
		}
	}
}

// Of several queues the one that grew most counts; up to 20 jobs may wait at any
// time.
func TestBacklogIsTheLargest(t *testing.T) {
	put := []int64{0, 100, 200, 300, 400, 500}
	queue := func(depth ...int64) record.Queue { return record.Queue{Depth: depth, Put: put} }
	for _, test := range []struct {
		name   string
		queues []record.Queue
		want   float64
	}{
		{"none", nil, 0},
		{"the larger comes first", []record.Queue{queue(0, 0, 10, 20, 30, 40), queue(0, 0, 20, 20, 24, 24)}, 0.1},
		{"the larger comes last", []record.Queue{queue(0, 0, 20, 20, 24, 24), queue(0, 0, 10, 20, 30, 40)}, 0.1},
		{"20 jobs may wait", []record.Queue{queue(0, 0, 0, 0, 20, 20)}, 0},
		{"and no more", []record.Queue{queue(0, 0, 0, 0, 20, 22)}, 0.105},
	} {
		if got := backlog(&record.Trial{Queues: test.queues}, parse(t, "p99<250ms")); math.Abs(got-test.want) > 1e-12 {
			t.Errorf("%s: %v, want %v", test.name, got, test.want)
		}
	}
	// Requests in flight by the timeline: 100 a second are sent, and 12.5 in flight
	// are a quarter of what 500 ms allow.
	m := record.Measurement{OfferedRPS: 100, DurationS: 6}
	for _, n := range []int64{0, 0, 3, 7, 12, 13} {
		m.Timeline = append(m.Timeline, record.Second{Sent: 100, InFlight: n})
	}
	if got := backlog(&record.Trial{Measurement: m}, parse(t, "p50<100ms,p99<500ms")); got != 0 {
		t.Errorf("12.5 in flight at the end: a queue that grew by %v", got)
	}
	m.Timeline[5].InFlight++
	if got := backlog(&record.Trial{Measurement: m}, parse(t, "p50<100ms,p99<500ms")); math.Abs(got-0.04) > 1e-12 {
		t.Errorf("13 in flight at the end: a queue that grew by %v, want 8 of 200", got)
	}
}

// The variance over the mean of the counts per second, 1 at least.
func TestBurstOfCounts(t *testing.T) {
	for _, test := range []struct {
		perSecond []int64
		want      float64
	}{
		{nil, 1}, {[]int64{7}, 1}, {[]int64{0, 0, 0}, 1}, {[]int64{2, 2}, 1},
		{[]int64{0, 4}, 4}, // mean 2, variance 8
		{[]int64{1, 3, 5}, 4.0 / 3},
		{[]int64{0, 0, 0, 8}, 8}, // mean 2, variance 16
	} {
		if got := Burst(test.perSecond); !near(got, test.want, 1e-12) {
			t.Errorf("%v: %v, want %v", test.perSecond, got, test.want)
		}
	}
	// Requests without an answer count as slow too; failures count as failures.
	var m record.Measurement
	for _, s := range []record.Second{{Sent: 5, Failed: 1}, {Sent: 1, Failed: 3}} {
		s.Response.Record(time.Millisecond)
		m.Timeline = append(m.Timeline, s)
	}
	if got := burstOf(m, parse(t, "p99<250ms").Conditions[0]); got != 4 {
		t.Errorf("4 and none unanswered: %v come together, want 4", got)
	}
	if got := burstOf(m, parse(t, "errors<1%").Conditions[0]); got != 1 {
		t.Errorf("1 and 3 failed: %v come together, want 1", got)
	}
}

// Clopper and Pearson's ends have a closed form where none, one, or all but one are
// bad: 1 - 0.05^(1/n), 1 - 0.95^(1/n), 0.95^(1/n).
func TestClopperPearson(t *testing.T) {
	of := func(bad, n int64, burst float64) record.Count { return record.Count{Bad: bad, Of: n, Burst: burst} }
	for _, test := range []struct {
		name      string
		got, want float64
	}{
		{"below, none of 100", ShareUpperBound(of(0, 100, 1)), 1 - math.Pow(0.05, 1.0/100)},
		{"below, the burst is not known", ShareUpperBound(of(0, 100, 0)), 1 - math.Pow(0.05, 1.0/100)},
		{"below, none of 100 in bursts of 2", ShareUpperBound(of(0, 100, 2)), 1 - math.Pow(0.05, 1.0/50)},
		{"below, all but one of 5", ShareUpperBound(of(4, 5, 1)), math.Pow(0.95, 1.0/5)},
		{"below, all", ShareUpperBound(of(5, 5, 1)), 1},
		{"below, nothing counted", ShareUpperBound(of(0, 0, 1)), 1},
		{"above, one of 100", ShareLowerBound(of(1, 100, 1)), 1 - math.Pow(0.95, 1.0/100)},
		{"above, a burst of 2 in 100", ShareLowerBound(of(2, 100, 2)), 1 - math.Pow(0.95, 1.0/50)},
		{"above, none", ShareLowerBound(of(0, 100, 1)), 0},
	} {
		if !near(test.got, test.want, 1e-6) {
			t.Errorf("%s: %v, want %v", test.name, test.got, test.want)
		}
	}
}

// FailsSignificantly fails what chance explains in fewer than 2% of the steps: 860 bad ones
// where 800 may be, by R's qpois.
func TestFailsSignificantly(t *testing.T) {
	decided := func(bad, of int64, backlog float64) Step {
		return Decide(Step{Backlog: backlog, Verdict: record.Verdict{Counts: []record.Count{{Condition: "p99<250ms", Bad: bad, Of: of, Allowed: 0.01}}}})
	}
	for _, test := range []struct {
		name string
		s    Step
		want bool
	}{
		{"it held", decided(0, 1000, 0), false},
		{"860 of 80,000", decided(860, 80_000, 0), true},
		{"859 of 80,000", decided(859, 80_000, 0), false},
		{"859 of 80,000, and a queue that grew", decided(859, 80_000, 0.06), true},
		{"859 of 80,000, and a queue that breathed", decided(859, 80_000, 0.05), false},
		{"a queue that grew, and nothing else", decided(0, 1000, 0.06), true},
		{"only the outcome is known", Step{Verdict: record.Verdict{Outcome: record.Failed}}, true},
		{"invalid", Step{Verdict: record.Verdict{Outcome: record.Invalid}}, false},
	} {
		if got := FailsSignificantly(test.s); got != test.want {
			t.Errorf("%s: %v, want %v", test.name, got, test.want)
		}
	}
}

// Decide names each broken condition, and counts a grown queue as one of one.
func TestDecideInWords(t *testing.T) {
	s := Decide(Step{Backlog: 0.5, Verdict: record.Verdict{Outcome: record.Held, Reason: "old", Counts: []record.Count{
		{Condition: "p99<250ms", Bad: 3, Of: 200, Allowed: 0.01}, {Condition: "errors<1%", Bad: 2, Of: 200, Allowed: 0.01},
	}}})
	want := "p99<250ms: 3 of 200 are bad (1.5%), 1% may be; 50% of the requests were left in a queue that grew"
	if s.Outcome != record.Failed || s.Reason != want {
		t.Errorf("%s: %q, want %q", s.Outcome, s.Reason, want)
	}
	if len(s.Counts) != 3 || s.Counts[2] != (record.Count{Condition: "no queue grows", Bad: 1, Of: 1, Allowed: 0.5}) {
		t.Errorf("the counts are %+v", s.Counts)
	}
	if s = Decide(Step{Verdict: record.Verdict{Reason: "old"}}); s.Outcome != record.Held || s.Reason != "" || s.Counts[0].Bad != 0 {
		t.Errorf("nothing is bad: %+v", s)
	}
}

// The failures that a late driver can't cause, one by one, each beside a case that proves
// nothing.
func TestOwnFailure(t *testing.T) {
	capped := func(change func(*record.Measurement)) record.Measurement {
		m := measured(98, 0, 0, 2)
		m.InFlightCap, m.MaxInFlight = 64, 64
		change(&m)
		return m
	}
	same := func(*record.Measurement) {}
	for _, test := range []struct {
		name string
		m    record.Measurement
		slo  string
		want bool
	}{
		{"the cap kept 2% back", capped(same), "p99<250ms", true},
		{"the cap kept back what may be", capped(same), "p98<250ms", false},
		{"the cap was exceeded", capped(func(m *record.Measurement) { m.MaxInFlight = 65 }), "p99<250ms", true},
		{"the cap was not reached", capped(func(m *record.Measurement) { m.MaxInFlight = 63 }), "p99<250ms", false},
		{"there was no cap", capped(func(m *record.Measurement) { m.InFlightCap = 0 }), "p99<250ms", false},
		{"they waited for a connection", capped(func(m *record.Measurement) { m.Waited = 1 }), "p99<250ms", false},
		{"all were sent", capped(func(m *record.Measurement) { m.Unsent, m.Planned = 0, 98 }), "p99<250ms", false},
		{"an oracle's share", capped(same), "stale<1%", false},
		{"2% failed", measured(98, 0, 2, 0), "errors<1%", true},
		{"as many failed as may", measured(99, 0, 1, 0), "errors<1%", false},
		{"of one endpoint 2% failed", measured(98, 0, 2, 0), "GET /a errors<1%", false},
		{"a failure where latency alone counts", measured(99, 0, 1, 0), "p90<250ms", false},
		{"slow from the send on", measured(90, 10, 0, 0), "p95<250ms", true},
		{"slow within what may be", measured(95, 5, 0, 0), "p95<250ms", false},
		{"one endpoint is slow", measured(90, 10, 0, 0), "GET /a p95<250ms", false},
		{"the last condition of three", measured(90, 10, 0, 0), "errors<1%,p80<250ms,p95<250ms", true},
		{"nothing was sent", record.Measurement{}, "p95<250ms", false},
	} {
		trial := record.Trial{Measurement: test.m}
		if got := ownFailure(&trial, parse(t, test.slo)); got != test.want {
			t.Errorf("%s: %v, want %v", test.name, got, test.want)
		}
	}
}

func TestReasonsInWords(t *testing.T) {
	for want, reasons := range map[string][]string{"": nil, "late": {"late"}, "late (3 reasons in all)": {"late", "b", "c"}} {
		if got := joined(reasons); got != want {
			t.Errorf("%q is %q", reasons, got)
		}
	}
	trial := record.Trial{Measurement: measured(90, 10, 0, 0), Invalid: []string{"late"}}
	trial.Measurement.InvalidReasons = []string{"late"}
	trial.Measurement.Driver.StolenShare, trial.Measurement.Driver.StolenWorstSecond = maybe.Of(0.05), maybe.Of(0.3)
	want := "the hypervisor took 5.0% of the CPU time, 30% of one second: p99<250ms: 10 of 100 are bad (10%), 1% may be"
	if got := Judge(&trial, parse(t, "p99<250ms")); got.Reason != want {
		t.Errorf("%q, want %q", got.Reason, want)
	}
	if got := Judge(&record.Trial{Measurement: measured(90, 10, 0, 0)}, parse(t, "p99<250ms")); len(got.Counts) != 2 || !strings.HasPrefix(got.Reason, "p99") {
		t.Errorf("the verdict is %+v", got)
	}
}

// The stored verdict is taken where the SLO is the run's own.
func TestStepOfATrial(t *testing.T) {
	s := parse(t, "p99<250ms")
	trial := record.Trial{Measurement: measured(100, 0, 0, 0), Verdict: &record.Verdict{Outcome: record.Failed, Reason: "stored"}}
	if got := StepOf(&trial, s, true); got.Reason != "stored" || got.RPS != 100 {
		t.Errorf("stored: %+v", got)
	}
	if got := StepOf(&trial, s, false); got.Outcome != record.Held || got.RPS != 100 {
		t.Errorf("anew: %+v", got)
	}
	trial.Verdict = nil
	if got := StepOf(&trial, s, true); got.Outcome != record.Held || got.RPS != 100 {
		t.Errorf("none is stored: %+v", got)
	}
	if got := Judge(&record.Trial{Measurement: measured(100, 0, 0, 0)}, scenarios.SLO{}); got.Outcome != record.Held {
		t.Errorf("an SLO of nothing: %+v", got)
	}
}
