// SPDX-License-Identifier: Apache-2.0

package scenarios

import "testing"

// What is not compared must not run out: a relay of every byte gets more than a
// provider that waits.
func TestQuotaCPUs(t *testing.T) {
	link, mail := []Process{{Kind: KindLink}}, []Process{{Kind: KindMail}}
	for _, test := range []struct {
		name    string
		machine Machine
		want    float64
	}{
		{"priced", Machine{VCPU: 4}, 0.2},
		{"priced, with a link", Machine{VCPU: 4, Processes: link}, 0.2},
		{"a provider", Machine{External: true, Processes: mail}, ExternalCPUs},
		{"a street", Machine{External: true, Processes: link}, LinkCPUs},
		{"a street and a provider", Machine{External: true, Processes: append(mail, link...)}, LinkCPUs},
	} {
		if got := test.machine.QuotaCPUs(0.05); got != test.want {
			t.Errorf("%s: %v CPUs, want %v", test.name, got, test.want)
		}
	}
}
