// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"headroom/reports/gate"
	"headroom/scenarios"
	"headroom/targets/kinds"
)

func redCount(v scenarios.Variant, endpoint, metric, of string) gate.CountResult {
	return gate.CountResult{Count: gate.Count{Variant: v, Endpoint: endpoint, Metric: metric, Of: of}, Status: gate.StatusRegression}
}

func redGate(counted ...gate.CountResult) gate.Result {
	return gate.Result{Verdict: gate.Regression, Counted: counted}
}

// A planted difference counts as found only where endpoint, metric and text are
// named, and nothing is alarmed about before, where nothing is planted.
func TestLiveCases(t *testing.T) {
	cpu := gate.Result{Verdict: gate.Regression, Timed: []gate.Timed{{Key: "cpu app", Status: gate.StatusRegression}}}
	statement := liveCase{plant: "x", finds: finding{"GET /a", "statement calls", "FROM users"}}
	cpuApp, cpuDatabase := liveCase{plant: "x", finds: finding{metric: "cpu app"}}, liveCase{plant: "x", finds: finding{metric: "cpu database"}}
	calls := redCount(scenarios.After, "GET /a", "statement calls", "SELECT id FROM users")
	for name, test := range map[string]struct {
		c    liveCase
		r    gate.Result
		want bool
	}{
		"equal, pass":         {liveCase{}, gate.Result{Verdict: gate.Pass}, true},
		"equal, none":         {liveCase{}, gate.Result{Verdict: gate.NoVerdict}, false},
		"equal, red":          {liveCase{}, redGate(calls), false},
		"found":               {statement, redGate(calls), true},
		"found among others":  {statement, redGate(redCount(scenarios.After, "GET /a", "statements", ""), calls), true},
		"and in before":       {statement, redGate(calls, redCount(scenarios.Before, "GET /a", "response", "")), false},
		"in before alone":     {statement, redGate(redCount(scenarios.Before, "GET /a", "statement calls", "SELECT id FROM users")), false},
		"another metric":      {statement, redGate(redCount(scenarios.After, "GET /a", "response", "")), false},
		"another endpoint":    {statement, redGate(redCount(scenarios.After, "GET /b", "statement calls", "SELECT id FROM users")), false},
		"another statement":   {statement, redGate(redCount(scenarios.After, "GET /a", "statement calls", "SELECT id FROM posts")), false},
		"passed":              {statement, gate.Result{Verdict: gate.Pass}, false},
		"timed":               {cpuApp, cpu, true},
		"another group":       {cpuDatabase, cpu, false},
		"a count for a timed": {cpuApp, redGate(calls), false},
	} {
		if got := test.c.right(test.r); got != test.want {
			t.Errorf("%s: %v", name, got)
		}
	}
	s, err := scenarios.LoadNamed(liveScenario, kinds.Data())
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range liveCases {
		if c.equal() != (c.finds == finding{}) {
			t.Errorf("%s plants %q and finds %+v", c.name, c.plant, c.finds)
		}
		if c.equal() {
			continue
		}
		if planted, err := plantInto(s, []string{c.plant}); err != nil || len(planted.Differences()) != 1 {
			t.Errorf("%s: %v", c.name, err)
		}
		known := slices.ContainsFunc(s.Load.Mix, func(e scenarios.Endpoint) bool { return e.Name == c.finds.endpoint })
		if c.timed != (c.finds.endpoint == "") || !c.timed && !known {
			t.Errorf("%s finds something at %q, which is no endpoint of %s", c.name, c.finds.endpoint, liveScenario)
		}
	}
}

func tallyOf(c liveCase, right, pass, red, none int) liveTally {
	return liveTally{c, map[gate.Verdict]int{gate.Pass: pass, gate.Regression: red, gate.NoVerdict: none}, right, make([]float64, pass+red+none)}
}

// The tally says what the gates came to, bounds the rate of false alarms by those
// that were seen (0 of 10 leave 26%, 0 of 59 5%, 1 of 20 22%: Clopper and Pearson),
// and is an error wherever an answer was wrong.
func TestLiveTallies(t *testing.T) {
	equal, timed := liveCase{name: "equal"}, liveCase{name: "timed", timed: true}
	planted := liveCase{name: "planted", plant: "x", finds: finding{"GET /a", "response", ""}}
	for name, test := range map[string]struct {
		tallies []liveTally
		says    string
		wrong   string
	}{
		"all right":               {[]liveTally{tallyOf(equal, 10, 10, 0, 0)}, "False alarms: 0 of 10 gates of equal sides, which leaves a rate of up to 26%.", ""},
		"many, all right":         {[]liveTally{tallyOf(equal, 59, 59, 0, 0)}, "up to 5%.", ""},
		"an alarm":                {[]liveTally{tallyOf(equal, 10, 10, 0, 0), tallyOf(timed, 9, 9, 1, 0)}, "False alarms: 1 of 20 gates of equal sides, which leaves a rate of up to 22%.", "timed, 1 of 10"},
		"no verdict of a timed":   {[]liveTally{tallyOf(timed, 8, 8, 0, 2)}, "8 of 10 right (8 pass, 2 no verdict); wrong in less than 26%", ""},
		"never a verdict":         {[]liveTally{tallyOf(timed, 0, 0, 0, 10)}, "0 of 10 right (10 no verdict); wrong in less than 100%", "timed, 10 of 10"},
		"no verdict of a counted": {[]liveTally{tallyOf(equal, 9, 9, 0, 1)}, "", "equal, 1 of 10"},
		"not found":               {[]liveTally{tallyOf(planted, 3, 1, 3, 0)}, "planted                    3 of 4 right (1 pass, 3 regression); wrong in less than 75%; 0 s a gate", "planted, 1 of 4"},
		"the wrong thing found":   {[]liveTally{tallyOf(planted, 3, 0, 4, 0)}, "", "planted, 1 of 4"},
		"two wrong":               {[]liveTally{tallyOf(equal, 9, 9, 1, 0), tallyOf(planted, 3, 1, 3, 0)}, "", "equal, 1 of 10; planted, 1 of 4"},
	} {
		var out bytes.Buffer
		err := writeTallies(&out, test.tallies)
		if !strings.Contains(out.String(), test.says) {
			t.Errorf("%s:\n%swant %q", name, out.String(), test.says)
		}
		var coded *exitError
		if isError := errors.As(err, &coded); isError != (test.wrong != "") || isError && (coded.code != exitRegression || !strings.HasSuffix(err.Error(), ": "+test.wrong)) {
			t.Errorf("%s: %v, want %q", name, err, test.wrong)
		}
	}
}

// Every timed gate has a seed of its own; a counted one has its baseline's, which
// is written once.
func TestLiveGatesAsk(t *testing.T) {
	var asked [][]string
	l := liveGates{times: 2, dir: filepath.Join(t.TempDir(), "live"), seed: 100, stderr: io.Discard,
		headroom: func(_ context.Context, args ...string) ([]byte, error) {
			asked = append(asked, args)
			return json.Marshal(gate.Result{Verdict: gate.Pass, Seconds: 7})
		}}
	tallies, err := l.run(t.Context())
	if err != nil || len(tallies) != len(liveCases) {
		t.Fatalf("%d tallies, %v", len(tallies), err)
	}
	baselines, seeds, outs := 0, map[string]bool{}, map[string]bool{}
	for _, args := range asked {
		if args[0] == "baseline" {
			baselines++
			continue
		}
		if i := slices.Index(args, "--out"); i > 0 {
			outs[args[i+1]] = true
		}
		seed := slices.Index(args, "--seed")
		if (seed > 0) == slices.Contains(args, "--baseline") {
			t.Errorf("%q", args)
		}
		if seed > 0 {
			seeds[args[seed+1]] = true
		}
	}
	if baselines != 1 || len(outs) != 2*len(liveCases) || len(seeds) != 4 {
		t.Errorf("%d baselines, %d folders, seeds %v", baselines, len(outs), seeds)
	}
	for _, tally := range tallies {
		if want := map[bool]int{true: 0, false: 2}[tally.equal()]; tally.wrong() != want || median(tally.seconds) != 7 {
			t.Errorf("%s: %d wrong, want %d", tally.name, tally.wrong(), want)
		}
	}
}

func TestSelftestGateRefusesWhatDoesNotFit(t *testing.T) {
	for says, args := range map[string][]string{
		"--gates 0: give 1 or more":                    {"--gates", "0"},
		"--live -1: give 1 or more, and no --recorded": {"--live", "-1"},
		"--live 1: give 1 or more, and no --recorded":  {"--live", "1", "--recorded", "a"},
		`--only "N+2": no case is called that`:         {"--live", "1", "--only", "N+2"},
		"nowhere does not exist":                       {"--recorded", "nowhere"},
	} {
		code, stdout, stderr := headroom(t.Context(), append([]string{"selftest", "gate"}, args...)...)
		if code != exitFailure || stdout != "" || !strings.Contains(stderr, says) {
			t.Errorf("%q: exit code %d, %q on stdout, stderr:\n%s", args, code, stdout, stderr)
		}
	}
}
