// SPDX-License-Identifier: Apache-2.0

package harness

import (
	"testing"

	"headroom/scenarios"
	"headroom/targets/kinds"
)

// Every scenario of the catalog must be measurable on two cores, the smallest
// machine that headroom promises to work on.
func TestCatalogFitsTwoCores(t *testing.T) {
	for _, name := range scenarios.Names() {
		s, err := scenarios.LoadNamed(name, kinds.Data())
		if err != nil {
			t.Fatal(err)
		}
		shares, err := Share(s, 2)
		if err != nil {
			t.Errorf("%v", err)
			continue
		}
		for _, v := range scenarios.Variants() {
			sum := shares.VariantCPUs[v] + shares.DriverCPUs + shares.ReserveCPUs
			if sum > shares.HostCPUs+1e-9 {
				t.Errorf("%s: %s, driver and reserve need %.3f CPUs of %g", name, v, sum, shares.HostCPUs)
			}
		}
	}
}
