// SPDX-License-Identifier: Apache-2.0

// Package compare turns stored trials into metrics, ratios and verdicts. It is
// pure: the same trials give the same figures, bit for bit.
//
//  1. Slices are grouped by rate, block and variant; invalid ones are set
//     aside with their reasons (Table).
//  2. What one block saw of one variant becomes one value a metric: counts
//     are added and histograms merged, percentiles never averaged (Sample).
//  3. Blocks are compared in pairs: Hodges-Lehmann's estimate of after/before,
//     with an interval and the smallest effect that could be seen (Effect). The
//     rows of a table are judged together (Comparison.Effects).
//  4. Claims are held against the intervals (Judge).
//
// The rules are those of docs/measurement.md.
package compare

import (
	"fmt"
	"math"
	"slices"

	"headroom/harness/record"
	"headroom/internal/maybe"
	"headroom/scenarios"
)

// Value is a metric of one sample, or the reason why there is none.
type Value struct {
	V       float64
	Missing string
	// of is what a count was divided by; 0: the value is no count.
	of   float64
	part bool // the count is a part of what it was divided by
}

// step is the smallest change that the value can show: a count changes by one,
// and no figure has more than three significant digits.
func (v Value) step() float64 {
	step := minResolution * math.Abs(v.V)
	if v.of > 0 {
		step = max(step, 1/v.of)
	}
	if step == 0 {
		return minResolution
	}
	return step
}

// relativeStep is what one more of the count changes in the value, as a share of it; 0
// when the value is no count.
func (v Value) relativeStep() float64 {
	if !(v.of > 0) || !(v.V > 0) {
		return 0
	}
	return 1 / (v.V * v.of)
}

// OK says whether there is a number.
func (v Value) OK() bool { return v.Missing == "" }

func missing(format string, a ...any) Value { return Value{Missing: fmt.Sprintf(format, a...)} }

// Level is a Value for a report.
type Level struct {
	Value   *float64 `json:"value"` // null when Missing
	Missing string   `json:"missing,omitempty"`
}

// Level returns v for a report.
func (v Value) Level() Level {
	if !v.OK() {
		return Level{Missing: v.Missing}
	}
	return Level{Value: &v.V}
}

// Sample is the sum of one or several slices of one variant.
type Sample struct {
	scenario  *scenarios.Scenario       // tells what the processes are, and what their counters mean
	facts     map[place]scenarios.Facts // of the processes that were read
	Slices    int
	DurationS float64
	Planned   int64
	Sent      int64
	Succeeded int64
	Failed    int64
	Unsent    int64
	bytesIn   int64
	offered   float64 // offered_rps weighted by duration
	all       endpointSample
	endpoints []endpointSample
	machines  []record.MachineUse
	oracles   []record.Oracle
	headers   map[string]int64 // answers by header, as counted
	// driverCPU is the driver's own CPU time in s; not known when one slice's is not.
	driverCPU maybe.Number
	Timeline  []record.Second
}

type endpointSample struct {
	name     string
	sent     int64
	response record.Histogram
}

func newSample(scenario *scenarios.Scenario) Sample {
	return Sample{scenario: scenario, facts: map[place]scenarios.Facts{}, driverCPU: maybe.Of(0)}
}

// Pool adds up slices when only the kinds of the scenario's processes are known; PoolOf
// takes the whole scenario. Without kinds no counter of a process has a meaning.
func Pool(trials []record.Trial, kinds []scenarios.Kind) Sample {
	return PoolOf(trials, &scenarios.Scenario{Kinds: kinds})
}

// PoolOf adds up slices of a run of the scenario. The caller has checked that they are
// valid.
func PoolOf(trials []record.Trial, scenario *scenarios.Scenario) Sample {
	s := newSample(scenario)
	for _, t := range trials {
		s.addUse(t)
		m := t.Measurement
		s.all.sent += m.Planned // what could not be sent is slower than all others
		s.all.response.Merge(m.Response)
		for _, e := range m.Endpoints {
			s.addEndpoint(e)
		}
		for _, second := range m.Timeline {
			s.addSecond(second)
		}
		for _, o := range t.Oracles {
			s.addOracle(o)
		}
		for header, count := range m.Counts {
			if s.headers == nil {
				s.headers = map[string]int64{}
			}
			s.headers[header] += count
		}
	}
	return s
}

// addUse adds what a slice counted of all requests, and what the machines and the
// driver used.
func (s *Sample) addUse(t record.Trial) {
	m := t.Measurement
	s.Slices++
	s.DurationS += m.DurationS
	s.offered += m.OfferedRPS * m.DurationS
	s.Planned += m.Planned
	s.Sent += m.Sent
	s.Succeeded += m.Succeeded
	s.Failed += m.Failed
	s.Unsent += m.Unsent
	s.bytesIn += m.BytesIn
	s.driverCPU = s.driverCPU.Plus(m.Driver.CPUSeconds)
	if cpu, _ := m.Driver.CPUSeconds.Get(); !(cpu > 0) { // a driver that sent used some
		s.driverCPU = maybe.Number{}
	}
	for _, use := range t.Machines {
		s.addFacts(t.Variant, use)
		s.addMachine(use)
	}
}

func (s *Sample) addEndpoint(e record.EndpointMeasurement) {
	sum := entry(&s.endpoints, func(have endpointSample) bool { return have.name == e.Name }, endpointSample{name: e.Name})
	sum.sent += e.Sent
	sum.response.Merge(e.Response)
}

func (s *Sample) addSecond(second record.Second) {
	sum := entry(&s.Timeline, func(have record.Second) bool { return have.Second == second.Second }, record.Second{Second: second.Second})
	sum.Sent += second.Sent
	sum.Failed += second.Failed
	sum.Response.Merge(second.Response)
}

// addMachine adds what a machine used in a slice. A figure that one slice lacks is not
// known for the sum.
func (s *Sample) addMachine(use record.MachineUse) {
	zero := maybe.Of(0)
	m := entry(&s.machines, func(have record.MachineUse) bool { return have.Machine == use.Machine },
		record.MachineUse{Machine: use.Machine, Group: use.Group, External: use.External, QuotaCPUs: use.QuotaCPUs,
			CPUSeconds: zero, ThrottledPeriods: zero, Periods: zero})
	m.WindowS += use.WindowS
	m.CPUSeconds = m.CPUSeconds.Plus(use.CPUSeconds)
	m.ThrottledPeriods = m.ThrottledPeriods.Plus(use.ThrottledPeriods)
	m.Periods = m.Periods.Plus(use.Periods)
	for _, p := range use.Processes {
		addProcess(m, p)
	}
}

func addProcess(m *record.MachineUse, p record.ProcessUse) {
	sum := entry(&m.Processes, func(have record.ProcessUse) bool { return have.Name == p.Name },
		record.ProcessUse{Name: p.Name, Kind: p.Kind, CPUSeconds: maybe.Of(0), Counts: map[string]float64{}})
	sum.CPUSeconds = sum.CPUSeconds.Plus(p.CPUSeconds)
	for key, count := range p.Counts {
		sum.Counts[key] += count
	}
}

// entry returns the first entry of a list that is accepts. Without one it appends fresh
// and returns that.
func entry[T any](list *[]T, is func(T) bool, fresh T) *T {
	i := slices.IndexFunc(*list, is)
	if i < 0 {
		i = len(*list)
		*list = append(*list, fresh)
	}
	return &(*list)[i]
}

// Machines returns the names of the machines in stored order, external ones
// excepted.
func (s Sample) Machines() []string {
	var names []string
	for _, m := range s.machines {
		if !m.External {
			names = append(names, m.Machine)
		}
	}
	return names
}

// Endpoints returns the names of the endpoints in stored order.
func (s Sample) Endpoints() []string {
	names := make([]string, len(s.endpoints))
	for i, e := range s.endpoints {
		names[i] = e.name
	}
	return names
}

// OfferedRPS is the mean rate of the schedule, 0 without a slice.
func (s Sample) OfferedRPS() float64 {
	if !(s.DurationS > 0) {
		return 0
	}
	return s.offered / s.DurationS
}

// Quantile is the response time of all requests at q, in milliseconds, when
// there are enough of them to speak of q.
func (s Sample) Quantile(q float64) Value { return s.all.quantile(q) }

// QuantileMillis is a histogram's quantile in milliseconds. It is missing when
// there are fewer samples than q needs, or when q falls among the clipped
// ones, those sent but beyond the histogram.
func QuantileMillis(h record.Histogram, sent int64, q float64) Value {
	if need := record.SamplesNeeded(q); sent < need {
		return missing("insufficient: %d samples, p%.6g needs %d", sent, q*100, need)
	}
	rank := sent - record.AllowedAbove(q, sent)
	if rank > h.Count() {
		return missing("beyond what was measured: %d of %d requests could not be sent, or took longer than the histogram holds", sent-h.Count(), sent)
	}
	return Value{V: h.AtRank(rank).Seconds() * 1000}
}

func (e endpointSample) quantile(q float64) Value { return QuantileMillis(e.response, e.sent, q) }

// MeanMS is the mean response time in ms.
func (s Sample) MeanMS() float64 { return s.all.response.Mean().Seconds() * 1e3 }

// processCPU is the CPU time of a process. A process alone on its machine has the
// machine's: the kernel's account of the machine misses no short-lived child.
func processCPU(m record.MachineUse, p record.ProcessUse) maybe.Number {
	if len(m.Processes) == 1 {
		return m.CPUSeconds
	}
	return p.CPUSeconds
}
