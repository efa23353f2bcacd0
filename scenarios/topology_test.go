// SPDX-License-Identifier: Apache-2.0

package scenarios_test

import (
	"testing"

	"headroom/scenarios"
)

// What is not compared must not run out: a relay of every byte gets more than a
// provider that waits.
func TestQuotaCPUs(t *testing.T) {
	link, mail := []scenarios.Process{processOf(t, "link", "link")}, []scenarios.Process{processOf(t, "mail", "mail")}
	for _, test := range []struct {
		name    string
		machine scenarios.Machine
		want    float64
	}{
		{"priced", scenarios.Machine{VCPU: 4}, 0.2},
		{"priced, with a link", scenarios.Machine{VCPU: 4, Processes: link}, 0.2},
		{"a provider", scenarios.Machine{External: true, Processes: mail}, scenarios.ExternalCPUs},
		{"a street", scenarios.Machine{External: true, Processes: link}, scenarios.LinkCPUs},
		{"a street and a provider", scenarios.Machine{External: true, Processes: append(mail, link...)}, scenarios.LinkCPUs},
	} {
		if got := test.machine.QuotaCPUs(0.05); got != test.want {
			t.Errorf("%s: %v CPUs, want %v", test.name, got, test.want)
		}
	}
}
