// SPDX-License-Identifier: Apache-2.0

package spec

import (
	"reflect"
	"strings"
	"testing"

	"headroom/scenarios"
)

func shopTopology() scenarios.Topology {
	return scenarios.Topology{
		Entry: "balancer/haproxy",
		Machines: []scenarios.Machine{
			{Name: "app-1", Group: "app", Processes: []scenarios.Process{
				{Name: "mail", Kind: "mail", Port: 8025},
				{
					Name: "shop", Kind: "shop", Port: 8000, Settings: map[string]string{"feed": "join"},
					Links: []scenarios.Link{{Role: "database", To: []string{"db/postgres"}}, {Role: "mail", To: []string{"app-1/mail"}}},
				},
			}},
			{Name: "balancer", Group: "balancer", Processes: []scenarios.Process{{
				Name: "haproxy", Kind: "haproxy", Port: 8080,
				Links: []scenarios.Link{{Role: "backends", To: []string{"app-1/shop", "app-2/shop"}}},
			}}},
			{Name: "app-2", Group: "app", Processes: []scenarios.Process{{Name: "shop", Kind: "shop", Port: 8001}}},
			{Name: "db", Group: "db", Processes: []scenarios.Process{{Name: "postgres", Kind: "postgres", Port: 5432}}},
		},
	}
}

func host(machine string) string { return "after-" + machine }

func TestForMachine(t *testing.T) {
	topology := shopTopology()
	dataset := scenarios.Dataset{Users: 1, Posts: 2, Orders: 3}
	got, err := ForMachine(topology, topology.Machines[0], host, "n", dataset, nil)
	want := Spec{Machine: "app-1", Nonce: "n", Dataset: dataset, Processes: []Process{
		{Name: "mail", Kind: "mail", Port: 8025, Copy: 1, Copies: 2},
		{
			Name: "shop", Kind: "shop", Port: 8000, Settings: map[string]string{"feed": "join"}, Copy: 1, Copies: 2,
			Links: map[scenarios.Role][]string{"database": {"after-db:5432"}, "mail": {"127.0.0.1:8025"}},
		},
	}}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v, %v\nwant %+v", got, err, want)
	}
	balancer, err := ForMachine(topology, topology.Machines[1], host, "n", dataset, nil)
	backends := []string{"after-app-1:8000", "after-app-2:8001"}
	if err != nil || !reflect.DeepEqual(balancer.Processes[0].Links["backends"], backends) {
		t.Errorf("%+v, %v: want backends %q", balancer, err, backends)
	}
}

// A machine that shares its host listens, and finds itself, at its own address.
func TestForMachineThatSharesItsHost(t *testing.T) {
	topology := shopTopology()
	local := &Local{Address: "127.64.0.9", DataDir: "/run", DatasetDir: "/seeded"}
	got, err := ForMachine(topology, topology.Machines[0], host, "n", scenarios.Dataset{}, local)
	if err != nil {
		t.Fatal(err)
	}
	mail, shop := got.Processes[0], got.Processes[1]
	if mail.Listen() != "127.64.0.9:8025" || mail.Near() != "127.64.0.9:8025" || shop.Links["mail"][0] != "127.64.0.9:8025" {
		t.Errorf("mail listens at %s, is near at %s, linked at %v", mail.Listen(), mail.Near(), shop.Links["mail"])
	}
	if data, dataset := got.Dirs(); data != "/run" || dataset != "/seeded" || got.AgentAddress() != "127.64.0.9:9900" {
		t.Errorf("folders %s and %s, agent at %s", data, dataset, got.AgentAddress())
	}
}

func TestMachineWithItsHostToItself(t *testing.T) {
	p, s := Process{Port: 8000}, Spec{}
	if p.Listen() != ":8000" || p.Near() != "127.0.0.1:8000" || s.AgentAddress() != ":9900" {
		t.Errorf("listens at %s, is near at %s, agent at %s", p.Listen(), p.Near(), s.AgentAddress())
	}
	if data, dataset := s.Dirs(); data != DataDir || dataset != DatasetDir {
		t.Errorf("folders %s and %s", data, dataset)
	}
}

func TestForMachineRefusesLinksThatLeadNowhere(t *testing.T) {
	for to, want := range map[string]string{
		"db":       `"db" is not machine/process`,
		"cache/v":  `no machine "cache"`,
		"db/mysql": `machine db has no process "mysql"`,
	} {
		topology := shopTopology()
		topology.Machines[0].Processes[1].Links[0].To = []string{to}
		_, err := ForMachine(topology, topology.Machines[0], host, "n", scenarios.Dataset{}, nil)
		if err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "link database of app-1/shop") {
			t.Errorf("link to %q: error %v, want %q", to, err, want)
		}
	}
}
