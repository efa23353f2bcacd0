// SPDX-License-Identifier: Apache-2.0

package main

import (
	"math"
	"strings"
	"testing"

	"headroom/harness/slo"
)

func equalRun(kind string, low, high float64) result {
	return result{Kind: kind, Headroom: "abc", Capacity: effect{Ratio: math.Sqrt(low * high), Low: low, High: high}, P95: effect{Ratio: 1, Low: 0.75, High: 1.5}}
}

func tableOf(t *testing.T, results []result) string {
	t.Helper()
	var out strings.Builder
	if err := writeTables(&out, results); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

func wants(t *testing.T, table string, rows ...string) {
	t.Helper()
	for _, row := range rows {
		if !strings.Contains(table, row) {
			t.Errorf("no %q in\n%s", row, table)
		}
	}
}

func TestEqualAims(t *testing.T) {
	var results []result
	for range 6 {
		results = append(results, equalRun("equal-before", 0.95, 1.05), equalRun("equal-after", 0.94, 1.06))
	}
	wants(t, tableOf(t, results),
		"| 0 of 12: below 22% | 1 of 12 at most | met |",
		"| 5.5%, median of 12 | 8.0% at most | met |", // of 5.0 and 6.0
		"| equal: a direction is claimed of any row | 0 of 12: below 22% | 1 of 12 at most | met |",
		"| 2.00, median of 12 | 2.00 at most | met |")
	results[0].Capacity, results[1].Directions = effect{Ratio: 1.1, Low: 1.02, High: 1.2}, []string{"p95_ms"}
	wants(t, tableOf(t, results), "there is none | 1 of 12: below 34% | 1 of 12 at most | met |", "any row | 1 of 12: below 34% |")
	wants(t, tableOf(t, results), "| 1 (0.75-1.5) | none | none | 0 |")
	results[3].Survive = []string{"a", "b", "c", "d", "e", "f"}
	wants(t, tableOf(t, results), "| none | a, b, c, d and 2 more | 0 |")
	results[2].Capacity = effect{} // no interval holds nothing
	wants(t, tableOf(t, results), "there is none | 2 of 12: below 44% | 1 of 12 at most | missed |", "median of 11 | 8.0% at most | so far met: 11 of 12 runs |")
	wants(t, tableOf(t, results[3:7]), "there is none | 0 of 4: below 53% | 1 of 12 at most | so far: 4 of 12 runs |")
	wants(t, tableOf(t, nil), "there is none | no run | 1 of 12 at most | so far: 0 of 12 runs |", "| no run has one | 8.0% at most | so far: 0 of 12 runs |")
}

func TestPlantedAims(t *testing.T) {
	var results []result
	for range 6 {
		results = append(results, result{Kind: "database-15", Capacity: effect{0.87, 0.82, 0.93}}, result{Kind: "app-cpu-10", AppCPU: effect{1.1, 1.05, 1.15}})
	}
	wants(t, tableOf(t, results), "| database-15: the interval does not lie below 1 | 0 of 6: below 39% | 1 of 6 at most | met |",
		"| app-cpu-10: the interval does not lie above 1 | 0 of 6: below 39% | 0 of 6 at most | met |")
	results[0].Capacity, results[1].AppCPU = effect{0.9, 0.8, 1.01}, effect{0.9, 0.8, 0.95}
	wants(t, tableOf(t, results), "below 1 | 1 of 6: below 58% | 1 of 6 at most | met |", "above 1 | 1 of 6: below 58% | 0 of 6 at most | missed |")
}

func TestPausedAim(t *testing.T) {
	undisturbed := func(ratio float64) result {
		return result{Kind: "undisturbed", Capacity: effect{Ratio: ratio, Low: ratio / 1.1, High: ratio * 1.1}}
	}
	paused := func(low, high float64, met bool) result {
		return result{Kind: "paused", Capacity: effect{Ratio: math.Sqrt(low * high), Low: low, High: high}, Pause: &pause{Met: met, Seconds: 3}}
	}
	var results []result
	for range 5 {
		results = append(results, paused(1.5, 1.7, true))
	}
	wants(t, tableOf(t, results), "| 5 paused runs, no undisturbed one | 0 of 5 at most | not known yet |")
	results = append(results, undisturbed(1.6*1.05), undisturbed(1.6/1.05))
	wants(t, tableOf(t, results), "does not hold 1.6, the geometric mean of 2 undisturbed runs | 0 of 5: below 45% | 0 of 5 at most | met |")
	results[0] = paused(1.65, 1.8, true)
	wants(t, tableOf(t, results), "| 1 of 5: below 66% | 0 of 5 at most | missed |")
	results[0] = paused(1.65, 1.8, false)
	wants(t, tableOf(t, results), "(1 more runs failed, or their pause met no step of before: they show nothing) | 0 of 4: below 53% | 0 of 5 at most | so far: 4 of 5 runs |",
		"(3.0 s from 00:00:00: no trial was under way)")
}

func TestVersionsThatAreMixedAreNamed(t *testing.T) {
	results := []result{equalRun("equal-before", 0.9, 1.1), equalRun("equal-after", 0.9, 1.1)}
	if table := tableOf(t, results); strings.Contains(table, "mixed") {
		t.Error(table)
	}
	results[1].Headroom = "abd"
	wants(t, tableOf(t, results), "Results of 2 versions of headroom are mixed here:** abc (1 runs), abd (1 runs)")
}

// Two runs whose means differ by 100 times scatter by what each of them does.
func TestScatter(t *testing.T) {
	starts := func(mean float64, logs ...float64) side {
		s := side{PointRPS: mean, LowRPS: mean, HighRPS: mean}
		for i, l := range logs {
			s.Starts = append(s.Starts, slo.Start{Block: i + 1, RPS: mean * math.Exp(l)})
		}
		return s
	}
	results := []result{
		{Kind: "equal-before", Before: starts(10, -0.03, 0, 0.03), After: starts(10, -0.03, 0, 0.03)},
		{Kind: "equal-before", Before: starts(1000, -0.03, 0, 0.03), After: starts(1000, 0.03, 0, -0.03)},
		{Kind: "paused", Before: starts(1000, -1, 0, 1), After: starts(1000, -1, 0, 1)},
		{Kind: "undisturbed", Before: starts(1000, 0, 0), After: side{PointRPS: 10, LowRPS: 10, Starts: []slo.Start{{Block: 1, RPS: 1}, {Block: 2, RPS: 9}}}},
	}
	table := tableOf(t, results)
	// Of before: four starts of sd 3% with 8 degrees of freedom, and two without
	// scatter: sqrt(8/9) of 3%. Of the ratio: 0 and 6% with 2 each.
	wants(t, table, "phase 3's before, ln(capacity by the start's steps) has a standard deviation of 2.8% (1.9-5.2%, 9 degrees of freedom)",
		"ln(after/before) by block has one of 4.2% (", ", which is 3.0% for each of the two")
	if strings.Contains(table, "phase 3's after") {
		t.Errorf("after's capacity was not bounded:\n%s", table)
	}
}
