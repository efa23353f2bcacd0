// SPDX-License-Identifier: Apache-2.0

package machine

import (
	"reflect"
	"testing"

	"headroom/scenarios"
	"headroom/targets/machine/spec"
)

// A relay answers about itself on the port after the one that it relays.
func TestRelayIsAskedOnTheNextPort(t *testing.T) {
	for ports, want := range map[int][]int{2: {9000, 9001}, 1: {9000}, 0: {9000}} {
		if got := portsOf(spec.Process{Facts: scenarios.Facts{Ports: ports}, Port: 9000}); !reflect.DeepEqual(got, want) {
			t.Errorf("who listens at %d takes the ports %v, want %v", ports, got, want)
		}
	}
	for relays, want := range map[bool]string{true: "127.0.0.1:9001", false: "127.0.0.1:9000"} {
		if got := ownAddress(spec.Process{Facts: scenarios.Facts{Ports: 2, Relays: relays}, Port: 9000}); got != want {
			t.Errorf("relays %v: is asked at %s, want %s", relays, got, want)
		}
	}
	for address, want := range map[string]string{"127.0.0.1:9000": "127.0.0.1:9001", "[::1]:80": "[::1]:81"} {
		if got := NextPort(address); got != want {
			t.Errorf("after %s comes %s, want %s", address, got, want)
		}
	}
}
