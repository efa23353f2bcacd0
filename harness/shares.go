// SPDX-License-Identifier: Apache-2.0

package harness

import (
	"fmt"
	"time"

	"headroom/harness/record"
	"headroom/scenarios"
)

// How a machine is shared out while it measures, in CPUs.
const (
	// reserveCPUs is left to the kernel's network stack, the container engine
	// and the conductor.
	reserveCPUs = 0.1
	// minDriverCPUs lets the driver send some thousand requests a second at
	// well below 70% of its quota.
	minDriverCPUs = 0.4
	// driverShare is what the driver gets of a larger machine.
	driverShare = 0.2
	// quotaPeriod is short because a stall of a period shows in the p99: the default
	// of 100 ms would add up to 90 ms to the p99.
	quotaPeriod = 10 * time.Millisecond
	// Below minUnitCPUs the quotas are so small that the scheduler is measured, and
	// not the architecture.
	minUnitCPUs = 0.05
)

// Share divides hostCPUs between the driver and the larger variant of s. One
// variant is loaded at a time, so each may use all of the rest; both get the
// same unit.
func Share(s *scenarios.Scenario, hostCPUs float64) (record.Shares, error) {
	driver := max(minDriverCPUs, hostCPUs*driverShare)
	forVariant := hostCPUs - driver - reserveCPUs
	unit := 1.0
	for _, v := range scenarios.Variants() {
		t := s.Topology(v)
		unit = min(unit, (forVariant-t.ExternalQuotaCPUs())/t.VCPUs())
	}
	if unit < minUnitCPUs {
		return record.Shares{}, fmt.Errorf("%s needs more CPUs than the %.4g here: one vCPU of its machines would be %.3f CPUs, and below %.2f quotas measure the scheduler; use a larger machine",
			s.Name, hostCPUs, unit, minUnitCPUs)
	}
	shares := record.Shares{
		HostCPUs:     hostCPUs,
		UnitCPUs:     unit,
		DriverCPUs:   driver,
		ReserveCPUs:  reserveCPUs,
		PeriodMicros: quotaPeriod.Microseconds(),
		VariantCPUs:  map[scenarios.Variant]float64{},
	}
	for _, v := range scenarios.Variants() {
		t := s.Topology(v)
		shares.VariantCPUs[v] = t.VCPUs()*unit + t.ExternalQuotaCPUs()
	}
	return shares, nil
}

// SharesWithoutQuotas returns the shares on a stage without CPU quotas: the machines,
// the driver and the rest of the host compete for the cores, and there is no scale.
func SharesWithoutQuotas(hostCPUs float64) record.Shares {
	shares := record.Shares{HostCPUs: hostCPUs, UnitCPUs: 1, DriverCPUs: hostCPUs, VariantCPUs: map[scenarios.Variant]float64{}}
	for _, v := range scenarios.Variants() {
		shares.VariantCPUs[v] = hostCPUs
	}
	return shares
}
