// SPDX-License-Identifier: Apache-2.0

package gate

import (
	"bytes"
	"fmt"
	"html/template"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"headroom/scenarios"
)

func TestFigures(t *testing.T) {
	for v, want := range map[float64]string{0: "0.0", 0.25: "0.25", 0.012345: "0.0123", 3: "3.0", 9.5: "9.5", 9.994: "9.99", 10: "10.0", 10.25: "10.2", 1234.56: "1234.6"} {
		if got := figure(&v); got != want {
			t.Errorf("%v is %q, want %q", v, got, want)
		}
	}
	if got := figure(nil); got != "none" {
		t.Errorf("no number is %q", got)
	}
	for want, words := range map[string][]string{"": nil, "a": {"a"}, "a and b": {"a", "b"}, "a, b and c": {"a", "b", "c"}} {
		if got := joinAnd(words); got != want {
			t.Errorf("%v are %q, want %q", words, got, want)
		}
	}
	whole := strings.Repeat("é", 120)
	if got := quoted(whole); got != "`"+whole+"`" {
		t.Errorf("120 runes are shortened to %d", len([]rune(got))-2)
	}
	if got, want := quoted(whole+"x"), "`"+strings.Repeat("é", 119)+"…`"; got != want {
		t.Errorf("121 runes are %q", got)
	}
}

// countOf is a count of one endpoint, its name of a statement where it has one.
func countOf(metric, of string, status Status, value, within, measured float64) CountResult {
	return CountResult{Count: Count{Variant: scenarios.After, Endpoint: "GET /", Metric: metric, Of: of, Value: value, Within: within},
		Unit: unitOf(metric), Measured: &measured, Status: status}
}

// A pass says how exactly the counts are held, by the loosest of them.
func TestHowCountsAreHeld(t *testing.T) {
	exact, loose, looser, of0 := countOf("statements", "", StatusSame, 10, 0, 10), countOf("response", "", StatusSame, 1000, 5, 1000),
		countOf("allocations", "", StatusSame, 50, 1, 50), countOf("allocations", "", StatusSame, 0, 1, 0)
	for want, counted := range map[string][]CountResult{
		"2 counts agree with the baseline to the digit.":                                                                               {exact, exact},
		"2 counts are held against the baseline, 1 of them to the digit.":                                                              {exact, of0},
		"3 counts are held against the baseline, 1 of them to the digit, the others to within 2% at most (after, GET /: allocations).": {looser, exact, loose},
		"2 counts are held against the baseline, 0 of them to the digit, the others to within 0.5% at most (after, GET /: response).":  {of0, loose},
	} {
		if got := (Result{Counted: counted}).countsHeld(); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
	for n, want := range map[int]string{1: " 1 count is better than the baseline: renew", 2: " 2 counts are better than the baseline: renew"} {
		r := Result{Verdict: Pass, Counted: []CountResult{exact}}
		for range n {
			r.Counted = append(r.Counted, countOf("statements", "x", StatusBetter, 10, 0, 9))
		}
		if got := r.sentence(); !strings.Contains(got, want) || !strings.Contains(got, "Nothing was timed") {
			t.Errorf("%d better: %q", n, got)
		}
	}
	if got := (Result{Verdict: Pass, Counted: []CountResult{exact}}).sentence(); strings.Contains(got, "better") {
		t.Errorf("none is better: %q", got)
	}
}

// What a pass could have found is told for the metric that scatters most, wherever it
// stands; what tells whether answers were right is none of them.
func TestWhatAPassCouldHaveFound(t *testing.T) {
	calm, wild := Timed{Key: "cpu app", Label: "app", Status: StatusSame, SDAtMost: 0.01}, Timed{Key: "p50", Label: "p50", Status: StatusSame, SDAtMost: 0.08}
	right := Timed{Key: keyFailures, Label: "failed", Status: StatusSame, SDAtMost: 9}
	for _, timed := range [][]Timed{{calm, wild, right}, {right, wild, calm}} {
		said := Result{Verdict: Pass, Timed: timed}.sentence()
		if !strings.Contains(said, "Blocks scatter by up to 8.0% (p50).") || strings.Contains(said, "failed") || strings.Contains(said, "Nothing was timed") {
			t.Errorf("%q", said)
		}
	}
	// A gate of hardly any scatter finds each of them, and none of what is not there.
	if a, b := Power(0.12, 0.002, 3), Power(0, 0.002, 3); a != 1 || b != 0 {
		t.Errorf("12%% are found in %v of gates that scatter by 0.2%%, nothing in %v", a, b)
	}
	if Power(0.05, 0.025, 0) != Power(0.05, 0.025, 1) {
		t.Error("without a metric there is none to be found")
	}
}

// A red gate names the first endpoint, its worst metrics first, three at most and each
// statement once, and how many more there are.
func TestRedSentence(t *testing.T) {
	red := func(metric, of string, value, measured float64) CountResult {
		return countOf(metric, of, StatusRegression, value, 0, measured)
	}
	r := Result{Verdict: Regression, Scenario: "s", Counted: []CountResult{
		red("statement blocks", "b", 1, 2), red("statement calls", "a", 1, 2), red("statement calls", "b", 1, 9), red("statements", "", 1, 3),
		red("round trips", "", 1, 2), red("messages", "", 1, 2),
	}}
	other := red(errorsKey, "", 0, 1)
	other.Endpoint = "POST /"
	r.Counted = append(r.Counted, other)
	// By the table of sources: statements, then their calls, most growth first; blocks
	// of a named statement are not named again.
	want := "Regression: a request of GET / (after) costs 3.0 statements, was 1.0; 9.0 calls of `b`, was 1.0; 2.0 round trips to databases, was 1.0; 4 more counts stand in the table."
	if got := r.sentence(); got != want {
		t.Errorf("%q, want %q", got, want)
	}
	r.Counted = []CountResult{red("statements", "", 1, 3), other}
	if got := r.sentence(); !strings.HasSuffix(got, "was 1.0; 1 more count stands in the table.") {
		t.Errorf("one more: %q", got)
	}
	r.Counted, r.Timed = []CountResult{red("statements", "", 1, 3)}, []Timed{{Label: "p50", Status: StatusRegression, Why: "+9%"}}
	if got := r.sentence(); got != "Regression: a request of GET / (after) costs 3.0 statements, was 1.0. p50: +9%." {
		t.Errorf("and a timed one: %q", got)
	}
	missing := red("statements", "", 1, 3)
	missing.Measured = nil
	if got := missing.growth(); got != 0 {
		t.Errorf("without a number it grew by %v", got)
	}
}

// Without a verdict the first of each kind says why, and how many more there are.
func TestUndecidedSentence(t *testing.T) {
	absent := CountResult{Count: Count{Variant: scenarios.After, Endpoint: "GET /", Metric: "messages"}, Status: StatusAbsent, Why: "not read"}
	doubted := countOf("allocations", "", StatusImplausible, 50, 0, 20)
	doubted.Why = "why?"
	for want, r := range map[string]Result{
		"No verdict: nothing was measured.":                                               {},
		"No verdict: stood still.":                                                        {Unfit: "stood still"},
		"No verdict: after, GET /: messages: not read.":                                   {Counted: []CountResult{absent}},
		"No verdict: after, GET /: messages: not read (and 2 more).":                      {Counted: []CountResult{absent, absent, absent}},
		"No verdict: stood still; after, GET /: allocations: 20.0 instead of 50.0; why?.": {Unfit: "stood still", Counted: []CountResult{doubted}},
		"No verdict: after, GET /: messages: not read; after, GET /: allocations: 20.0 instead of 50.0; why?; p50: open?.": {
			Counted: []CountResult{doubted, absent}, Timed: []Timed{{Label: "p50", Status: StatusOpen, Why: "open?"}, {Label: "cpu", Status: StatusSame}}},
	} {
		r.Verdict = NoVerdict
		if got := r.sentence(); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

// What a reader does next, for each cause.
func TestNextSteps(t *testing.T) {
	grown, doubted, absent := countOf("statements", "", StatusRegression, 1, 0, 2), countOf("statements", "", StatusImplausible, 2, 0, 1), countOf("statements", "", StatusAbsent, 2, 0, 1)
	at := time.Date(2026, 11, 27, 4, 0, 0, 0, time.UTC)
	slower := Timed{Key: "cpu app", Label: "app", Status: StatusRegression, Ratio: 1.065}
	wrong := Timed{Key: keyFailures, Label: "failed", Status: StatusRegression}
	const (
		undo, renew  = "If the counts were not meant to grow", "run `headroom baseline --update s`"
		accept       = "`- {metric: cpu app, up_to: 8%, reason: WHY, until: 2027-02-27}`"
		answers      = "Find out why after answers wrongly"
		less, repair = "If the change is meant to do less work", "Repair what gave no number"
		again        = "Run the gate again when this machine is idle."
	)
	all := []string{undo, renew, accept, answers, less, repair, again}
	for name, test := range map[string]struct {
		r    Result
		want []string
	}{
		"pass":         {Result{Verdict: Pass, Counted: []CountResult{countOf("statements", "", StatusSame, 1, 0, 1)}}, nil},
		"grown":        {Result{Verdict: Regression, Counted: []CountResult{grown, doubted, absent}}, []string{undo, renew}},
		"slower":       {Result{Verdict: Regression, Timed: []Timed{slower}}, []string{accept}},
		"wrong":        {Result{Verdict: Regression, Timed: []Timed{wrong}}, []string{answers}},
		"doubted":      {Result{Verdict: NoVerdict, Counted: []CountResult{doubted}}, []string{less, renew}},
		"absent":       {Result{Verdict: NoVerdict, Counted: []CountResult{absent}}, []string{repair}},
		"open":         {Result{Verdict: NoVerdict, Timed: []Timed{{Status: StatusOpen}}}, []string{again}},
		"unmeasurable": {Result{Verdict: NoVerdict, Timed: []Timed{{Status: StatusUnmeasurable}}}, []string{again}},
		"unfit":        {Result{Verdict: NoVerdict, Unfit: "stood still"}, []string{again}},
	} {
		test.r.At, test.r.Scenario = at, "s"
		got := test.r.next()
		var said []string
		for _, words := range all {
			if strings.Contains(got, words) {
				said = append(said, words)
			}
		}
		if strings.Join(said, "|") != strings.Join(sortedBy(all, test.want), "|") || (got == "") != (len(test.want) == 0) {
			t.Errorf("%s: %q", name, got)
		}
	}
	for file, want := range map[string]string{"": "headroom baseline --update s", "baselines/s.json": "headroom baseline --update s",
		"./baselines/s.json": "headroom baseline --update s", "other/s.json": "headroom baseline --update s --file other/s.json"} {
		if got := (Result{Scenario: "s", Baseline: file}).renewal(); got != want {
			t.Errorf("of %q: %q, want %q", file, got, want)
		}
	}
}

// sortedBy is some words in the order of all.
func sortedBy(all, some []string) []string {
	var out []string
	for _, a := range all {
		for _, s := range some {
			if a == s {
				out = append(out, a)
			}
		}
	}
	return out
}

// Of more than ten findings nine and a notice of the others stand beside the code.
func TestAnnotationsOfMany(t *testing.T) {
	for findings, want := range map[int]struct {
		lines int
		last  string
	}{
		9: {9, "::error "}, 10: {10, "::error "}, 11: {10, "::notice title=headroom gate::2 more findings stand in the summary\n"},
		14: {10, "::notice title=headroom gate::5 more findings stand in the summary\n"},
	} {
		var r Result
		for i := range findings {
			r.Counted = append(r.Counted, countOf("statement calls", fmt.Sprint(i), StatusRegression, 1, 0, 2))
		}
		var out bytes.Buffer
		if err := WriteAnnotations(&out, r); err != nil {
			t.Fatal(err)
		}
		lines := strings.SplitAfter(strings.TrimSuffix(out.String(), "\n"), "\n")
		if len(lines) != want.lines || !strings.HasPrefix(lines[len(lines)-1]+"\n", want.last) {
			t.Errorf("%d findings: %d lines, the last is %q", findings, len(lines), lines[len(lines)-1])
		}
	}
}

// Every count stands in the Markdown or among those that it says stand in gate.json;
// fifteen are not folded.
func TestMarkdownLosesNoCount(t *testing.T) {
	for _, n := range []int{3, 15, 16, 200, 3000} {
		r := Result{Scenario: "s", Verdict: Regression, Sentence: "Regression."}
		for i := range n {
			r.Counted = append(r.Counted, countOf("statement calls", strings.Repeat("x", 30)+fmt.Sprint(i), StatusRegression, 1, 0, 2))
		}
		r.Counted = append(r.Counted, countOf("statements", "", StatusSame, 1, 0, 1))
		var out bytes.Buffer
		if err := WriteMarkdown(&out, r); err != nil {
			t.Fatal(err)
		}
		text := out.String()
		first, folded, _ := strings.Cut(text, "<details>")
		if got := strings.Count(first, "\n| after, "); got != min(n, 15) {
			t.Errorf("of %d counts %d are not folded", n, got)
		}
		rows, left := strings.Count(text, "\n| after, "), 0
		if m := regexp.MustCompile(`\n(\d+) more stand in gate\.json\.\n`).FindStringSubmatch(folded); m != nil {
			left, _ = strconv.Atoi(m[1])
		}
		if rows+left != n+1 || (left > 0) != (n == 3000) || !strings.Contains(folded, fmt.Sprintf("<summary>%d more counts</summary>", n+1-min(n, 15))) {
			t.Errorf("of %d counts %d stand in the text, and %d are left", n+1, rows, left)
		}
		if len(text) > 60_000 || left > 0 && len(text) < 59_000 {
			t.Errorf("of %d counts the text has %d bytes", n, len(text))
		}
	}
}

// What stands between backticks is code, and what has no end is none.
func TestWithCode(t *testing.T) {
	for text, want := range map[string]template.HTML{
		"a": "a", "a `b<c` d": "a <code>b&lt;c</code> d", "`a` and `b`": "<code>a</code> and <code>b</code>", "a `b": "a b", "`a` and `b": "<code>a</code> and b",
	} {
		if got := withCode(text); got != want {
			t.Errorf("%q is %q, want %q", text, got, want)
		}
	}
}

// A row of JUnit and of OpenMetrics says what it is of.
func TestRowsForMachines(t *testing.T) {
	r := Result{Scenario: "s", Verdict: Pass, Counted: []CountResult{countOf("statement calls", "a\"b", StatusSame, 1, 0.5, 2)},
		Timed: []Timed{{Key: "cpu app", Label: "app", Status: StatusSame, Ratio: 1.5}, {Key: keyFailures, Label: "failed", Status: StatusSame}}}
	r.Counted = append(r.Counted, CountResult{Count: Count{Metric: "messages"}, Status: StatusAbsent})
	var metrics bytes.Buffer
	if err := WriteOpenMetrics(&metrics, r); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"headroom_count{scenario=\"s\",variant=\"after\",endpoint=\"GET /\",metric=\"statement calls\",of=\"a\\\"b\"} 2\n",
		"headroom_ratio{scenario=\"s\",metric=\"cpu app\"} 1.5\n", "headroom_gate_exit{scenario=\"s\"} 0\n# EOF\n"} {
		if !strings.Contains(metrics.String(), want) {
			t.Errorf("no %q in\n%s", want, metrics.String())
		}
	}
	if n := strings.Count(metrics.String(), "\nheadroom_"); n != 3 {
		t.Errorf("%d rows, want 3:\n%s", n, metrics.String())
	}
	if got := baselineFigure(r.Counted[0]); got != "1.0 ± 0.5" {
		t.Errorf("the baseline's figure is %q", got)
	}
	var junit bytes.Buffer
	if err := WriteJUnit(&junit, Result{Scenario: "s", Sentence: "No verdict: nothing was measured."}, true); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(junit.String(), `tests="1" failures="0" errors="1" skipped="0"`) {
		t.Errorf("of nothing:\n%s", junit.String())
	}
}
