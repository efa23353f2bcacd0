// SPDX-License-Identifier: Apache-2.0

package docker

import (
	"fmt"
	"math"
	"time"

	"headroom/scenarios"
)

// The kernel's bounds of a CPU bandwidth quota and its period.
const (
	minQuota  = time.Millisecond
	maxPeriod = time.Second
)

// cpuQuota is a CPU bandwidth quota as the kernel takes it.
type cpuQuota struct {
	quotaMicros  int64
	periodMicros int64
}

// cpus returns the quota in CPUs, as rounded.
func (q cpuQuota) cpus() float64 { return float64(q.quotaMicros) / float64(q.periodMicros) }

// quotaFor returns the quota for a number of CPUs. The kernel's smallest quota is 1
// ms, so a small share stretches the period. Without a stretch the period is the
// caller's, who records it.
func quotaFor(cpus float64, period time.Duration) (cpuQuota, error) {
	least := float64(minQuota) / float64(maxPeriod)
	if !(cpus >= least) || math.IsInf(cpus, 0) {
		return cpuQuota{}, fmt.Errorf("a CPU quota of %v CPUs cannot be set: the kernel's least is %v", cpus, least)
	}
	if period <= 0 {
		return cpuQuota{}, fmt.Errorf("a CPU quota of %v CPUs needs a period, and %v is none", cpus, period)
	}
	shortest := time.Duration(math.Ceil(float64(minQuota) / cpus))
	period = min(max(period, minQuota, shortest), maxPeriod)
	q := cpuQuota{periodMicros: int64(math.Ceil(float64(period) / float64(time.Microsecond)))}
	q.periodMicros = min(q.periodMicros, maxPeriod.Microseconds())
	q.quotaMicros = max(int64(math.Round(cpus*float64(q.periodMicros))), minQuota.Microseconds())
	return q, nil
}

// machineQuota is the quota of a machine at a scale.
func machineQuota(m scenarios.Machine, unitCPUs float64, period time.Duration) (cpuQuota, error) {
	q, err := quotaFor(m.QuotaCPUs(unitCPUs), period)
	if err != nil {
		return q, fmt.Errorf("machine %s (%v vCPU, unit %v): %w", m.Name, m.VCPU, unitCPUs, err)
	}
	return q, nil
}
