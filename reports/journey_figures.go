// SPDX-License-Identifier: Apache-2.0

package reports

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"headroom/reports/compare"
	"headroom/scenarios"
)

// Promise is what the articles say of the whole way, beside what was measured.
// Factors are above 1 for the promised direction.
type Promise struct {
	Key    scenarios.MetricKey `json:"key"`
	Label  string              `json:"label"`
	Unit   scenarios.Unit      `json:"unit"`
	From   float64             `json:"article_from"`
	To     float64             `json:"article_to"`
	Factor float64             `json:"article_factor"`
	// From the run of the final architecture; without such a run from the way's first and
	// last row, and then without an interval.
	MeasuredFrom compare.Level     `json:"measured_from"`
	MeasuredTo   compare.Level     `json:"measured_to"`
	Point        float64           `json:"factor"` // 0: not known
	Interval     *compare.Interval `json:"interval,omitempty"`
	Direction    string            `json:"direction"` // "yes", "no" or "unclear"
	Size         string            `json:"size"`      // whether it reaches the articles' factor
	Summary      string            `json:"summary"`   // "faster: yes; 16.7x: no, 2.70x (2.50-2.90)"
	word         string            // "faster"
	grows        bool              // the factor is after/before
	unadjusted   bool              // the change is not shown for all rows of its table together
}

// promised is the conclusion of B, "System Design: Designing for Scale".
func promised() []Promise {
	return []Promise{
		{Key: scenarios.MetricP95, Label: "p95", Unit: scenarios.UnitMillis, From: 2500, To: 150, Factor: 16.7, word: "faster"},
		{Key: compare.CapacityRPS, Label: "throughput", Unit: scenarios.UnitPerSecond, From: 100, To: 50000, Factor: 500, word: "more", grows: true},
		{Key: scenarios.MetricDBCPUShare, Label: "database CPU", Unit: scenarios.UnitShare, From: 0.9, To: 0.3, Factor: 3, word: "lower"},
		{Key: compare.MonthlyUSD, Label: "monthly cost", Unit: scenarios.UnitUSD, From: 500, To: 8000, Factor: 16, word: "dearer", grows: true},
		{Key: compare.CostPerUserUSD, Label: "cost per user", Unit: scenarios.UnitUSD, From: 0.05, To: 0.0008, Factor: 62, word: "cheaper"},
	}
}

func (j *Journey) promises() []Promise {
	all := promised()
	final := slices.IndexFunc(j.order, func(s journeySource) bool { return s.place == placeFinal })
	first, last := j.ends()
	for i := range all {
		p := &all[i]
		if final >= 0 {
			p.measure(j.order[final])
		} else {
			p.acrossRuns(first, last)
		}
		p.judge()
	}
	return all
}

// measure takes the promise's figures from the one run that holds both ends.
func (p *Promise) measure(s journeySource) {
	row, ok := s.common(p.Key)
	p.unadjusted = ok && !row.Effect.Survives
	for _, overall := range s.Overall {
		if overall.Key == p.Key {
			row, ok, p.unadjusted = overall, true, false
		}
	}
	if !ok {
		p.MeasuredFrom, p.MeasuredTo = compare.Level{Missing: "not measured"}, compare.Level{Missing: "not measured"}
		return
	}
	p.MeasuredFrom, p.MeasuredTo = row.Before, row.After
	if p.Key == compare.CapacityRPS {
		steps := [2]Step{stepOf(s, scenarios.Before), stepOf(s, scenarios.After)}
		p.MeasuredFrom, p.MeasuredTo = rateLevel(steps[0]), rateLevel(steps[1])
	}
	if row.Effect.Missing == "" {
		p.Point, p.Interval = row.Effect.Ratio, row.Effect.Interval
		if !p.grows {
			p.Point, p.Interval = 1/p.Point, inverse(p.Interval)
		}
	}
}

func rateLevel(s Step) compare.Level {
	if !(s.CapacityRPS > 0) {
		return compare.Level{Missing: "no rate held"}
	}
	return compare.Level{Value: &s.CapacityRPS}
}

func inverse(i *compare.Interval) *compare.Interval {
	if i == nil {
		return nil
	}
	turned := *i
	turned.Low, turned.High = 1/i.High, math.Inf(1)
	if i.Low > 0 {
		turned.High = 1 / i.Low
	}
	return &turned
}

// acrossRuns takes both ends from different runs.
func (p *Promise) acrossRuns(first, last Step) {
	ends := [2]*compare.Level{&p.MeasuredFrom, &p.MeasuredTo}
	for i, s := range []Step{first, last} {
		switch p.Key {
		case scenarios.MetricP95:
			*ends[i] = s.P95
		case compare.CapacityRPS:
			*ends[i] = rateLevel(s)
		case scenarios.MetricDBCPUShare:
			*ends[i] = s.DBCPUShare
		case compare.MonthlyUSD:
			*ends[i] = compare.Level{Value: &s.MonthlyUSD}
		default:
			*ends[i] = s.CostPerUserUSD
		}
	}
	from, to := p.MeasuredFrom.Value, p.MeasuredTo.Value
	if from == nil || to == nil || !(*from > 0) || !(*to > 0) {
		return
	}
	p.Point = *to / *from
	if !p.grows {
		p.Point = *from / *to
	}
}

// judge tells direction and size apart.
func (p *Promise) judge() {
	if p.Point == 0 {
		p.Direction, p.Size, p.Summary = "unclear", "unclear", "not measured"
		return
	}
	p.Direction, p.Size = reaches(p.Interval, 1), reaches(p.Interval, p.Factor)
	if p.unadjusted && p.Size != "yes" { // an effect that reaches the articles' factor has its direction
		p.Direction = "unclear"
	}
	found := compare.WithInterval(p.Point, "x", p.Interval)
	if p.Interval == nil {
		found = "about " + found + ", without an interval"
	}
	p.Summary = fmt.Sprintf("%s: %s; %sx: %s, %s", p.word, p.Direction, compare.FormatRate(p.Factor), p.Size, found)
}

// reaches says whether an interval lies at or above a factor.
func reaches(i *compare.Interval, factor float64) string {
	switch {
	case i == nil:
		return "unclear"
	case i.Low >= factor && i.Low > 1:
		return "yes"
	case i.High < factor, i.High <= 1:
		return "no"
	}
	return "unclear"
}

// Gain is what a phase bought in capacity per unit of cost: the ratio of its
// capacities over the ratio of its monthly costs, both within its own run.
type Gain struct {
	Name     string            `json:"name"`
	Title    string            `json:"title"`
	RunID    string            `json:"run_id"`
	Marks    []string          `json:"marks"`
	Capacity float64           `json:"capacity_ratio"`
	Cost     float64           `json:"cost_ratio"`
	Point    float64           `json:"gain"` // 0 when Missing
	Interval *compare.Interval `json:"interval,omitempty"`
	Missing  string            `json:"missing,omitempty"`
	place    int
}

// gains ranks the phases, the largest gain first and those without one last.
func (j *Journey) gains() []Gain {
	all := []Gain{}
	for _, s := range j.order {
		if s.place == placeFinal {
			continue // all phases at once
		}
		capacity, monthly := s.Overall[0].Effect, s.Overall[1].Effect
		g := Gain{Name: placeName(s.place), Title: s.Scenario.Title, RunID: s.RunID, Marks: s.Marks, place: s.place}
		if placeOf(s.Scenario.Name) == 0 {
			g.Name = s.Scenario.Name
		}
		switch {
		case capacity.Missing != "":
			g.Missing = capacity.Missing
		case monthly.Missing != "":
			g.Missing = monthly.Missing
		default:
			g.Capacity, g.Cost, g.Point = capacity.Ratio, monthly.Ratio, capacity.Ratio/monthly.Ratio
			if i := capacity.Interval; i != nil {
				scaled := *i
				scaled.Low, scaled.High = i.Low/monthly.Ratio, i.High/monthly.Ratio
				g.Interval = &scaled
			}
		}
		all = append(all, g)
	}
	slices.SortStableFunc(all, func(a, b Gain) int { return cmp.Compare(b.Point, a.Point) })
	return all
}

// JourneyClaim is a claim about several phases with its verdict.
type JourneyClaim struct {
	ID      string          `json:"id"`
	Source  string          `json:"source"`
	Text    string          `json:"text"`
	Verdict compare.Verdict `json:"verdict"`
	Summary string          `json:"summary"`
}

// journeyClaims compares the gains with the order that the articles claim. A claim is
// confirmed when the phase's interval lies wholly beyond the interval of every other
// phase that the claim names. It is refuted when the interval lies wholly on the other
// side of one of them, and else inconclusive, as when a gain is missing.
func (j *Journey) journeyClaims() []JourneyClaim {
	if !slices.ContainsFunc(j.order, func(s journeySource) bool { return placeOf(s.Scenario.Name) > 0 }) {
		return []JourneyClaim{}
	}
	fix := j.rank(1, []int{2, 3, 4, 5}, true)
	fix.ID, fix.Source = "fix-the-query", "K, Know Your Bottleneck"
	fix.Text = "Fixing the query is almost always faster and cheaper than an architecture change."
	last := j.rank(5, []int{1, 3, 4}, false)
	last.ID, last.Source = "shard-last", "K, Sharding"
	last.Text = "Query fixes, a cache and replicas come before shards (a bigger machine, archiving and partitioning, which K names as well, are not measured)."
	return []JourneyClaim{fix, last}
}

// rank decides whether a phase's gain is the largest, or the smallest, among
// others.
func (j *Journey) rank(place int, others []int, largest bool) JourneyClaim {
	c := JourneyClaim{Verdict: compare.Confirmed}
	own, why := j.gainOf(place)
	word := "more than each of phases " + joinAnd(others)
	if !largest {
		word = "less than each of phases " + joinAnd(others)
	}
	if why != "" {
		c.Verdict, c.Summary = compare.Inconclusive, why
		return c
	}
	var against, open []string
	for _, other := range others {
		g, why := j.gainOf(other)
		if why != "" {
			open = append(open, why)
			continue
		}
		more, less := above(own, g), above(g, own)
		if !largest {
			more, less = less, more
		}
		switch {
		case less:
			against = append(against, g.text())
		case !more:
			open = append(open, g.text()+" can't be told from it")
		}
	}
	c.Summary = fmt.Sprintf("capacity per unit of cost: %s, %s: yes", own.text(), word)
	switch {
	case len(against) > 0:
		c.Verdict = compare.Refuted
		c.Summary = fmt.Sprintf("capacity per unit of cost: %s, %s: no, against %s", own.text(), word, strings.Join(against, ", "))
	case len(open) > 0:
		c.Verdict = compare.Inconclusive
		c.Summary = fmt.Sprintf("capacity per unit of cost: %s, %s: unclear: %s", own.text(), word, strings.Join(open, "; "))
	}
	return c
}

// joinAnd is "1, 3 and 4".
func joinAnd(numbers []int) string {
	text := ""
	for i, n := range numbers {
		switch {
		case i > 0 && i == len(numbers)-1:
			text += " and "
		case i > 0:
			text += ", "
		}
		text += strconv.Itoa(n)
	}
	return text
}

// gainOf returns a phase's gain, or why it can't be compared.
func (j *Journey) gainOf(place int) (Gain, string) {
	for _, g := range j.Gains {
		if g.place == place {
			return g, g.doubt()
		}
	}
	return Gain{}, placeName(place) + " is missing"
}

// doubt is why a gain can't be compared with others, "" when it can.
func (g Gain) doubt() string {
	switch {
	case g.Missing != "":
		return fmt.Sprintf("%s has no figure: %s", g.Name, g.Missing)
	case len(g.Marks) > 0:
		return fmt.Sprintf("%s: %s", g.Name, strings.Join(g.Marks, "; "))
	case g.Interval == nil:
		return g.Name + " has no interval"
	}
	return ""
}

// above says that the whole interval of a lies above that of b.
func above(a, b Gain) bool { return a.Interval.Low > b.Interval.High }

// text is "phase 1 5.10x (4.80-5.40)".
func (g Gain) text() string { return g.Name + " " + g.gainText() }

func (g Gain) gainText() string {
	return ratioText(compare.Effect{Ratio: g.Point, Interval: g.Interval, Missing: g.Missing})
}
