// SPDX-License-Identifier: Apache-2.0

package scenarios_test

import (
	"slices"
	"strings"
	"testing"

	"headroom/scenarios"
	"headroom/targets/kinds"
)

// alone is a machine with one process p that talks to others.
func alone(name string, to ...string) scenarios.Machine {
	p := scenarios.Process{Name: "p", Port: 8000}
	if len(to) > 0 {
		p.Links = []scenarios.Link{{Role: "r", To: to}}
	}
	return scenarios.Machine{Name: name, Processes: []scenarios.Process{p}}
}

// waveNames are the machines of each wave: "db mail, app-1 app-2, lb".
func waveNames(waves [][]scenarios.Machine) string {
	var rows []string
	for _, wave := range waves {
		rows = append(rows, machineNames(wave))
	}
	return strings.Join(rows, ", ")
}

func TestWaves(t *testing.T) {
	for _, test := range []struct {
		name     string
		machines []scenarios.Machine
		want     string
		err      string
	}{
		{name: "one machine", machines: []scenarios.Machine{alone("a")}, want: "a"},
		{name: "a link within a machine", machines: []scenarios.Machine{alone("a", "a/other")}, want: "a"},
		{
			name:     "entry first in the file",
			machines: []scenarios.Machine{alone("lb", "app-1/p", "app-2/p"), alone("app-1", "db/p"), alone("app-2", "db/p", "mail/p"), alone("db"), alone("mail")},
			want:     "db mail, app-1 app-2, lb",
		},
		{name: "the longest way counts", machines: []scenarios.Machine{alone("lb", "db/p", "app/p"), alone("db"), alone("app", "db/p"), alone("other")}, want: "db other, app, lb"},
		{name: "cycle", machines: []scenarios.Machine{alone("x"), alone("a", "b/p"), alone("b", "a/p")}, err: `topology "t": cycle in links: a -> b -> a`},
		{name: "unknown machine", machines: []scenarios.Machine{alone("a", "nowhere/p")}, err: `topology "t": machine a talks to machine "nowhere", which is not there`},
	} {
		t.Run(test.name, func(t *testing.T) {
			got, err := scenarios.Topology{Label: "t", Machines: test.machines}.Waves()
			if test.err != "" {
				if err == nil || err.Error() != test.err {
					t.Fatalf("error %v, want %q", err, test.err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if names := waveNames(got); names != test.want {
				t.Errorf("waves %q, want %q", names, test.want)
			}
		})
	}
}

func TestWavesOfAWholeSystem(t *testing.T) {
	waves, err := final(t).After.Waves()
	if err != nil {
		t.Fatal(err)
	}
	const want = "mail shard-1 shard-2 cache queue, replica-1 replica-2 worker, app-1 app-2 app-3, balancer, gateway, edge-far edge-near"
	if got := waveNames(waves); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestNeeds(t *testing.T) {
	s := final(t)
	for _, test := range []struct {
		topology scenarios.Topology
		machine  string
		want     []string
	}{
		{s.After, "app-2", []string{"shard-1", "shard-2", "replica-1", "replica-2", "cache", "queue", "mail"}},
		{s.After, "replica-2", []string{"shard-2"}},
		{s.After, "balancer", []string{"app-1", "app-2", "app-3"}}, // in four roles, each once
		{s.After, "mail", nil},
		{s.Before, "server", []string{"mail"}}, // its other links stay within the machine
	} {
		m := test.topology.Machines[test.topology.Index(test.machine)]
		if got := m.Needs(); !slices.Equal(got, test.want) {
			t.Errorf("%s needs %v, want %v", test.machine, got, test.want)
		}
	}
}

func TestParseNamesACycle(t *testing.T) {
	data := edit(t, "{postgres: {"+phase3Seed+"}}", "{postgres: {primary: database/postgres}}")
	_, err := scenarios.Parse("mine.yaml", data, kinds.Data())
	if err == nil || !strings.Contains(err.Error(), "cycle in links: database/postgres -> database/postgres") {
		t.Errorf("got %v", err)
	}
}
