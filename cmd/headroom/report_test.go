// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"headroom/harness/record"
)

// runFolder makes a run's folder with a recorded run's trials, or, without
// trials, its first line alone.
func runFolder(t *testing.T, dir string, trials bool) {
	t.Helper()
	packed, err := os.Open(filepath.Join("..", "..", "reports", "testdata", "phase1-recorded.jsonl.gz"))
	if err != nil {
		t.Fatal(err)
	}
	defer packed.Close()
	unpacked, err := gzip.NewReader(packed)
	if err != nil {
		t.Fatal(err)
	}
	data, err := io.ReadAll(unpacked)
	if err != nil {
		t.Fatal(err)
	}
	if !trials {
		data = data[:bytes.IndexByte(data, '\n')+1]
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, record.FileName), data, 0o644); err != nil {
		t.Fatal(err)
	}
}

func invoke(args ...string) (code int, stdout, stderr string) {
	var out, err bytes.Buffer
	code = run(context.Background(), args, strings.NewReader(""), &out, &err)
	return code, out.String(), err.String()
}

func TestReportOfSeveralRuns(t *testing.T) {
	out := t.TempDir()
	one, two, none := filepath.Join(out, "one"), filepath.Join(out, "two"), filepath.Join(out, "none")
	runFolder(t, one, true)
	runFolder(t, two, true)
	runFolder(t, none, false)

	code, stdout, stderr := invoke("report", one, two, none)
	if code != exitGood || !strings.Contains(stdout, "The whole way") || !strings.Contains(stdout, "phase 2 is missing") {
		t.Fatalf("exit code %d:\n%s%s", code, stdout, stderr)
	}
	if !strings.Contains(stderr, "left out: "+none) {
		t.Errorf("nothing says that a run without trials was left out: %q", stderr)
	}
	pages, err := filepath.Glob(filepath.Join(out, "journey-*", "journey.html"))
	if err != nil || len(pages) != 1 {
		t.Fatalf("the journey is at %v, %v", pages, err)
	}
	if !strings.Contains(stdout, "report: "+pages[0]) {
		t.Errorf("the output does not say where the page is:\n%s", stdout)
	}
	for _, dir := range []string{one, two} {
		if _, err := os.Stat(filepath.Join(dir, "report.html")); err != nil {
			t.Error(err)
		}
	}
	first, err := os.ReadFile(pages[0])
	if err != nil {
		t.Fatal(err)
	}

	elsewhere := filepath.Join(out, "elsewhere", "journey")
	code, stdout, stderr = invoke("report", two, one, "--out", elsewhere, "--json")
	var journey struct {
		Steps []any `json:"steps"`
	}
	if err := json.Unmarshal([]byte(stdout), &journey); code != exitGood || err != nil || len(journey.Steps) != 2 {
		t.Fatalf("exit code %d, %v: %d steps, %s", code, err, len(journey.Steps), stderr)
	}
	again, err := os.ReadFile(filepath.Join(elsewhere, "journey.html"))
	if err != nil || !bytes.Equal(first, again) {
		t.Errorf("the same runs give another page (%v)", err)
	}
}

// The scatter of an earlier run changes what is detectable; its folder is only
// read.
func TestReportWithAnEarlierRun(t *testing.T) {
	out := t.TempDir()
	one, two := filepath.Join(out, "one"), filepath.Join(out, "two")
	runFolder(t, one, true)
	runFolder(t, two, true)
	file := filepath.Join(two, record.FileName)
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	log, err := record.ReadFile(one)
	if err != nil {
		t.Fatal(err)
	}
	data = bytes.Replace(data, []byte(log.Run.ID), []byte("phase1-20260101-000000"), 1)
	if err := os.WriteFile(file, data, 0o644); err != nil {
		t.Fatal(err)
	}
	code, stdout, stderr := invoke("report", one, "--earlier", two, "--json")
	var report struct {
		Earlier []string `json:"earlier_runs"`
	}
	if err := json.Unmarshal([]byte(stdout), &report); code != exitGood || err != nil || len(report.Earlier) != 1 || report.Earlier[0] != "phase1-20260101-000000" {
		t.Fatalf("exit code %d, %v: earlier runs %v, %s", code, err, report.Earlier, stderr)
	}
	if _, err := os.Stat(filepath.Join(two, pageName)); err == nil {
		t.Error("the earlier run's folder got a page")
	}
}

func TestReportRefusals(t *testing.T) {
	out := t.TempDir()
	one, none := filepath.Join(out, "one"), filepath.Join(out, "none")
	runFolder(t, one, true)
	runFolder(t, none, false)
	tests := []struct {
		args []string
		want string
	}{
		{[]string{"report"}, "needed: a run's folder"},
		{[]string{"report", none, none}, "none of the 2 folders"},
		{[]string{"report", one, filepath.Join(out, "nowhere")}, "does not exist"},
		{[]string{"report", one, "--earlier", one}, "it is this run, or given twice; leave it out"},
		{[]string{"report", one, "--earlier", filepath.Join(out, "nowhere")}, "does not exist"},
		{[]string{"report", one, one, "--earlier", one}, "--earlier lends scatter to the report of one run"},
		{[]string{"report", one, "--out", out}, "--out says where the page of several runs goes"},
		{[]string{"report", one, one, "--out", filepath.Join(one, record.FileName, "x")}, "choose another with --out"},
	}
	for _, tt := range tests {
		code, _, stderr := invoke(tt.args...)
		if code != exitFailure || !strings.Contains(stderr, tt.want) {
			t.Errorf("%v: exit code %d, %q, want ...%s...", tt.args, code, stderr, tt.want)
		}
	}
	if left, _ := filepath.Glob(filepath.Join(out, "journey-*")); len(left) > 0 {
		t.Errorf("a refusal left %v", left)
	}
}
