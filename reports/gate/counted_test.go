// SPDX-License-Identifier: Apache-2.0

package gate

import (
	"fmt"
	"math"
	"strings"
	"testing"

	"headroom/harness/record"
	"headroom/scenarios"
	"headroom/targets/kinds"
)

const requests = 100

// known is a scenario of which nothing is known but what counters mean.
func known() *scenarios.Scenario { return &scenarios.Scenario{Kinds: kinds.Data()} }

// trial is an endpoint's counted trial: what a database did for each request.
func trial(v scenarios.Variant, endpoint scenarios.RateName, work ...record.Work) record.Trial {
	for i := range work {
		for key := range work[i].Counts {
			work[i].Counts[key] *= requests
		}
	}
	return record.Trial{
		Kind: record.KindCount, Variant: v, RateName: endpoint,
		Measurement: record.Measurement{Planned: requests, Sent: requests, Succeeded: requests, BytesIn: 1000 * requests},
		Machines: []record.MachineUse{
			{Machine: "database", Processes: []record.ProcessUse{{Kind: "postgres", Work: work}}},
			{Machine: "app", Processes: []record.ProcessUse{{Kind: "shop", Counts: map[string]float64{"allocations": 50 * requests, "round_trips": 0, "pool_max": 2}}}},
		},
	}
}

func statement(text string, calls, blocks float64) record.Work {
	return record.Work{Of: "statement", Name: text, Counts: map[string]float64{"calls": calls, "blocks": blocks}}
}

func table(name string, rows float64) record.Work {
	return record.Work{Of: "table", Name: name, Counts: map[string]float64{"rows_read": rows}}
}

const (
	feedSQL   = "SELECT p.id FROM posts p JOIN users u ON u.id = p.author_id ORDER BY p.id DESC LIMIT $1"
	authorSQL = "SELECT id, name, city, bio FROM users WHERE id = $1"
)

func good() []record.Trial {
	return []record.Trial{
		trial(scenarios.Before, "GET /api/feed", statement(feedSQL, 1, 160), table("posts", 50), table("users", 50)),
		trial(scenarios.After, "GET /api/feed", statement(feedSQL, 1, 160), table("posts", 50), table("users", 50)),
	}
}

// runs of equal systems, whose blocks and allocations scatter a little.
func baseline(t *testing.T) Baseline {
	t.Helper()
	var runs []Counts
	for i := range 3 {
		trials := good()
		for _, one := range trials {
			one.Machines[0].Processes[0].Work[0].Counts["blocks"] += float64(i * requests)
			one.Machines[1].Processes[0].Counts["allocations"] += float64(i * 10)
		}
		runs = append(runs, Counted(known(), trials, requests))
	}
	metrics, _, err := Renew(nil, runs, false)
	if err != nil {
		t.Fatal(err)
	}
	s := scenario(t)
	return Baseline{Format: BaselineFormat, Scenario: s.Name, Hash: Hash(s), Seed: 1, Requests: requests, Runs: 3, Metrics: metrics}
}

func scenario(t *testing.T) *scenarios.Scenario {
	t.Helper()
	s, err := scenarios.LoadNamed("phase1", kinds.Data())
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func result(t *testing.T, trials []record.Trial, expect bool) Result {
	t.Helper()
	counted := Compare(baseline(t), Counted(known(), trials, requests), expect)
	return NewResult(About{Scenario: scenario(t), Seed: 1}, counted, nil, nil, nil)
}

func TestCountedPasses(t *testing.T) {
	if r := result(t, good(), false); r.Verdict != Pass || !strings.HasPrefix(r.Sentence, "No regression. 16 counts are held against the baseline, 10 of them to the digit, the others to within 3.9% at most (") {
		t.Errorf("%s: %s", r.Verdict, r.Sentence)
	}
}

// Exact metrics have no tolerance, and the others what equal runs differed by, or
// the least that their source has.
func TestTolerances(t *testing.T) {
	for _, m := range baseline(t).Metrics {
		switch m.Metric {
		case "statements", "statement calls", "errors":
			if m.Within != 0 {
				t.Errorf("%s has the tolerance %v", m.name(), m.Within)
			}
		case "response": // 1000 in every run
			if m.Value != 1000 || m.Within != 0.5 {
				t.Errorf("%s is %v ± %v", m.name(), m.Value, m.Within)
			}
		case "statement blocks": // 160, 161, 162
			if m.Value != 161 || m.Within < 2 || m.Within > 30 {
				t.Errorf("%s is %v ± %v", m.name(), m.Value, m.Within)
			}
		case "allocations":
			if m.Value != 50.1 || m.Within < 0.2 || m.Within > 3 {
				t.Errorf("%s is %v ± %v", m.name(), m.Value, m.Within)
			}
		}
	}
	if _, _, err := Renew(nil, []Counts{Counted(known(), good(), requests)}, false); err == nil {
		t.Error("one run made a tolerance")
	}
}

func nPlus1() []record.Trial {
	trials := good()
	trials[1] = trial(scenarios.After, "GET /api/feed", statement(feedSQL, 1, 160), statement(authorSQL, 50, 150), table("posts", 50), table("users", 50))
	return trials
}

func TestCountedNamesAnNPlus1(t *testing.T) {
	r := result(t, nPlus1(), false)
	want := "Regression: a request of GET /api/feed (after) costs 51.0 statements, was 1.0; 50.0 calls of `" + authorSQL + "`, new;"
	if r.Verdict != Regression || !strings.HasPrefix(r.Sentence, want) {
		t.Errorf("%s: %s\nwant %s", r.Verdict, r.Sentence, want)
	}
}

func TestCountedNamesTheTable(t *testing.T) {
	trials := good()
	trials[0].Machines[0].Processes[0].Work[2].Counts["rows_read"] = 100_000 * requests
	if r := result(t, trials, false); r.Verdict != Regression || !strings.Contains(r.Sentence, "GET /api/feed (before) costs 100000.0 rows read of `users`, was 50.0") {
		t.Errorf("%s: %s", r.Verdict, r.Sentence)
	}
}

// Nothing that is not there passes, whether or not less work is expected.
func TestCountedNeverPassesOnNothing(t *testing.T) {
	broken := func(change func(*record.Trial)) []record.Trial {
		trials := good()
		change(&trials[1])
		return trials
	}
	for name, trials := range map[string][]record.Trial{
		"nothing counted":   nil,
		"endpoint missing":  good()[:1],
		"endpoint renamed":  broken(func(r *record.Trial) { r.RateName = "GET /api/news" }),
		"nothing was sent":  broken(func(r *record.Trial) { r.Measurement.Succeeded, r.Measurement.Sent = 0, 0 }),
		"short":             broken(func(r *record.Trial) { r.Measurement.Sent = requests - 1 }),
		"invalid":           broken(func(r *record.Trial) { r.Invalid = []string{"machine app restarted"} }),
		"NaN":               broken(func(r *record.Trial) { r.Machines[1].Processes[0].Counts["allocations"] = math.NaN() }),
		"counters gone":     broken(func(r *record.Trial) { r.Machines = nil }),
		"no database":       broken(func(r *record.Trial) { r.Machines = r.Machines[1:] }),
		"database not read": broken(func(r *record.Trial) { r.Machines[0].Processes[0].Work = nil }),
		"tables not read":   broken(func(r *record.Trial) { r.Machines[0].Processes[0].Work = r.Machines[0].Processes[0].Work[:1] }),
		"one of two not read": broken(func(r *record.Trial) {
			r.Machines = append(r.Machines, record.MachineUse{Processes: []record.ProcessUse{{Kind: "shop"}}})
		}),
		"all counters are 0":   broken(silence),
		"idle was not counted": broken(func(r *record.Trial) { r.Machines[1].WindowS = 1 }),
	} {
		for _, expect := range []bool{false, true} {
			if r := result(t, trials, expect); r.Verdict != NoVerdict || !strings.HasPrefix(r.Sentence, "No verdict: ") {
				t.Errorf("%s, expected %v: %s: %s", name, expect, r.Verdict, r.Sentence)
			}
		}
	}
}

// silence has every counter of the trial's machines read, and 0.
func silence(r *record.Trial) {
	r.Machines[0].Processes[0] = record.ProcessUse{Kind: "postgres", Counts: map[string]float64{"statements": 0, "tuples_read": 0}}
	r.Machines[1].Processes[0].Counts["allocations"] = 0
}

// A counter that was not read is not one of 0: the reason names whose.
func TestCountedNamesWhatWasNotRead(t *testing.T) {
	trials := good()
	trials[1].Machines[0].Processes[0].Work = nil
	if r := result(t, trials, true); !strings.HasPrefix(r.Sentence, "No verdict: after, GET /api/feed: statement blocks of `"+feedSQL+"`: the counters of postgres could not be read (and 4 more)") {
		t.Error(r.Sentence)
	}
	// A database that was read and did nothing is another matter.
	trials[1].Machines[0].Processes[0].Counts = map[string]float64{"statements": 0, "tuples_read": 0}
	if r := result(t, trials, false); r.Verdict != NoVerdict || !strings.Contains(r.Sentence, "improved, or not done any more?") {
		t.Errorf("%s: %s", r.Verdict, r.Sentence)
	}
	if r := result(t, trials, true); r.Verdict != Pass {
		t.Errorf("expected: %s: %s", r.Verdict, r.Sentence)
	}
}

// What was not read makes no baseline either.
func TestRenewRefusesWhatWasNotRead(t *testing.T) {
	trials := good()
	delete(trials[1].Machines[1].Processes[0].Counts, "allocations")
	run := Counted(known(), trials, requests)
	if _, _, err := Renew(nil, []Counts{run, run}, false); err == nil || err.Error() != "after, GET /api/feed: allocations: the counters of shop could not be read" {
		t.Error(err)
	}
}

// An endpoint that only fails is a regression; what it does is not known.
func TestCountedAllFailed(t *testing.T) {
	for name, sent := range map[string]int64{"all were sent": requests, "the time ran out": 12} {
		trials := good()
		m := &trials[1].Measurement
		m.Sent, m.Succeeded, m.Failed, m.Errors = sent, 0, sent, map[string]int64{"status_5xx": sent}
		var absent int
		results := Compare(baseline(t), Counted(known(), trials, requests), true)
		for _, r := range results {
			switch {
			case r.Variant == scenarios.Before:
				if r.Status != StatusSame {
					t.Errorf("%s: %s is %s", name, r.name(), r.Status)
				}
			case r.Metric == errorsKey:
				if r.Status != StatusRegression || *r.Measured != 1 {
					t.Errorf("%s: %s is %s: %v", name, r.name(), r.Status, r.Measured)
				}
			case r.Status == StatusAbsent && r.Why == fmt.Sprintf("all of its %d requests failed: status_5xx %d", sent, sent):
				absent++
			default:
				t.Errorf("%s: %s is %s: %s", name, r.name(), r.Status, r.Why)
			}
		}
		if absent != 7 {
			t.Errorf("%s: %d metrics are absent", name, absent)
		}
		if r := result(t, trials, true); r.Verdict != Regression || !strings.Contains(r.Sentence, "1.0 failed requests, was 0.0") {
			t.Errorf("%s: %s: %s", name, r.Verdict, r.Sentence)
		}
	}
}

// Where requests fail and the time runs out, the failures were seen all the same.
func TestCountedSomeFailedAndShort(t *testing.T) {
	trials := good()
	m := &trials[0].Measurement
	m.Sent, m.Succeeded, m.Failed = 40, 30, 10
	if r := result(t, trials, false); r.Verdict != Regression || !strings.Contains(r.Sentence, "0.25 failed requests, was 0.0") {
		t.Errorf("%s: %s", r.Verdict, r.Sentence)
	}
}

func TestCountsFailing(t *testing.T) {
	trials := good()
	if err := Counted(known(), trials, requests).Failing(); err != nil {
		t.Error(err)
	}
	m := &trials[1].Measurement
	m.Succeeded, m.Failed, m.Errors = 60, 40, map[string]int64{"status_5xx": 38, "timeout": 2}
	if err := Counted(known(), trials, requests).Failing(); err == nil || err.Error() != "after, GET /api/feed: 40 of 100 requests failed (status_5xx 38, timeout 2)" {
		t.Error(err)
	}
}

func TestCountedErrorsAreARegression(t *testing.T) {
	trials := good()
	trials[0].Measurement.Succeeded, trials[0].Measurement.Failed = requests-1, 1
	if r := result(t, trials, false); r.Verdict != Regression || !strings.Contains(r.Sentence, "0.01 failed requests, was 0.0") {
		t.Errorf("%s: %s", r.Verdict, r.Sentence)
	}
}

// Less work passes when it is little, or expected.
func TestCountedBetter(t *testing.T) {
	less := func(share float64) []record.Trial {
		trials := good()
		trials[0].Machines[1].Processes[0].Counts["allocations"] *= share
		return trials
	}
	for _, test := range []struct {
		share  float64
		expect bool
		want   Verdict
	}{{0.8, false, Pass}, {0.69, false, NoVerdict}, {0.69, true, Pass}} {
		if r := result(t, less(test.share), test.expect); r.Verdict != test.want {
			t.Errorf("%v of the allocations, expected %v: %s: %s", test.share, test.expect, r.Verdict, r.Sentence)
		}
	}
}

// What carries correctness may not become less unseen, by however little.
func TestCountedLessIsSuspicious(t *testing.T) {
	insertSQL := "WITH o AS (INSERT INTO orders (user_id) VALUES ($1) RETURNING id) SELECT id FROM o"
	answers := func(orders, selects, bytes, dels, gets, messages float64) Counts {
		one := readAll(trial(scenarios.After, "POST /api/checkout", statement(insertSQL, orders, 20*orders), statement(authorSQL, selects, 3*selects)))
		one.Measurement.BytesIn = int64(bytes * requests)
		one.Machines = append(one.Machines,
			record.MachineUse{Processes: []record.ProcessUse{{Kind: "valkey", Work: []record.Work{
				{Of: "command", Name: "del", Counts: map[string]float64{"calls": dels * requests}},
				{Of: "command", Name: "get", Counts: map[string]float64{"calls": gets * requests}},
			}}}},
			record.MachineUse{Processes: []record.ProcessUse{{Kind: "nats", Counts: map[string]float64{"published": messages * requests}}}})
		return Counted(known(), []record.Trial{one}, requests)
	}
	run := answers(1, 1, 1000, 1, 1, 3)
	metrics, _, err := Renew(nil, []Counts{run, run}, false)
	if err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		run  Counts
		want string // the metric that is not believed; "" all are
	}{
		"a row in ten":         {answers(0.9, 1, 1000, 1, 1, 3), "statement calls"},
		"a byte in a hundred":  {answers(1, 1, 990, 1, 1, 3), "response"},
		"a delete in ten":      {answers(1, 1, 1000, 0.9, 1, 3), "cache commands"},
		"a message in thirty":  {answers(1, 1, 1000, 1, 1, 2.9), "messages"},
		"fewer looks and rows": {answers(1, 0.8, 1000, 1, 0.8, 3), ""},
	} {
		for _, expect := range []bool{false, true} {
			var doubted []string
			for _, r := range Compare(Baseline{Metrics: metrics}, test.run, expect) {
				switch r.Status {
				case StatusImplausible:
					doubted = append(doubted, r.Metric)
					if r.Why != "less of this than the baseline: work may not be done any more" {
						t.Errorf("%s: %s", name, r.Why)
					}
				case StatusSame, StatusBetter:
				default:
					t.Errorf("%s: %s is %s: %s", name, r.name(), r.Status, r.Why)
				}
			}
			if got := strings.Join(doubted, " "); got != test.want && !expect || expect && got != "" {
				t.Errorf("%s, expected %v: not believed are %q, want %q", name, expect, got, test.want)
			}
		}
	}
}

func TestWritesRows(t *testing.T) {
	for text, want := range map[string]bool{
		"INSERT INTO orders VALUES ($1)": true, "WITH p AS ( INSERT INTO posts SELECT $1) SELECT id FROM p": true,
		"update users SET name = $1": true, "DELETE FROM users": true, "SELECT id FROM users FOR UPDATE": true,
		"SELECT id FROM users": false, "SELECT updated_at, last_insert FROM deletes": false, "SELECT pg_advisory_xact_lock($1)": false,
	} {
		if writesRows(text) != want {
			t.Errorf("%s writes rows: %v", text, !want)
		}
	}
}

// What the shop allocates by itself, for health checks, falls out.
func TestCountedWithoutBackground(t *testing.T) {
	counted := func(seconds float64) Counts {
		trials := good()
		idle := trial(scenarios.Before, record.RateIdle)
		idle.Measurement = record.Measurement{}
		idle.Machines[1].WindowS, idle.Machines[1].Processes[0].Counts["allocations"] = 2, 400 // 200 a second
		trials[0].Machines[1].WindowS = seconds
		trials[0].Machines[1].Processes[0].Counts["allocations"] += 200 * seconds
		return Counted(known(), append(trials, idle), requests)
	}
	for _, seconds := range []float64{0.1, 30} {
		for _, r := range Compare(baseline(t), counted(seconds), false) {
			if r.Status != StatusSame {
				t.Errorf("in %v s: %s: %s", seconds, r.name(), r.change())
			}
		}
	}
}

// What a reading itself makes the shop allocate falls out whole, and what goes by
// time falls out by time.
func TestCountedWithoutReadings(t *testing.T) {
	const reading, perSecond = 900, 200
	allocates := func(one *record.Trial, seconds, requests float64) {
		one.Machines[1].WindowS = seconds
		one.Machines[1].Processes[0].Counts["allocations"] = reading + perSecond*seconds + requests
	}
	for _, seconds := range []float64{0.05, 0.3, 4} {
		trials := good()
		for _, v := range scenarios.Variants() {
			for _, window := range []float64{2.1, 0.1, 0.05, 0.15} {
				idle := trial(v, record.RateIdle)
				allocates(&idle, window, 0)
				trials = append(trials, idle)
			}
		}
		for i := range 2 {
			allocates(&trials[i], seconds, 50*requests)
		}
		for _, m := range Counted(known(), trials, requests).metrics {
			if m.Metric == "allocations" && math.Abs(m.Value-50) > 1e-6 {
				t.Errorf("in %v s: %s is %v", seconds, m.name(), m.Value)
			}
		}
	}
}

// Without a valid idle count nobody knows how much of the allocations is the
// requests': they are absent, and nothing else is.
func TestCountedWithoutIdle(t *testing.T) {
	trials := good()
	idle := trial(scenarios.After, record.RateIdle)
	idle.Machines[1].WindowS = 2
	idle.Invalid = []string{"machine app: counter cpu_s went backwards"}
	for i := range trials {
		trials[i].Machines[1].WindowS = 1
	}
	validIdle := trial(scenarios.Before, record.RateIdle)
	validIdle.Machines[1].WindowS, validIdle.Machines[1].Processes[0].Counts["allocations"] = 2, 0
	for _, r := range Compare(baseline(t), Counted(known(), append(trials, idle, validIdle), requests), true) {
		want, why := StatusSame, ""
		if r.Variant == scenarios.After && r.Metric == "allocations" {
			want, why = StatusAbsent, "how much of it the shop does unasked is not known: machine app: counter cpu_s went backwards"
		}
		if r.Status != want || r.Why != why {
			t.Errorf("%s is %s: %s", r.name(), r.Status, r.Why)
		}
	}
}
