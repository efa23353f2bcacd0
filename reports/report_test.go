// SPDX-License-Identifier: Apache-2.0

package reports

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"headroom/harness/record"
	"headroom/reports/compare"
	"headroom/scenarios"
)

var update = flag.Bool("update", false, "rewrite the golden files")

func build(t *testing.T, run record.Run, trials []record.Trial, end *record.End) Report {
	t.Helper()
	r, err := Build(&record.Log{Run: run, Trials: trials, End: end}, examplePrices())
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// golden compares with, or with -update rewrites, testdata/name.
func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatalf("%v; make it with -update", err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s differs from what was written; look at it, then -update. Got:\n%s", path, got)
	}
}

// cases are the runs of the golden files.
func cases() map[string]func() (record.Run, []record.Trial, *record.End) {
	return map[string]func() (record.Run, []record.Trial, *record.End){
		"full": func() (record.Run, []record.Trial, *record.End) {
			return syntheticRun(), syntheticTrials(3), &record.End{}
		},
		"final": func() (record.Run, []record.Trial, *record.End) {
			return finalRun(), finalTrials(), &record.End{}
		},
		"quick": func() (record.Run, []record.Trial, *record.End) {
			run := syntheticRun()
			run.Quick, run.Blocks = true, 1
			return run, syntheticTrials(1), &record.End{Interrupted: true, Reason: "Ctrl-C"}
		},
		"proved": func() (record.Run, []record.Trial, *record.End) {
			run := syntheticRun()
			run.Prove = scenarios.After
			return run, append(syntheticTrials(3), proofTrials(1.19, 1.01)...), &record.End{}
		},
	}
}

func TestGolden(t *testing.T) {
	for name, make := range cases() {
		t.Run(name, func(t *testing.T) {
			run, trials, end := make()
			r := build(t, run, trials, end)
			var terminal, page, machine bytes.Buffer
			if err := WriteTerminal(&terminal, r, Terminal{HTMLPath: "out/run/report.html"}); err != nil {
				t.Fatal(err)
			}
			if err := WriteJSON(&machine, r); err != nil {
				t.Fatal(err)
			}
			if err := WriteHTML(&page, r); err != nil {
				t.Fatal(err)
			}
			golden(t, name+".txt", terminal.Bytes())
			golden(t, name+".json", machine.Bytes())
			if dir := os.Getenv("HEADROOM_PAGES"); dir != "" { // to look at
				if err := os.WriteFile(filepath.Join(dir, name+".html"), page.Bytes(), 0o644); err != nil {
					t.Fatal(err)
				}
			}
		})
	}
}

// Without limits the rates are the computer's: every page must say so.
func TestProcessStageIsSaid(t *testing.T) {
	run, trials := syntheticRun(), syntheticTrials(1)
	run.Environment.Stage, run.Shares.PeriodMicros = record.StageProcess, 0
	for i := range trials {
		trials[i].Environment = run.Environment
	}
	var page, terminal bytes.Buffer
	r := build(t, run, trials, &record.End{})
	if err := errors.Join(WriteHTML(&page, r), WriteTerminal(&terminal, r, Terminal{})); err != nil {
		t.Fatal(err)
	}
	for what, text := range map[string]string{"page": page.String(), "terminal": terminal.String()} {
		if !strings.Contains(text, "local processes without CPU or memory limits") {
			t.Errorf("the %s does not say that nothing was limited", what)
		}
	}
	if !strings.Contains(page.String(), "without limits for machines or driver") || strings.Contains(page.String(), "kept in reserve") {
		t.Error("the page shares out what was not shared out")
	}
}

// TestSameTrialsSameBytes goes through the trials' JSON, as a rebuild does.
func TestSameTrialsSameBytes(t *testing.T) {
	write := func(trials []record.Trial) []byte {
		r := build(t, syntheticRun(), trials, &record.End{})
		var out bytes.Buffer
		if err := errors.Join(WriteHTML(&out, r), WriteJSON(&out, r), WriteTerminal(&out, r, Terminal{})); err != nil {
			t.Fatal(err)
		}
		return out.Bytes()
	}
	trials := syntheticTrials(3)
	first := write(trials)
	data, err := json.Marshal(trials)
	if err != nil {
		t.Fatal(err)
	}
	var read []record.Trial
	if err := json.Unmarshal(data, &read); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(write(read), first) {
		t.Fatal("the same trials, written and read back, give another report")
	}
}

func TestBuildLeavesTrialsAlone(t *testing.T) {
	trials := syntheticTrials(2)
	before, err := json.Marshal(trials)
	if err != nil {
		t.Fatal(err)
	}
	build(t, syntheticRun(), trials, nil)
	after, err := json.Marshal(trials)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(before, after) {
		t.Error("building a report changed the trials")
	}
}

func TestNoTrials(t *testing.T) {
	_, err := Build(&record.Log{Run: syntheticRun()}, examplePrices())
	if !errors.Is(err, ErrNoTrials) || !strings.Contains(err.Error(), "phase3-20261123-141500") {
		t.Errorf("error %v, want ErrNoTrials with the run's name", err)
	}
}

func TestUnknownSize(t *testing.T) {
	run := syntheticRun()
	run.Scenario.After.Machines[0].Size = "huge"
	_, err := Build(&record.Log{Run: run, Trials: syntheticTrials(1)}, examplePrices())
	if err == nil || !strings.Contains(err.Error(), "price after") || !strings.Contains(err.Error(), "huge") {
		t.Errorf("error %v does not name the variant and the size", err)
	}
}

// A run that a dead machine ended, and parts of it that were started anew, are told
// on the page: what is left does not look like a whole run.
func TestDeathsAreTold(t *testing.T) {
	log := &record.Log{
		Run: syntheticRun(), Trials: syntheticTrials(3),
		Restarts: []record.Restart{{Block: 3, Part: "block 3", Reason: "before: machine database died at 03:04:05 UTC: out of memory"}},
		End:      &record.End{Reason: "before: machine database died at 03:06:07 UTC: out of memory; its last lines:\n  cannot allocate"},
	}
	r, err := Build(log, examplePrices())
	if err != nil {
		t.Fatal(err)
	}
	if want := "block 3 was started anew, and what it had measured until then takes no part: before: machine database died at 03:04:05 UTC: out of memory"; !slices.Contains(r.Warnings, want) {
		t.Errorf("warnings %q, want %q", r.Warnings, want)
	}
	if len(r.Marks) != 1 || !strings.HasPrefix(r.Marks[0], "ended early (before: machine database died at 03:06:07 UTC: out of memory") || strings.Contains(r.Marks[0], "\n") || r.Interrupted {
		t.Errorf("marks %q, interrupted %v", r.Marks, r.Interrupted)
	}
}

func TestMarksStandOnEveryOutput(t *testing.T) {
	run := syntheticRun()
	run.Quick = true
	r := build(t, run, syntheticTrials(3), nil)
	if !r.Quick || !r.Interrupted {
		t.Errorf("quick %v, interrupted %v, want both", r.Quick, r.Interrupted)
	}
	for _, c := range r.Claims {
		if c.Verdict == compare.Confirmed || c.Verdict == compare.Refuted {
			t.Errorf("a quick run has the claim %s %s", c.ID, c.Verdict)
		}
	}
	var terminal, page, machine bytes.Buffer
	if err := errors.Join(WriteTerminal(&terminal, r, Terminal{}), WriteHTML(&page, r), WriteJSON(&machine, r)); err != nil {
		t.Fatal(err)
	}
	for name, out := range map[string]string{"terminal": terminal.String(), "page": page.String(), "JSON": machine.String()} {
		for _, mark := range []string{"uick run: not evidence", "ut off"} {
			if !strings.Contains(out, mark) {
				t.Errorf("the %s does not say %q", name, mark)
			}
		}
	}
}

func TestAllInvalid(t *testing.T) {
	trials := syntheticTrials(3)
	for i := range trials {
		if trials[i].Kind == record.KindSlice && trials[i].Variant == scenarios.After {
			trials[i].Invalid = []string{"the driver was throttled"}
		}
	}
	r := build(t, syntheticRun(), trials, &record.End{})
	for _, c := range r.Claims {
		if c.Compare == "ratio" && c.At != "" && (c.Verdict != compare.NoVerdict || !strings.Contains(c.Reason, "throttled")) {
			t.Errorf("claim %s is %s (%s), want invalid with the reason", c.ID, c.Verdict, c.Reason)
		}
	}
	for _, row := range r.Rates[0].Rows {
		if row.After.Value != nil || row.Effect.Missing == "" {
			t.Errorf("%s of after is %v from invalid slices", row.Key, row.After.Value)
		}
	}
	if !slices.ContainsFunc(r.Answer, func(s string) bool { return strings.Contains(s, "no answer") }) {
		t.Errorf("the answer %q does not say that there is none", r.Answer)
	}
}

func TestColourIsOnlyAddedWhenAsked(t *testing.T) {
	r := build(t, syntheticRun(), syntheticTrials(3), &record.End{})
	var plain, coloured bytes.Buffer
	if err := errors.Join(WriteTerminal(&plain, r, Terminal{}), WriteTerminal(&coloured, r, Terminal{Colour: true})); err != nil {
		t.Fatal(err)
	}
	stripped := regexp.MustCompile("\x1b\\[[0-9;]*m").ReplaceAllString(coloured.String(), "")
	if stripped == coloured.String() {
		t.Error("no colour although it was asked for")
	}
	if stripped != plain.String() {
		t.Error("colour changes more than the colour")
	}
}

func TestTerminalFits(t *testing.T) {
	r := build(t, syntheticRun(), syntheticTrials(3), &record.End{})
	for _, width := range []int{0, 80, 96, 99} {
		var out bytes.Buffer
		if err := WriteTerminal(&out, r, Terminal{Width: width}); err != nil {
			t.Fatal(err)
		}
		if strings.Contains(out.String(), "\x1b") {
			t.Error("colour without being asked for")
		}
		for _, line := range strings.Split(out.String(), "\n") {
			if utf8.RuneCountInString(line) >= 100 {
				t.Errorf("width %d: line of %d columns: %s", width, utf8.RuneCountInString(line), line)
			}
			if line != strings.TrimRight(line, " ") {
				t.Errorf("width %d: trailing blanks: %q", width, line)
			}
		}
	}
}

func TestPageLoadsNothing(t *testing.T) {
	run := syntheticRun()
	run.Scenario.Title = `<script>alert("x")</script>`
	r := build(t, run, syntheticTrials(3), &record.End{})
	var page bytes.Buffer
	if err := WriteHTML(&page, r); err != nil {
		t.Fatal(err)
	}
	for _, forbidden := range []string{"<script", "<link", "<img", "@import", "url(", "src=", "href=", "ZgotmplZ", "NaN"} {
		if strings.Contains(page.String(), forbidden) {
			t.Errorf("the page holds %q", forbidden)
		}
	}
	if got := strings.Count(page.String(), "<svg"); got != 5 {
		t.Errorf("%d drawings, want the load curve, cost, and three for the common rate", got)
	}
}
