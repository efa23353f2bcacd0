// SPDX-License-Identifier: Apache-2.0

package scenarios_test

import (
	"slices"
	"strings"
	"testing"

	"headroom/scenarios"
	"headroom/targets/kinds"
)

// kindOf finds one of the kinds.
func kindOf(t *testing.T, name scenarios.KindName) scenarios.Kind {
	t.Helper()
	kind, ok := scenarios.KindOf(kinds.Data(), name)
	if !ok {
		t.Fatalf("there is no kind %s", name)
	}
	return kind
}

// processOf is a process of a kind, with its facts and the kind's defaults.
func processOf(t *testing.T, kind scenarios.KindName, name string, links ...scenarios.Link) scenarios.Process {
	t.Helper()
	p := kindOf(t, kind).Process(name)
	p.Links = links
	return p
}

// matching are the processes that "machine/process" or "group/process" names.
func matching(topology scenarios.Topology, address string) []scenarios.PlacedProcess {
	where, name, _ := strings.Cut(address, "/")
	return slices.DeleteFunc(topology.Processes(), func(at scenarios.PlacedProcess) bool {
		return at.Process.Name != name || at.Machine.Name != where && at.Machine.GroupName() != where
	})
}

// A machine keeps what its processes keep: data before what is not known, and that
// before a queue.
func TestKeeps(t *testing.T) {
	machine := func(names ...scenarios.KindName) (m scenarios.Machine) {
		for _, name := range names {
			m.Processes = append(m.Processes, processOf(t, name, string(name)))
		}
		return m
	}
	with := func(m scenarios.Machine) scenarios.Machine { // something of which nothing is known
		m.Processes = append(m.Processes, scenarios.Process{Name: "any"})
		return m
	}
	for _, test := range []struct {
		machine scenarios.Machine
		want    string
	}{
		{machine(), scenarios.KeepsNothing},
		{machine("shop", "haproxy"), scenarios.KeepsNothing},
		{machine("postgres", "shop", "haproxy"), scenarios.KeepsData},
		{machine("nats", "worker"), scenarios.KeepsQueue},
		{machine("nats", "valkey"), scenarios.KeepsData},
		{with(machine("shop")), ""},
		{with(machine("nats")), ""},
		{with(machine("postgres")), scenarios.KeepsData},
	} {
		if got := test.machine.Keeps(); got != test.want {
			t.Errorf("%+v keeps %q, want %q", test.machine, got, test.want)
		}
	}
}

// What is true of one process is true of its machine.
func TestFactsOfAMachine(t *testing.T) {
	for _, test := range []struct {
		kinds                                          []scenarios.KindName
		stores, answers, relays, hasDatabase, hasQueue bool
		shared                                         int64
	}{
		{kinds: nil},
		{kinds: []scenarios.KindName{"shop", "valkey", "haproxy"}},
		{kinds: []scenarios.KindName{"shop", "postgres"}, stores: true, hasDatabase: true, shared: 256 << 20},
		{kinds: []scenarios.KindName{"postgres", "postgres"}, stores: true, hasDatabase: true, shared: 512 << 20},
		{kinds: []scenarios.KindName{"nats"}, stores: true, hasQueue: true},
		{kinds: []scenarios.KindName{"varnish"}, answers: true},
		{kinds: []scenarios.KindName{"mail", "link"}, relays: true},
	} {
		m := scenarios.Machine{}
		for _, name := range test.kinds {
			m.Processes = append(m.Processes, processOf(t, name, string(name)))
		}
		if m.Stores() != test.stores || m.HoldsAnswers() != test.answers || m.Relays() != test.relays || m.HasDatabase() != test.hasDatabase || (m.Keeps() == scenarios.KeepsQueue) != test.hasQueue {
			t.Errorf("%v: stores %v, holds answers %v, relays %v, has a database %v, has a queue %v", test.kinds,
				m.Stores(), m.HoldsAnswers(), m.Relays(), m.HasDatabase(), (m.Keeps() == scenarios.KeepsQueue))
		}
		if got := m.SharedMemoryBytes(); got != test.shared {
			t.Errorf("%v: %d bytes of shared memory, want %d", test.kinds, got, test.shared)
		}
	}
}

// The trials file says what a process is: a machine and a process are enough to ask.
func TestFactsByTheirNames(t *testing.T) {
	after := final(t).After
	if f, ok := after.Facts("replica-1", "postgres"); !ok || f.Label != "PostgreSQL" || !f.Database {
		t.Errorf("a replica is %+v, %v", f, ok)
	}
	for _, gone := range [][2]string{{"replica", "postgres"}, {"replica-1", "shop"}, {"", ""}} {
		if f, ok := after.Facts(gone[0], gone[1]); ok || f.Label != "" {
			t.Errorf("%s, which is not there, is %+v", strings.Join(gone[:], "/"), f)
		}
	}
}
