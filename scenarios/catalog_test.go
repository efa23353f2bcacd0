// SPDX-License-Identifier: Apache-2.0

package scenarios_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"headroom/scenarios"
	"headroom/targets/kinds"
)

func loaded(t *testing.T, name string) *scenarios.Scenario {
	t.Helper()
	s, err := scenarios.LoadNamed(name, kinds.Data())
	if err != nil {
		t.Fatalf("%s:\n%v", name, err)
	}
	return s
}

func TestCatalogParses(t *testing.T) {
	for _, name := range scenarios.Names() {
		s := loaded(t, name)
		if s.Name != name {
			t.Errorf("the file %s.yaml holds a scenario named %q", name, s.Name)
		}
		if len(s.Claims) == 0 && len(s.Gate) == 0 {
			t.Errorf("%s tests no claim", name)
		}
	}
}

// Every database of the catalog begins with rows: by its seed, or as its primary. Both
// variants have the same, whole or in parts.
func TestCatalogHasData(t *testing.T) {
	const seed = "headroom seed --users 100000 --posts 500000 --orders 1000000"
	for _, name := range scenarios.Names() {
		s := loaded(t, name)
		for _, v := range scenarios.Variants() {
			for _, at := range s.Topology(v).Databases() {
				if len(at.Process.Seed) == 0 && !at.Process.IsReplica() {
					t.Errorf("%s, %s: %s begins empty", name, v, at.Address())
				}
			}
			for i, d := range s.Topology(v).Datasets() {
				part := ""
				if shards := len(s.Topology(v).ShardDatabases()); shards > 0 {
					part = fmt.Sprintf(" --shard %d --shards %d", i+1, shards)
				}
				if got := strings.TrimSuffix(d.Command(), " --terms 10000"); got != seed+part {
					t.Errorf("%s, %s: the data are made by %q, want %q", name, v, got, seed+part)
				}
			}
		}
		for key, want := range map[string]int{"post": 500_000, "asset": 200} {
			if k, drawn := s.Load.Keys[key]; drawn && k.Count != want {
				t.Errorf("%s draws from %d %ss, want %d", name, k.Count, key, want)
			}
		}
	}
}

// What is held against itself must be the same.
func TestGateShopHasTwoEqualVariants(t *testing.T) {
	s := loaded(t, "gate-shop")
	if got := s.Differences(); len(got) > 0 {
		t.Errorf("its variants differ: %q", got)
	}
	if want := []string{"app", "database"}; !slices.Equal(s.Gate, want) {
		t.Errorf("it gates %v, want %v", s.Gate, want)
	}
}

func TestCatalogStandsInTheOrderOfTheJourney(t *testing.T) {
	want := []string{"phase1", "phase2", "phase3", "phase4", "phase4-blind", "phase5", "phase6", "final", "gate-shop"}
	got := scenarios.Names()
	if len(got) < len(want) || !slices.Equal(got[:len(want)], want) || !slices.IsSorted(got[len(want)-1:]) {
		t.Errorf("got %v, want %v, and all others by name", got, want)
	}
}

// Every oracle of a scenario must find something to check in its mix.
func TestCatalogGivesItsOraclesSomethingToCheck(t *testing.T) {
	needs := map[scenarios.OracleName]func(reads, writes scenarios.Endpoint) bool{
		scenarios.OracleStale: func(r, w scenarios.Endpoint) bool { return r.Object != "" && r.Object == w.Object },
		scenarios.OracleReadYourWrites: func(r, w scenarios.Endpoint) bool {
			return r.Object != "" && r.Object == w.Object && r.Session == w.Session && r.Session != ""
		},
		scenarios.OracleMonotonic:    func(r, w scenarios.Endpoint) bool { return r.Object != "" && r.Object == w.Object && r.Session != "" },
		scenarios.OracleMisplaced:    func(_, w scenarios.Endpoint) bool { return w.Creates != "" },
		scenarios.OracleDuplicateIDs: func(_, w scenarios.Endpoint) bool { return w.Creates != "" },
		scenarios.OracleLost: func(_, w scenarios.Endpoint) bool {
			return w.Creates == "orders" && strings.HasPrefix(w.Path, "/api/checkout")
		},
		scenarios.OracleOverLimit: func(r, _ scenarios.Endpoint) bool { return r.Session != "" },
	}
	for _, name := range scenarios.Names() {
		s := loaded(t, name)
		for _, oracle := range s.Oracles {
			fits, ok := needs[oracle]
			if ok && !anyPair(s.Load.Mix, fits) {
				t.Errorf("%s asks for the oracle %s, and no requests of its mix give it anything to check", name, oracle)
			}
		}
	}
}

func anyPair(mix []scenarios.Endpoint, fits func(read, write scenarios.Endpoint) bool) bool {
	for _, r := range mix {
		for _, w := range mix {
			if r.Method == "GET" && w.Method != "GET" && fits(r, w) {
				return true
			}
		}
	}
	return false
}

// Before and after of phase 6 must differ by the edges alone: each place's
// users go the same streets and wires.
func TestPhase6HasTheSameLinksInBothVariants(t *testing.T) {
	s := loaded(t, "phase6")
	for _, from := range []string{"far", "near"} {
		before, after := wayOf(t, s.Before, from), wayOf(t, s.After, from)
		edge := slices.IndexFunc(after, func(step string) bool { return strings.HasPrefix(step, "varnish") })
		if edge != 1 {
			t.Fatalf("the way from %s is %v: want an edge after the street", from, after)
		}
		if without := slices.Delete(slices.Clone(after), edge, edge+1); !slices.Equal(before, without) {
			t.Errorf("from %s: before goes %v, after without its edge %v", from, before, without)
		}
	}
	for _, e := range s.Load.Mix {
		if e.From == "" {
			t.Errorf("%s comes from nowhere", e.Name)
		}
	}
}

// wayOf follows the links from a place's entry to the balancer: kind and delay
// of each process on the way.
func wayOf(t *testing.T, topology scenarios.Topology, from string) []string {
	t.Helper()
	next, way := topology.EntryOf(from), []string{}
	for len(way) < 10 {
		found := matching(topology, next)
		if len(found) != 1 {
			t.Fatalf("%q is not one process", next)
		}
		p := found[0].Process
		way = append(way, strings.TrimSpace(string(p.Kind)+" "+p.Settings["delay"]))
		if p.Kind == "haproxy" {
			return way
		}
		next = p.Links[0].To[0]
	}
	t.Fatalf("the way from %s does not end: %v", from, way)
	return nil
}

// A change of one switch must be the only difference.
func TestPhase4BlindChangesOneSwitch(t *testing.T) {
	s := loaded(t, "phase4-blind")
	want := []string{"~ app/shop: own_writes: primary becomes replica"}
	if got := s.Differences(); !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	routed, blind := loaded(t, "phase4"), s
	if !slices.Equal(routed.Load.Mix, blind.Load.Mix) {
		t.Error("phase4 and phase4-blind have different mixes")
	}
}

func TestFinalPairsEachReplicaWithItsShard(t *testing.T) {
	s := loaded(t, "final")
	for replica, shard := range map[string]string{"replica-1": "shard-1", "replica-2": "shard-2"} {
		found := matching(s.After, replica+"/postgres")
		if len(found) != 1 || len(found[0].Process.Links) != 1 || !slices.Equal(found[0].Process.Links[0].To, []string{shard + "/postgres"}) {
			t.Errorf("%s: got %+v, want one link to %s", replica, found, shard)
		}
	}
	if got := addressesOf(s.After.ShardDatabases()); got != "shard-1/postgres shard-2/postgres" {
		t.Errorf("the shards of after are %q, want both", got)
	}
	if got := addressesOf(s.Before.ShardDatabases()); got != "" {
		t.Errorf("the shards of before are %q, want none", got)
	}
}

func TestPhase5IsWriteHeavy(t *testing.T) {
	s := loaded(t, "phase5")
	writes := 0.0
	for _, e := range s.Load.Mix {
		if e.Method != "GET" {
			writes += e.Weight
		}
	}
	if writes < 0.5 {
		t.Errorf("%.0f%% of the mix writes, want at least half", writes*100)
	}
	if got := len(s.After.ShardDatabases()); got != 4 {
		t.Errorf("after has %d shards, want 4", got)
	}
}
