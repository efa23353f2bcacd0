// SPDX-License-Identifier: Apache-2.0

package shop

import (
	"maps"
	"testing"

	"headroom/scenarios"
)

// What the shop would refuse at its start, minutes later, is refused with its line.
func TestSettingsThatDontGoTogether(t *testing.T) {
	shop := func(settings map[string]string, links ...scenarios.Link) scenarios.Process {
		p := Kind().Process("shop")
		maps.Copy(p.Settings, settings)
		p.Links = append(links, scenarios.Link{Role: scenarios.RoleMail, To: []string{"mail/mail"}})
		return p
	}
	to := func(role scenarios.Role, addresses ...string) scenarios.Link {
		return scenarios.Link{Role: role, To: addresses}
	}
	one, two := to(scenarios.RoleDatabase, "a/postgres"), to(scenarios.RoleDatabase, "a/postgres", "b/postgres")
	replicas, cache := to(scenarios.RoleReplicas, "c/postgres"), to(scenarios.RoleCache, "d/valkey")
	pages := to(scenarios.RolePages, "e/memcached")
	for _, test := range []struct {
		shop scenarios.Process
		want string
	}{
		{shop(nil, one), ""},
		{shop(map[string]string{"email": "queue"}, one), "email: queue has no queue: add a link queue, or set email: background"},
		{shop(map[string]string{"email": "queue"}, one, to(scenarios.RoleQueue, "q/nats")), ""},
		{shop(nil, one, replicas),
			"with replicas, own_writes: primary keeps its marks in the cache: add a link cache, or set own_writes: replica to read blindly"},
		{shop(nil, one, replicas, cache), ""},
		{shop(map[string]string{"own_writes": "replica"}, one, replicas), ""},
		{shop(nil, one, replicas, pages),
			"with replicas, own_writes: primary keeps its marks where pages can't: set own_writes: replica to read blindly, or put a link cache in the place of pages"},
		{shop(map[string]string{"own_writes": "replica"}, one, replicas, pages), ""},
		{shop(nil, one, pages), ""},
		{shop(map[string]string{"cache_ttl": "2s"}, one, pages), ""},
		{shop(map[string]string{"cache_ttl": "24h0m0s"}, one, pages), ""},
		{shop(map[string]string{"cache_ttl": "1s"}, one, pages),
			"cache_ttl: 1s can't be kept in pages, whose clock ticks once a second: set whole seconds, at least 2s"},
		{shop(map[string]string{"cache_ttl": "2.5s"}, one, pages),
			"cache_ttl: 2.5s can't be kept in pages, whose clock ticks once a second: set whole seconds, at least 2s"},
		{shop(map[string]string{"cache_ttl": "2.5s"}, one, cache), ""},
		{shop(nil, one, pages, cache), "a page is kept in one place: leave out one of the links cache and pages"},
		{shop(map[string]string{"purge": "write"}, one), "purge: write has nobody to tell: add links edges, or set purge: none"},
		{shop(map[string]string{"purge": "write"}, one, to(scenarios.RoleEdges, "e/varnish")), ""},
		{shop(map[string]string{"shard_by": "range"}, one), ""},
		{shop(map[string]string{"shard_by": "range"}, two),
			"shard_by: range with 2 databases: a seeded shard holds what hashes to it, set shard_by: hash"},
		{shop(map[string]string{"feed": "n_plus_1"}, two),
			"feed: n_plus_1 with 2 databases: a feed of several shards is gathered in one way, set feed: join"},
		{shop(nil, two), ""},
	} {
		if got := Kind().BrokenRule(test.shop); got != test.want {
			t.Errorf("%v %v: %q, want %q", test.shop.Settings, test.shop.Links, got, test.want)
		}
	}
}

// A setting that does nothing here says nothing, and one that a scenario sets does.
func TestQuietSettings(t *testing.T) {
	plain := Kind().Process("shop")
	plain.Links = []scenarios.Link{{Role: scenarios.RoleDatabase, To: []string{"a/postgres"}}}
	rich := Kind().Process("shop")
	rich.Links = []scenarios.Link{
		{Role: scenarios.RoleDatabase, To: []string{"a/postgres", "b/postgres"}}, {Role: scenarios.RoleCache, To: []string{"c/valkey"}},
		{Role: scenarios.RoleReplicas, To: []string{"d/postgres"}}, {Role: scenarios.RoleEdges, To: []string{"e/varnish"}},
	}
	told := Kind().Process("shop")
	told.Links = plain.Links
	said := map[string]string{"burn": "5%", "cache_ttl": "1s", "cache_write": "none", "own_writes": "replica", "own_writes_for": "2s",
		"plant": "body", "purge": "write", "shard_by": "range"}
	maps.Copy(told.Settings, said)
	for _, s := range Kind().Settings {
		_, conditional := said[s.Name]
		if got := Kind().IsIrrelevant(plain, s.Name); got != conditional {
			t.Errorf("%s of a shop without links is quiet: %v", s.Name, got)
		}
		planted := s.Name == Burn.Name || s.Name == Plant.Name
		if got := Kind().IsIrrelevant(rich, s.Name); got != planted {
			t.Errorf("%s of a shop with all links is quiet: %v", s.Name, got)
		}
		if Kind().IsIrrelevant(told, s.Name) {
			t.Errorf("%s is quiet although a scenario sets it", s.Name)
		}
	}
}
