package docker

import (
	"fmt"
	"math"
	"strings"
	"time"

	"headroom/scenarios"
)

// What the kernel accepts of a CPU bandwidth quota and its period.
const (
	minQuota  = time.Millisecond
	maxPeriod = time.Second
)

// DefaultPeriod is the CPU quota's period. The kernel's own 100 ms would put
// stalls of 90 ms into every p99.
const DefaultPeriod = 10 * time.Millisecond

// waves returns the machines in the order they may start: each wave links only
// to machines of the waves before it. A cycle is an error.
func waves(t scenarios.Topology) ([][]scenarios.Machine, error) {
	started := make(map[string]bool, len(t.Machines))
	waiting := t.Machines
	var all [][]scenarios.Machine
	for len(waiting) > 0 {
		var wave, later []scenarios.Machine
		for _, m := range waiting {
			if linksAreStarted(m, started) {
				wave = append(wave, m)
			} else {
				later = append(later, m)
			}
		}
		if len(wave) == 0 {
			names := make([]string, 0, len(later))
			for _, m := range later {
				names = append(names, m.Name)
			}
			return nil, fmt.Errorf("topology %q: machines %s wait for each other, or for one that is not there", t.Label, strings.Join(names, ", "))
		}
		for _, m := range wave {
			started[m.Name] = true
		}
		all = append(all, wave)
		waiting = later
	}
	return all, nil
}

func linksAreStarted(m scenarios.Machine, started map[string]bool) bool {
	for _, p := range m.Processes {
		for _, link := range p.Links {
			for _, to := range link.To {
				machine, _, _ := strings.Cut(to, "/")
				if machine != m.Name && !started[machine] {
					return false
				}
			}
		}
	}
	return true
}

// runs says whether one of the machine's processes is of the kind.
func runs(m scenarios.Machine, kind scenarios.Kind) bool {
	for _, p := range m.Processes {
		if p.Kind == kind {
			return true
		}
	}
	return false
}

// cpuQuota is a CPU bandwidth limit as the kernel takes it.
type cpuQuota struct {
	quotaMicros  int64
	periodMicros int64
}

// cpus returns the limit in CPUs, as it is after rounding.
func (q cpuQuota) cpus() float64 { return float64(q.quotaMicros) / float64(q.periodMicros) }

// quotaFor returns the limit for a number of CPUs. The kernel's smallest quota
// is 1 ms, so a small share stretches the period; 0 is the default period.
func quotaFor(cpus float64, period time.Duration) (cpuQuota, error) {
	least := float64(minQuota) / float64(maxPeriod)
	if !(cpus >= least) || math.IsInf(cpus, 0) {
		return cpuQuota{}, fmt.Errorf("a CPU quota of %v CPUs cannot be set: the kernel's least is %v", cpus, least)
	}
	if period == 0 {
		period = DefaultPeriod
	}
	shortest := time.Duration(math.Ceil(float64(minQuota) / cpus))
	period = min(max(period, minQuota, shortest), maxPeriod)
	q := cpuQuota{periodMicros: int64(math.Ceil(float64(period) / float64(time.Microsecond)))}
	q.periodMicros = min(q.periodMicros, maxPeriod.Microseconds())
	q.quotaMicros = max(int64(math.Round(cpus*float64(q.periodMicros))), minQuota.Microseconds())
	return q, nil
}

// machineQuota is the limit of a machine at a scale.
func machineQuota(m scenarios.Machine, unitCPUs float64, period time.Duration) (cpuQuota, error) {
	cpus := m.VCPU * unitCPUs
	if m.External {
		cpus = scenarios.ExternalCPUs
	}
	q, err := quotaFor(cpus, period)
	if err != nil {
		return q, fmt.Errorf("machine %s (%v vCPU, unit %v): %w", m.Name, m.VCPU, unitCPUs, err)
	}
	return q, nil
}
