// SPDX-License-Identifier: Apache-2.0

package gate

import (
	"encoding/json"
	"strings"
	"testing"
)

const historyText = `{"scenario":"phase3","commit":"a","verdict":"regression"}
{"scenario":"phase1","commit":"a","verdict":"pass"}
{"scenario":"phase3","commit":"a","verdict":"regression"}

{"scenario":"phase3","commit":"a","verdict":"pass"}
{"scenario":"phase3","commit":"b","verdict":"regression"}
{"scenario":"phase3","commit":"c","verdict":"pass"}
{"scenario":"phase3","commit":"","verdict":"regression"}
{"scenario":"phase3","commit":"","verdict":"pass"}
{"scenario":"phase3","commit":"c","verdict":"no verdict"}
`

func TestHistory(t *testing.T) {
	history, err := ReadHistory("h", strings.NewReader(historyText))
	if err != nil {
		t.Fatal(err)
	}
	if got, want := FalseAlarms(history), (Rate{Gates: 9, Red: 4, FalseAlarms: 2}); got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
	if _, err := ReadHistory("h", strings.NewReader(historyText+"{")); err == nil || !strings.Contains(err.Error(), "h:11:") {
		t.Errorf("a cut line: %v", err)
	}
	if _, err := ReadHistory("h", strings.NewReader(historyText+strings.Repeat("x", maxOutcomeBytes+1))); err == nil || !strings.Contains(err.Error(), "h:11: ") {
		t.Errorf("a line without an end: %v", err)
	}
}

// Only gates of the same thing, asked in the same way, may contradict each other.
func TestHistoryTellsGatesApart(t *testing.T) {
	red := Outcome{Scenario: "s", Commit: "c", Counted: true, Timed: true, Hash: "h", Seed: 1, Verdict: Regression}
	for name, test := range map[string]struct {
		change func(*Outcome)
		want   int
	}{
		"the same":         {func(*Outcome) {}, 1},
		"not timed":        {func(o *Outcome) { o.Timed = false }, 0},
		"not counted":      {func(o *Outcome) { o.Counted, o.Hash = false, "" }, 0},
		"another baseline": {func(o *Outcome) { o.Hash = "i" }, 0},
		"other keys":       {func(o *Outcome) { o.Seed = 2 }, 0},
		"less expected":    {func(o *Outcome) { o.Expect = true }, 0},
		"another commit":   {func(o *Outcome) { o.Commit = "d" }, 0},
	} {
		green := red
		green.Verdict = Pass
		test.change(&green)
		if got := FalseAlarms([]Outcome{red, green}).FalseAlarms; got != test.want {
			t.Errorf("%s: %d false alarms, want %d", name, got, test.want)
		}
	}
	timed := Outcome{Scenario: "s", Commit: "c", Timed: true, Seed: 1, Verdict: Regression}
	again := timed
	again.Seed, again.Verdict = 2, Pass
	if got := FalseAlarms([]Outcome{timed, again}).FalseAlarms; got != 1 {
		t.Errorf("timed with another seed: %d false alarms", got)
	}
}

func TestOutcomeOf(t *testing.T) {
	r := Result{Scenario: "s", Commit: "c", Seed: 7, Baseline: "b.json", Verdict: Regression, Sentence: "Regression."}
	o := OutcomeOf(r, FileHash([]byte("x")), true)
	if want := (Outcome{Scenario: "s", Commit: "c", Counted: true, Hash: "2d711642b726b044", Seed: 7, Expect: true, Verdict: Regression, Sentence: "Regression."}); o != want {
		t.Errorf("%+v, want %+v", o, want)
	}
	r.Unfit = "stood still"
	if o := OutcomeOf(r, "", false); !o.Timed {
		t.Errorf("an unfit machine was to be timed: %+v", o)
	}
}

// What is added to a history is read again, whether its last line had an end or
// not.
func TestOutcomeLine(t *testing.T) {
	added := Outcome{Scenario: "s", Commit: "c", Hash: "h", Seed: 1 << 63, Verdict: Pass, Sentence: "No regression."}
	for _, text := range []string{"", historyText, strings.TrimRight(historyText, "\n")} {
		line, err := added.Line([]byte(text))
		if err != nil {
			t.Fatal(err)
		}
		history, err := ReadHistory("h", strings.NewReader(text+string(line)))
		if err != nil || len(history) == 0 || history[len(history)-1] != added || text != "" && len(history) != 10 {
			t.Errorf("%d outcomes, %v", len(history), err)
		}
		if err := json.Unmarshal(line, new(Outcome)); err != nil {
			t.Errorf("%q: %v", line, err)
		}
	}
}

func TestRateInWords(t *testing.T) {
	for want, r := range map[string]Rate{
		"History: 2 gates, 1 red, 1 false alarm (a commit that was red and then green).":  {2, 1, 1},
		"History: 1 gate, 1 red, 0 false alarms.":                                         {1, 1, 0},
		"History: 9 gates, 4 red, 2 false alarms (commits that were red and then green).": {9, 4, 2},
	} {
		if got := r.String(); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}
