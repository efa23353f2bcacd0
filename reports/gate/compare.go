// SPDX-License-Identifier: Apache-2.0

package gate

import (
	"cmp"
	"fmt"
	"math"
	"slices"
)

// CountResult is one counted metric held against its baseline.
type CountResult struct {
	Count
	Unit     string   `json:"unit"`
	Measured *float64 `json:"measured"` // null when absent
	Status   Status   `json:"status"`
	New      bool     `json:"new,omitempty"` // the baseline does not have it
	Why      string   `json:"why,omitempty"`
}

const (
	// implausibleDrop is how much less work is too much to believe: more often the work
	// was not done.
	implausibleDrop = 0.30
	// rounding is what two values may differ by that are the same: see round.
	rounding = 1e-6
)

// Compare holds a counted run against a baseline. Every metric that the baseline
// declares must be there. expect says that less work was intended.
func Compare(b Baseline, run Counts, expect bool) []CountResult {
	c := newComparison(b, run, expect)
	var out []CountResult
	for _, m := range b.Metrics {
		out = append(out, c.declared(m))
	}
	for _, m := range run.metrics {
		if !c.known[m.id()] && m.Value != 0 {
			out = append(out, c.undeclared(m))
		}
	}
	slices.SortFunc(out, func(a, b CountResult) int { return sameMetric(a.Count, b.Count) })
	return out
}

// comparison is a counted run beside its baseline.
//
// Names come and go: a statement that gets a column or an alias is another text,
// and the JOIN that replaces an N+1 is too. So a name that the baseline does not
// have is a regression only where the endpoint's sum has grown. Else nobody knows
// whether it does what the old one did: there is no verdict until somebody says
// that it was intended.
type comparison struct {
	run       Counts
	expect    bool
	found     map[Count]float64
	known     map[Count]bool   // what the baseline declares
	places    map[place]bool   // that the baseline has
	uncounted map[place]bool   // whose machines counted nothing, though the baseline has counts of them
	sums      map[part]total   // of all names
	newNames  map[part][]Count // names that the baseline does not have
	lostNames map[part][]Count // names that only the baseline has
	renamed   map[named]string // by the new name the old one
}

// part is all of one metric at an endpoint.
type part struct {
	place
	metric string
}

// named is a name at an endpoint: its metrics share it.
type named struct {
	place
	of string
}

// total is what the rows of one part add up to.
type total struct {
	value, within, measured float64
	rows                    int
}

func (t total) grown() bool {
	return t.measured > t.value+t.within+rounding*float64(t.rows)
}

func (t total) implausible() bool { return t.measured < t.value*(1-implausibleDrop) }

func newComparison(b Baseline, run Counts, expect bool) *comparison {
	c := &comparison{
		run: run, expect: expect, found: map[Count]float64{}, known: map[Count]bool{}, places: map[place]bool{}, uncounted: map[place]bool{},
		sums: map[part]total{}, newNames: map[part][]Count{}, lostNames: map[part][]Count{}, renamed: map[named]string{},
	}
	for _, m := range run.metrics {
		c.found[m.id()] = m.Value
	}
	for _, m := range b.Metrics {
		at, s := m.part()
		c.known[m.id()], c.places[at.place] = true, true
		t := c.sums[at]
		t.value, t.within, t.rows = t.value+m.Value, t.within+m.Within, t.rows+1
		c.sums[at] = t
		_, found := c.found[m.id()]
		if !found && m.Value > 0 && s.noun != "" {
			c.lostNames[at] = append(c.lostNames[at], m)
		}
		if m.Value > 0 && s.of != "" {
			c.uncounted[at.place] = true
		}
	}
	for _, m := range run.metrics {
		at, s := m.part()
		t := c.sums[at]
		t.measured, t.rows = t.measured+m.Value, t.rows+1
		c.sums[at] = t
		if !c.known[m.id()] && s.noun != "" {
			c.newNames[at] = append(c.newNames[at], m)
		}
		if s.of != "" {
			delete(c.uncounted, at.place)
		}
	}
	c.pairRenamed()
	return c
}

// pairRenamed finds the names that took another's place: one name was lost, one is new,
// and both count the same.
func (c *comparison) pairRenamed() {
	for at, newNames := range c.newNames {
		lostNames := c.lostNames[at]
		s, _ := sourceOf(at.metric)
		if s.exact && len(newNames) == 1 && len(lostNames) == 1 && math.Abs(newNames[0].Value-lostNames[0].Value) <= lostNames[0].Within+rounding {
			c.renamed[named{at.place, newNames[0].Of}] = lostNames[0].Of
		}
	}
}

func (c Count) id() Count {
	c.Value, c.Within = 0, 0
	return c
}

func (c Count) place() place { return place{c.Variant, c.Endpoint} }

func (c Count) part() (part, source) {
	s, _ := sourceOf(c.Metric)
	return part{c.place(), c.Metric}, s
}

func unitOf(key string) string {
	s, _ := sourceOf(key)
	return s.unit
}

// declared judges a metric of the baseline.
func (c *comparison) declared(m Count) CountResult {
	r := CountResult{Count: m, Unit: unitOf(m.Metric)}
	measured, found := c.found[m.id()]
	if why := c.absent(m, found); why != "" {
		r.Status, r.Why = StatusAbsent, why
		return r
	}
	r.judge(measured, c.expect)
	if at, s := m.part(); !found && r.Status == StatusImplausible && len(c.newNames[at]) > 0 {
		switch sum := c.sums[part{at.place, s.sum}]; {
		case sum.grown():
			r.Why = fmt.Sprintf("another %s stands in its place", s.noun)
		case !sum.implausible():
			r.Why = s.another()
		}
	}
	return r
}

// absent says why a declared metric has no number, "" when it has one. found says
// that the run has one of its own.
func (c *comparison) absent(m Count, found bool) string {
	at := m.place()
	s, _ := sourceOf(m.Metric)
	switch {
	case !c.run.measured[at] && !found:
		return cmp.Or(c.run.problems[at], "the endpoint was not counted: is it renamed?")
	case s.of == "":
		return ""
	case !c.run.read[at][s.key]:
		return cmp.Or(c.run.unread[at][s.key], notRead(s.countedBy(c.run.scenario)...))
	case c.uncounted[at]:
		return "its machines counted nothing at all, and the baseline has counts of them: were they asked?"
	}
	return ""
}

// undeclared judges a metric that the baseline does not have.
func (c *comparison) undeclared(m Count) CountResult {
	r := CountResult{Count: m, Unit: unitOf(m.Metric), New: true}
	r.Value = 0
	r.judge(m.Value, c.expect)
	at, s := m.part()
	switch {
	case !c.places[at.place]:
		r.Status, r.Why = StatusAbsent, "the baseline does not have this endpoint"
	case r.Status != StatusRegression || s.noun == "" || c.sums[part{at.place, s.sum}].grown():
	default:
		r.Status, r.Why = StatusImplausible, s.another()
		if old := c.renamed[named{at.place, m.Of}]; old != "" {
			r.Why = fmt.Sprintf("the %s changed: was %s; %s", s.noun, quoted(old), s.notGrown())
		}
		if c.expect {
			r.Status = StatusBetter
		}
	}
	return r
}

// another explains a name that took the place of another.
func (s source) another() string { return fmt.Sprintf("another %s; %s", s.noun, s.notGrown()) }

func (s source) notGrown() string {
	return fmt.Sprintf("the endpoint's sum has not grown: if the new %s is intended, renew the baseline", s.noun)
}

// judge holds a measured value against the baseline's.
func (r *CountResult) judge(measured float64, expect bool) {
	if math.IsNaN(measured) || math.IsInf(measured, 0) {
		r.Status, r.Why = StatusAbsent, "the counted value is no number"
		return
	}
	r.Measured = &measured
	s, _ := sourceOf(r.Metric)
	switch room := r.Within + rounding; {
	case measured > r.Value+room:
		r.Status = StatusRegression
	case measured >= r.Value-room:
		r.Status = StatusSame
	case expect || s.key == errorsKey: // fewer failures are no work that is missing
		r.Status = StatusBetter
	case s.suspicious(r.Of):
		r.Status, r.Why = StatusImplausible, "less of this than the baseline: work may not be done any more"
	case measured < r.Value*(1-implausibleDrop):
		r.Status = StatusImplausible
		r.Why = "improved, or not done any more? If it was intended, renew the baseline, or say --expect"
	default:
		r.Status = StatusBetter
	}
}
