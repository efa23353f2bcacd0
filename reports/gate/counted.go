// SPDX-License-Identifier: Apache-2.0

package gate

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"math"
	"regexp"
	"slices"
	"strings"

	"headroom/harness/record"
	"headroom/scenarios"
)

// source says where a counted metric comes from.
type source struct {
	key, unit string
	// of is the meaning whose counters are added up over the processes; "": the driver's
	// own counts. A process that was read always has these counters: without work they
	// say that no work was done.
	of    scenarios.Meaning
	work  string // the metric is of work of this sort, or "": of the counters of the meaning
	each  string // of work: which of its counts
	one   bool   // all such work is one metric; else each name has its own
	exact bool   // two runs must agree to the digit
	// background: health checks, watchers and the readings themselves count too. What
	// they count when idle falls out.
	background bool
	// bothWays says of a name whether less of it is as suspicious as more: an
	// answer, a row written or a message that is missing is no gain. nil: of none.
	bothWays func(of string) bool
	// noun is what a name is called. Where names may change (a statement is written
	// anew), sum is the metric in which that shows by itself: see comparison.
	noun, sum string
	// least is the share of a value that is always tolerated, however well a few runs
	// agreed. most and floor bound a useful tolerance, as a share and by request: see
	// tooWide; 0 is the common bound.
	least, most, floor float64
}

// errorsKey is the source of what must not fail.
const errorsKey = "errors"

// sources is the one table of what is counted. A further store or queue is a
// further line.
var sources = []source{
	{key: errorsKey, unit: "failed requests", exact: true},
	{key: "response", unit: "bytes", bothWays: always, least: 0.0005, floor: 1},
	{key: "statements", unit: "statements", of: scenarios.MeaningStatements, work: "statement", each: "calls", one: true, exact: true},
	{key: "statement calls", unit: "calls", of: scenarios.MeaningStatements, work: "statement", each: "calls", exact: true,
		bothWays: writesRows, noun: "text", sum: "statements"},
	{key: "statement blocks", unit: "blocks", of: scenarios.MeaningStatements, work: "statement", each: "blocks",
		noun: "text", sum: "statement blocks", least: 0.01, floor: 0.2},
	{key: "table rows", unit: "rows read", of: scenarios.MeaningRowsRead, work: "table", each: "rows_read", exact: true,
		noun: "table", sum: "table rows", floor: 0.2},
	{key: "round trips", unit: "round trips to databases", of: scenarios.MeaningRoundTrips, exact: true},
	{key: "cache commands", unit: "commands", of: scenarios.MeaningCacheHits, work: "command", each: "calls", exact: true,
		bothWays: changesCache, noun: "command", sum: "cache commands"},
	{key: "messages", unit: "messages", of: scenarios.MeaningMessages, exact: true, bothWays: always},
	{key: "origin requests", unit: "requests to the origin", of: scenarios.MeaningOriginRequests, least: 0.01, floor: 0.2},
	{key: "allocations", unit: "allocations of the shop", of: scenarios.MeaningAllocations, background: true, most: 0.2, floor: 15},
}

func sourceOf(key string) (source, bool) {
	i := slices.IndexFunc(sources, func(s source) bool { return s.key == key })
	if i < 0 {
		return source{}, false
	}
	return sources[i], true
}

func always(string) bool { return true }

// rowWords begin what a statement does to rows. They may stand within it: in a
// common table expression, and in SELECT ... FOR UPDATE, a lock that somebody
// relies on.
var rowWords = regexp.MustCompile(`(?i)\b(INSERT|UPDATE|DELETE|MERGE)\b`)

func writesRows(statement string) bool { return rowWords.MatchString(statement) }

// readOnlyCommands are the commands that leave a cache as it is. A script may do
// anything.
var readOnlyCommands = []string{"get", "mget", "exists", "ttl", "pttl", "type", "strlen", "hget", "hmget", "hgetall", "hexists", "scard", "sismember", "smembers", "zscore", "zcard", "zrange", "zcount"}

func changesCache(command string) bool { return !slices.Contains(readOnlyCommands, command) }

// suspicious says whether less of this name is no gain by itself.
func (s source) suspicious(of string) bool { return s.bothWays != nil && s.bothWays(of) }

// place is an endpoint of a variant.
type place struct {
	variant  scenarios.Variant
	endpoint string
}

func (p place) String() string { return fmt.Sprintf("%s, %s", p.variant, p.endpoint) }

// Counts are one counted run.
type Counts struct {
	requests int                         // of each endpoint
	scenario *scenarios.Scenario         // tells what its processes' counters mean
	metrics  []Count                     // sorted; what is 0 is left out, but for errors
	measured map[place]bool              // endpoints that were counted
	problems map[place]string            // why one has no counts, but perhaps errors
	failures map[place]string            // how many of its requests failed, in words
	read     map[place]map[string]bool   // by the source's key: its counters were there
	unread   map[place]map[string]string // why not, of processes that were there
}

// Counted turns the trials of a counted run of a scenario into counts by request.
// Each endpoint must have been asked requests times.
func Counted(s *scenarios.Scenario, trials []record.Trial, requests int) Counts {
	c := Counts{
		requests: requests, scenario: s, measured: map[place]bool{}, problems: map[place]string{}, failures: map[place]string{},
		read: map[place]map[string]bool{}, unread: map[place]map[string]string{},
	}
	idle := idleOf(trials)
	for _, t := range trials {
		if t.Kind == record.KindCount && t.RateName != record.RateIdle {
			c.add(&t, idle)
		}
	}
	slices.SortFunc(c.metrics, sameMetric)
	return c
}

func (c *Counts) add(t *record.Trial, idle idleCounts) {
	at, m := place{t.Variant, string(t.RateName)}, t.Measurement
	failed := m.Failed > 0 && m.Sent > 0 && len(t.Invalid) == 0
	if failed {
		c.failures[at] = fmt.Sprintf("%d of %d requests failed (%s)", m.Failed, m.Sent, classes(m.Errors))
	}
	if why := problemOf(t, c.requests); why != "" {
		c.problems[at] = why
		if failed { // that much the driver saw, whatever else is not known
			c.metrics = append(c.metrics, Count{Variant: t.Variant, Endpoint: string(t.RateName), Metric: errorsKey, Value: round(float64(m.Failed) / float64(m.Sent))})
		}
		return
	}
	c.measured[at], c.read[at], c.unread[at] = true, map[string]bool{}, map[string]string{}
	for _, s := range sources {
		there, why := s.readable(t, c.scenario, idle)
		switch {
		case there && why == "":
			c.read[at][s.key] = true
			c.metrics = append(c.metrics, s.counts(t, c.scenario, idle)...)
		case there:
			c.unread[at][s.key] = why
		}
	}
}

func problemOf(t *record.Trial, requests int) string {
	m := t.Measurement
	switch {
	case len(t.Invalid) > 0:
		return t.Invalid[0]
	case m.Sent > 0 && m.Succeeded == 0:
		return fmt.Sprintf("all of its %d requests failed: %s", m.Sent, classes(m.Errors))
	case m.Sent < int64(requests):
		return fmt.Sprintf("%d requests were sent, %d are needed", m.Sent, requests)
	}
	return ""
}

func classes(failed map[string]int64) string {
	var out []string
	for _, class := range slices.Sorted(maps.Keys(failed)) {
		out = append(out, fmt.Sprintf("%s %d", class, failed[class]))
	}
	return strings.Join(out, ", ")
}

// Failing is an error when requests of an endpoint failed.
func (c Counts) Failing() error {
	var said []string
	for at, words := range c.failures {
		said = append(said, fmt.Sprintf("%s: %s", at, words))
	}
	if len(said) == 0 {
		return nil
	}
	return errors.New(slices.Min(said)) // the first by name
}

// counter is one of a process's.
type counter struct {
	variant                scenarios.Variant
	machine, process, name string
}

// idleReading is what a counter grew by in a window in which nobody asked.
type idleReading struct{ windowS, n float64 }

// idleCounts are what counters grew by when nobody asked.
type idleCounts struct {
	of      map[counter][]idleReading
	invalid map[scenarios.Variant]string // why a variant has none
}

func idleOf(trials []record.Trial) idleCounts {
	idle := idleCounts{of: map[counter][]idleReading{}, invalid: map[scenarios.Variant]string{}}
	for _, t := range trials {
		if t.Kind != record.KindCount || t.RateName != record.RateIdle {
			continue
		}
		if len(t.Invalid) > 0 {
			idle.invalid[t.Variant] = t.Invalid[0]
			continue
		}
		for _, m := range t.Machines {
			for _, p := range m.Processes {
				for name, n := range p.Counts {
					if at := (counter{t.Variant, m.Machine, p.Name, name}); m.WindowS > 0 {
						idle.of[at] = append(idle.of[at], idleReading{m.WindowS, n})
					}
				}
			}
		}
	}
	return idle
}

// during is what a counter of a process grows by in the machine's window when nobody
// asks; known is false where that was not counted. A reading itself makes the process
// work too, whatever the window. A line (least squares) through readings of a long
// window and of very short ones tells that work from what goes by time.
func (i idleCounts) during(v scenarios.Variant, m record.MachineUse, process, name string) (n float64, known bool) {
	if m.WindowS == 0 {
		return 0, true
	}
	readings := i.of[counter{v, m.Machine, process, name}]
	if len(readings) == 0 || i.invalid[v] != "" {
		return 0, false
	}
	var mean idleReading
	for _, r := range readings {
		mean.windowS += r.windowS / float64(len(readings))
		mean.n += r.n / float64(len(readings))
	}
	var squares, products float64
	for _, r := range readings {
		squares += (r.windowS - mean.windowS) * (r.windowS - mean.windowS)
		products += (r.windowS - mean.windowS) * (r.n - mean.n)
	}
	if squares == 0 { // one window: all of it goes by time
		return mean.n / mean.windowS * m.WindowS, true
	}
	return max(0, mean.n+max(0, products/squares)*(m.WindowS-mean.windowS)), true
}

// use is a process in a trial that counts what a source is made of, and the keys of
// these counters.
type use struct {
	machine record.MachineUse
	record.ProcessUse
	who  string // the process's kind, or a service's own name
	keys []string
}

// uses are the trial's processes that count what the source is made of.
func (s source) uses(t *record.Trial, scenario *scenarios.Scenario) []use {
	var out []use
	for _, m := range t.Machines {
		for _, p := range m.Processes {
			facts, _ := scenario.FactsOf(t.Variant, m.Machine, p.Name, p.Kind)
			if keys := facts.Keys(s.of); len(keys) > 0 {
				out = append(out, use{m, p, whoIs(scenario, p.Kind, p.Name), keys})
			}
		}
	}
	return out
}

// whoIs is a process for people: its kind, or a service's own name.
func whoIs(scenario *scenarios.Scenario, name scenarios.KindName, process string) string {
	if kind, _ := scenarios.KindOf(scenario.Kinds, name); kind.Service {
		return process
	}
	return string(name)
}

// readable says whether processes that count the source's meaning were there, and why
// their counters can't be used, if so: a counter that was not read is not 0.
func (s source) readable(t *record.Trial, scenario *scenarios.Scenario, idle idleCounts) (there bool, why string) {
	if s.of == "" {
		return true, ""
	}
	for _, u := range s.uses(t, scenario) {
		there = true
		if !s.readFrom(u) {
			return true, notRead(u.who)
		}
		if !s.background {
			continue
		}
		for _, key := range u.keys {
			if _, known := idle.during(t.Variant, u.machine, u.Name, key); !known {
				return true, fmt.Sprintf("how much of it the %s does unasked is not known: %s", u.who, cmp.Or(idle.invalid[t.Variant], "it was not counted"))
			}
		}
	}
	return there, ""
}

func notRead(names ...string) string {
	if len(names) == 0 {
		return "its counters could not be read"
	}
	return fmt.Sprintf("the counters of %s could not be read", strings.Join(names, ", "))
}

// countedBy are the kinds and the services that count what the source is made of.
func (s source) countedBy(scenario *scenarios.Scenario) []string {
	var names []string
	for _, k := range scenario.Kinds {
		if k.Facts.Counts(s.of) {
			names = append(names, string(k.Name))
		}
	}
	for _, v := range scenarios.Variants() {
		for _, at := range scenario.Topology(v).ProcessesCounting(s.of) {
			if name := at.Process.Name; at.Process.Service != nil && !slices.Contains(names, name) {
				names = append(names, name)
			}
		}
	}
	return names
}

func (s source) readFrom(u use) bool {
	unread := func(key string) bool { _, counted := u.Counts[key]; return !counted }
	if !slices.ContainsFunc(u.keys, unread) {
		return true
	}
	return s.work != "" && slices.ContainsFunc(u.Work, func(w record.Work) bool { return w.Of == s.work })
}

// counts are the source's metrics of a trial.
func (s source) counts(t *record.Trial, scenario *scenarios.Scenario, idle idleCounts) []Count {
	sums := map[string]float64{}
	switch {
	case s.key == errorsKey:
		sums[""] = float64(t.Measurement.Failed)
	case s.of == "":
		sums[""] = float64(t.Measurement.BytesIn)
	default:
		for _, u := range s.uses(t, scenario) {
			s.addTo(sums, u)
			for _, key := range u.keys {
				if s.background {
					n, _ := idle.during(t.Variant, u.machine, u.Name, key)
					sums[""] -= n
				}
			}
		}
	}
	var out []Count
	for of, sum := range sums {
		c := Count{Variant: t.Variant, Endpoint: string(t.RateName), Metric: s.key, Of: of, Value: round(max(0, sum) / float64(t.Measurement.Sent))}
		if c.Value != 0 || s.key == errorsKey {
			out = append(out, c)
		}
	}
	return out
}

func (s source) addTo(sums map[string]float64, u use) {
	if s.work == "" {
		for _, key := range u.keys {
			sums[""] += u.Counts[key]
		}
		return
	}
	for _, w := range u.Work {
		switch {
		case w.Of != s.work:
		case s.one:
			sums[""] += w.Counts[s.each]
		default:
			sums[w.Name] += w.Counts[s.each]
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
