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

func parse(t *testing.T, text string) scenarios.SLO {
	t.Helper()
	s, err := scenarios.ParseSLO(text)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// measured makes a slice of fast and slow successes, fast failures and
// requests that were never sent, all at one endpoint.
func measured(fast, slow, failed, unsent int64) record.Measurement {
	m := record.Measurement{OfferedRPS: 100, DurationS: 3, Planned: fast + slow + failed + unsent, Sent: fast + slow + failed,
		Succeeded: fast + slow, Failed: failed, Unsent: unsent}
	e := record.EndpointMeasurement{Name: "GET /a", Sent: m.Sent, Succeeded: m.Succeeded, Failed: failed}
	put := func(count int64, d time.Duration, success bool) {
		for range count {
			m.Response.Record(d)
			m.Service.Record(d)
			e.Response.Record(d)
			if success {
				m.ResponseSuccess.Record(d)
			}
		}
	}
	put(fast, 10*time.Millisecond, true)
	put(slow, 400*time.Millisecond, true)
	put(failed, time.Millisecond, false)
	m.Endpoints = []record.EndpointMeasurement{e}
	return m
}

// A step holds when every condition's share is at most the allowed one: no
// certainty is asked for.
func TestJudge(t *testing.T) {
	for _, test := range []struct {
		name   string
		m      record.Measurement
		slo    string
		want   record.Outcome
		reason string
	}{
		{"nothing was due", record.Measurement{}, "p99<250ms", record.Invalid, "no request was due"},
		{"few fast ones hold", measured(30, 0, 0, 0), "p99<250ms", record.Held, ""},
		{"1 slow of 100 is what may be", measured(99, 1, 0, 0), "p99<250ms", record.Held, ""},
		{"2 slow of 100 is more", measured(98, 2, 0, 0), "p99<250ms", record.Failed, "2 of 100"},
		{"fast failures are no answers", measured(280, 0, 20, 0), "p99<250ms", record.Failed, "20 of 300"},
		{"unsent requests are not absent", measured(280, 0, 0, 20), "p99<250ms", record.Failed, "20 of 300"},
		{"all failed fast", measured(0, 0, 400, 0), "p50<250ms,errors<1%", record.Failed, "100%"},
		{"errors by the same rule", measured(998, 0, 2, 0), "errors<0.2%", record.Held, ""},
		{"one error more", measured(997, 0, 3, 0), "errors<0.2%", record.Failed, "3 of 1000"},
		{"an endpoint", measured(400, 0, 0, 0), "GET /a p95<250ms", record.Held, ""},
		{"10 of 100 are what a p90 leaves", measured(90, 10, 0, 0), "p90<250ms", record.Held, ""},
		{"a slow endpoint", measured(100, 100, 0, 0), "GET /a p95<250ms", record.Failed, "GET /a"},
	} {
		got := Judge(&record.Trial{Measurement: test.m}, parse(t, test.slo))
		if got.Outcome != test.want || !strings.Contains(got.Reason, test.reason) {
			t.Errorf("%s: %s (%q), want %s (...%q...)", test.name, got.Outcome, got.Reason, test.want, test.reason)
		}
	}
}

// A failure counts only if it is the system's own. A trial that held under a disturbance
// counts as held.
func TestJudgeDisturbed(t *testing.T) {
	s := parse(t, "p99<100ms,errors<1%")
	fast, slow := measured(500, 0, 0, 0), measured(300, 200, 0, 0)
	waited := measured(300, 200, 0, 0) // slow only from when it was due
	waited.Service = fast.Service
	late := func(t *record.Trial) { t.Invalid, t.Measurement.InvalidReasons = []string{"late"}, []string{"late"} }
	for _, test := range []struct {
		name   string
		m      record.Measurement
		change func(*record.Trial)
		want   record.Outcome
	}{
		{"held although the driver was late", fast, late, record.Held},
		{"a staircase takes no disturbed step", fast, func(t *record.Trial) { late(t); t.RateName = record.RateStairs }, record.Invalid},
		{"kept back by the in-flight cap, and late", measured(500, 0, 0, 100), func(t *record.Trial) {
			late(t)
			t.Measurement.InFlightCap, t.Measurement.MaxInFlight = 64, 64
		}, record.Failed},
		{"the driver's own lag", waited, late, record.Invalid},
		{"slow from the send on, and late", slow, late, record.Failed},
		{"a restart", fast, func(t *record.Trial) { t.Invalid = []string{"machine app restarted"} }, record.Invalid},
		{"interrupted", fast, func(t *record.Trial) { t.Measurement.Interrupted = true }, record.Invalid},
		{"the driver had no more to give", slow, func(t *record.Trial) { late(t); t.Measurement.Driver.Saturated = true }, record.Saturated},
		{"held although the driver had no more", fast, func(t *record.Trial) { late(t); t.Measurement.Driver.Saturated = true }, record.Held},
		{"held, and the driver ran out of connections", fast, func(t *record.Trial) {
			late(t)
			t.Measurement.Driver.Saturated, t.Measurement.Driver.Limit = true, record.LimitConnections
		}, record.Saturated},
		{"held with the driver's CPU at its end", fast, func(t *record.Trial) {
			late(t)
			t.Measurement.Driver.Saturated, t.Measurement.Driver.Limit = true, record.LimitCPU
		}, record.Held},
		{"failed while the hypervisor took time", slow, func(t *record.Trial) { late(t); t.Measurement.Driver.StolenShare = maybe.Of(0.05) }, record.Invalid},
		{"failed while it took an unknown share", slow, func(t *record.Trial) { t.Measurement.Driver.StolenShare = maybe.Number{} }, record.Failed},
		{"failed while it took much at once", slow, func(t *record.Trial) {
			t.Measurement.Driver.StolenShare, t.Measurement.Driver.StolenWorstSecond = maybe.Of(0.01), maybe.Of(0.15)
		}, record.Invalid},
		{"failed while it took little", slow, func(t *record.Trial) {
			t.Measurement.Driver.StolenShare, t.Measurement.Driver.StolenWorstSecond = maybe.Of(0.01), maybe.Of(0.05)
		}, record.Failed},
		{"overloaded", measured(500, 0, 0, 100), nil, record.Failed},
	} {
		trial := record.Trial{Measurement: test.m}
		if test.change != nil {
			test.change(&trial)
		}
		if got := Judge(&trial, s); got.Outcome != test.want {
			t.Errorf("%s: %s (%s), want %s", test.name, got.Outcome, got.Reason, test.want)
		}
	}
}

// A growing queue fails the SLO: of 500 jobs that entered between the second and the last
// third of the readings, so many were left in the queue.
func TestAGrownQueueHasNotHeld(t *testing.T) {
	s := parse(t, "p99<250ms")
	for _, test := range []struct {
		name  string
		depth []int64
		want  record.Outcome
	}{
		{"empty", []int64{0, 0, 0, 0, 0, 0}, record.Held},
		{"a burst that is worked off", []int64{0, 400, 200, 60, 0, 0}, record.Held},
		{"what a worker has in hand", []int64{0, 4, 2, 5, 12, 19}, record.Held},
		{"5% are left", []int64{0, 10, 40, 40, 65, 65}, record.Held},
		{"6% are left", []int64{0, 10, 40, 40, 70, 70}, record.Failed},
	} {
		trial := record.Trial{Measurement: measured(1000, 0, 0, 0),
			Queues: []record.Queue{{Machine: "queue", Process: "nats", Depth: test.depth, Put: []int64{5000, 5250, 5500, 5750, 6000, 6250}}}}
		if got := Judge(&trial, s); got.Outcome != test.want {
			t.Errorf("%s: %s (%s), want %s", test.name, got.Outcome, got.Reason, test.want)
		}
	}
}

// Requests in flight are a queue too. Up to a quarter of what the SLO's latency allows
// they may fluctuate. A reading after the end does not count.
func TestRequestsInFlightThatGrow(t *testing.T) {
	s := parse(t, "p99<2s")
	for _, test := range []struct {
		name     string
		inFlight []int64
		seconds  float64
		want     record.Outcome
	}{
		{"grow", []int64{30, 60, 90, 120, 150, 180}, 6, record.Failed},
		{"stay", []int64{90, 150, 160, 150, 155, 150}, 6, record.Held},
		{"grow, and are few", []int64{5, 10, 20, 30, 40, 50}, 6, record.Held},
		{"were read when all was over", []int64{30, 60, 90, 120, 150, 0}, 5.5, record.Failed},
	} {
		m := measured(600, 0, 0, 0)
		m.DurationS, m.OfferedRPS = test.seconds, 100 // half a second's requests are breathing
		for second, n := range test.inFlight {
			m.Timeline = append(m.Timeline, record.Second{Second: second, Sent: 100, InFlight: n})
		}
		if got := Judge(&record.Trial{Measurement: m}, s); got.Outcome != test.want {
			t.Errorf("%s: %s (%s), want %s", test.name, got.Outcome, got.Reason, test.want)
		}
	}
}

func TestJudgeOracles(t *testing.T) {
	const stale, lost = scenarios.OracleStale, scenarios.OracleLost
	one := func(name scenarios.OracleName, checked, violations int64, unknown string) []record.Oracle {
		return []record.Oracle{{Name: name, Checked: checked, Violations: violations, Unknown: unknown}}
	}
	for _, test := range []struct {
		name    string
		oracles []record.Oracle
		slo     string
		want    record.Outcome
		reason  string
	}{
		{"none", one(stale, 100, 0, ""), "stale<1%", record.Held, ""},
		{"what may be", one(stale, 100, 1, ""), "stale<1%", record.Held, ""},
		{"2% fail", one(stale, 1000, 20, ""), "stale<1%", record.Failed, "20 of 1000"},
		{"a failure outranks the unknown", one(stale, 1000, 20, "some answers"), "stale<1%", record.Failed, "20"},
		{"partly unknown never holds", one(stale, 1000, 0, "3 answers showed no version"), "stale<1%", record.Invalid, "3 answers"},
		{"no loss in one check", one(lost, 1, 0, ""), "lost=0", record.Held, ""},
		{"one loss in a million", one(lost, 1_000_000, 1, ""), "lost=0", record.Failed, "lost=0: 1 of"},
		{"not drained", one(lost, 0, 0, "the queue was not drained"), "lost=0", record.Invalid, "not drained"},
		{"not asked", one(stale, 299, 0, ""), "lost=0", record.Invalid, "lost: it was not measured"},
		{"nothing at all", nil, "lost=0", record.Invalid, "lost: it was not measured"},
		{"scopes add up", append(one(lost, 10, 0, ""), one(lost, 10, 1, "")...), "lost=0", record.Failed, "1 of 20"},
		{"one scope is unknown", append(one(lost, 10, 0, ""), one(lost, 0, 0, "no post")...), "lost=0", record.Invalid, "no post"},
	} {
		s := parse(t, "p99<250ms,"+test.slo)
		trial := record.Trial{Measurement: measured(1000, 0, 0, 0), Oracles: test.oracles}
		got := Judge(&trial, s)
		if got.Outcome != test.want || !strings.Contains(got.Reason, test.reason) {
			t.Errorf("%s: %s (%s), want %s (%s)", test.name, got.Outcome, got.Reason, test.want, test.reason)
		}
		// The driver's own findings count in the same way.
		trial.Oracles, trial.Measurement.Oracles = nil, test.oracles
		if alone := Judge(&trial, s); alone.Outcome != got.Outcome {
			t.Errorf("%s: the measurement alone %s, the trial %s", test.name, alone.Outcome, got.Outcome)
		}
	}
}

// The chances are right where a sum from zero on underflows (expected counts
// above 745), and at both ends.
func TestChance(t *testing.T) {
	for _, test := range []struct {
		expected, bad int64
	}{{800, 860}, {1000, 1066}} { // the smallest counts that fail at 2%, from R's qpois
		of := test.expected * 100
		if chance := chanceOf(record.Count{Bad: test.bad, Of: of, Allowed: 0.01}); chance > 0.02 {
			t.Errorf("%d where %d are expected: %v, want 0.02 or less", test.bad, test.expected, chance)
		}
		if chance := chanceOf(record.Count{Bad: test.bad - 1, Of: of, Allowed: 0.01}); chance <= 0.02 {
			t.Errorf("%d where %d are expected: %v, want more than 0.02", test.bad-1, test.expected, chance)
		}
	}
	for expected := int64(730); expected < 760; expected++ {
		if chance := chanceOf(record.Count{Bad: expected * 100, Of: expected * 100, Allowed: 0.01}); chance > 1e-9 {
			t.Errorf("all of %d are bad: chance %v", expected*100, chance)
		}
	}
}

// 9 slow of 300 are surer to be too many than one error of 300, though that
// is a larger multiple of what may be.
func TestNearestIsTheSurest(t *testing.T) {
	got := Nearest([]record.Count{
		{Condition: "errors<0.1%", Bad: 1, Of: 300, Allowed: 0.001},
		{Condition: "p99<250ms", Bad: 9, Of: 300, Allowed: 0.01},
		{Condition: conditionBacklog, Of: 1, Allowed: 0.5},
	})
	if got.Condition != "p99<250ms" {
		t.Errorf("the nearest condition is %s", got.Condition)
	}
}

// The 95% bounds of a count: 0 of 800 are below 0.37%. Bad requests in bursts widen the
// bounds.
func TestShareBounds(t *testing.T) {
	of := func(bad, n int64, burst float64) record.Count { return record.Count{Bad: bad, Of: n, Burst: burst} }
	if got := ShareUpperBound(of(0, 800, 1)); math.Abs(got-0.00374) > 0.00001 {
		t.Errorf("0 of 800 are below %v, want 0.374%%", got)
	}
	if got := ShareLowerBound(of(0, 800, 1)); got != 0 {
		t.Errorf("0 of 800 are above %v", got)
	}
	one, four := ShareUpperBound(of(4, 1250, 1)), ShareUpperBound(of(4, 1250, 4))
	if one >= 0.01 || four <= 0.01 {
		t.Errorf("4 of 1,250 are below %v one by one, and below %v in a burst; want below and above 1%%", one, four)
	}
	if one, four := ShareLowerBound(of(20, 1000, 1)), ShareLowerBound(of(20, 1000, 10)); one <= 0.01 || four >= 0.01 {
		t.Errorf("20 of 1,000 are above %v one by one, and above %v in two bursts; want above and below 1%%", one, four)
	}
	if got := ShareUpperBound(of(5, 5, 1)); got != 1 {
		t.Errorf("5 of 5 are below %v", got)
	}
}

// How many come together is measured: by how much their number scatters from
// second to second.
func TestBurst(t *testing.T) {
	c := parse(t, "p99<250ms").Conditions[0]
	spread, together := record.Measurement{}, record.Measurement{}
	quiet, one, all := measured(200, 0, 0, 0).Response, measured(199, 1, 0, 0).Response, measured(196, 4, 0, 0).Response
	for second := range 10 {
		of := func(h record.Histogram) record.Second { return record.Second{Second: second, Sent: 200, Response: h} }
		switch {
		case second%2 == 0 && second < 8:
			spread.Timeline = append(spread.Timeline, of(one))
		default:
			spread.Timeline = append(spread.Timeline, of(quiet))
		}
		if second == 4 {
			together.Timeline = append(together.Timeline, of(all))
		} else {
			together.Timeline = append(together.Timeline, of(quiet))
		}
	}
	if b := burstOf(spread, c); b != 1 {
		t.Errorf("one by one: %v at once", b)
	}
	if b := burstOf(together, c); math.Abs(b-4) > 0.01 {
		t.Errorf("4 at once: %v", b)
	}
}

// A printed quantile is within the SLO exactly when Judge says that the SLO held.
func TestPrintedQuantileAgreesWithJudge(t *testing.T) {
	const limit = 250 * time.Millisecond
	for q, name := range map[float64]string{0.5: "p50", 0.8: "p80", 0.9: "p90", 0.95: "p95", 0.99: "p99", 0.999: "p99.9"} {
		s := parse(t, name+"<250ms")
		for _, n := range []int64{1, 2, 99, 100, 101, 150, 299, 300, 1000, 1049, 1050, 1070, 1099, 2999, 3000} {
			edge := int64(math.Floor(float64(n) * (1 - q)))
			for above := max(0, edge-1); above <= min(n, edge+2); above++ {
				m := measured(n-above, above, 0, 0)
				verdict := Judge(&record.Trial{Measurement: m}, s)
				if printed := m.Response.Quantile(q); (printed > limit) != (verdict.Outcome == record.Failed) {
					t.Errorf("%d of %d are slow: %s is printed as %v and judged %s", above, n, name, printed, verdict.Outcome)
				}
			}
		}
	}
}
