// SPDX-License-Identifier: Apache-2.0

package reports

import (
	"bytes"
	"errors"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"headroom/harness/record"
	"headroom/reports/compare"
	"headroom/scenarios"
)

// phaseReport is a synthetic run under another name: its after holds so many
// times as much as the synthetic one.
func phaseReport(t *testing.T, name string, minute int, gain float64) Report {
	t.Helper()
	run := syntheticRun()
	run.Scenario.Name, run.Scenario.Title = name, "The change of "+name
	run.StartedAt = started.Add(time.Duration(minute) * time.Minute)
	run.ID = name + "-" + run.StartedAt.Format("20060102-150405")
	trials := syntheticTrials(3)
	for i := range trials {
		if trials[i].Variant == scenarios.After && trials[i].Kind == record.KindProbe {
			trials[i].Measurement.OfferedRPS *= gain
		}
		if trials[i].Variant == scenarios.After && trials[i].RateName == "high" {
			trials[i].Measurement.OfferedRPS *= gain
		}
	}
	return build(t, run, trials, &record.End{})
}

// journeyReports are a whole way without phase 6, one of its phases run
// twice, with a scenario beside it.
func journeyReports(t *testing.T) []Report {
	t.Helper()
	blind := phaseReport(t, "phase4-blind", 70, 1)
	return []Report{
		phaseReport(t, "phase1", 10, 4), phaseReport(t, "phase2", 20, 0.7), phaseReport(t, "phase3", 30, 1),
		phaseReport(t, "phase4", 40, 0.6), phaseReport(t, "phase5", 60, 0.3), phaseReport(t, "phase5", 50, 0.5), blind,
		build(t, finalRun(), finalTrials(), &record.End{}),
	}
}

func journey(t *testing.T, reports []Report) Journey {
	t.Helper()
	j, err := BuildJourney(reports)
	if err != nil {
		t.Fatal(err)
	}
	return j
}

// written is every output of a journey.
func written(t *testing.T, j Journey) (terminal, page, machine []byte) {
	t.Helper()
	var a, b, c bytes.Buffer
	if err := errors.Join(WriteJourneyTerminal(&a, j, Terminal{HTMLPath: "out/journey/journey.html"}), WriteJourneyHTML(&b, j), WriteJourneyJSON(&c, j)); err != nil {
		t.Fatal(err)
	}
	return a.Bytes(), b.Bytes(), c.Bytes()
}

func TestJourneyGolden(t *testing.T) {
	terminal, page, machine := written(t, journey(t, journeyReports(t)))
	golden(t, "journey.txt", terminal)
	golden(t, "journey.json", machine)
	if dir := os.Getenv("HEADROOM_PAGES"); dir != "" {
		if err := os.WriteFile(filepath.Join(dir, "journey.html"), page, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for _, forbidden := range []string{"<script", "<link", "<img", "@import", "url(", "src=", "href=", "ZgotmplZ", "NaN", "Inf", "%!"} {
		if bytes.Contains(page, []byte(forbidden)) {
			t.Errorf("the page holds %q", forbidden)
		}
	}
	if got := bytes.Count(page, []byte("<svg")); got != 2 {
		t.Errorf("%d drawings, want capacity and cost per user", got)
	}
	for _, line := range strings.Split(string(terminal), "\n") {
		if utf8.RuneCountInString(line) >= 100 || line != strings.TrimRight(line, " ") {
			t.Errorf("a line of %d columns: %q", utf8.RuneCountInString(line), line)
		}
	}
}

// The order in which the folders are named says nothing.
func TestJourneyOrderOfFolders(t *testing.T) {
	reports := journeyReports(t)
	terminal, page, machine := written(t, journey(t, reports))
	random := rand.New(rand.NewPCG(1, 1))
	for range 5 {
		shuffled := slices.Clone(reports)
		random.Shuffle(len(shuffled), func(i, k int) { shuffled[i], shuffled[k] = shuffled[k], shuffled[i] })
		shuffled = append(shuffled, shuffled[0]) // and one twice
		a, b, c := written(t, journey(t, shuffled))
		if !bytes.Equal(a, terminal) || !bytes.Equal(b, page) || !bytes.Equal(c, machine) {
			t.Fatal("the same runs in another order give another journey")
		}
	}
}

func TestJourneySteps(t *testing.T) {
	j := journey(t, journeyReports(t))
	var names []string
	for _, s := range j.Steps {
		names = append(names, s.Name)
	}
	if want := []string{"start", "phase 1", "phase 2", "phase 3", "phase 4", "phase 5", "final"}; !slices.Equal(names, want) {
		t.Errorf("the way is %v, want %v", names, want)
	}
	if !slices.Equal(j.Missing, []string{"phase 6 is missing: make bench-phase6"}) {
		t.Errorf("missing: %q", j.Missing)
	}
	start, final := j.Steps[0], j.Steps[6]
	if start.Variant != scenarios.Before || math.Abs(start.CapacityRPS*0.1/100-1) > 0.15 || math.Abs(start.Users/100_000-1) > 0.15 || start.Capacity != nil {
		t.Errorf("the way begins with %+v", start)
	}
	if math.Abs(final.CapacityRPS*0.05/320-1) > 0.1 || final.UnitCPUs != 0.05 || final.RateRPS != 80/0.05 {
		t.Errorf("the last row is not at full scale: %+v", final)
	}
	if phase5 := j.Steps[5]; phase5.RunID != "phase5-20261123-151500" {
		t.Errorf("of two runs of phase 5 %s counts, not the newer", phase5.RunID)
	}
	for _, want := range []string{"phase5-20261123-151500 is the newest and counts, phase5-20261123-150500 does not", "phase4-blind (", "different units", "different mixes"} {
		if !slices.ContainsFunc(j.Notes, func(n string) bool { return strings.Contains(n, want) }) {
			t.Errorf("no note says %q: %q", want, j.Notes)
		}
	}
	if i := slices.IndexFunc(j.Runs, func(r JourneyRun) bool { return r.Scenario == "phase4-blind" }); i < 0 || j.Runs[i].OnPath || len(j.Runs[i].Claims) == 0 {
		t.Error("the scenario beside the way lost its claims, or is taken for a step")
	}
}

func TestJourneyPromises(t *testing.T) {
	find := func(j Journey, key scenarios.MetricKey) Promise {
		return j.Promises[slices.IndexFunc(j.Promises, func(p Promise) bool { return p.Key == key })]
	}
	all := journeyReports(t)
	j := journey(t, all)
	throughput := find(j, compare.CapacityRPS)
	if throughput.Direction != "yes" || throughput.Size != "no" || !strings.HasPrefix(throughput.Summary, "more: yes; 500x: no, 3.2") {
		t.Errorf("throughput: %+v", throughput)
	}
	if math.Abs(*throughput.MeasuredFrom.Value/2000-1) > 0.15 || math.Abs(*throughput.MeasuredTo.Value/6400-1) > 0.15 {
		t.Errorf("throughput is not at full scale: %v to %v", *throughput.MeasuredFrom.Value, *throughput.MeasuredTo.Value)
	}
	p95 := find(j, "p95_ms") // after takes 0.15 of before's time: 6.7 times faster
	if p95.Direction != "yes" || p95.Size != "no" || p95.Point < 6 || p95.Point > 7.5 || p95.Interval.Low > p95.Point || p95.Interval.High < p95.Point {
		t.Errorf("p95: %+v", p95)
	}
	if database := find(j, "db_cpu_share"); database.Size != "yes" {
		t.Errorf("database CPU falls from 94%% to 5%%: %+v", database)
	}
	if perUser := find(j, compare.CostPerUserUSD); perUser.Direction != "no" || !strings.Contains(perUser.oriented(), "other way") {
		t.Errorf("a user is dearer after: %+v, %s", perUser, perUser.oriented())
	}
	without := journey(t, all[:len(all)-1])
	if p := find(without, compare.CapacityRPS); p.Interval != nil || p.Size != "unclear" || !strings.Contains(p.Summary, "about") {
		t.Errorf("without the final run both ends come from different runs: %+v", p)
	}
}

func TestJourneyClaims(t *testing.T) {
	verdictsOf := func(reports ...Report) [2]compare.Verdict {
		j := journey(t, reports)
		return [2]compare.Verdict{j.Claims[0].Verdict, j.Claims[1].Verdict}
	}
	way := func(gains ...float64) []Report {
		var all []Report
		for i, gain := range gains {
			all = append(all, phaseReport(t, "phase"+string(rune('1'+i)), 10*i, gain))
		}
		return all
	}
	good := way(4, 1, 1, 1, 0.3)
	if got := verdictsOf(good...); got != [2]compare.Verdict{compare.Confirmed, compare.Confirmed} {
		t.Errorf("query first, shards last: %v", got)
	}
	if got := verdictsOf(way(0.3, 1, 1, 1, 4)...); got != [2]compare.Verdict{compare.Refuted, compare.Refuted} {
		t.Errorf("the other way round: %v", got)
	}
	if got := verdictsOf(way(1, 1, 1, 1, 1)...); got != [2]compare.Verdict{compare.Inconclusive, compare.Inconclusive} {
		t.Errorf("all alike: %v", got)
	}
	if got := verdictsOf(good[:4]...); got != [2]compare.Verdict{compare.Inconclusive, compare.Inconclusive} {
		t.Errorf("without phase 5: %v", got)
	}
	// One phase that beats it is enough to refute, whatever is missing.
	if got := verdictsOf(way(0.3, 1)...); got[0] != compare.Refuted {
		t.Errorf("phase 2 gives more than phase 1: %v", got)
	}
	quick := slices.Clone(good)
	quick[0].Marks = []string{"quick run: not evidence"}
	if got := verdictsOf(quick...); got != [2]compare.Verdict{compare.Inconclusive, compare.Inconclusive} {
		t.Errorf("a quick run of phase 1 is evidence: %v", got)
	}
	ranked := journey(t, good).Gains
	if ranked[0].Name != "phase 1" || ranked[4].Name != "phase 5" || !(ranked[0].Point > ranked[1].Point) {
		t.Errorf("not ranked: %+v", ranked)
	}
}

// "The most for its money" is said only where no other phase's interval touches.
// Of equal phases the first in the list was named as the most, and the last as
// the least.
func TestMostForItsMoney(t *testing.T) {
	gain := func(name string, point, low, high float64) Gain {
		return Gain{Name: name, Title: "the change of " + name, Point: point, Interval: &compare.Interval{Low: low, High: high}}
	}
	quick := gain("quick", 9, 8.9, 9.1)
	quick.Marks = []string{"quick run: not evidence"}
	tests := []struct {
		name  string
		gains []Gain
		want  string
	}{
		{"apart", []Gain{gain("a", 4, 3.5, 4.5), gain("b", 2, 1.5, 2.5), gain("c", 1, 0.9, 1.1)},
			"For its money a (the change of a) gave the most capacity, 4.00x (3.50-4.50), and c (the change of c) the least, 1.00x (0.90-1.10)."},
		{"alike", []Gain{gain("a", 1, 0.9, 1.1), gain("b", 1, 0.9, 1.1)}, "Which phase gave the most capacity for its money, and which the least, can't be told: their intervals touch."},
		{"the first two touch", []Gain{gain("a", 4, 3.5, 4.5), gain("b", 3, 2.5, 3.5), gain("c", 1, 0.9, 1.1)},
			"For its money c (the change of c) gave the least capacity, 1.00x (0.90-1.10); which gave the most can't be told, as intervals touch."},
		{"the last two touch", []Gain{gain("a", 4, 3.5, 4.5), gain("b", 1.2, 1.1, 1.3), gain("c", 1, 0.9, 1.1)},
			"For its money a (the change of a) gave the most capacity, 4.00x (3.50-4.50); which gave the least can't be told, as intervals touch."},
		{"a wide one in the middle", []Gain{gain("a", 4, 3.5, 4.5), gain("b", 2, 0.5, 8), gain("c", 1, 0.9, 1.1)},
			"Which phase gave the most capacity for its money, and which the least, can't be told: their intervals touch."},
		{"no evidence", []Gain{quick, gain("a", 4, 3.5, 4.5), gain("c", 1, 0.9, 1.1)},
			"For its money a (the change of a) gave the most capacity, 4.00x (3.50-4.50), and c (the change of c) the least, 1.00x (0.90-1.10)."},
		{"one alone", []Gain{quick, gain("a", 4, 3.5, 4.5)}, ""},
	}
	for _, tt := range tests {
		if got := (&Journey{Gains: tt.gains}).gainsAnswer(); got != tt.want {
			t.Errorf("%s: %q, want %q", tt.name, got, tt.want)
		}
	}
}

// A promise has a direction where its row is shown for its whole table, or where
// it is reached.
func TestPromiseNeedsTheWholeTable(t *testing.T) {
	promise := func(low, high float64, unadjusted bool) Promise {
		p := Promise{Factor: 3, Point: (low + high) / 2, Interval: &compare.Interval{Low: low, High: high}, unadjusted: unadjusted, word: "lower"}
		p.judge()
		return p
	}
	if p := promise(1.2, 1.4, true); p.Direction != "unclear" || !strings.Contains(p.oriented(), "not shown to be a change") {
		t.Errorf("alone: %+v, %s", p, p.oriented())
	}
	if p := promise(1.2, 1.4, false); p.Direction != "yes" || p.oriented() != "1.30x lower" {
		t.Errorf("with its table: %+v, %s", p, p.oriented())
	}
	if p := promise(3.2, 3.4, true); p.Direction != "yes" || p.Size != "yes" {
		t.Errorf("reached: %+v", p)
	}
}

func TestJourneyOfQuickAndOwnRuns(t *testing.T) {
	run := syntheticRun()
	run.Quick, run.Blocks = true, 1
	quick := build(t, run, syntheticTrials(1), &record.End{Interrupted: true, Reason: "Ctrl-C"})
	terminal, page, _ := written(t, journey(t, []Report{quick}))
	for name, text := range map[string][]byte{"terminal": terminal, "page": page} {
		for _, want := range []string{"quick run: not evidence", "interrupted (Ctrl-C)", "phase 1 is missing"} {
			if !bytes.Contains(bytes.ToLower(text), bytes.ToLower([]byte(want))) {
				t.Errorf("the %s does not say %q", name, want)
			}
		}
	}
	own := journey(t, []Report{phaseReport(t, "ours-b", 20, 1), phaseReport(t, "ours-a", 10, 2)})
	if len(own.Steps) != 3 || own.Steps[1].Name != "ours-a" || own.Steps[2].Name != "ours-b" || len(own.Missing) != 0 || len(own.Claims) != 0 {
		t.Errorf("somebody's own way: %+v, missing %q", own.Steps, own.Missing)
	}
	if _, err := BuildJourney(nil); err == nil {
		t.Error("nothing gives a journey")
	}
	// Nothing is known of either end: no figure, and no panic.
	blank := phaseReport(t, "phase1", 0, 1)
	trials := syntheticTrials(1)
	for i := range trials {
		trials[i].Invalid = []string{"steal 4%"}
	}
	run.Scenario.Name = "phase2"
	empty := build(t, run, trials, nil)
	written(t, journey(t, []Report{empty}))
	j := journey(t, []Report{blank, empty})
	if j.Promises[0].Summary != "not measured" || !strings.Contains(j.Answer[0], "not known") {
		t.Errorf("promise %q, answer %q", j.Promises[0].Summary, j.Answer[0])
	}
}
