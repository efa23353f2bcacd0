package gate

import (
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
	run := Counted([]record.Trial{readAll(trial(scenarios.After, "GET /api/feed", before...))}, requests)
	metrics, _, err := Renew(nil, []Counts{run, run}, false)
	if err != nil {
		t.Fatal(err)
	}
	return Compare(Baseline{Metrics: metrics}, Counted([]record.Trial{readAll(trial(scenarios.After, "GET /api/feed", now...))}, requests), expect)
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
		want := StatusUnbelievable
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
	if status, why := outcome(t, results, "statement calls", feedSQL); status != StatusUnbelievable || why != "another text; "+notGrown {
		t.Errorf("the JOIN is %s: %s", status, why)
	}
	if status, why := outcome(t, results, "statement calls", authorSQL); status != StatusUnbelievable || !strings.HasPrefix(why, "improved, or not done any more?") {
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
	if status, why := outcome(t, results, "statement calls", feedSQL); status != StatusUnbelievable || why != "another text stands in its place" {
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
	if status, why := outcome(t, results, "table rows", "feed_items"); status != StatusUnbelievable || !strings.HasPrefix(why, "another table; ") {
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
