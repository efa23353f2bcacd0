// SPDX-License-Identifier: Apache-2.0

package compare

import (
	"cmp"
	"math"
	"slices"

	"headroom/harness/record"
	"headroom/internal/maybe"
	"headroom/scenarios"
)

// Demand is one machine's part of a sample's work, or the mean part of several machines
// that are alike.
type Demand struct {
	Machine        string          `json:"machine"` // the group's name where it stands for several
	Group          string          `json:"group"`
	Machines       int             `json:"machines"`                    // that it is the mean of
	CPUms          maybe.Number    `json:"cpu_ms_per_request,omitzero"` // service demand: CPU time by completed request
	QuotaCPUs      float64         `json:"quota_cpus"`
	Utilisation    maybe.Number    `json:"utilisation,omitzero"`     // CPU used of what it may use, 0..1
	ThrottledShare maybe.Number    `json:"throttled_share,omitzero"` // of the CPU periods
	Processes      []ProcessDemand `json:"processes"`                // the largest first
}

// ProcessDemand is one process's part of a machine's demand.
type ProcessDemand struct {
	Name        string             `json:"name"`
	Kind        scenarios.KindName `json:"kind"`
	Label       string             `json:"-"` // as people say it
	CPUms       maybe.Number       `json:"cpu_ms_per_request,omitzero"`
	Utilisation maybe.Number       `json:"utilisation,omitzero"` // of what the machine may use
}

// Demands lists the machines by utilisation, which is the order of their
// service demand per CPU, the largest first; external ones are left out. Those
// whose CPU time is not known stand last. D_k = U_k / X: docs/measurement.md,
// "Where the time goes".
func (s Sample) Demands() []Demand {
	var demands []Demand
	for _, m := range s.machines {
		if m.External || m.QuotaCPUs <= 0 || m.WindowS <= 0 || s.Succeeded == 0 {
			continue
		}
		d := Demand{
			Machine: m.Machine, Group: m.GroupName(), Machines: 1, QuotaCPUs: m.QuotaCPUs,
			CPUms: s.millis(m.CPUSeconds), Utilisation: m.CPUSeconds.Over(m.QuotaCPUs * m.WindowS),
			ThrottledShare: throttledShare(m),
		}
		for _, p := range m.Processes {
			cpu := processCPU(m, p)
			d.Processes = append(d.Processes, ProcessDemand{Name: p.Name, Kind: p.Kind, Label: s.factsOf(m, p).Label,
				CPUms: s.millis(cpu), Utilisation: cpu.Over(m.QuotaCPUs * m.WindowS)})
		}
		slices.SortStableFunc(d.Processes, func(a, b ProcessDemand) int { return largestFirst(a.CPUms, b.CPUms) })
		demands = append(demands, d)
	}
	sortDemands(demands)
	return demands
}

// throttledShare is 0 where there were no periods, as without a quota.
func throttledShare(m record.MachineUse) maybe.Number {
	throttled, known1 := m.ThrottledPeriods.Get()
	periods, known2 := m.Periods.Get()
	switch {
	case !known1 || !known2:
		return maybe.Number{}
	case periods == 0:
		return maybe.Of(0)
	}
	return maybe.Of(throttled / periods)
}

func (s Sample) millis(cpuSeconds maybe.Number) maybe.Number {
	return cpuSeconds.Over(float64(s.Succeeded)).Times(1e3)
}

func sortDemands(demands []Demand) {
	slices.SortStableFunc(demands, func(a, b Demand) int { return largestFirst(a.Utilisation, b.Utilisation) })
}

// largestFirst puts what is not known last: NaN counts as less than any number.
func largestFirst(a, b maybe.Number) int { return cmp.Compare(b.OrNaN(), a.OrNaN()) }

// CPUNotKnown are the machines of which the CPU time is not known: each of them may
// be the bottleneck.
func CPUNotKnown(demands []Demand) []string {
	var machines []string
	for _, d := range demands {
		if !d.Utilisation.Known() {
			machines = append(machines, d.Machine)
		}
	}
	return machines
}

// maxUtilisationSpread is by how much the utilisation of machines may differ for their mean
// to speak for them.
const maxUtilisationSpread = 0.1

// Collapse replaces a group's machines by their mean when they are about equally busy.
// All stay when one stands out, or when the CPU time of only some is known.
func Collapse(demands []Demand) []Demand {
	byGroup := map[string][]Demand{}
	for _, d := range demands {
		byGroup[d.Group] = append(byGroup[d.Group], d)
	}
	var out []Demand
	for _, d := range demands {
		group := byGroup[d.Group]
		busiest, idlest := group[0], group[len(group)-1]
		switch {
		case len(group) == 1 || busiest.Utilisation.OrNaN()-idlest.Utilisation.OrNaN() > maxUtilisationSpread ||
			busiest.Utilisation.Known() != idlest.Utilisation.Known() || !sameProcesses(group):
			out = append(out, d)
		case d.Machine == busiest.Machine:
			out = append(out, meanDemand(group))
		}
	}
	sortDemands(out)
	return out
}

// sameProcesses says whether all machines run the same processes, so that their
// means mean something.
func sameProcesses(group []Demand) bool {
	for _, d := range group {
		if len(d.Processes) != len(group[0].Processes) {
			return false
		}
		for _, p := range d.Processes {
			if group[0].process(p.Name) == nil {
				return false
			}
		}
	}
	return true
}

func (d Demand) process(name string) *ProcessDemand {
	i := slices.IndexFunc(d.Processes, func(p ProcessDemand) bool { return p.Name == name })
	if i < 0 {
		return nil
	}
	return &d.Processes[i]
}

func meanDemand(group []Demand) Demand {
	mean := group[0]
	mean.Machine, mean.Machines = mean.Group, len(group)
	mean.Processes = slices.Clone(mean.Processes)
	n := float64(len(group))
	mean.QuotaCPUs = 0
	for _, d := range group {
		mean.QuotaCPUs += d.QuotaCPUs / n
	}
	average := func(of func(Demand) maybe.Number) maybe.Number {
		sum := 0.0
		for _, d := range group {
			sum += of(d).OrNaN() / n
		}
		return maybe.Of(sum)
	}
	mean.CPUms = average(func(d Demand) maybe.Number { return d.CPUms })
	mean.Utilisation = average(func(d Demand) maybe.Number { return d.Utilisation })
	mean.ThrottledShare = average(func(d Demand) maybe.Number { return d.ThrottledShare })
	for i, p := range mean.Processes {
		mean.Processes[i].CPUms = average(func(d Demand) maybe.Number { return d.process(p.Name).CPUms })
		mean.Processes[i].Utilisation = average(func(d Demand) maybe.Number { return d.process(p.Name).Utilisation })
	}
	return mean
}

// BoundRPS is X_max = 1 / max(D_k / cores_k): the throughput at which the first machine
// has no CPU left. It is 0 without a demand, and where a machine's CPU time is not
// known: that machine may be the first.
func BoundRPS(demands []Demand) float64 {
	bound := math.Inf(1)
	for _, d := range demands {
		millis, known := d.CPUms.Get()
		if !known {
			return 0
		}
		if millis > 0 {
			bound = min(bound, d.QuotaCPUs/millis*1e3)
		}
	}
	if math.IsInf(bound, 1) {
		return 0
	}
	return bound
}

// PoolWaitMS is how long a request waited for a database connection in the
// mean.
func (s Sample) PoolWaitMS() float64 {
	waited, _ := s.count(scenarios.MeaningPoolWait)
	return waited / float64(max(s.Sent, 1))
}

// Statements is how long a request's statements took in the databases, and the CPU time
// that the databases used meanwhile, in ms. For the rest the statements waited, for
// locks, a disk or a turn on the CPU. false when statements were not counted, or the
// CPU time is not known.
func (s Sample) Statements() (ms, cpuMS float64, ok bool) {
	took, ok := s.count(scenarios.MeaningStatementTime)
	if !ok || s.Succeeded == 0 {
		return 0, 0, false
	}
	cpu := maybe.Of(0)
	s.each(counting(scenarios.MeaningStatementTime), func(m record.MachineUse, p record.ProcessUse) { cpu = cpu.Plus(s.millis(processCPU(m, p))) })
	cpuMS, known := cpu.Get()
	if !known {
		return 0, 0, false
	}
	return took / float64(s.Succeeded), cpuMS, true
}
