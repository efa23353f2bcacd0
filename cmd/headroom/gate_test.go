// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/spf13/cobra"

	"headroom/reports/gate"
	"headroom/scenarios"
	"headroom/targets/kinds"
)

func concluded(t *testing.T, f gateFlags, timed ...gate.Timed) (stdout, stderr string, err error) {
	t.Helper()
	s, loadErr := scenarios.LoadNamed("phase1", kinds.Data())
	if loadErr != nil {
		t.Fatal(loadErr)
	}
	cmd := &cobra.Command{}
	var out, errOut bytes.Buffer
	cmd.SetOut(&out)
	cmd.SetErr(&errOut)
	err = f.conclude(cmd, gate.NewResult(gate.About{Scenario: s, Commit: f.commit}, nil, timed, nil, nil))
	return out.String(), errOut.String(), err
}

// The exit code is the verdict's, or what --inconclusive makes of it, and every
// output is written whatever the verdict.
func TestGateConcludes(t *testing.T) {
	red := gate.Timed{Key: "cpu app", Label: "CPU per request of app", Status: gate.StatusRegression, Why: "+20%"}
	green, open, absent := red, red, red
	green.Status, open.Status, absent.Status = gate.StatusSame, gate.StatusOpen, gate.StatusAbsent
	for _, test := range []struct {
		timed        gate.Timed
		inconclusive string
		want         int
		says         string
	}{
		{green, inconclusiveReport, exitGood, "No regression."},
		{red, inconclusiveReport, exitRegression, "Regression: CPU per request of app: +20%."},
		{red, inconclusivePass, exitRegression, "Regression:"},
		{open, inconclusiveReport, exitInconclusive, "No verdict:"},
		{open, inconclusivePass, exitGood, "No verdict:"},
		{open, inconclusiveFail, exitRegression, "No verdict:"},
		// Noise may pass, a number that is not there never does.
		{absent, inconclusiveReport, exitInconclusive, "No verdict:"},
		{absent, inconclusivePass, exitInconclusive, "No verdict:"},
		{absent, inconclusiveFail, exitRegression, "No verdict:"},
	} {
		f := gateFlags{out: t.TempDir(), inconclusive: test.inconclusive}
		out, _, err := concluded(t, f, test.timed)
		code := exitGood
		var coded *exitError
		if errors.As(err, &coded) {
			code = coded.code
		} else if err != nil {
			t.Fatal(err)
		}
		if code != test.want || !strings.HasPrefix(out, test.says) {
			t.Errorf("%s with --inconclusive=%s: exit code %d, %q", test.timed.Status, test.inconclusive, code, out)
		}
		for _, name := range []string{"gate.html", "gate.json", "gate.md", "gate.xml", "gate.openmetrics.txt"} {
			if info, err := os.Stat(filepath.Join(f.out, name)); err != nil || info.Size() == 0 {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
}

// A history remembers every gate but planted ones, and tells its false alarms. A
// gate's verdict stands whatever becomes of its history.
func TestGateRemembers(t *testing.T) {
	f := gateFlags{out: t.TempDir(), history: filepath.Join(t.TempDir(), "new", "folder"), commit: "abc", inconclusive: inconclusiveReport}
	path := filepath.Join(f.history, historyName)
	red := gate.Timed{Label: "CPU", Status: gate.StatusRegression}
	if _, said, _ := concluded(t, f, red); !strings.Contains(said, "History: 1 gate, 1 red, 0 false alarms") {
		t.Errorf("after the first: %q", said)
	}
	planted := f
	planted.plants = []string{"app/shop:burn=20%"}
	if _, said, _ := concluded(t, planted, red); strings.Contains(said, "History") {
		t.Errorf("a planted difference is remembered: %q", said)
	}
	green := red
	green.Status = gate.StatusSame
	if _, said, err := concluded(t, f, green); err != nil || !strings.Contains(said, "History: 2 gates, 1 red, 1 false alarm ") {
		t.Errorf("after the second: %q, %v", said, err)
	}
	kept, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	// A gate that was killed while it wrote left half a line.
	if err := os.WriteFile(path, append(kept, '{'), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, said, err := concluded(t, f, green); err != nil || !strings.Contains(said, "warning: --history: ") || !strings.Contains(said, historyName+":3:") {
		t.Errorf("a broken history: %q, %v", said, err)
	}
	if now, err := os.ReadFile(path); err != nil || !bytes.HasPrefix(now, append(kept, "{\n{"...)) {
		t.Errorf("the history lost something: %q, %v", now, err)
	}
	if err := checkHistory(f.history); err == nil || !strings.Contains(err.Error(), historyName+":3:") {
		t.Errorf("a broken history is not refused before the gate: %v", err)
	}
}

// Gates of several jobs share a history: none loses another's outcome.
func TestGatesRememberAtOnce(t *testing.T) {
	dir := t.TempDir()
	const gates = 20
	var wait sync.WaitGroup
	for range gates {
		wait.Go(func() {
			if _, err := appendHistory(dir, gate.Outcome{Scenario: "phase1", Verdict: gate.Pass}); err != nil {
				t.Error(err)
			}
		})
	}
	wait.Wait()
	data, err := os.ReadFile(filepath.Join(dir, historyName))
	if err != nil || bytes.Count(data, []byte("\n")) != gates {
		t.Errorf("%d of %d outcomes are kept, %v", bytes.Count(data, []byte("\n")), gates, err)
	}
}
