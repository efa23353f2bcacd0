package main

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"headroom/reports/gate"
	"headroom/scenarios"
)

func concluded(t *testing.T, f gateFlags, timed ...gate.Timed) (stdout, stderr string, err error) {
	t.Helper()
	s, loadErr := scenarios.LoadNamed("phase1")
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
	green, open := red, red
	green.Status, open.Status = gate.StatusSame, gate.StatusOpen
	for _, test := range []struct {
		timed        gate.Timed
		inconclusive string
		want         int
		says         string
	}{
		{green, inconclusiveReport, exitGood, "No regression."},
		{red, inconclusiveReport, exitRegression, "Regression: CPU per request of app +20%."},
		{red, inconclusivePass, exitRegression, "Regression:"},
		{open, inconclusiveReport, exitInconclusive, "No verdict:"},
		{open, inconclusivePass, exitGood, "No verdict:"},
		{open, inconclusiveFail, exitRegression, "No verdict:"},
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

// A history remembers every gate and tells its false alarms.
func TestGateRemembers(t *testing.T) {
	f := gateFlags{out: t.TempDir(), history: filepath.Join(t.TempDir(), "new", "folder"), commit: "abc", inconclusive: inconclusiveReport}
	red := gate.Timed{Label: "CPU", Status: gate.StatusRegression}
	if _, said, _ := concluded(t, f, red); !strings.HasPrefix(said, "0 false alarms in 1 gates (0.0%)") {
		t.Errorf("after the first: %q", said)
	}
	green := red
	green.Status = gate.StatusSame
	_, said, err := concluded(t, f, green)
	if err != nil || !strings.HasPrefix(said, "1 false alarms in 2 gates (50.0%)") {
		t.Errorf("after the second: %q, %v", said, err)
	}
	if err := os.WriteFile(filepath.Join(f.history, historyName), []byte("{"), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, _, err := concluded(t, f, green); err == nil || !strings.Contains(err.Error(), historyName+":1:") {
		t.Errorf("a broken history: %v", err)
	}
}
