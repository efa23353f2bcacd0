// SPDX-License-Identifier: Apache-2.0

package spec

import (
	"reflect"
	"strconv"
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
	got, err := ForMachine(topology, topology.Machines[0], host, "n", InMachine, nil)
	want := Spec{Machine: "app-1", Nonce: "n", Processes: []Process{
		{Name: "mail", Kind: "mail", Port: 8025, CopyNumber: 1, CopyCount: 2},
		{
			Name: "shop", Kind: "shop", Port: 8000, Settings: map[string]string{"feed": "join"}, CopyNumber: 1, CopyCount: 2,
			Links: map[scenarios.Role][]string{"database": {"after-db:5432"}, "mail": {"127.0.0.1:8025"}},
		},
	}}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v, %v\nwant %+v", got, err, want)
	}
	balancer, err := ForMachine(topology, topology.Machines[1], host, "n", InMachine, nil)
	backends := []string{"after-app-1:8000", "after-app-2:8001"}
	if err != nil || !reflect.DeepEqual(balancer.Processes[0].Links["backends"], backends) {
		t.Errorf("%+v, %v: want backends %q", balancer, err, backends)
	}
}

// A process of the user's own finds the others by its environment. In a container of
// its own it has a name in the network, at which it finds itself too.
func TestForMachineOfAService(t *testing.T) {
	env := map[string]string{"DATABASE_URL": "postgres://app@{database}/app", "PEERS": "{apps}", "SELF": "{self}", "PLAIN": "a {b} c"}
	links := []scenarios.Link{
		{Role: "database", To: []string{"db/postgres"}}, {Role: "apps", To: []string{"app-1/shop", "app-2/shop"}}, {Role: "self", To: []string{"web/web"}},
	}
	for _, test := range []struct {
		service scenarios.Service
		local   *Local
		address string // of the process
		self    string
	}{
		{scenarios.Service{Image: "web:1"}, nil, "after-web", "after-web:8000"},
		{scenarios.Service{Build: &scenarios.Build{Context: "."}}, nil, "after-web", "after-web:8000"},
		{scenarios.Service{Command: []string{"web"}}, &Local{Address: "127.64.0.9"}, "127.64.0.9", "127.64.0.9:8000"},
	} {
		topology, service := shopTopology(), test.service
		service.Env = env
		topology.Machines = append(topology.Machines, scenarios.Machine{Name: "web", Processes: []scenarios.Process{
			{Name: "web", Kind: "own", Port: 8000, Links: links, Service: &service}}})
		got, err := ForMachine(topology, topology.Machines[4], host, "n", InMachine, test.local)
		if err != nil {
			t.Fatal(err)
		}
		p := got.Processes[0]
		want := map[string]string{"DATABASE_URL": "postgres://app@after-db:5432/app", "PEERS": "after-app-1:8000,after-app-2:8001", "SELF": test.self, "PLAIN": "a {b} c"}
		if p.Address != test.address || p.LocalAddress() != test.self || !reflect.DeepEqual(p.Service.Env, want) {
			t.Errorf("%+v: at %s, near at %s, environment %q, want %q", test.service, p.Address, p.LocalAddress(), p.Service.Env, want)
		}
		if service.Env["SELF"] != "{self}" {
			t.Error("the scenario's own environment is changed")
		}
	}
	// Others find it there too.
	topology := shopTopology()
	topology.Machines[3].Processes[0].Service = &scenarios.Service{Image: "postgres:17"}
	shop, err := ForMachine(topology, topology.Machines[0], host, "n", InMachine, nil)
	if err != nil || !reflect.DeepEqual(shop.Processes[1].Links["database"], []string{"after-db:5432"}) {
		t.Errorf("%+v, %v", shop, err)
	}
}

// A machine that shares its host listens, and finds itself, at its own address.
func TestForMachineThatSharesItsHost(t *testing.T) {
	topology := shopTopology()
	local := &Local{Address: "127.64.0.9", DataDir: "/run"}
	got, err := ForMachine(topology, topology.Machines[0], host, "n", InMachine, local)
	if err != nil {
		t.Fatal(err)
	}
	mail, shop := got.Processes[0], got.Processes[1]
	if mail.Listen() != "127.64.0.9:8025" || mail.LocalAddress() != "127.64.0.9:8025" || shop.Links["mail"][0] != "127.64.0.9:8025" {
		t.Errorf("mail listens at %s, is near at %s, linked at %v", mail.Listen(), mail.LocalAddress(), shop.Links["mail"])
	}
	if got.DataDir() != "/run" || got.AgentAddress() != "127.64.0.9:9900" {
		t.Errorf("folder %s, agent at %s", got.DataDir(), got.AgentAddress())
	}
}

func TestMachineWithItsHostToItself(t *testing.T) {
	p, s := Process{Port: 8000}, Spec{}
	if p.Listen() != ":8000" || p.LocalAddress() != "127.0.0.1:8000" || s.AgentAddress() != ":9900" {
		t.Errorf("listens at %s, is near at %s, agent at %s", p.Listen(), p.LocalAddress(), s.AgentAddress())
	}
	if s.DataDir() != DataDir {
		t.Errorf("folder %s", s.DataDir())
	}
}

// Each copy begins with its own part, where the stage has put that part.
func TestForMachineThatBeginsWithData(t *testing.T) {
	seed := []string{"make", "part", "{copy}", "of", "{copies}"}
	shard := func(name string) scenarios.Machine {
		return scenarios.Machine{Name: name, Group: "shard", Processes: []scenarios.Process{{Name: "db", Kind: "postgres", Port: 5432, Seed: seed}}}
	}
	topology := scenarios.Topology{Entry: "shard-1/db", Machines: []scenarios.Machine{shard("shard-1"), shard("shard-2")}}
	for i, want := range []Dataset{{Dir: "/dataset/db"}, {Dir: "/dataset/db"}} {
		got, err := ForMachine(topology, topology.Machines[i], host, "n", InMachine, nil)
		if err != nil || got.Processes[0].Dataset == nil {
			t.Fatalf("%+v, %v", got, err)
		}
		d, begins := topology.DatasetOf(topology.Machines[i], topology.Machines[i].Processes[0])
		want.Key = d.Key()
		if !begins || *got.Processes[0].Dataset != want {
			t.Errorf("copy %d begins with %+v, want %+v", i+1, *got.Processes[0].Dataset, want)
		}
		local := &Local{Address: "127.64.0.9"}
		made := ForSeed(d, "/cache/x", "n", local)
		wantMade := Spec{Machine: "seed", Nonce: "n", Local: local,
			Processes: []Process{{Name: "db", Kind: "postgres", Address: "127.64.0.9", Port: 5432, CopyNumber: 1, CopyCount: 1}},
			Seed:      &Seed{Dir: "/cache/x", Key: d.Key(), Command: []string{"make", "part", strconv.Itoa(i + 1), "of", "2"}}}
		if !reflect.DeepEqual(made, wantMade) {
			t.Errorf("made by %+v, want %+v", made, wantMade)
		}
	}
}

// A service whose data are made runs as the scenario says, linked to nobody, and counts
// nothing.
func TestForSeedOfAService(t *testing.T) {
	service := scenarios.Service{Command: []string{"web"}, Env: map[string]string{"TEXT": "{{a}}"}, Counters: &scenarios.Exposition{}, Attach: "postgres", Data: "rows"}
	d := scenarios.Dataset{Process: scenarios.Process{Name: "web", Kind: "own", Port: 8000, Seed: []string{"fill"}, Service: &service}}
	got := ForSeed(d, "/cache/x", "n", &Local{Address: "127.64.0.9", DataDir: "/run"}).Processes[0]
	want := scenarios.Service{Command: []string{"web"}, Env: map[string]string{"TEXT": "{a}"}, Data: "rows"}
	if got.Service == nil || !reflect.DeepEqual(*got.Service, want) || got.Address != "127.64.0.9" {
		t.Errorf("it runs as %+v", got)
	}
	if service.Attach == "" || service.Env["TEXT"] != "{{a}}" {
		t.Errorf("asking has changed the scenario's own: %+v", service)
	}
}

// Only a question to which an empty process has no answer has a remedy.
func TestEmptyRemedy(t *testing.T) {
	for _, test := range []struct {
		service *scenarios.Service
		helps   bool
	}{
		{nil, false},
		{&scenarios.Service{Ready: scenarios.Ready{TCP: true}}, false},
		{&scenarios.Service{Ready: scenarios.Ready{HTTP: "/health"}}, true},
		{&scenarios.Service{Ready: scenarios.Ready{Command: []string{"ask"}}}, true},
	} {
		if got := EmptyRemedy(test.service); strings.Contains(got, "ready: {tcp: yes}") != test.helps || (got != "") != test.helps {
			t.Errorf("%+v: %q", test.service, got)
		}
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
		_, err := ForMachine(topology, topology.Machines[0], host, "n", InMachine, nil)
		if err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "link database of app-1/shop") {
			t.Errorf("link to %q: error %v, want %q", to, err, want)
		}
	}
}
