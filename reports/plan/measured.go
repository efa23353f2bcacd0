// SPDX-License-Identifier: Apache-2.0

package plan

import (
	"cmp"
	"slices"

	"headroom/harness/record"
	"headroom/internal/maybe"
	"headroom/reports/compare"
	"headroom/scenarios"
)

// Thresholds of what is read off the trials.
const (
	minAnsweredShare = 0.98 // answered of planned, for a point of the law
	minRequests      = 100  // requests behind a point of the law
	nearCapacity     = 0.5  // demands are read at rates of at least so much of the capacity: they fall with load
)

// transientSteps are the steps whose load is not meant to last.
var transientSteps = []scenarios.RateName{record.RateOverload, record.RateRecover}

// steadyTrials returns a variant's trials of steady operation: valid, and with every
// due request sent.
func steadyTrials(trials []record.Trial, v scenarios.Variant) []record.Trial {
	var out []record.Trial
	for _, t := range trials {
		m := t.Measurement
		if t.Variant == v && t.Resize == nil && t.Valid() && !m.Interrupted && m.Unsent == 0 && m.OfferedRPS > 0 && !slices.Contains(transientSteps, t.RateName) {
			out = append(out, t)
		}
	}
	return out
}

// lawPoints are the rates at which the variant kept up, each once.
func lawPoints(trials []record.Trial) []Point {
	type sum struct{ offered, seconds, answered, sent, latency float64 }
	var sums []sum
	for _, t := range trials {
		m := t.Measurement
		if m.Sent < minRequests || float64(m.Succeeded) < minAnsweredShare*float64(m.Planned) || m.Clipped > 0 || !(m.DurationS > 0) {
			continue
		}
		i := slices.IndexFunc(sums, func(s sum) bool { return near(s.offered, m.OfferedRPS) })
		if i < 0 {
			i = len(sums)
			sums = append(sums, sum{offered: m.OfferedRPS})
		}
		s := &sums[i]
		s.seconds += m.DurationS
		s.answered += float64(m.Succeeded)
		s.sent += float64(m.Sent)
		s.latency += m.Response.Mean().Seconds() * float64(m.Sent)
	}
	slices.SortFunc(sums, func(a, b sum) int { return cmp.Compare(a.offered, b.offered) })
	var points []Point
	for _, s := range sums {
		points = append(points, Point{RPS: s.answered / s.seconds, ResponseS: s.latency / s.sent, Requests: s.sent})
	}
	return points
}

// bytesPerRequest is read off the slices, as a report does, or off the probes
// where there are none; 0 without either.
func bytesPerRequest(trials []record.Trial) float64 {
	var measured []record.Trial
	for _, t := range trials {
		if t.Kind == record.KindSlice {
			measured = append(measured, t)
		}
	}
	if len(measured) == 0 {
		measured = trials
	}
	return compare.Pool(measured, nil).Value(scenarios.MetricBytes).V
}

func near(a, b float64) bool { return a <= b*compare.NearRates && b <= a*compare.NearRates }

// Group is the copies of one machine, with what a request costs them.
type Group struct {
	Name      string       `json:"name"`
	Size      string       `json:"size"`
	Stateless bool         `json:"stateless"`       // more copies of it can be added
	Keeps     string       `json:"keeps,omitempty"` // "data" or "queue", where they can't; "" also where that is not known
	Measured  int          `json:"measured_copies"`
	DemandMS  maybe.Number `json:"demand_ms,omitzero"` // CPU time a request, of all copies together
	CPUs      float64      `json:"cpus"`               // what all copies together may use, at the run's scale
}

// share is how busy each copy is when rps is spread over so many copies. It is NaN
// when the demand is not known.
func (g Group) share(rps float64, copies int) float64 {
	return rps * g.DemandMS.OrNaN() / 1000 / g.CPUs * float64(g.Measured) / float64(copies)
}

// boundRPS is the operational bound: CPUs over demand.
func (g Group) boundRPS() float64 { return g.CPUs / (g.DemandMS.OrNaN() / 1000) }

func (g Group) known() bool { return g.DemandMS.OrNaN() > 0 && g.CPUs > 0 }

// idle says that the group is known to do nothing for a request: no rate fills it.
func (g Group) idle() bool { return g.DemandMS.Known() && !g.known() && g.CPUs > 0 }

// groupsOf reads the service demands off the trials at rates near the capacity.
func groupsOf(t scenarios.Topology, trials []record.Trial, capacityRPS float64) []Group {
	var loaded []record.Trial
	for _, trial := range trials {
		if trial.Measurement.OfferedRPS >= nearCapacity*capacityRPS {
			loaded = append(loaded, trial)
		}
	}
	sample := compare.Pool(loaded, nil) // machines alone are looked at
	cpus := map[string]float64{}
	for _, trial := range loaded {
		for _, m := range trial.Machines {
			cpus[m.Machine] = m.QuotaCPUs
		}
	}
	var groups []Group
	for _, of := range t.PricedGroups() {
		keeps := of.Keeps()
		g := Group{Name: of.GroupName(), Size: of.Size, Stateless: keeps == scenarios.KeepsNothing, Measured: of.Copies, DemandMS: maybe.Of(0)}
		if !g.Stateless {
			g.Keeps = keeps
		}
		for _, m := range t.MachinesOf(g.Name) {
			g.CPUs += cpus[m.Name]
			var demandMS maybe.Number
			if demand := sample.Value(scenarios.MetricKey("cpu_ms_per_request[" + m.Name + "]")); demand.OK() {
				demandMS = maybe.Of(demand.V)
			}
			g.DemandMS = g.DemandMS.Plus(demandMS)
		}
		groups = append(groups, g)
	}
	return groups
}

// withCopies is the topology with so many copies of each group, for a bill.
func withCopies(t scenarios.Topology, copies map[string]int) scenarios.Topology {
	machines := slices.Clone(t.Machines)
	for _, g := range t.Groups() {
		for range copies[g.GroupName()] - g.Copies {
			machines = append(machines, g.Machine)
		}
	}
	t.Machines = machines
	return t
}
