// SPDX-License-Identifier: Apache-2.0

package compare

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"headroom/harness/record"
	"headroom/internal/maybe"
	"headroom/scenarios"
)

// Metric describes one key.
type Metric struct {
	Key   scenarios.MetricKey `json:"key"`
	Label string              `json:"label"`
	Unit  scenarios.Unit      `json:"unit"`
}

var (
	quantileKey = regexp.MustCompile(`^p(\d{1,2}(?:\.\d+)?)_ms$`)
	withArg     = regexp.MustCompile(`^([a-z0-9_.]+)\[(.+)\]$`)
)

// Describe returns the metric of a key, false when no metric has that key. Besides
// the rows of scenarios.Metrics there are p95_ms, p99.9_ms (response time), by endpoint as
// p95_ms[GET /api/feed], and those by machine or header (byArgument).
func Describe(key scenarios.MetricKey) (Metric, bool) {
	base, arg := splitKey(key)
	if q := quantileKey.FindStringSubmatch(base); q != nil {
		if v, err := strconv.ParseFloat(q[1], 64); err != nil || v <= 0 {
			return Metric{}, false
		}
		return Metric{Key: key, Label: labelled("p"+q[1], arg), Unit: scenarios.UnitMillis}, true
	}
	if m, ok := argumentOf(base); ok && arg != "" {
		return Metric{Key: key, Label: labelled(m.label, arg), Unit: m.unit}, true
	}
	m, ok := scenarios.MetricOf(key)
	return Metric{Key: m.Key, Label: m.Label, Unit: m.Unit}, ok
}

func labelled(label, arg string) string { return strings.TrimSpace(label + " " + arg) }

func splitKey(key scenarios.MetricKey) (base, arg string) {
	if m := withArg.FindStringSubmatch(string(key)); m != nil {
		return m[1], m[2]
	}
	return string(key), ""
}

// Value computes a metric from the sample. CPU, statements and rows are per
// request that succeeded, so that a variant gains nothing by failing.
func (s Sample) Value(key scenarios.MetricKey) Value {
	if s.Slices == 0 {
		return missing("no valid slice")
	}
	base, arg := splitKey(key)
	if q := quantileKey.FindStringSubmatch(base); q != nil {
		return s.quantileOf(q[1], arg)
	}
	if m, ok := argumentOf(base); ok && arg != "" {
		return m.compute(s, arg)
	}
	if formula := formulaOf(key); formula != nil {
		return formula(s)
	}
	return missing("unknown metric %q", key)
}

func (s Sample) quantileOf(percentile, endpoint string) Value {
	p, err := strconv.ParseFloat(percentile, 64)
	if err != nil || p <= 0 {
		return missing("unknown quantile p%s", percentile)
	}
	if endpoint == "" {
		return s.all.quantile(p / 100)
	}
	for _, e := range s.endpoints {
		if e.name == endpoint {
			return e.quantile(p / 100)
		}
	}
	return missing("no request went to %s", endpoint)
}

// ofMachine computes a metric of one machine.
func ofMachine(compute func(s Sample, m record.MachineUse) Value) func(Sample, string) Value {
	return func(s Sample, machine string) Value {
		for _, m := range s.machines {
			if m.Machine == machine {
				return compute(s, m)
			}
		}
		return missing("no machine %s", machine)
	}
}

// dbCPUPerRequest is what all databases used.
func (s Sample) dbCPUPerRequest() Value {
	cpu := maybe.Of(0)
	if !s.each(isDatabase, func(m record.MachineUse, p record.ProcessUse) { cpu = cpu.Plus(processCPU(m, p)) }) {
		return s.noDatabase()
	}
	return s.cpuPerRequest(cpu, s.labels(isDatabase, "the database"))
}

// cpuPerRequest is CPU time in ms for a request; whose names the owner in a reason.
func (s Sample) cpuPerRequest(cpuSeconds maybe.Number, whose string) Value {
	cpu, known := cpuSeconds.Get()
	if !known {
		return cpuNotKnown(whose)
	}
	return s.perRequest(cpu * 1000)
}

// cpuNotKnown is the value of a metric whose CPU time is not known.
func cpuNotKnown(whose string) Value { return missing("the CPU time of %s is not known", whose) }

func (s Sample) noDatabase() Value { return missing("no %s", s.labels(isDatabase, "database")) }

// databaseDemandShare is the service demand of the database (the busiest, if several)
// over the largest of any other process, both per CPU that the machine may use,
// external machines excepted. The share is above 1 when the database runs out first: a
// figure that ended at 1 would have no scatter there, and no interval. It is not known
// when any process's CPU time is not: that process may be the largest.
func (s Sample) databaseDemandShare() Value {
	database, other := 0.0, 0.0
	for _, m := range s.machines {
		if m.External || !(m.QuotaCPUs > 0) {
			continue
		}
		for _, p := range m.Processes {
			cpu, known := processCPU(m, p).Get()
			if !known {
				return cpuNotKnown(m.Machine)
			}
			demand := cpu / m.QuotaCPUs
			if isDatabase(s.factsOf(m, p)) {
				database = max(database, demand)
			} else {
				other = max(other, demand)
			}
		}
	}
	return per(database, other, fmt.Sprintf("no process but %s used CPU on a machine with a quota", s.labels(isDatabase, "the database")))
}

// countPer is what all processes counted of a meaning, over a number of requests.
func (s Sample) countPer(counted scenarios.Meaning, requests int64, uncounted, none string) Value {
	count, ok := s.count(counted)
	if !ok {
		return missing("%s", uncounted)
	}
	return ratioOfCount(count, float64(requests), none)
}

// countBy is what all processes counted of one meaning, over their count of another.
func (s Sample) countBy(counted, by scenarios.Meaning, uncounted, none string) Value {
	count, ok1 := s.count(counted)
	of, ok2 := s.count(by)
	if !ok1 || !ok2 {
		return missing("%s", uncounted)
	}
	return ratioOfCount(count, of, none)
}

// hitRatio is the share of hits in what those that count them were asked for.
func (s Sample) hitRatio(hit, miss scenarios.Meaning, uncounted, none string) Value {
	hits, ok1 := s.count(hit)
	misses, ok2 := s.count(miss)
	if !ok1 || !ok2 {
		return missing("%s", uncounted)
	}
	return share(hits, hits+misses, none)
}

const noneSucceeded = "no request succeeded"

func (s Sample) perRequest(amount float64) Value {
	return per(amount, float64(s.Succeeded), noneSucceeded)
}

func per(amount, by float64, otherwise string) Value {
	if !(by > 0) {
		return missing("%s", otherwise)
	}
	return Value{V: amount / by}
}

// ratioOfCount is a count by something: one more or less is a step of it.
func ratioOfCount(count, by float64, otherwise string) Value {
	v := per(count, by, otherwise)
	if v.OK() {
		v.of = by
	}
	return v
}

// share is a count that is a part of another.
func share(count, of float64, otherwise string) Value {
	v := ratioOfCount(count, of, otherwise)
	v.part = v.OK()
	return v
}
