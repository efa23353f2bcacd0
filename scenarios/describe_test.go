// SPDX-License-Identifier: Apache-2.0

package scenarios_test

import (
	"maps"
	"os"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"headroom/scenarios"
	"headroom/targets/kinds"
)

// final is a topology of the size of the final architecture.
func final(t *testing.T) *scenarios.Scenario {
	t.Helper()
	const file = "../reports/testdata/final.yaml"
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	s, err := scenarios.Parse(file, data, kinds.Data())
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func find(t *testing.T, topology scenarios.Topology, address string) (scenarios.Machine, scenarios.Process) {
	t.Helper()
	found := matching(topology, address)
	if len(found) == 0 {
		t.Fatalf("no process %s", address)
	}
	return found[0].Machine, found[0].Process
}

func TestLinkText(t *testing.T) {
	after := final(t).After
	tests := []struct {
		process string
		role    scenarios.Role
		want    string
	}{
		{"app-1/shop", scenarios.RoleDatabase, "shard/postgres x2"},
		{"app-3/shop", scenarios.RoleCache, "cache/valkey"},
		{"replica-1/postgres", scenarios.RolePrimary, "shard/postgres, one each"},
		{"balancer/haproxy", scenarios.RoleBackends, "app/shop x3"},
	}
	for _, tt := range tests {
		m, p := find(t, after, tt.process)
		got := after.LinkText(m, p, scenarios.Link{Role: tt.role, To: p.Targets(tt.role)})
		if got != tt.want {
			t.Errorf("%s %s is %q, want %q", tt.process, tt.role, got, tt.want)
		}
	}
	m, p := find(t, after, "balancer/haproxy")
	if got := after.LinkText(m, p, scenarios.Link{Role: scenarios.RoleBackends, To: []string{"app-1/shop", "app-3/shop"}}); got != "app-1/shop, app-3/shop" {
		t.Errorf("a part of the copies is %q", got)
	}
	if got := after.LinkText(m, p, scenarios.Link{Role: scenarios.RoleBackends, To: []string{"gone/shop"}}); got != "gone/shop" {
		t.Errorf("an unknown machine is %q", got)
	}
}

func TestTellingSettings(t *testing.T) {
	s := final(t)
	keys := func(topology scenarios.Topology, address string) []string {
		_, p := find(t, topology, address)
		return slices.Sorted(maps.Keys(s.RelevantSettings(p)))
	}
	if got := keys(s.Before, "server/shop"); !slices.Equal(got, []string{"email", "feed", "orders", "pool_size"}) {
		t.Errorf("one shop on one database has %v", got)
	}
	after := keys(s.After, "app/shop")
	for _, want := range []string{"own_writes", "own_writes_for", "shard_by", "cache_ttl"} {
		if !slices.Contains(after, want) {
			t.Errorf("with replicas, shards and a cache %s is missing from %v", want, after)
		}
	}
	if slices.Contains(after, "purge") {
		t.Error("purge is told without edges to purge")
	}
	if got := keys(s.After, "replica/postgres"); slices.Contains(got, "indexes") {
		t.Errorf("a replica has %v", got)
	}
	if got := keys(s.After, "shard/postgres"); !slices.Contains(got, "indexes") {
		t.Errorf("a shard has %v", got)
	}
	// What somebody set stays, even where it does nothing: it may be a mistake.
	_, shop := find(t, s.Before, "server/shop")
	shop.Settings = maps.Clone(shop.Settings)
	shop.Settings["own_writes"] = "replica"
	if _, told := s.RelevantSettings(shop)["own_writes"]; !told {
		t.Error("a setting that is not the fallback is not told")
	}
	if got := s.RelevantSettings(scenarios.Process{Kind: "nats"}); len(got) != 0 {
		t.Errorf("no settings give %v", got)
	}
}

// Another seed is a difference, in the words of its command.
func TestDifferencesOfSeeds(t *testing.T) {
	topology := func(seed ...string) scenarios.Topology {
		p := processOf(t, "postgres", "db")
		p.Seed = seed
		return scenarios.Topology{Machines: []scenarios.Machine{{Name: "m", Size: "large", Processes: []scenarios.Process{p}}}}
	}
	for _, test := range []struct {
		before, after scenarios.Topology
		want          []string
	}{
		{topology("a", "b"), topology("a", "b"), nil},
		{topology("a", "b"), topology("a", "it b"), []string{"~ m/db: seed: a b becomes a 'it b'"}},
		{topology(), topology("a"), []string{"~ m/db: seed: none becomes a"}},
		{topology("a", "{copy}"), topology(), []string{"~ m/db: seed: a {copy} becomes none"}},
	} {
		s := scenarios.Scenario{Before: test.before, After: test.after, Kinds: kinds.Data()}
		if got := s.Differences(); !slices.Equal(got, test.want) {
			t.Errorf("got %q, want %q", got, test.want)
		}
	}
}

func TestDiagramOfManyMachines(t *testing.T) {
	const diagramWidth = 42 // the room inside a box
	lines := final(t).After.Diagram()
	if lines[0] != "users → far: edge-far/varnish; near: edge-near/varnish" {
		t.Errorf("the entries are %q", lines[0])
	}
	shards := 0
	for _, line := range lines[1:] {
		if width := utf8.RuneCountInString(line); width != diagramWidth+2 {
			t.Errorf("a line of %d columns breaks the box: %q", width, line)
		}
		if strings.Contains(line, "shard x2") {
			shards++
		}
		if strings.Contains(line, "shard-") {
			t.Errorf("a copy stands by itself: %q", line)
		}
	}
	if shards != 1 {
		t.Errorf("the shards have %d boxes", shards)
	}
}
