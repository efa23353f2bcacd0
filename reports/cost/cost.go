// SPDX-License-Identifier: Apache-2.0

// Package cost prices a topology: what a variant costs a month, how many users
// its capacity carries, and so what a user costs. It is pure; prices come from a
// price book, a YAML file of machine sizes with its source and date.
//
// The rules are those of docs/measurement.md, "Cost".
package cost

import (
	"fmt"
	"slices"

	"headroom/scenarios"
)

// HoursPerMonth is the month that cloud prices are quoted for: 8,760 h / 12.
const HoursPerMonth = 730

// Item is one size of a bill.
type Item struct {
	Size       string  `json:"size"`
	Machines   int     `json:"machines"`
	USDPerHour float64 `json:"usd_per_hour"` // of one machine
}

// Bill is what a topology costs, whatever its traffic.
type Bill struct {
	Items      []Item   `json:"items"`                 // in the order in which sizes first appear
	StorageUSD float64  `json:"storage_usd,omitempty"` // a month, of the databases' volumes
	MonthlyUSD float64  `json:"monthly_usd"`           // machines and storage
	Warnings   []string `json:"-"`
}

// Monthly prices the machines of a topology, external ones excepted, for
// HoursPerMonth, and the volumes of its databases. A size that the book does
// not have is an error; one that has other CPUs or memory there is a warning.
func (b Book) Monthly(t scenarios.Topology) (Bill, error) {
	var bill Bill
	for _, m := range t.Machines {
		if m.External {
			continue
		}
		size, ok := b.Sizes[m.Size]
		if !ok {
			return Bill{}, fmt.Errorf("machine %s of %q has size %q, which the price book %q does not have: it has %s; add it under sizes, for example %s",
				m.Name, t.Label, m.Size, b.Name, b.sizeList(), sizeExample)
		}
		if m.VCPU != size.VCPU || m.MemoryGiB != size.GiB {
			bill.Warnings = append(bill.Warnings, fmt.Sprintf(
				"machine %s is %g vCPU and %g GiB in the scenario, but size %s is %g vCPU and %g GiB in the price book",
				m.Name, m.VCPU, m.MemoryGiB, m.Size, size.VCPU, size.GiB))
		}
		i := slices.IndexFunc(bill.Items, func(item Item) bool { return item.Size == m.Size })
		if i < 0 {
			i = len(bill.Items)
			bill.Items = append(bill.Items, Item{Size: m.Size, USDPerHour: size.USDPerHour})
		}
		bill.Items[i].Machines++
		if b.Storage != nil && m.HasDatabase() {
			bill.StorageUSD += b.Storage.GiB * b.Storage.USDPerGiBMonth
		}
	}
	bill.MonthlyUSD = bill.StorageUSD
	for _, item := range bill.Items {
		bill.MonthlyUSD += HoursPerMonth * item.USDPerHour * float64(item.Machines)
	}
	return bill, nil
}

const gib = 1 << 30

// EgressPerUser is what one user's downloads cost a month; 0 when the book
// has no price for them.
func (b Book) EgressPerUser(bytesPerRequest, requestsPerUserPerS float64) float64 {
	if b.Egress == nil {
		return 0
	}
	return bytesPerRequest * requestsPerUserPerS * HoursPerMonth * 3600 / gib * b.Egress.USDPerGiB
}

// Users is how many users a capacity carries; 0 without a capacity. The capacity was
// measured on a scaled-down system, in which one vCPU is unitCPUs CPUs (0: at full
// scale). It is scaled in proportion to the machines that are paid for, which is an
// assumption.
func Users(capacityRPS, unitCPUs, requestsPerUserPerS float64) float64 {
	if !(capacityRPS > 0) || !(requestsPerUserPerS > 0) {
		return 0
	}
	return capacityRPS / fullScale(unitCPUs) / requestsPerUserPerS
}

// RateOf is the inverse of Users: the rate of the scaled-down system that stands for so
// many users.
func RateOf(users, unitCPUs, requestsPerUserPerS float64) float64 {
	return users * requestsPerUserPerS * fullScale(unitCPUs)
}

func fullScale(unitCPUs float64) float64 {
	if !(unitCPUs > 0) {
		return 1
	}
	return unitCPUs
}

// FullScaleRPS is the rate at full scale that a rate of the scaled-down system stands
// for, in proportion.
func FullScaleRPS(rps, unitCPUs float64) float64 { return rps / fullScale(unitCPUs) }
