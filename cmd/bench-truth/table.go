// SPDX-License-Identifier: Apache-2.0

package main

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"math"
	"slices"
	"strings"

	"gonum.org/v1/gonum/floats"
	"gonum.org/v1/gonum/stat"

	"headroom/harness/record"
	"headroom/harness/slo"
	"headroom/scenarios"
)

// writeTables writes what the runs came to, run by run, and what that proves.
func writeTables(w io.Writer, results []result) error {
	out := versions(results) + runsTable(results) + "\n" + aimsTable(results)
	if s := scatter(results); s != "" {
		out += "\n" + s
	}
	_, err := io.WriteString(w, out)
	return err
}

// versions says when results of different versions of headroom stand together.
func versions(results []result) string {
	runs := map[string]int{}
	for _, r := range results {
		runs[r.Headroom]++
	}
	if len(runs) < 2 {
		return ""
	}
	var words []string
	for _, v := range slices.Sorted(maps.Keys(runs)) {
		words = append(words, fmt.Sprintf("%s (%d runs)", v, runs[v]))
	}
	return fmt.Sprintf("**Results of %d versions of headroom are mixed here:** %s. What is counted over them holds for none of them.\n\n", len(runs), strings.Join(words, ", "))
}

func runsTable(results []result) string {
	out := "| run | seed | headroom | before, requests/s | after | after/before | p95 | CPU of an app a request | survive | blocks | slices invalid | headline, s | all, s |\n" +
		"|---|---:|---|---|---|---|---|---|---|---:|---:|---:|---:|\n"
	for _, r := range results {
		name := fmt.Sprintf("%s %d", r.Kind, r.Number+1)
		if r.Pause != nil {
			name += fmt.Sprintf(" (%.1f s from %s: %s)", r.Pause.Seconds, r.Pause.At.Format("15:04:05"), pausedWords(r.Pause.Trials))
		}
		if r.NoVerdict != "" {
			name += ": " + r.NoVerdict
		}
		out += fmt.Sprintf("| %s | %d | %s | %s | %s | %s | %s | %s | %s | %d | %d of %d | %.0f | %.0f |\n", name, r.Seed, r.Headroom, r.Before.text(), r.After.text(),
			r.Capacity.text(), r.P95.text(), r.AppCPU.text(), survivors(r.Survive), r.Blocks, r.InvalidSlices, r.Slices, r.HeadlineSeconds, r.Seconds)
	}
	return out
}

// maxNamed rows are spelt out; the file has all of them.
const maxNamed = 4

func survivors(keys []string) string {
	switch more := len(keys) - maxNamed; {
	case len(keys) == 0:
		return "none"
	case more > 0:
		return fmt.Sprintf("%s and %d more", strings.Join(keys[:maxNamed], ", "), more)
	}
	return strings.Join(keys, ", ")
}

func pausedWords(trials []string) string {
	if len(trials) == 0 {
		return "no trial was under way"
	}
	return strings.Join(trials, "; ")
}

// aim is what is asked of so many runs, and what was found.
type aim struct {
	what, found, asked, state string
}

// atMost is an aim for a count: in so many of a number of runs at most. A number
// that is larger allows for more in proportion.
func atMost(what string, bad, of, maxBad, asked int) aim {
	a := aim{what: what, found: ofRuns(bad, of), asked: fmt.Sprintf("%d of %d at most", maxBad, asked)}
	allowed := max(maxBad, maxBad*of/asked)
	switch {
	case bad > allowed:
		a.state = "missed"
	case of < asked:
		a.state = fmt.Sprintf("so far: %d of %d runs", of, asked)
	default:
		a.state = "met"
	}
	return a
}

// ofRuns is a count with the bound of its share, one-sided 95%.
func ofRuns(bad, of int) string {
	if of == 0 {
		return "no run"
	}
	return fmt.Sprintf("%d of %d: below %.0f%%", bad, of, 100*slo.ShareUpperBound(record.Count{Bad: int64(bad), Of: int64(of)}))
}

// medianOf is an aim for the median of a figure: at most that.
func medianOf(what string, values []float64, format func(float64) string, most float64, asked int) aim {
	a := aim{what: what, asked: format(most) + " at most", found: "no run has one"}
	if len(values) == 0 {
		a.state = fmt.Sprintf("so far: 0 of %d runs", asked)
		return a
	}
	m := median(values)
	a.found, a.state = fmt.Sprintf("%s, median of %d", format(m), len(values)), "met"
	if m > most {
		a.state = "missed"
	}
	if len(values) < asked {
		a.state = fmt.Sprintf("so far %s: %d of %d runs", a.state, len(values), asked)
	}
	return a
}

// aimsTable is what the runs prove, beside what was asked for.
func aimsTable(results []result) string {
	aims := equalAims(results)
	for _, k := range kinds {
		switch of := ofKind(results, k.name); {
		case k.shows != nil:
			aims = append(aims, k.plantedAim(of))
		case k.pause:
			aims = append(aims, pausedAim(of, ofKind(results, "undisturbed"), k.runs))
		}
	}
	out := "| what | found | asked | |\n|---|---|---|---|\n"
	for _, a := range aims {
		out += fmt.Sprintf("| %s | %s | %s | %s |\n", a.what, a.found, a.asked, a.state)
	}
	return out
}

// What is asked of the runs whose variants are the same.
const (
	equalRuns          = 12
	maxMissedIntervals = 1    // intervals without 1
	maxClaimed         = 1    // runs with a direction
	maxHalfWidth       = 0.08 // of the ratio's interval, in ln(ratio)
	maxFactor          = 2.0  // that p95's interval spans
)

func equalAims(results []result) []aim {
	var all []result
	for _, k := range kinds {
		if k.side != "" && k.plant == nil {
			all = append(all, ofKind(results, k.name)...)
		}
	}
	beside, claimed := 0, 0
	var halves, factors []float64
	for _, r := range all {
		if !r.Capacity.holds(1) {
			beside++
		}
		if len(r.Directions) > 0 {
			claimed++
		}
		if r.Capacity.known() {
			halves = append(halves, r.Capacity.half())
		}
		if r.P95.known() {
			factors = append(factors, r.P95.High/r.P95.Low)
		}
	}
	percent := func(v float64) string { return fmt.Sprintf("%.1f%%", 100*v) }
	factor := func(v float64) string { return fmt.Sprintf("%.2f", v) }
	return []aim{
		atMost("equal: the capacities' interval does not hold 1, or there is none", beside, len(all), maxMissedIntervals, equalRuns),
		medianOf("equal: half the interval's width", halves, percent, maxHalfWidth, equalRuns),
		atMost("equal: a direction is claimed of any row", claimed, len(all), maxClaimed, equalRuns),
		medianOf("equal: the factor that p95's interval spans", factors, factor, maxFactor, equalRuns),
	}
}

// plantedAim says in how many runs the planted difference is not seen.
func (k kind) plantedAim(of []result) aim {
	missed, side := 0, "below"
	for _, r := range of {
		if e, above := k.shows(r); !e.known() || above && e.Low <= 1 || !above && e.High >= 1 {
			missed++
		}
	}
	if _, above := k.shows(result{}); above {
		side = "above"
	}
	return atMost(fmt.Sprintf("%s: the interval does not lie %s 1", k.name, side), missed, len(of), k.runs-k.seen, k.runs)
}

// pausedAim compares the intervals of runs with a pause with the ratio of the runs
// without. A pause that met no step of before shows nothing.
func pausedAim(paused, undisturbed []result, asked int) aim {
	var logs []float64
	for _, r := range undisturbed {
		if r.Capacity.Ratio > 0 {
			logs = append(logs, math.Log(r.Capacity.Ratio))
		}
	}
	met := slices.DeleteFunc(slices.Clone(paused), func(r result) bool { return r.Pause == nil || !r.Pause.Met })
	if len(logs) == 0 {
		return aim{what: "paused: the interval does not hold the undisturbed ratio", found: fmt.Sprintf("%d paused runs, no undisturbed one", len(met)),
			asked: fmt.Sprintf("0 of %d at most", asked), state: "not known yet"}
	}
	reference, missed := math.Exp(stat.Mean(logs, nil)), 0
	for _, r := range met {
		if !r.Capacity.holds(reference) {
			missed++
		}
	}
	what := fmt.Sprintf("paused: the interval does not hold %.3g, the geometric mean of %d undisturbed runs", reference, len(logs))
	if unmet := len(paused) - len(met); unmet > 0 {
		what += fmt.Sprintf(" (%d more runs failed, or their pause met no step of before: they show nothing)", unmet)
	}
	return atMost(what, missed, len(met), 0, asked)
}

func ofKind(results []result, name string) []result {
	return slices.DeleteFunc(slices.Clone(results), func(r result) bool { return r.Kind != name })
}

// scatter says by how much a variant's capacity differs from one fresh start to
// the next within a run, by topology; "" without runs of two starts. A run with a
// pause has no part in it: that is no scatter of the system's.
func scatter(results []result) string {
	starts, ratios := map[string][][]float64{}, [][]float64{}
	for _, r := range results {
		k := slices.IndexFunc(kinds, func(k kind) bool { return k.name == r.Kind })
		if k < 0 || kinds[k].pause {
			continue
		}
		before, after := logsOf(r.Before), logsOf(r.After)
		for v, logs := range map[scenarios.Variant][]float64{scenarios.Before: before, scenarios.After: after} {
			of := cmp.Or(kinds[k].side, string(v))
			starts[of] = append(starts[of], logs)
		}
		if slices.EqualFunc(r.Before.Starts, r.After.Starts, func(a, b slo.Start) bool { return a.Block == b.Block }) && len(before) == len(after) {
			ratios = append(ratios, floats.SubTo(make([]float64, len(after)), after, before))
		}
	}
	out := ""
	for _, of := range slices.Sorted(maps.Keys(starts)) {
		if s := pooled(starts[of]); s.freedom > 0 {
			out += fmt.Sprintf("- From one fresh start to the next of phase 3's %s, ln(capacity by the start's steps) has a standard deviation of %s.\n", of, s.text())
		}
	}
	if s := pooled(ratios); s.freedom > 0 {
		out += fmt.Sprintf("- ln(after/before) by block has one of %s, which is %.1f%% for each of the two, without what both share.\n", s.text(), 100*s.sd/math.Sqrt2)
	}
	return out
}

// logsOf is ln(capacity) by start. Where nothing bounded the capacity the starts'
// values are no estimates.
func logsOf(s side) []float64 {
	var logs []float64
	if s.HighRPS > 0 {
		for _, start := range s.Starts {
			logs = append(logs, math.Log(start.RPS))
		}
	}
	return logs
}
