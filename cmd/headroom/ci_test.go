// SPDX-License-Identifier: Apache-2.0

package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// ci runs a script of .ci with a job's summary, and returns what it said there.
func ci(t *testing.T, script string, args ...string) (said, summary string) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "summary")
	cmd := exec.CommandContext(t.Context(), "bash", append([]string{filepath.Join("..", "..", ".ci", script)}, args...)...)
	cmd.Env = append(os.Environ(), "GITHUB_STEP_SUMMARY="+file)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v: %s", script, err, out)
	}
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(out), string(text)
}

// A skipped test is evidence that is missing: each is listed with its reason.
func TestSkippedTestsAreListed(t *testing.T) {
	const ran = `{"Action":"run","Package":"headroom/a","Test":"TestRan"}
{"Action":"output","Package":"headroom/a","Test":"TestRan","Output":"    a_test.go:3: says this\n"}
{"Action":"pass","Package":"headroom/a","Test":"TestRan","Elapsed":0}
{"Action":"skip","Package":"headroom/without/tests","Elapsed":0}
`
	const skipped = `{"Time":"2026-01-01T00:00:00Z","Action":"output","Package":"headroom/b","Test":"TestB/one","Output":"=== RUN   TestB/one\n"}
{"Action":"output","Package":"headroom/b","Test":"TestB/one","Output":"    b_test.go:7: no \"Docker\" here\n"}
{"Action":"output","Package":"headroom/b","Test":"TestB/one","Output":"--- SKIP: TestB/one (0.00s)\n"}
{"Action":"skip","Package":"headroom/b","Test":"TestB/one","Elapsed":0}
{"Action":"skip","Package":"headroom/a","Test":"TestA","Elapsed":0}
`
	const list = "headroom/a TestA: \nheadroom/b TestB/one: b_test.go:7: no \"Docker\" here\n"
	for text, want := range map[string]struct{ number, list string }{ran: {"0", ""}, ran + skipped: {"2", list}} {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, "tests.jsonl"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		said, summary := ci(t, "skipped", filepath.Join(dir, "tests.jsonl"))
		kept, err := os.ReadFile(filepath.Join(dir, "skipped.txt"))
		if err != nil || string(kept) != want.list {
			t.Errorf("the file holds %q, %v; want %q", kept, err, want.list)
		}
		if said != "skipped tests: "+want.number+"\n"+want.list {
			t.Errorf("it says %q, want %s tests: %q", said, want.number, want.list)
		}
		if summary != "### Skipped tests: "+want.number+"\n\n```text\n"+want.list+"```\n" {
			t.Errorf("the summary is %q", summary)
		}
	}
}

// A gate that did not run says so where its comment would stand.
func TestGateCommentsAreGathered(t *testing.T) {
	gate, comment := t.TempDir(), filepath.Join(t.TempDir(), "comment")
	if _, summary := ci(t, "comments", gate, comment, "7"); !strings.Contains(summary, "The gate did not run") {
		t.Errorf("of nothing: %q", summary)
	}
	for folder, text := range map[string]string{"one": "first\n", "two": ""} {
		if err := os.MkdirAll(filepath.Join(gate, folder), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(gate, folder, "gate.md"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if _, summary := ci(t, "comments", gate, comment, "7"); summary != "first\n" {
		t.Errorf("of one text and an empty one: %q", summary)
	}
	number, err := os.ReadFile(filepath.Join(comment, "number"))
	texts, globErr := filepath.Glob(filepath.Join(comment, "*.md"))
	if err != nil || globErr != nil || string(number) != "7\n" || len(texts) != 1 || filepath.Base(texts[0]) != "one.md" {
		t.Errorf("number %q, texts %q, %v, %v", number, texts, err, globErr)
	}
}

var (
	usesAction = regexp.MustCompile(`(?m)^\s*(?:- )?uses:\s*(.*)$`)
	pinned     = regexp.MustCompile(`^[a-z-]+/[a-z-]+@[0-9a-f]{40} # v[0-9]+\.[0-9]+\.[0-9]+$`)
)

// An action is pinned by its commit, with its version beside it, and a workflow says
// what it may do.
func TestWorkflowsArePinned(t *testing.T) {
	files, err := filepath.Glob(filepath.Join("..", "..", ".github", "workflows", "*.yml"))
	if err != nil || len(files) == 0 {
		t.Fatalf("%d workflows, %v", len(files), err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, use := range usesAction.FindAllStringSubmatch(string(text), -1) {
			if !pinned.MatchString(use[1]) {
				t.Errorf("%s: %s: pin the action by its commit, and write its version behind it as a comment", file, use[1])
			}
		}
		if !strings.Contains(string(text), "\npermissions:\n") {
			t.Errorf("%s: say at the top what the workflow may do: permissions", file)
		}
	}
}
