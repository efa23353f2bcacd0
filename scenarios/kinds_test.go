// SPDX-License-Identifier: Apache-2.0

package scenarios

import (
	"maps"
	"slices"
	"strings"
	"testing"
)

// Of every kind it is known whether copies of its machine can stand beside one
// another.
func TestKeeps(t *testing.T) {
	keeps := map[Kind]string{
		KindShop: KeepsNothing, KindMail: KeepsNothing, KindHAProxy: KeepsNothing, KindGateway: KeepsNothing,
		KindVarnish: KeepsNothing, KindWorker: KeepsNothing, KindLink: KeepsNothing,
		KindPostgres: KeepsData, KindValkey: KeepsData, KindNATS: KeepsQueue,
	}
	if !slices.Equal(slices.Sorted(maps.Keys(keeps)), Kinds()) {
		t.Errorf("this test knows the kinds %v, and there are %v: say what the others keep", slices.Sorted(maps.Keys(keeps)), Kinds())
	}
	for kind, want := range keeps {
		if got := kind.Keeps(); got != want {
			t.Errorf("%s keeps %q, want %q", kind, got, want)
		}
	}
	if got := Kind("etcd").Keeps(); got != KeepsData {
		t.Errorf("a kind of which nothing is known keeps %q", got)
	}
	machine := func(kinds ...Kind) (m Machine) {
		for _, k := range kinds {
			m.Processes = append(m.Processes, Process{Kind: k})
		}
		return m
	}
	for _, test := range []struct {
		machine Machine
		want    string
	}{
		{machine(KindShop, KindHAProxy), KeepsNothing},
		{machine(KindPostgres, KindShop, KindHAProxy), KeepsData},
		{machine(KindNATS, KindWorker), KeepsQueue},
		{machine(KindNATS, KindValkey), KeepsData},
	} {
		if got := test.machine.Keeps(); got != test.want {
			t.Errorf("%+v keeps %q, want %q", test.machine, got, test.want)
		}
	}
}

// Every kind has its facts: a further one that lacks some fails here.
func TestKindsHaveFacts(t *testing.T) {
	for _, k := range Kinds() {
		f := k.Facts()
		if f.Label == "" || f.About == "" || k.Port() == 0 || k.Ports() < 1 {
			t.Errorf("%s: %+v at port %d says too little", k, f, k.Port())
		}
		if f.Server != nil && (f.Server.Program == "" || f.Server.Packages == "") {
			t.Errorf("%s: whoever lacks the server is not told what to install: %+v", k, *f.Server)
		}
		if f.Database && (f.Keeps != KeepsData || !f.Stores) || f.Keeps == KeepsQueue && !f.Stores {
			t.Errorf("%s: its facts don't agree: %+v", k, f)
		}
		if f.Relays && (f.Server != nil || k.Ports() < 2) {
			t.Errorf("%s: has no port to be asked at", k)
		}
	}
	if f := Kind("etcd").Facts(); f.Label != "etcd" || f.Keeps != KeepsData {
		t.Errorf("a kind of which nothing is known is %+v", f)
	}
}

// What the shop would refuse at its start, minutes later, is refused with its line.
func TestSettingsThatDontGoTogether(t *testing.T) {
	shop := func(settings map[string]string, links ...Link) Process {
		p := Process{Name: "shop", Kind: KindShop, Settings: map[string]string{"feed": "join", "email": "background", "own_writes": "primary", "shard_by": "hash", "purge": "none"}}
		maps.Copy(p.Settings, settings)
		p.Links = append(links, Link{Role: RoleMail, To: []string{"mail/mail"}})
		return p
	}
	one, two := Link{Role: RoleDatabase, To: []string{"a/postgres"}}, Link{Role: RoleDatabase, To: []string{"a/postgres", "b/postgres"}}
	replicas, cache := Link{Role: RoleReplicas, To: []string{"c/postgres"}}, Link{Role: RoleCache, To: []string{"d/valkey"}}
	for _, test := range []struct {
		shop Process
		want string
	}{
		{shop(nil, one), ""},
		{shop(map[string]string{"email": "queue"}, one), "add a link queue"},
		{shop(map[string]string{"email": "queue"}, one, Link{Role: RoleQueue, To: []string{"q/nats"}}), ""},
		{shop(nil, one, replicas), "add a link cache"},
		{shop(nil, one, replicas, cache), ""},
		{shop(map[string]string{"own_writes": "replica"}, one, replicas), ""},
		{shop(map[string]string{"purge": "write"}, one), "add links edges"},
		{shop(map[string]string{"shard_by": "range"}, one), ""},
		{shop(map[string]string{"shard_by": "range"}, two), "set shard_by: hash"},
		{shop(map[string]string{"feed": "n_plus_1"}, two), "set feed: join"},
		{shop(nil, two), ""},
	} {
		got := checkShop(test.shop)
		if (got == "") != (test.want == "") || !strings.Contains(got, test.want) {
			t.Errorf("%v %v: %q, want %q", test.shop.Settings, test.shop.Links, got, test.want)
		}
	}
}
