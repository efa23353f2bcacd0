package compare

import (
	"slices"

	"headroom/scenarios"
)

// Demand is what one machine did of a sample's work.
type Demand struct {
	Machine        string
	CPUms          float64 // CPU time of a request there: its service demand
	QuotaCPUs      float64
	Utilisation    float64 // CPU used of what it may use, 0..1
	ThrottledShare float64 // of the CPU periods
}

// Demands lists the machines by utilisation, which is the order of their
// service demand per CPU, the largest first; external ones are left out.
func (s Sample) Demands() []Demand {
	var demands []Demand
	for _, m := range s.machines {
		if m.External || m.QuotaCPUs <= 0 || m.WindowS <= 0 || s.Sent == 0 {
			continue
		}
		d := Demand{
			Machine: m.Machine, QuotaCPUs: m.QuotaCPUs, CPUms: m.CPUSeconds / float64(s.Sent) * 1e3,
			Utilisation: m.CPUSeconds / (m.QuotaCPUs * m.WindowS),
		}
		if m.Periods > 0 {
			d.ThrottledShare = float64(m.ThrottledPeriods) / float64(m.Periods)
		}
		demands = append(demands, d)
	}
	slices.SortStableFunc(demands, func(a, b Demand) int {
		switch {
		case a.Utilisation > b.Utilisation:
			return -1
		case a.Utilisation < b.Utilisation:
			return 1
		}
		return 0
	})
	return demands
}

// PoolWaitMS is how long a request waited for a database connection in the
// mean.
func (s Sample) PoolWaitMS() float64 {
	waited := 0.0
	for _, m := range s.machines {
		for _, p := range m.Processes {
			if p.Kind == scenarios.KindShop {
				waited += p.Counts["pool_wait_s"]
			}
		}
	}
	return waited / float64(max(s.Sent, 1)) * 1e3
}
