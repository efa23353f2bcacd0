// SPDX-License-Identifier: Apache-2.0

package scenarios_test

import (
	"slices"
	"strings"
	"testing"

	"headroom/scenarios"
)

// A box is exactly as wide as its text may be. A text that is a column longer goes to
// the next line. A word that fits no line breaks the box and is not cut.
func TestDiagramToTheColumn(t *testing.T) {
	process := func(name string, kind scenarios.KindName, links ...scenarios.Link) scenarios.Process {
		return scenarios.Process{Name: name, Kind: kind, Links: links}
	}
	n34, m24 := strings.Repeat("n", 34), strings.Repeat("m", 24)
	app := []scenarios.Process{process("it", "it", scenarios.Link{Role: scenarios.RoleDatabase, To: []string{"db/" + n34}})}
	topology := scenarios.Topology{Entry: "app/it", Machines: []scenarios.Machine{
		{Name: "mail", External: true, Processes: []scenarios.Process{process("mail", "mail")}},
		{Name: m24, Size: "small", VCPU: 2, Processes: []scenarios.Process{process(strings.Repeat("w", 41), scenarios.KindName(strings.Repeat("w", 41)))}},
		{Name: "db", Size: "large", VCPU: 0.5, Processes: []scenarios.Process{process(n34, "kkk"), process(n34+"n", "kkk")}},
		{Name: "app-1", Group: "app", Size: "small", VCPU: 2, Processes: app},
		{Name: "app-2", Group: "app", Size: "small", VCPU: 2, Processes: app},
	}}
	want := []string{
		"users → app/it",
		"┌─ app x2 (small, 2 vCPU) ─────────────────┐",
		"│ it → db                                  │",
		"└──────────────────────────────────────────┘",
		"┌─ db (large, 0.5 vCPU) ───────────────────┐",
		"│ nnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnn (kkk) │",
		"│ nnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnn      │",
		"│     (kkk)                                │",
		"└──────────────────────────────────────────┘",
		"┌─ mmmmmmmmmmmmmmmmmmmmmmmm (small, 2 vCPU) ─┐",
		"│ wwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwww │",
		"└──────────────────────────────────────────┘",
		"┌─ mail (external) ────────────────────────┐",
		"│ mail                                     │",
		"└──────────────────────────────────────────┘",
	}
	if got := topology.Diagram(); !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// What changes between two topologies is told in words, what is gone first.
func TestDifferencesOfMachines(t *testing.T) {
	machines := func(copies int, size string, processes ...string) []scenarios.Machine {
		var out []scenarios.Machine
		for i := range copies {
			m := scenarios.Machine{Name: "app-" + string(rune('1'+i)), Group: "app", Size: size}
			for _, name := range processes {
				m.Processes = append(m.Processes, scenarios.Process{Name: name, Kind: scenarios.KindName(name)})
			}
			out = append(out, m)
		}
		return out
	}
	other := scenarios.Machine{Name: "cache", Size: "small", Processes: []scenarios.Process{{Name: "valkey"}, {Name: "shop"}}}
	for _, test := range []struct {
		name          string
		before, after []scenarios.Machine
		want          []string
	}{
		{"nothing", machines(2, "small", "shop"), machines(2, "small", "shop"), nil},
		{"copies", machines(1, "small", "shop"), machines(2, "small", "shop"), []string{"~ app: 1 small becomes 2 small"}},
		{"size", machines(2, "small", "shop"), machines(2, "large", "shop"), []string{"~ app: 2 small becomes 2 large"}},
		{"processes", machines(1, "small", "shop", "haproxy"), machines(1, "small", "shop", "gateway"), []string{"- app/haproxy is gone", "+ app/gateway is new"}},
		{"a new machine", machines(1, "small", "shop"), append(machines(1, "small", "shop"), other), []string{"+ cache is new (1 x small: valkey, shop)"}},
		{"a machine less", append(machines(1, "small", "shop"), other), machines(1, "small", "shop"), []string{"- cache is gone (1 x small: valkey, shop)"}},
	} {
		s := scenarios.Scenario{Before: scenarios.Topology{Machines: test.before}, After: scenarios.Topology{Machines: test.after}}
		if got := s.Differences(); !slices.Equal(got, test.want) {
			t.Errorf("%s: %q, want %q", test.name, got, test.want)
		}
	}
}
