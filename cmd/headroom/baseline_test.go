// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"headroom/harness/record"
	"headroom/reports/gate"
	"headroom/scenarios"
	"headroom/targets/kinds"
)

// countedRun is one of an endpoint whose answers have so many bytes, of whose
// hundred requests some failed.
func countedRun(bytes, failed int64) gate.Counts {
	return gate.Counted(&scenarios.Scenario{}, []record.Trial{{
		Kind: record.KindCount, Variant: scenarios.After, RateName: "GET /api/feed",
		Measurement: record.Measurement{Sent: 100, Succeeded: 100 - failed, Failed: failed, BytesIn: 100 * bytes, Errors: map[string]int64{"status_5xx": failed}},
	}}, 100)
}

func writeBaseline(t *testing.T, f baselineFlags, old *gate.Baseline, runs ...gate.Counts) (stdout, stderr string) {
	t.Helper()
	cmd := &cobra.Command{}
	var out, errOut bytes.Buffer
	cmd.SetOut(&out)
	cmd.SetErr(&errOut)
	b := gate.Baseline{Format: gate.BaselineFormat, Scenario: "phase3", Hash: "0123456789abcdef", Seed: 1, FillRPS: 50, Requests: 100, Runs: len(runs)}
	if err := f.write(cmd, b, old, runs); err != nil {
		t.Fatal(err)
	}
	return out.String(), errOut.String()
}

func readBaseline(t *testing.T, file string) *gate.Baseline {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	b, err := gate.ParseBaseline(file, data)
	if err != nil {
		t.Fatal(err)
	}
	return &b
}

// A renewed file says what has changed in it, and the lines that still hold stay.
func TestBaselineIsRenewed(t *testing.T) {
	file := filepath.Join(t.TempDir(), "phase3.json")
	f := baselineFlags{update: true, file: file}
	said := func(changes string) string { return file + ": " + changes + "; read: git diff " + file + "\n" }

	if out, got := writeBaseline(t, f, nil, countedRun(1000, 0), countedRun(1010, 0), countedRun(1005, 0)); out != "" || got != said("0 metrics changed, 2 new, 0 gone, 0 kept") {
		t.Errorf("new: %q, %q", out, got)
	}
	first := readBaseline(t, file)
	if _, got := writeBaseline(t, f, first, countedRun(1006, 0), countedRun(1007, 0)); got != said("0 metrics changed, 0 new, 0 gone, 2 kept") {
		t.Errorf("within the tolerance: %q", got)
	}
	if second := readBaseline(t, file); second.Metrics[1] != first.Metrics[1] || second.Runs != 2 {
		t.Errorf("the line is now %+v, was %+v", second.Metrics[1], first.Metrics[1])
	}
	f.fresh = true
	if _, got := writeBaseline(t, f, first, countedRun(1006, 0), countedRun(1007, 0)); got != said("1 metrics changed, 0 new, 0 gone, 1 kept") {
		t.Errorf("fresh: %q", got)
	}
	if third := readBaseline(t, file); third.Metrics[1].Value < 1006 {
		t.Errorf("fresh: %+v", third.Metrics[1])
	}

	out, got := writeBaseline(t, baselineFlags{}, nil, countedRun(1000, 0), countedRun(1000, 0))
	if got != "" || !strings.HasPrefix(out, "{\n  \"format\": 1,\n") {
		t.Errorf("to stdout: %q, %q", out, got)
	}
}

// A system that fails requests makes a baseline only where that is said.
func TestBaselineOfABrokenSystem(t *testing.T) {
	f := baselineFlags{}
	if err := f.checkAnswers(countedRun(1000, 0)); err != nil {
		t.Error(err)
	}
	broken := countedRun(1000, 40)
	if err := f.checkAnswers(broken); err == nil || err.Error() != "after, GET /api/feed: 40 of 100 requests failed (status_5xx 40): repair that first, or say --allow-errors" {
		t.Error(err)
	}
	f.allowErrors = true
	if err := f.checkAnswers(broken); err != nil {
		t.Error(err)
	}
}

// What a file says about how it was counted holds, but not that few runs were
// enough.
func TestBaselineSettings(t *testing.T) {
	s, err := scenarios.LoadNamed("phase3", kinds.Data())
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	file := filepath.Join(dir, "phase3.json")
	writeBaseline(t, baselineFlags{update: true, file: file}, nil, countedRun(1000, 0), countedRun(1000, 0), countedRun(1000, 0))
	for name, test := range map[string]struct {
		args []string
		runs int
		seed uint64
		old  bool
	}{
		"as it was":      {nil, defaultRuns, 1, true},
		"what was said":  {[]string{"--runs", "2", "--seed", "7"}, 2, 7, true},
		"more, as it is": {[]string{"--runs", "9"}, 9, 1, true},
		"no file yet":    {[]string{"--file", filepath.Join(dir, "new", "b.json")}, defaultRuns, 1, false},
	} {
		cmd := newBaseline()
		if err := cmd.ParseFlags(test.args); err != nil {
			t.Fatal(err)
		}
		runs, _ := cmd.Flags().GetInt("runs")
		seed, _ := cmd.Flags().GetUint64("seed")
		given, _ := cmd.Flags().GetString("file")
		f := baselineFlags{update: true, file: file, fillRate: "100/s", runs: runs, requests: 10, seed: seed, stage: stageDocker}
		if given != "" {
			f.file = given
		}
		b, old, err := f.settings(cmd, s)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		fill, requests := 100.0, 10
		if test.old {
			fill, requests = 50, 100
		}
		if b.Runs != test.runs || b.Seed != test.seed || b.FillRPS != fill || b.Requests != requests || (old != nil) != test.old || b.Hash != gate.Hash(s) {
			t.Errorf("%s: %+v, old %v", name, b, old)
		}
	}
}
