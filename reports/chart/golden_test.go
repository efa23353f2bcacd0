// SPDX-License-Identifier: Apache-2.0

package chart

import (
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"headroom/scenarios"
)

var update = flag.Bool("update", false, "write what is drawn to the golden files")

// goldenCharts are one of each kind, and the ends of each.
func goldenCharts(t *testing.T) map[string]string {
	t.Helper()
	charts := drawAll(t)
	draw := func(name string, svg string, err error) {
		t.Helper()
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		charts[name] = svg
	}
	load := []Line{
		{Variant: scenarios.Before, Points: []Point{{40, 12}, {80, 40}, {160, 420}}},
		{Variant: scenarios.After, Points: []Point{{40, 3}, {170, 9}}},
	}
	svg, err := Load("with its limit", load, 250)
	draw("load", svg, err)
	svg, err = Load("without a limit", load, 0)
	draw("load-without-limit", svg, err)
	svg, err = Timeline("one point", []Line{{Variant: scenarios.Before, Points: []Point{{3, 7}}}})
	draw("timeline-of-one-point", svg, err)
	svg, err = Steps("one step", "requests/s", []Step{{"start", 80, "80"}})
	draw("steps-of-one", svg, err)
	svg, err = Utilisation("busier than allowed", []Machine{{"database", 2.4, 0.2}, {"app", 0.05, math.NaN()}})
	draw("utilisation-above-two", svg, err)
	return charts
}

// What is drawn is what was looked at: run go test ./reports/chart -update, and look at
// the files, where a chart is to change.
func TestChartsAsTheyWereLookedAt(t *testing.T) {
	for name, svg := range goldenCharts(t) {
		path := filepath.Join("testdata", name+".svg")
		if *update {
			if err := os.MkdirAll("testdata", 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, []byte(svg), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(path)
		if errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s is missing: run go test ./reports/chart -update, and look at the file", path)
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		if svg != string(want) {
			t.Errorf("%s is drawn in another way than in %s%s", name, path, firstDifference(svg, string(want)))
		}
	}
}

// firstDifference shows where two drawings part.
func firstDifference(got, want string) string {
	gotLines, wantLines := strings.Split(got, "\n"), strings.Split(want, "\n")
	for i := range min(len(gotLines), len(wantLines)) {
		if gotLines[i] != wantLines[i] {
			return fmt.Sprintf(", from line %d on:\n%s\nwant\n%s", i+1, gotLines[i], wantLines[i])
		}
	}
	return fmt.Sprintf(": %d lines, want %d", len(gotLines), len(wantLines))
}

// A chart of rows is as high as they are: 44 points of axis, 28 for each machine or 26
// for each step.
func TestHeightsOfRows(t *testing.T) {
	for n := 1; n < 4; n++ {
		var machines []Machine
		var steps []Step
		for i := range n {
			machines = append(machines, Machine{Name: fmt.Sprint(i), Before: 0.5, After: 0.25})
			steps = append(steps, Step{Name: fmt.Sprint(i), Value: 10, Text: "10"})
		}
		bars, err := Utilisation("bars", machines)
		if err != nil {
			t.Fatal(err)
		}
		stairs, err := Steps("stairs", "requests/s", steps)
		if err != nil {
			t.Fatal(err)
		}
		for svg, want := range map[string]string{bars: fmt.Sprintf(`viewBox="0 0 940 %d"`, 44+28*n), stairs: fmt.Sprintf(`viewBox="0 0 460 %d"`, 44+26*n)} {
			if !strings.Contains(svg, want) {
				t.Errorf("%d rows: %.160s, want %s", n, svg, want)
			}
		}
	}
}

// A share is marked every 25%, and every 50% where a machine uses more than twice what
// it may.
func TestMarksOfUtilisation(t *testing.T) {
	for highest, want := range map[float64]string{0.4: "0% 25% 50% 75% 100%", 1: "0% 25% 50% 75% 100%", 1.3: "0% 25% 50% 75% 100% 125%", 2: "0% 25% 50% 75% 100% 125% 150% 175% 200%",
		2.3: "0% 50% 100% 150% 200%"} {
		svg, err := Utilisation("", []Machine{{"a", highest, math.NaN()}})
		if err != nil {
			t.Fatal(err)
		}
		for _, mark := range strings.Fields(want) {
			if !strings.Contains(svg, ">"+mark+"<") {
				t.Errorf("up to %v: no mark at %s", highest, mark)
			}
		}
		if strings.Contains(svg, ">25%<") != strings.Contains(want, "25%") {
			t.Errorf("up to %v: 25%% is marked: %v", highest, !strings.Contains(want, "25%"))
		}
	}
}
