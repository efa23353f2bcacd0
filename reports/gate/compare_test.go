// SPDX-License-Identifier: Apache-2.0

package gate

import (
	"math"
	"strings"
	"testing"

	"headroom/harness/record"
	"headroom/scenarios"
)

// readAll marks the trial's database as read, also where it did nothing.
func readAll(one record.Trial) record.Trial {
	one.Machines[0].Processes[0].Counts = map[string]float64{"statements": 0, "tuples_read": 0}
	return one
}

// against holds the work of one endpoint against that of a baseline, whose two
// runs agreed.
func against(t *testing.T, before, now []record.Work, expect bool) []CountResult {
	t.Helper()
	run := Counted(known(), []record.Trial{readAll(trial(scenarios.After, "GET /api/feed", before...))}, requests)
	metrics, _, err := Renew(nil, []Counts{run, run}, false)
	if err != nil {
		t.Fatal(err)
	}
	return Compare(Baseline{Metrics: metrics}, Counted(known(), []record.Trial{readAll(trial(scenarios.After, "GET /api/feed", now...))}, requests), expect)
}

// outcome is what became of a metric and its name, and why.
func outcome(t *testing.T, results []CountResult, metric, of string) (Status, string) {
	t.Helper()
	for _, r := range results {
		if r.Metric == metric && r.Of == of {
			return r.Status, r.Why
		}
	}
	t.Fatalf("there is no %s of %s", metric, of)
	return "", ""
}

const (
	aliasSQL = "SELECT p.id, p.version FROM posts p JOIN users u ON u.id = p.author_id ORDER BY p.id DESC LIMIT $1"
	postsSQL = "SELECT id, author_id FROM posts ORDER BY id DESC LIMIT $1"
	notGrown = "the endpoint's sum has not grown: if the new text is intended, renew the baseline"
)

// A statement that gets a column is another text: no regression and no gain, until
// somebody says that it is meant.
func TestChangedText(t *testing.T) {
	for _, expect := range []bool{false, true} {
		results := against(t, []record.Work{statement(feedSQL, 1, 160)}, []record.Work{statement(aliasSQL, 1, 160)}, expect)
		want := StatusImplausible
		if expect {
			want = StatusBetter
		}
		for _, metric := range []string{"statement calls", "statement blocks"} {
			status, why := outcome(t, results, metric, aliasSQL)
			if status != want || why != "the text changed: was `"+feedSQL+"`; "+notGrown {
				t.Errorf("expected %v: %s of the new text is %s: %s", expect, metric, status, why)
			}
			status, why = outcome(t, results, metric, feedSQL)
			if status != want || !expect && why != "another text; "+notGrown {
				t.Errorf("expected %v: %s of the old text is %s: %s", expect, metric, status, why)
			}
		}
		if status, _ := outcome(t, results, "statements", ""); status != StatusSame {
			t.Errorf("expected %v: the sum is %s", expect, status)
		}
	}
}

// The new text of a statement that reads more is a regression in what it reads.
func TestChangedTextThatReadsMore(t *testing.T) {
	results := against(t, []record.Work{statement(feedSQL, 1, 160)}, []record.Work{statement(aliasSQL, 1, 200)}, true)
	if status, _ := outcome(t, results, "statement blocks", aliasSQL); status != StatusRegression {
		t.Errorf("blocks are %s", status)
	}
	if status, _ := outcome(t, results, "statement calls", aliasSQL); status != StatusBetter {
		t.Errorf("calls are %s", status)
	}
}

// One statement for 51 is a gain, whose text is new: without --expect nobody knows
// whether it does the work of the others.
func TestJoinInPlaceOfNPlus1(t *testing.T) {
	work := func() (before, now []record.Work) {
		return []record.Work{statement(postsSQL, 1, 10), statement(authorSQL, 50, 150)}, []record.Work{statement(feedSQL, 1, 150)}
	}
	before, now := work()
	results := against(t, before, now, false)
	if status, why := outcome(t, results, "statement calls", feedSQL); status != StatusImplausible || why != "another text; "+notGrown {
		t.Errorf("the JOIN is %s: %s", status, why)
	}
	if status, why := outcome(t, results, "statement calls", authorSQL); status != StatusImplausible || !strings.HasPrefix(why, "improved, or not done any more?") {
		t.Errorf("the authors are %s: %s", status, why)
	}
	before, now = work()
	for _, r := range against(t, before, now, true) {
		if r.Status != StatusSame && r.Status != StatusBetter {
			t.Errorf("expected: %s is %s: %s", r.name(), r.Status, r.Why)
		}
	}
}

// What is new on top is a regression, whatever else changed its text meanwhile.
func TestNewTextOnTop(t *testing.T) {
	results := against(t, []record.Work{statement(feedSQL, 1, 160)}, []record.Work{statement(aliasSQL, 1, 160), statement(authorSQL, 1, 3)}, true)
	for _, of := range []string{aliasSQL, authorSQL} {
		if status, _ := outcome(t, results, "statement calls", of); status != StatusRegression {
			t.Errorf("%s is %s", of, status)
		}
	}
	results = against(t, []record.Work{statement(feedSQL, 1, 160)}, []record.Work{statement(aliasSQL, 1, 160), statement(authorSQL, 1, 3)}, false)
	if status, why := outcome(t, results, "statement calls", feedSQL); status != StatusImplausible || why != "another text stands in its place" {
		t.Errorf("the old text is %s: %s", status, why)
	}
}

// An endpoint that had no statement has no sum that a new one fits into.
func TestNewTextWhereThereWasNone(t *testing.T) {
	results := against(t, []record.Work{table("users", 1)}, []record.Work{table("users", 1), statement(authorSQL, 1, 3)}, true)
	if status, _ := outcome(t, results, "statement calls", authorSQL); status != StatusRegression {
		t.Errorf("the new text is %s", status)
	}
}

// Commands and tables come and go as texts do.
func TestAnotherTableOrCommand(t *testing.T) {
	results := against(t, []record.Work{table("posts", 50), table("users", 50)}, []record.Work{table("feed_items", 50)}, false)
	if status, why := outcome(t, results, "table rows", "feed_items"); status != StatusImplausible || !strings.HasPrefix(why, "another table; ") {
		t.Errorf("fewer rows of another table are %s: %s", status, why)
	}
	results = against(t, []record.Work{table("posts", 50)}, []record.Work{table("posts", 50), table("users", 1)}, false)
	if status, _ := outcome(t, results, "table rows", "users"); status != StatusRegression {
		t.Errorf("rows of one table more are %s", status)
	}
}

// What is one metric's tolerance is none for what is new: two new statements in a
// hundred requests are found.
func TestRareNewText(t *testing.T) {
	results := against(t, []record.Work{statement(feedSQL, 1, 160)}, []record.Work{statement(feedSQL, 1, 160), statement(authorSQL, 0.02, 0.06)}, true)
	if status, _ := outcome(t, results, "statement calls", authorSQL); status != StatusRegression {
		t.Errorf("two calls in a hundred are %s", status)
	}
	// Their blocks are less than what equal runs may differ by.
	if status, _ := outcome(t, results, "statement blocks", authorSQL); status != StatusBetter {
		t.Errorf("their blocks are %s", status)
	}
}

// A value against its baseline at the bounds of its tolerance and of belief.
func TestJudgeACount(t *testing.T) {
	const insertSQL = "INSERT INTO orders (user_id) VALUES ($1)"
	for _, test := range []struct {
		name             string
		c                Count
		measured         float64
		want, wantExpect Status
	}{
		{"just the tolerance more", Count{Metric: "allocations", Value: 100, Within: 5}, 105, StatusSame, StatusSame},
		{"a little beyond it", Count{Metric: "allocations", Value: 100, Within: 5}, 105.001, StatusRegression, StatusRegression},
		{"just the tolerance less", Count{Metric: "allocations", Value: 100, Within: 5}, 95, StatusSame, StatusSame},
		{"a little less", Count{Metric: "allocations", Value: 100, Within: 5}, 94.999, StatusBetter, StatusBetter},
		{"30% less", Count{Metric: "allocations", Value: 100}, 70, StatusBetter, StatusBetter},
		{"more than 30% less", Count{Metric: "allocations", Value: 100}, 69.999, StatusImplausible, StatusBetter},
		{"what rounding does, more", Count{Metric: "statements", Value: 1}, 1.0000009, StatusSame, StatusSame},
		{"what rounding does, less", Count{Metric: "statements", Value: 1}, 0.9999991, StatusSame, StatusSame},
		{"more than rounding does", Count{Metric: "statements", Value: 1}, 1.000002, StatusRegression, StatusRegression},
		{"an answer that is shorter", Count{Metric: "response", Value: 100}, 99, StatusImplausible, StatusBetter},
		{"a row that is not written", Count{Metric: "statement calls", Of: insertSQL, Value: 100}, 99, StatusImplausible, StatusBetter},
		{"a row that is not read", Count{Metric: "statement calls", Of: feedSQL, Value: 100}, 99, StatusBetter, StatusBetter},
		{"fewer failures", Count{Metric: errorsKey, Value: 1}, 0, StatusBetter, StatusBetter},
		{"no number", Count{Metric: "allocations", Value: 100}, math.NaN(), StatusAbsent, StatusAbsent},
		{"no end", Count{Metric: "allocations", Value: 100}, math.Inf(1), StatusAbsent, StatusAbsent},
	} {
		for expect, want := range map[bool]Status{false: test.want, true: test.wantExpect} {
			r := CountResult{Count: test.c}
			if r.judge(test.measured, expect); r.Status != want || (r.Measured == nil) != (want == StatusAbsent) {
				t.Errorf("%s, expected %v: %s, want %s", test.name, expect, r.Status, want)
			}
		}
	}
}

// An endpoint's sum has grown beyond its rows' tolerances and what rounding each may
// add, and has fallen by more than 30%.
func TestSumsOfAnEndpoint(t *testing.T) {
	for _, test := range []struct {
		total              total
		grown, implausible bool
	}{
		{total{value: 100, within: 5, measured: 105, rows: 2}, false, false},
		{total{value: 100, within: 5, measured: 105.0000019, rows: 2}, false, false},
		{total{value: 100, within: 5, measured: 105.0000021, rows: 2}, true, false},
		{total{value: 100, measured: 70}, false, false},
		{total{value: 100, measured: 69.9}, false, true},
		{total{}, false, false},
	} {
		if grown, implausible := test.total.grown(), test.total.implausible(); grown != test.grown || implausible != test.implausible {
			t.Errorf("%+v: grown %v, implausible %v", test.total, grown, implausible)
		}
	}
}

// A name took another's place only where one went, one came, and both as often.
func TestWhichNameTookAPlace(t *testing.T) {
	const otherSQL, thirdSQL = "SELECT 2", "SELECT 3"
	for _, test := range []struct {
		name string
		now  []record.Work
		want bool
	}{
		{"as often", []record.Work{statement(otherSQL, 1, 160)}, true},
		{"less often", []record.Work{statement(otherSQL, 0.99, 160)}, false},
		{"two came", []record.Work{statement(otherSQL, 0.5, 80), statement(thirdSQL, 0.5, 80)}, false},
	} {
		results := against(t, []record.Work{statement(feedSQL, 1, 160)}, test.now, false)
		if _, why := outcome(t, results, "statement calls", otherSQL); strings.HasPrefix(why, "the text changed: was ") != test.want {
			t.Errorf("%s: %q", test.name, why)
		}
	}
	two := []record.Work{statement(feedSQL, 1, 160), statement(thirdSQL, 1, 5)}
	if _, why := outcome(t, against(t, two, []record.Work{statement(otherSQL, 1, 160)}, false), "statement calls", otherSQL); why != "another text; "+notGrown {
		t.Errorf("two went: %q", why)
	}
}

// A new count of 0 is none; one at an endpoint that the baseline lacks is absent.
func TestNewCounts(t *testing.T) {
	at := func(endpoint, metric string, value float64) Count {
		return Count{Variant: scenarios.After, Endpoint: endpoint, Metric: metric, Value: value}
	}
	b := Baseline{Metrics: []Count{at("GET /", errorsKey, 0)}}
	run := Counted(known(), []record.Trial{trial(scenarios.After, "GET /"), trial(scenarios.After, "GET /new")}, requests)
	run.metrics = []Count{at("GET /", errorsKey, 0), at("GET /", "round trips", 0), at("GET /", "messages", 2), at("GET /new", "messages", 3)}
	got := Compare(b, run, true)
	if len(got) != 3 || got[0].Status != StatusSame || got[0].New {
		t.Fatalf("%+v", got)
	}
	if got[1].Metric != "messages" || got[1].Status != StatusRegression || !got[1].New || got[1].Value != 0 || *got[1].Measured != 2 {
		t.Errorf("of a known endpoint: %+v", got[1])
	}
	if got[2].Endpoint != "GET /new" || got[2].Status != StatusAbsent || got[2].Why != "the baseline does not have this endpoint" {
		t.Errorf("of a new endpoint: %+v", got[2])
	}
}
