// SPDX-License-Identifier: Apache-2.0

package shop

import (
	"maps"
	"reflect"
	"strings"
	"testing"
	"time"

	"headroom/scenarios"
	kind "headroom/targets/kinds/shop"
	"headroom/targets/machine/spec"
)

func shopProcess() spec.Process {
	return spec.Process{
		Name: "shop", Kind: "shop", Port: 8000,
		Settings: map[string]string{"feed": "n_plus_1", "orders": "unbounded", "email": "inline", "pool_size": "16", "cache_ttl": "5m", "cache_write": "delete",
			"own_writes": "primary", "own_writes_for": "1s", "shard_by": "hash", "purge": "none", "burn": "9%", "plant": "body"},
		Links: map[scenarios.Role][]string{"database": {"db:5432"}, "cache": {"cache:6379"}, "mail": {"mail:8025"}},
	}
}

func TestConfigFromProcess(t *testing.T) {
	got, err := ConfigFromProcess(shopProcess())
	want := Config{Listen: ":8000", Databases: []string{"db:5432"}, Cache: "cache:6379", Mail: "http://mail:8025", PoolSize: 16,
		Feed: "n_plus_1", Orders: "unbounded", Email: "inline", CacheTTL: 5 * time.Minute, CacheWrite: "delete",
		OwnWrites: "primary", OwnWritesFor: time.Second, Purge: "none", Burn: 0.09, Plant: "body"}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, %v, want %+v", got, err, want)
	}
	without := shopProcess()
	delete(without.Links, "cache")
	if got, err := ConfigFromProcess(without); err != nil || got.Cache != "" {
		t.Errorf("without a cache: %q, %v", got.Cache, err)
	}
	large := shopProcess()
	large.NodeID = 7
	large.Settings = maps.Clone(large.Settings)
	large.Settings["purge"], large.Settings["feed"] = "write", "join"
	large.Links["database"], large.Links["replicas"], large.Links["edges"] = []string{"a:1", "b:1"}, []string{"c:1", "d:1"}, []string{"e:1"}
	got, err = ConfigFromProcess(large)
	if err != nil || len(got.Databases) != 2 || len(got.Replicas) != 2 || got.Edges[0] != "e:1" || got.Purge != "write" || got.Node != 7 {
		t.Errorf("with shards, replicas and an edge: %+v, %v", got, err)
	}
}

func TestConfigFromProcessErrors(t *testing.T) {
	set := func(name, value string) func(*spec.Process) {
		return func(p *spec.Process) { p.Settings[name] = value }
	}
	tests := []struct {
		name   string
		change func(*spec.Process)
		holds  string
	}{
		{"other kind", func(p *spec.Process) { p.Kind = "mail" }, "kind shop"},
		{"no port", func(p *spec.Process) { p.Port = 0 }, "port 0"},
		{"missing setting", func(p *spec.Process) { delete(p.Settings, "feed") }, `setting "feed" is missing`},
		{"unknown word", set("orders", "some"), `orders: "some" is not known; known are limited, unbounded`},
		{"pool of none", set("pool_size", "0"), "pool_size"},
		{"pool in words", set("pool_size", "many"), "pool_size"},
		{"TTL without unit", set("cache_ttl", "5"), "unit"},
		{"queue without one", set("email", "queue"), "link queue"},
		{"no database", func(p *spec.Process) { delete(p.Links, "database") }, "link database leads nowhere"},
		{"two caches", func(p *spec.Process) { p.Links["cache"] = []string{"a:1", "b:1"} }, "leads to 2 places"},
		{"replica without port", func(p *spec.Process) { p.Links["replicas"] = []string{"replica"} }, "link replicas: \"replica\" is not host:port"},
		{"marks without a cache", func(p *spec.Process) {
			p.Links["replicas"] = []string{"r:1"}
			delete(p.Links, "cache")
		}, "add a link cache, or set own_writes: replica"},
		{"own writes for no time", set("own_writes_for", "0s"), "own_writes_for"},
		{"purge of nobody", set("purge", "write"), "add links edges"},
		{"shards by range", func(p *spec.Process) {
			p.Links["database"] = []string{"a:1", "b:1"}
			p.Settings["shard_by"] = "range"
		}, "set shard_by: hash"},
		{"shards with an N+1 feed", func(p *spec.Process) { p.Links["database"] = []string{"a:1", "b:1"} }, "set feed: join"},
		{"node beyond an id", func(p *spec.Process) {
			p.Links["database"], p.Settings["feed"], p.NodeID = []string{"a:1", "b:1"}, "join", 1024
		}, "nodes 0 to 1023"},
		{"address without port", func(p *spec.Process) { p.Links["mail"] = []string{"mail"} }, "host:port"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			p := shopProcess()
			p.Settings, p.Links = maps.Clone(p.Settings), maps.Clone(p.Links)
			test.change(&p)
			_, err := ConfigFromProcess(p)
			if err == nil || !strings.Contains(err.Error(), test.holds) || !strings.Contains(err.Error(), "process shop") {
				t.Errorf("error %v, want one that names the process and holds %q", err, test.holds)
			}
		})
	}
}

// What the kind says that a shop counts is among what the shop tells.
func TestKindCountsWhatIsTold(t *testing.T) {
	told := counters(newMetrics())
	for _, c := range kind.Kind().Facts.Counters {
		name := c.Key
		if c.Total {
			name += "_total"
		}
		if told[name] == nil {
			t.Errorf("the shop does not tell %s", name)
		}
	}
}
