package gate

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"

	"headroom/harness/record"
	"headroom/scenarios"
)

// source says where a counted metric comes from.
type source struct {
	key, unit string
	kind      scenarios.Kind // of the processes whose counts are added up; "" the driver's own
	work      string         // each thing of this sort is a metric, or "" for one of all
	counter   string
	exact     bool // two runs must agree to the digit
	// background: health checks and watchers count too. What they count when idle
	// falls out, by time.
	background bool
}

// sources is the one table of what is counted. A further store or queue is a
// further line.
var sources = []source{
	{key: "errors", unit: "failed requests", counter: "failed", exact: true},
	{key: "response", unit: "bytes", counter: "bytes_in"},
	{key: "statements", unit: "statements", kind: scenarios.KindPostgres, counter: statementTotal, exact: true},
	{key: "statement calls", unit: "calls", kind: scenarios.KindPostgres, work: "statement", counter: "calls", exact: true},
	{key: "statement blocks", unit: "blocks", kind: scenarios.KindPostgres, work: "statement", counter: "blocks"},
	{key: "table rows", unit: "rows read", kind: scenarios.KindPostgres, work: "table", counter: "rows_read", exact: true},
	{key: "round trips", unit: "round trips to databases", kind: scenarios.KindShop, counter: "round_trips", exact: true},
	{key: "cache commands", unit: "commands", kind: scenarios.KindValkey, work: "command", counter: "calls", exact: true},
	{key: "messages", unit: "messages", kind: scenarios.KindNATS, counter: "published", exact: true},
	{key: "origin requests", unit: "requests to the origin", kind: scenarios.KindVarnish, counter: "backend_requests"},
	{key: "allocations", unit: "allocations of the shop", kind: scenarios.KindShop, counter: "allocations", background: true},
}

// statementTotal is the sum over the statements: the counter of all would hold
// those of health checks.
const statementTotal = "calls of all statements"

func sourceOf(key string) (source, bool) {
	i := slices.IndexFunc(sources, func(s source) bool { return s.key == key })
	if i < 0 {
		return source{}, false
	}
	return sources[i], true
}

// place is an endpoint of a variant.
type place struct {
	variant  scenarios.Variant
	endpoint string
}

// Counts are one counted run.
type Counts struct {
	metrics  []Count          // sorted; what is 0 is left out, but for errors
	measured map[place]bool   // endpoints that were counted
	problems map[place]string // why one has no counts
}

// Counted turns the trials of a counted run into counts by request. Each
// endpoint must have been asked requests times.
func Counted(trials []record.Trial, requests int) Counts {
	c := Counts{measured: map[place]bool{}, problems: map[place]string{}}
	rates := idleRates(trials)
	for _, t := range trials {
		if t.Kind != record.KindCount || t.RateName == record.RateIdle {
			continue
		}
		at := place{t.Variant, t.RateName}
		if why := problemOf(&t, requests); why != "" {
			c.problems[at] = why
			continue
		}
		c.measured[at] = true
		for _, s := range sources {
			c.metrics = append(c.metrics, s.counts(&t, rates)...)
		}
	}
	slices.SortFunc(c.metrics, sameMetric)
	return c
}

func problemOf(t *record.Trial, requests int) string {
	m := t.Measurement
	switch {
	case len(t.Invalid) > 0:
		return t.Invalid[0]
	case m.Sent < int64(requests):
		return fmt.Sprintf("%d requests were sent, %d are needed", m.Sent, requests)
	case m.Succeeded == 0:
		return fmt.Sprintf("all of its %d requests failed: %s", m.Sent, classes(m.Errors))
	}
	return ""
}

func classes(errors map[string]int64) string {
	var out []string
	for class, n := range errors {
		out = append(out, fmt.Sprintf("%s %d", class, n))
	}
	slices.Sort(out)
	return strings.Join(out, ", ")
}

// counter is one of a process's.
type counter struct {
	variant                scenarios.Variant
	machine, process, name string
}

// idleRates are what counters grew by in a second when nobody asked.
func idleRates(trials []record.Trial) map[counter]float64 {
	rates := map[counter]float64{}
	for _, t := range trials {
		if t.Kind != record.KindCount || t.RateName != record.RateIdle || len(t.Invalid) > 0 {
			continue
		}
		for _, m := range t.Machines {
			for _, p := range m.Processes {
				for name, n := range p.Counts {
					if m.WindowS > 0 {
						rates[counter{t.Variant, m.Machine, p.Name, name}] = n / m.WindowS
					}
				}
			}
		}
	}
	return rates
}

// counts are the source's metrics of a trial.
func (s source) counts(t *record.Trial, idle map[counter]float64) []Count {
	sums := map[string]float64{}
	switch {
	case s.key == "errors":
		sums[""] = float64(t.Measurement.Failed)
	case s.kind == "":
		sums[""] = float64(t.Measurement.BytesIn)
	default:
		for _, m := range t.Machines {
			for _, p := range m.Processes {
				if p.Kind != s.kind {
					continue
				}
				s.add(sums, p)
				if s.background {
					sums[""] -= idle[counter{t.Variant, m.Machine, p.Name, s.counter}] * m.WindowS
				}
			}
		}
	}
	var out []Count
	for of, sum := range sums {
		c := Count{Variant: t.Variant, Endpoint: t.RateName, Metric: s.key, Of: of, Value: round(max(0, sum) / float64(t.Measurement.Sent))}
		if c.Value != 0 || s.key == "errors" {
			out = append(out, c)
		}
	}
	return out
}

func (s source) add(sums map[string]float64, p record.ProcessUse) {
	if s.counter == statementTotal {
		for _, w := range p.Work {
			if w.Of == "statement" {
				sums[""] += w.Counts["calls"]
			}
		}
		return
	}
	if s.work == "" {
		if v, counted := p.Counts[s.counter]; counted {
			sums[""] += v
		}
		return
	}
	for _, w := range p.Work {
		if w.Of == s.work {
			sums[w.Name] += w.Counts[s.counter]
		}
	}
}

// round keeps six digits behind the point: more are an artefact of dividing.
func round(v float64) float64 { return math.Round(v*1e6) / 1e6 }

// name is how people call a metric.
func (c Count) name() string {
	out := fmt.Sprintf("%s, %s: %s", c.Variant, c.Endpoint, c.Metric)
	if c.Of != "" {
		out += " of " + quoted(c.Of)
	}
	return out
}

// quoted shortens a statement for a line; a table or a command fits anyway.
func quoted(text string) string {
	const most = 120 // runes
	if r := []rune(text); len(r) > most {
		text = string(r[:most-1]) + "…"
	}
	return "`" + text + "`"
}

// CountResult is one counted metric held against its baseline.
type CountResult struct {
	Count
	Unit     string   `json:"unit"`
	Measured *float64 `json:"measured"` // null when absent
	Status   Status   `json:"status"`
	New      bool     `json:"new,omitempty"` // the baseline does not have it
	Why      string   `json:"why,omitempty"`
}

// unbelievable is how much less work is improved beyond belief: more often the
// work was not done.
const unbelievable = 0.30

// Compare holds a counted run against a baseline. Every metric that the baseline
// declares must be there. expect says that less work was intended.
func Compare(b Baseline, run Counts, expect bool) []CountResult {
	found := map[Count]float64{}
	for _, m := range run.metrics {
		found[m.id()] = m.Value
	}
	var out []CountResult
	declared, places := map[Count]bool{}, map[place]bool{}
	for _, m := range b.Metrics {
		declared[m.id()] = true
		at := place{m.Variant, m.Endpoint}
		places[at] = true
		r := CountResult{Count: m, Unit: unitOf(m.Metric)}
		if !run.measured[at] {
			r.Status, r.Why = StatusAbsent, cmp.Or(run.problems[at], "the endpoint was not counted: is it renamed?")
		} else {
			r.judge(found[m.id()], expect)
		}
		out = append(out, r)
	}
	for _, m := range run.metrics {
		if !declared[m.id()] && m.Value != 0 {
			r := CountResult{Count: m, Unit: unitOf(m.Metric), New: true}
			r.Value = 0
			r.judge(m.Value, expect)
			if !places[place{m.Variant, m.Endpoint}] {
				r.Status, r.Why = StatusAbsent, "the baseline does not have this endpoint"
			}
			out = append(out, r)
		}
	}
	slices.SortFunc(out, func(a, b CountResult) int { return sameMetric(a.Count, b.Count) })
	return out
}

func (c Count) id() Count {
	c.Value, c.Within = 0, 0
	return c
}

func unitOf(key string) string {
	s, _ := sourceOf(key)
	return s.unit
}

// judge holds a measured value against the baseline's.
func (r *CountResult) judge(measured float64, expect bool) {
	const rounding = 1e-6
	if math.IsNaN(measured) || math.IsInf(measured, 0) {
		r.Status, r.Why = StatusAbsent, "the counted value is no number"
		return
	}
	r.Measured = &measured
	switch room := r.Within + rounding; {
	case measured > r.Value+room:
		r.Status = StatusRegression
	case measured >= r.Value-room:
		r.Status = StatusSame
	case !expect && measured < r.Value*(1-unbelievable):
		r.Status = StatusUnbelievable
		r.Why = "improved, or not done any more? If it was intended, renew the baseline, or say --expect"
	default:
		r.Status = StatusBetter
	}
}
