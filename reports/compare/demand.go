// SPDX-License-Identifier: Apache-2.0

package compare

import (
	"cmp"
	"math"
	"slices"

	"headroom/harness/record"
	"headroom/scenarios"
)

// Demand is what one machine did of a sample's work, or each of several that
// are alike.
type Demand struct {
	Machine        string          `json:"machine"` // the group's name where it stands for several
	Group          string          `json:"group"`
	Machines       int             `json:"machines"`           // that it is the mean of
	CPUms          float64         `json:"cpu_ms_per_request"` // its service demand: CPU time there, by completed request
	QuotaCPUs      float64         `json:"quota_cpus"`
	Utilisation    float64         `json:"utilisation"`     // CPU used of what it may use, 0..1
	ThrottledShare float64         `json:"throttled_share"` // of the CPU periods
	Processes      []ProcessDemand `json:"processes"`       // the largest first
}

// ProcessDemand is one process's part of a machine's demand.
type ProcessDemand struct {
	Name        string             `json:"name"`
	Kind        scenarios.KindName `json:"kind"`
	Label       string             `json:"-"` // as people say it
	CPUms       float64            `json:"cpu_ms_per_request"`
	Utilisation float64            `json:"utilisation"` // of what the machine may use
}

// Demands lists the machines by utilisation, which is the order of their
// service demand per CPU, the largest first; external ones are left out. D_k =
// U_k / X: docs/measurement.md, "Where the time goes".
func (s Sample) Demands() []Demand {
	var demands []Demand
	for _, m := range s.machines {
		if m.External || m.QuotaCPUs <= 0 || m.WindowS <= 0 || s.Succeeded == 0 {
			continue
		}
		d := Demand{
			Machine: m.Machine, Group: m.GroupName(), Machines: 1, QuotaCPUs: m.QuotaCPUs,
			CPUms: s.millis(m.CPUSeconds), Utilisation: m.CPUSeconds / (m.QuotaCPUs * m.WindowS),
		}
		if m.Periods > 0 {
			d.ThrottledShare = float64(m.ThrottledPeriods) / float64(m.Periods)
		}
		for _, p := range m.Processes {
			cpu := processCPU(m, p)
			d.Processes = append(d.Processes, ProcessDemand{Name: p.Name, Kind: p.Kind, Label: s.factsOf(p.Kind).Label,
				CPUms: s.millis(cpu), Utilisation: cpu / (m.QuotaCPUs * m.WindowS)})
		}
		slices.SortStableFunc(d.Processes, func(a, b ProcessDemand) int { return cmp.Compare(b.CPUms, a.CPUms) })
		demands = append(demands, d)
	}
	sortDemands(demands)
	return demands
}

func (s Sample) millis(cpuSeconds float64) float64 { return cpuSeconds / float64(s.Succeeded) * 1e3 }

func sortDemands(demands []Demand) {
	slices.SortStableFunc(demands, func(a, b Demand) int { return cmp.Compare(b.Utilisation, a.Utilisation) })
}

// alike is by how much the utilisation of machines may differ for their mean
// to speak for them.
const alike = 0.1

// Collapse puts the mean of a group's machines in the place of machines that
// are about equally busy. Where one stands out, all are shown.
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
		case len(group) == 1 || busiest.Utilisation-idlest.Utilisation > alike || !sameProcesses(group):
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
	average := func(of func(Demand) float64) (sum float64) {
		for _, d := range group {
			sum += of(d) / n
		}
		return sum
	}
	mean.CPUms = average(func(d Demand) float64 { return d.CPUms })
	mean.QuotaCPUs = average(func(d Demand) float64 { return d.QuotaCPUs })
	mean.Utilisation = average(func(d Demand) float64 { return d.Utilisation })
	mean.ThrottledShare = average(func(d Demand) float64 { return d.ThrottledShare })
	for i, p := range mean.Processes {
		mean.Processes[i].CPUms = average(func(d Demand) float64 { return d.process(p.Name).CPUms })
		mean.Processes[i].Utilisation = average(func(d Demand) float64 { return d.process(p.Name).Utilisation })
	}
	return mean
}

// BoundRPS is X_max = 1 / max(D_k / cores_k): the throughput at which the first
// machine has no CPU left. 0 without a demand.
func BoundRPS(demands []Demand) float64 {
	bound := math.Inf(1)
	for _, d := range demands {
		if d.CPUms > 0 {
			bound = min(bound, d.QuotaCPUs/d.CPUms*1e3)
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

// Statements is how long a request's statements took in the databases, and the CPU
// that these had meanwhile, in ms: the rest the statements waited there, for locks,
// a disk or a turn on the CPU. false when they were not counted.
func (s Sample) Statements() (ms, cpuMS float64, ok bool) {
	took, ok := s.count(scenarios.MeaningStatementTime)
	if !ok || s.Succeeded == 0 {
		return 0, 0, false
	}
	s.each(counting(scenarios.MeaningStatementTime), func(m record.MachineUse, p record.ProcessUse) { cpuMS += s.millis(processCPU(m, p)) })
	return took / float64(s.Succeeded), cpuMS, true
}
