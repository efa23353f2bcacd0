package gate

import (
	"math"
	"strings"
	"testing"

	"headroom/harness/record"
	"headroom/scenarios"
)

const requests = 100

// trial is an endpoint's counted trial: what a database did for each request.
func trial(v scenarios.Variant, endpoint string, work ...record.Work) record.Trial {
	for i := range work {
		for key := range work[i].Counts {
			work[i].Counts[key] *= requests
		}
	}
	return record.Trial{
		Kind: record.KindCount, Variant: v, RateName: endpoint,
		Measurement: record.Measurement{Planned: requests, Sent: requests, Succeeded: requests, BytesIn: 1000 * requests},
		Machines: []record.MachineUse{
			{Machine: "database", Processes: []record.ProcessUse{{Kind: scenarios.KindPostgres, Work: work}}},
			{Machine: "app", Processes: []record.ProcessUse{{Kind: scenarios.KindShop, Counts: map[string]float64{"allocations": 50 * requests, "pool_max": 2}}}},
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
		runs = append(runs, Counted(trials, requests))
	}
	metrics, err := Merge(runs)
	if err != nil {
		t.Fatal(err)
	}
	s := scenario(t)
	return Baseline{Format: BaselineFormat, Scenario: s.Name, Hash: Hash(s), Seed: 1, Requests: requests, Runs: 3, Metrics: metrics}
}

func scenario(t *testing.T) *scenarios.Scenario {
	t.Helper()
	s, err := scenarios.LoadNamed("phase1")
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func result(t *testing.T, trials []record.Trial, expect bool) Result {
	t.Helper()
	counted := Compare(baseline(t), Counted(trials, requests), expect)
	return NewResult(About{Scenario: scenario(t), Seed: 1}, counted, nil, nil, nil)
}

func TestCountedPasses(t *testing.T) {
	if r := result(t, good(), false); r.Verdict != Pass || !strings.HasPrefix(r.Sentence, "No regression. Excluded: any change of") {
		t.Errorf("%s: %s", r.Verdict, r.Sentence)
	}
}

// Exact metrics have no tolerance, and the others what equal runs differed by.
func TestMerge(t *testing.T) {
	for _, m := range baseline(t).Metrics {
		switch m.Metric {
		case "statements", "statement calls", "errors":
			if m.Within != 0 {
				t.Errorf("%s has the tolerance %v", m.name(), m.Within)
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
	if _, err := Merge([]Counts{Counted(good(), requests)}); err == nil {
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
	want := "Regression: after, GET /api/feed: 51.0 statements, was 1.0; 50.0 calls of `" + authorSQL + "`, was 0.0;"
	if r.Verdict != Regression || !strings.HasPrefix(r.Sentence, want) {
		t.Errorf("%s: %s\nwant %s", r.Verdict, r.Sentence, want)
	}
}

func TestCountedNamesTheTable(t *testing.T) {
	trials := good()
	trials[0].Machines[0].Processes[0].Work[2].Counts["rows_read"] = 100_000 * requests
	if r := result(t, trials, false); r.Verdict != Regression || !strings.Contains(r.Sentence, "before, GET /api/feed: 100000.0 rows read of `users`, was 50.0") {
		t.Errorf("%s: %s", r.Verdict, r.Sentence)
	}
}

// Nothing that is not there passes.
func TestCountedNeverPassesOnNothing(t *testing.T) {
	broken := func(change func(*record.Trial)) []record.Trial {
		trials := good()
		change(&trials[1])
		return trials
	}
	for name, trials := range map[string][]record.Trial{
		"nothing counted":    nil,
		"endpoint missing":   good()[:1],
		"endpoint renamed":   broken(func(r *record.Trial) { r.RateName = "GET /api/news" }),
		"all errors":         broken(func(r *record.Trial) { r.Measurement.Succeeded, r.Measurement.Failed = 0, requests }),
		"short":              broken(func(r *record.Trial) { r.Measurement.Sent = requests - 1 }),
		"invalid":            broken(func(r *record.Trial) { r.Invalid = []string{"machine app restarted"} }),
		"NaN":                broken(func(r *record.Trial) { r.Machines[1].Processes[0].Counts["allocations"] = math.NaN() }),
		"counters gone":      broken(func(r *record.Trial) { r.Machines = nil }),
		"body does not run":  broken(func(r *record.Trial) { r.Machines[0].Processes[0].Work = nil }),
		"answers half empty": broken(func(r *record.Trial) { r.Measurement.BytesIn /= 2 }),
	} {
		if r := result(t, trials, false); r.Verdict != NoVerdict || !strings.HasPrefix(r.Sentence, "No verdict: ") {
			t.Errorf("%s: %s: %s", name, r.Verdict, r.Sentence)
		}
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

// What the shop allocates by itself, for health checks, falls out.
func TestCountedWithoutBackground(t *testing.T) {
	counted := func(seconds float64) Counts {
		trials := good()
		idle := trial(scenarios.Before, record.RateIdle)
		idle.Measurement = record.Measurement{}
		idle.Machines[1].WindowS, idle.Machines[1].Processes[0].Counts["allocations"] = 2, 400 // 200 a second
		trials[0].Machines[1].WindowS = seconds
		trials[0].Machines[1].Processes[0].Counts["allocations"] += 200 * seconds
		return Counted(append(trials, idle), requests)
	}
	for _, seconds := range []float64{0.1, 30} {
		for _, r := range Compare(baseline(t), counted(seconds), false) {
			if r.Status != StatusSame {
				t.Errorf("in %v s: %s: %s", seconds, r.name(), r.change())
			}
		}
	}
}
