// SPDX-License-Identifier: Apache-2.0

package scenarios_test

import (
	"math"
	"slices"
	"strconv"
	"strings"
	"testing"

	"headroom/scenarios"
)

func machineNames(machines []scenarios.Machine) string {
	var out []string
	for _, m := range machines {
		out = append(out, m.Name)
	}
	return strings.Join(out, " ")
}

func addressesOf(all []scenarios.PlacedProcess) string {
	var out []string
	for _, at := range all {
		out = append(out, at.Address())
	}
	return strings.Join(out, " ")
}

// groupNames are the groups with their copies: "shard*2 cache*1".
func groupNames(groups []scenarios.Group) string {
	var out []string
	for _, g := range groups {
		out = append(out, g.GroupName()+"*"+strconv.Itoa(g.Copies))
	}
	return strings.Join(out, " ")
}

// A topology with shards, replicas, copies and two entries, and one of a single
// server.
func TestTopologyAnswers(t *testing.T) {
	s := final(t)
	before, after := s.Before, s.After
	const server, priced = "mail/mail server/postgres server/shop server/haproxy",
		"shard*2 replica*2 cache*1 queue*1 worker*1 app*3 balancer*1 gateway*1 edge-far*1 edge-near*1"
	for _, test := range []struct{ question, got, want string }{
		{"all", addressesOf(before.Processes()), server},
		{"of a protocol", addressesOf(after.ProcessesSpeaking(scenarios.ProtocolFill)), "app-1/shop app-2/shop app-3/shop"},
		{"of a protocol that nobody speaks", addressesOf(after.ProcessesSpeaking("smtp")), ""},
		{"with a setting", addressesOf(after.ProcessesWithSetting("assets_ttl")), "edge-far/varnish edge-near/varnish"},
		{"with a setting that nobody has", addressesOf(after.ProcessesWithSetting("assets")), ""},
		{"that count", addressesOf(after.ProcessesCounting(scenarios.MeaningQueued)), "queue/nats"},
		{"that count what nobody counts", addressesOf(before.ProcessesCounting(scenarios.MeaningQueued)), ""},
		{"databases", addressesOf(after.Databases()), "shard-1/postgres shard-2/postgres replica-1/postgres replica-2/postgres"},
		{"one database", addressesOf(before.Databases()), "server/postgres"},
		{"shards", addressesOf(after.ShardDatabases()), "shard-1/postgres shard-2/postgres"},
		{"no shards", addressesOf(before.ShardDatabases()), ""},
		{"a group", machineNames(after.MachinesOf("app")), "app-1 app-2 app-3"},
		{"a group of one", machineNames(after.MachinesOf("cache")), "cache"},
		{"a copy is no group", machineNames(after.MachinesOf("app-1")), ""},
		{"groups", groupNames(after.Groups()), "mail*1 " + priced},
		{"priced groups", groupNames(after.PricedGroups()), priced},
		{"no groups", groupNames(scenarios.Topology{}.Groups()), ""},
		{"addresses", strings.Join(before.Addresses(), " "), server},
		{"places", strings.Join(after.Places(), " "), "far near"},
		{"one entry", strings.Join(scenarios.Topology{Entry: "a/p"}.Places(), "|"), ""},
	} {
		if test.got != test.want {
			t.Errorf("%s: got %q, want %q", test.question, test.got, test.want)
		}
	}
	if n := len((scenarios.Topology{Entry: "a/p"}).Places()); n != 1 {
		t.Errorf("users of one entry come from %d places", n)
	}
	if !after.HoldsAnswers() || before.HoldsAnswers() {
		t.Errorf("edges: before %v, after %v", before.HoldsAnswers(), after.HoldsAnswers())
	}
	want := []string{"mail/mail", "shard/postgres", "replica/postgres", "cache/valkey", "queue/nats", "worker/worker", "app/shop", "balancer/haproxy",
		"gateway/gateway", "edge-far/varnish", "edge-near/varnish"}
	if got := after.Addresses(); !slices.Equal(got, want) {
		t.Errorf("addresses %v, want %v", got, want)
	}
}

// A shard's seed says which part it holds. A replica has its primary's rows and no
// seed; what is no database is no shard.
func TestReplicasAreNoShards(t *testing.T) {
	shard := []string{"seed", "{copy}"}
	postgres := func(name string, seed []string, links ...scenarios.Link) scenarios.Machine {
		db := processOf(t, "postgres", "db", links...)
		db.Seed = seed
		return scenarios.Machine{Name: name, Group: strings.TrimRight(name, "-0123456789"), Processes: []scenarios.Process{db}}
	}
	topology := scenarios.Topology{Machines: []scenarios.Machine{
		postgres("replica-1", nil, scenarios.Link{Role: scenarios.RolePrimary, To: []string{"part-1/db"}}), postgres("part-1", shard), postgres("part-2", shard),
		postgres("whole", []string{"seed"}), postgres("empty", nil), {Name: "files", Processes: []scenarios.Process{{Name: "files", Seed: shard}}},
	}}
	if got := addressesOf(topology.ShardDatabases()); got != "part-1/db part-2/db" {
		t.Errorf("the shards are %s", got)
	}
}

// Copies need not stand together: what another machine needs starts before it.
func TestCopiesThatStandApart(t *testing.T) {
	topology := scenarios.Topology{Machines: []scenarios.Machine{{Name: "db-1", Group: "db", Size: "large"}, {Name: "app", Group: "app"}, {Name: "db-2", Group: "db"}, {Name: "a"}, {Name: "b"}}}
	if got := groupNames(topology.Groups()); got != "db*2 app*1 a*1 b*1" || topology.Groups()[0].Size != "large" {
		t.Errorf("groups %s", got)
	}
	for name, want := range map[string][2]int{"db-1": {1, 2}, "db-2": {2, 2}, "app": {1, 1}, "b": {1, 1}} { // without a group's name each is alone
		if copy, copies := topology.CopyOf(topology.Machines[topology.Index(name)]); copy != want[0] || copies != want[1] {
			t.Errorf("%s is copy %d of %d, want %v", name, copy, copies, want)
		}
	}
	if copy, copies := topology.CopyOf(scenarios.Machine{Name: "gone"}); copy != 0 || copies != 0 {
		t.Errorf("a machine that is not there is copy %d of %d", copy, copies)
	}
	if got := topology.Index("gone"); got != -1 {
		t.Errorf("it stands at %d", got)
	}
}

func TestFind(t *testing.T) {
	after := final(t).After
	at, err := after.Find("replica-2/postgres")
	if err != nil || at.Address() != "replica-2/postgres" || at.Process.Port != 5432 || at.Machine.Size != "medium" {
		t.Errorf("%+v, %v", at, err)
	}
	for address, want := range map[string]string{
		"cache":            `"cache" is not machine/process`,
		"cash/valkey":      `no machine "cash"`,
		"app/shop":         `no machine "app"`, // a group of several
		"cache/redis":      `machine cache has no process "redis"`,
		"cache/valkey/one": `machine cache has no process "valkey/one"`,
	} {
		if at, err := after.Find(address); err == nil || err.Error() != want {
			t.Errorf("%s: %+v, %v; want %s", address, at, err, want)
		}
	}
}

func TestFindEntry(t *testing.T) {
	topology := scenarios.Topology{Entry: "balancer/haproxy", Entries: map[string]string{"far": "app-2/shop", "lost": "cdn/varnish"}, Machines: []scenarios.Machine{
		{Name: "app-2", Processes: []scenarios.Process{{Name: "shop", Port: 8001}}},
		{Name: "balancer", Processes: []scenarios.Process{{Name: "haproxy", Port: 8080}}},
	}}
	for from, want := range map[string]string{"": "balancer/haproxy:8080", "far": "app-2/shop:8001"} {
		at, err := topology.FindEntry(from)
		if got := at.Address() + ":" + strconv.Itoa(at.Process.Port); err != nil || got != want {
			t.Errorf("entry %q is %s, %v; want %s", from, got, err, want)
		}
	}
	topology.Entry = "balancer/nginx"
	for from, want := range map[string]string{
		"lost": `entry lost: no machine "cdn"`, "nowhere": `entry nowhere: "" is not machine/process`, "": `entry: machine balancer has no process "nginx"`,
	} {
		if _, err := topology.FindEntry(from); err == nil || err.Error() != want {
			t.Errorf("entry %q: error %v, want %s", from, err, want)
		}
	}
}

func TestProcessAnswers(t *testing.T) {
	after := final(t).After
	for _, test := range []struct {
		address         string
		replica, seeded bool
		role            scenarios.Role
		targets         string
	}{
		{"shard-1/postgres", false, true, scenarios.RolePrimary, ""},
		{"replica-2/postgres", true, false, scenarios.RolePrimary, "shard-2/postgres"},
		{"app-1/shop", false, false, scenarios.RoleDatabase, "shard-1/postgres shard-2/postgres"},
		{"app-1/shop", false, false, scenarios.RoleEdges, ""},
		{"cache/valkey", false, false, scenarios.RoleCache, ""}, // keeps data, and begins with none
		{"edge-far/varnish", false, false, scenarios.RoleOrigin, "gateway/gateway"},
	} {
		at, err := after.Find(test.address)
		if err != nil {
			t.Fatal(err)
		}
		p := at.Process
		if _, begins := after.DatasetOf(at.Machine, p); p.IsReplica() != test.replica || begins != test.seeded {
			t.Errorf("%s: a replica %v, begins with data %v", test.address, p.IsReplica(), begins)
		}
		if got := strings.Join(p.Targets(test.role), " "); got != test.targets || p.Linked(test.role) != (got != "") {
			t.Errorf("%s: its %s is %q, linked %v; want %q", test.address, test.role, got, p.Linked(test.role), test.targets)
		}
	}
}

func TestMachineAnswers(t *testing.T) {
	s := final(t)
	for _, test := range []struct {
		topology              scenarios.Topology
		machine               string
		shop, database, queue bool
	}{
		{s.Before, "server", true, true, false},
		{s.After, "app-3", true, false, false},
		{s.After, "shard-2", false, true, false},
		{s.After, "replica-1", false, true, false},
		{s.After, "cache", false, false, false},
		{s.After, "queue", false, false, true},
		{s.After, "worker", false, false, false},
	} {
		m := test.topology.Machines[test.topology.Index(test.machine)]
		shop := len(scenarios.Topology{Machines: []scenarios.Machine{m}}.ProcessesSpeaking(scenarios.ProtocolFill)) > 0
		if shop != test.shop || m.HasDatabase() != test.database || (m.Keeps() == scenarios.KeepsQueue) != test.queue {
			t.Errorf("%s: runs a shop %v, has a database %v, has a queue %v", test.machine,
				shop, m.HasDatabase(), m.Keeps() == scenarios.KeepsQueue)
		}
	}
	m := s.Before.Machines[s.Before.Index("server")]
	if p, ok := m.Process("haproxy"); !ok || p.Kind != "haproxy" {
		t.Errorf("haproxy is %+v, %v", p, ok)
	}
	if p, ok := m.Process("valkey"); ok {
		t.Errorf("valkey is %+v", p)
	}
}

// Streets and a provider beside the priced machines.
func TestQuotasTogether(t *testing.T) {
	after := loaded(t, "phase6").After
	if got, want := after.ExternalQuotaCPUs(), scenarios.ExternalCPUs+2*scenarios.LinkCPUs; math.Abs(got-want) > 1e-9 {
		t.Errorf("external machines may use %v CPUs, want %v", got, want)
	}
	if got := (scenarios.Topology{Machines: []scenarios.Machine{{VCPU: 4}}}).ExternalQuotaCPUs(); got != 0 {
		t.Errorf("without external machines: %v", got)
	}
}
