// SPDX-License-Identifier: Apache-2.0

package reports

import (
	"fmt"
	"slices"
	"strings"

	"headroom/reports/compare"
	"headroom/scenarios"
)

// ends are what the articles' figures are held against: both sides of the run
// of the final architecture, or else the way's first and last row.
func (j *Journey) ends() (first, last Step) {
	for _, s := range j.order {
		if s.place == placeFinal {
			return stepOf(s, scenarios.Before), stepOf(s, scenarios.After)
		}
	}
	return j.Steps[0], j.Steps[len(j.Steps)-1]
}

// mark gathers the runs that are no evidence.
func (j *Journey) mark() {
	var names []string
	for _, r := range j.Runs {
		if len(r.Marks) > 0 {
			names = append(names, fmt.Sprintf("%s: %s", r.Scenario, strings.Join(r.Marks, "; ")))
		}
	}
	j.Marks = append(j.Marks, names...)
}

// answer says in a few sentences what the figures say, and no more.
func (j *Journey) answer() []string {
	answer := []string{j.capacityAnswer()}
	if s := j.promisesAnswer(); s != "" {
		answer = append(answer, s)
	}
	if s := j.gainsAnswer(); s != "" {
		answer = append(answer, s)
	}
	if s := j.tally(); s != "" {
		answer = append(answer, s)
	}
	return answer
}

func (j *Journey) capacityAnswer() string {
	first, last := j.ends()
	throughput := j.Promises[slices.IndexFunc(j.Promises, func(p Promise) bool { return p.Key == compare.CapacityRPS })]
	if throughput.Point == 0 {
		return fmt.Sprintf("From %q to %q: the capacity of one of the two is not known.", first.Label, last.Label)
	}
	return fmt.Sprintf("From %s to %s requests/s under the SLO, at full scale: from %q to %q capacity changes %s; the article says %sx.",
		compare.FormatRate(*throughput.MeasuredFrom.Value), compare.FormatRate(*throughput.MeasuredTo.Value),
		first.Label, last.Label, throughput.factorText(), compare.FormatRate(throughput.Factor))
}

// factorText is "26.1x (24.0-28.0)", or "about 26.1x" from different runs.
func (p Promise) factorText() string {
	if p.Interval == nil {
		return "about " + compare.FormatNumber(p.Point) + "x"
	}
	return ratioText(compare.Effect{Ratio: p.Point, Interval: p.Interval})
}

func (j *Journey) promisesAnswer() string {
	var parts []string
	for _, p := range j.Promises {
		if p.Key == compare.CapacityRPS || p.Point == 0 {
			continue
		}
		parts = append(parts, fmt.Sprintf("%s from %s to %s (%s; the article says %sx)", p.Label,
			levelText(p.MeasuredFrom, p.Unit), levelText(p.MeasuredTo, p.Unit), p.oriented(), compare.FormatRate(p.Factor)))
	}
	if len(parts) == 0 {
		return ""
	}
	return "On the way: " + strings.Join(parts, ", ") + "."
}

// oriented is the factor with its direction, "2.70x faster" or, the wrong way
// round, "0.76x cheaper, so the other way". Where no direction is shown, or there
// is no interval, it says so.
func (p Promise) oriented() string {
	text := compare.FormatNumber(p.Point) + "x " + p.word
	if p.Interval == nil {
		text = "about " + text
	}
	switch {
	case p.Interval != nil && p.Direction == "unclear":
		text += ", which is not shown to be a change"
	case p.Point < 1:
		text += ", so the other way"
	}
	return text
}

// gainsAnswer says which phase gave the most capacity for its money, and which
// the least, where its interval touches no other's.
func (j *Journey) gainsAnswer() string {
	var known []Gain
	for _, g := range j.Gains {
		if g.doubt() == "" {
			known = append(known, g)
		}
	}
	if len(known) < 2 {
		return ""
	}
	most, least := known[0], known[len(known)-1]
	isMost := !slices.ContainsFunc(known[1:], func(g Gain) bool { return !above(most, g) })
	isLeast := !slices.ContainsFunc(known[:len(known)-1], func(g Gain) bool { return !above(g, least) })
	title := func(g Gain) string { return fmt.Sprintf("%s (%s)", g.Name, g.Title) }
	switch {
	case isMost && isLeast:
		return fmt.Sprintf("For its money %s gave the most capacity, %s, and %s the least, %s.", title(most), most.gainText(), title(least), least.gainText())
	case isMost:
		return fmt.Sprintf("For its money %s gave the most capacity, %s; which gave the least can't be told, as intervals touch.", title(most), most.gainText())
	case isLeast:
		return fmt.Sprintf("For its money %s gave the least capacity, %s; which gave the most can't be told, as intervals touch.", title(least), least.gainText())
	}
	return "Which phase gave the most capacity for its money, and which the least, can't be told: their intervals touch."
}

// tally counts the verdicts.
func (j *Journey) tally() string {
	total := 0
	var parts []string
	for _, v := range []compare.Verdict{compare.Confirmed, compare.Refuted, compare.Inconclusive, compare.NoVerdict} {
		if n := j.Verdicts[string(v)]; n > 0 {
			total += n
			parts = append(parts, fmt.Sprintf("%d %s", n, v))
		}
	}
	if total == 0 {
		return ""
	}
	return fmt.Sprintf("Of %d claims: %s.", total, strings.Join(parts, ", "))
}

// differences says what keeps rows from being compared to the last digit.
func (j *Journey) differences() []string {
	notes := []string{
		"each row was measured in a run of its own: only what a run compares within itself has an interval; from row to row, read the order of magnitude",
		"p95 and database CPU are at the run's common rate, 80% of the smaller capacity: two rows are at different loads",
		"times are those of machines scaled down to the run's unit; rates and users are scaled up by it, in proportion, which is an assumption",
	}
	if slices.ContainsFunc(j.order, func(s journeySource) bool { return s.place == placeFinal }) {
		notes = append(notes, "the final architecture's change, and the article's figures, are against the first server as measured again in that run")
	} else {
		notes = append(notes, "without a run of the final architecture the first row is held against the last, from different runs: no intervals, and no verdict on the article's figures")
	}
	units, slos, mixes := map[float64][]string{}, map[string][]string{}, map[string][]string{}
	for _, s := range j.order {
		name := s.Scenario.Name
		units[s.Shares.UnitCPUs] = append(units[s.Shares.UnitCPUs], name)
		slos[s.Scenario.SLO] = append(slos[s.Scenario.SLO], name)
		mixes[s.Scenario.Traffic] = append(mixes[s.Scenario.Traffic], name)
	}
	if len(units) > 1 {
		notes = append(notes, "the runs had different units: one vCPU was "+grouped(units, func(unit float64) string { return compare.FormatNumber(unit) + " CPUs" }))
	}
	if len(slos) > 1 {
		notes = append(notes, "the runs had different SLOs, and a capacity is only as good as its SLO: "+grouped(slos, func(slo string) string { return slo }))
	}
	if len(mixes) > 1 {
		notes = append(notes, fmt.Sprintf("the runs had %d different mixes of requests: a ratio holds for its own", len(mixes)))
	}
	for _, s := range j.order[1:] {
		if difference := environmentDifference(j.order[0].Environment, s.Environment); difference != "" {
			notes = append(notes, fmt.Sprintf("%s was measured in another environment than %s: %s", s.RunID, j.order[0].RunID, difference))
		}
	}
	return notes
}

// grouped writes "0.06 CPUs in final; 0.10 CPUs in phase1, phase2", sorted by
// text, as a map has no order.
func grouped[K comparable](names map[K][]string, text func(K) string) string {
	var parts []string
	for key, list := range names {
		parts = append(parts, fmt.Sprintf("%s in %s", text(key), strings.Join(list, ", ")))
	}
	slices.Sort(parts)
	return strings.Join(parts, "; ")
}

// stepCapacity is "17,900 (16,500-19,300)".
func stepCapacity(s Step) string {
	capacity := compare.FormatRate(s.CapacityRPS)
	switch {
	case !(s.CapacityRPS > 0):
		return "not known"
	case s.HighRPS == 0:
		return ">= " + capacity
	}
	return fmt.Sprintf("%s (%s-%s)", capacity, compare.FormatRate(s.LowRPS), compare.FormatRate(s.HighRPS))
}

// usersText is how many users the capacity carries.
func usersText(s Step) string {
	if !(s.Users > 0) {
		return none
	}
	return compare.FormatRate(s.Users)
}
