// SPDX-License-Identifier: Apache-2.0

package scenarios

import (
	"strings"
	"testing"
)

// Whatever the order in the file, a machine's processes stand behind those of
// their own machine that they talk to.
func TestStartOrderWithinAMachine(t *testing.T) {
	machines := []Machine{{Name: "a", Processes: []Process{
		{Name: "front", Links: []Link{{"to", []string{"a/shop", "b/p"}}}},
		{Name: "shop", Links: []Link{{"to", []string{"a/db"}}}},
		{Name: "db"},
	}}, {Name: "b", Processes: []Process{{Name: "p", Port: 8000}}}}
	sorted, err := startOrder(machines)
	if err != nil {
		t.Fatal(err)
	}
	var addresses []string
	for _, at := range (Topology{Machines: sorted}).Processes() {
		addresses = append(addresses, at.Address())
	}
	if got := strings.Join(addresses, " "); got != "b/p a/db a/shop a/front" {
		t.Errorf("got %s", got)
	}
}

func TestParseRefusesCycle(t *testing.T) {
	first := []Machine{
		{Name: "a", Processes: []Process{{Name: "p", Links: []Link{{"to", []string{"b/p"}}}}}},
		{Name: "b", Processes: []Process{{Name: "p", Links: []Link{{"to", []string{"a/p"}}}}}},
	}
	if _, err := startOrder(first); err == nil || err.Error() != "cycle in links: a -> b -> a" {
		t.Errorf("between machines: got %v", err)
	}
	within := []Machine{{Name: "a", Processes: []Process{
		{Name: "p", Links: []Link{{"to", []string{"a/q"}}}},
		{Name: "q", Links: []Link{{"to", []string{"a/p"}}}},
	}}}
	if _, err := startOrder(within); err == nil || err.Error() != "cycle in links: a/p -> a/q -> a/p" {
		t.Errorf("within a machine: got %v", err)
	}
}
