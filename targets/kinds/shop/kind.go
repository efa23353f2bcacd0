// SPDX-License-Identifier: Apache-2.0

// Package shop is the kind of process that runs the reference application, which is
// the package targets/shop.
package shop

import (
	"time"

	"headroom/scenarios"
	"headroom/targets/machine"
)

// The settings of a shop.
var (
	Feed   = scenarios.Enum("feed", "how the feed reads its authors", "join", "n_plus_1")
	Orders = scenarios.Enum("orders", "how many of a user's orders are listed", "limited", "unbounded")
	Email  = scenarios.Enum("email", "where a checkout sends its confirmation", "background", "inline", "queue")
	// The catalog's add up to about 2 x vCPU + 1 at a database, PostgreSQL's own rule
	// of thumb. With four times as many, overloaded, phase 3's after answered a third as
	// much where page faults are slow: each maps its memory anew.
	PoolSize   = scenarios.Int("pool_size", 8, 1, 1000, "connections to each database, open from the start")
	CacheTTL   = scenarios.Duration("cache_ttl", 5*time.Minute, time.Millisecond, day, "how long the cache keeps a page").When(linked(scenarios.RoleCache), linked(scenarios.RolePages))
	CacheWrite = scenarios.Enum("cache_write", "what a write does to the pages that show it", "delete", "none").When(linked(scenarios.RoleCache), linked(scenarios.RolePages))
	OwnWrites  = scenarios.Enum("own_writes", "where a session reads that wrote lately; the marks of who wrote stand in the cache",
		"primary", "replica").When(linked(scenarios.RoleReplicas))
	OwnWritesFor = scenarios.Duration("own_writes_for", time.Second, 10*time.Millisecond, day, "how long ago lately is").When(linked(scenarios.RoleReplicas))
	ShardBy      = scenarios.Enum("shard_by", "which database a row is on", "hash", "range", "region", "time").When(sharded)
	Purge        = scenarios.Enum("purge", "when pages are taken out of the edges", "none", "write").When(linked(scenarios.RoleEdges))

	// Two planted differences, to see what a comparison finds.
	Burn  = scenarios.Share("burn", "0%", "CPU time that every request uses for nothing, as a share of what requests use").HidingDefault()
	Plant = scenarios.Enum("plant", "what each request does beyond its work: a statement, a round trip to the database, or an answer twice as large",
		"none", "statement", "round_trip", "body").HidingDefault()
)

const day = 24 * time.Hour

// sharded: the rows are spread over several databases.
var sharded = scenarios.Condition{Link: scenarios.RoleDatabase, Several: true}

func linked(role scenarios.Role) scenarios.Condition { return scenarios.Condition{Link: role} }

func set(setting, value string) scenarios.Condition {
	return scenarios.Condition{Setting: setting, Is: value}
}

// rules are what the shop refuses when it starts, said before anything starts.
var rules = []scenarios.Rule{
	{When: []scenarios.Condition{set(Email.Name, "queue")}, Needs: linked(scenarios.RoleQueue),
		Else: "email: queue has no queue: add a link queue, or set email: background"},
	{When: []scenarios.Condition{linked(scenarios.RoleReplicas), linked(scenarios.RolePages)}, Needs: set(OwnWrites.Name, "replica"),
		Else: "with replicas, own_writes: primary keeps its marks where pages can't: set own_writes: replica to read blindly, or put a link cache in the place of pages"},
	{When: []scenarios.Condition{linked(scenarios.RoleReplicas), set(OwnWrites.Name, "primary")}, Needs: linked(scenarios.RoleCache),
		Else: "with replicas, own_writes: primary keeps its marks in the cache: add a link cache, or set own_writes: replica to read blindly"},
	{When: []scenarios.Condition{linked(scenarios.RolePages)}, Needs: scenarios.Condition{Link: scenarios.RoleCache, Not: true},
		Else: "a page is kept in one place: leave out one of the links cache and pages"},
	{When: []scenarios.Condition{linked(scenarios.RolePages)}, Needs: scenarios.Condition{Setting: CacheTTL.Name, Min: "2s", Step: "1s"},
		Else: "cache_ttl: {cache_ttl} can't be kept in pages, whose clock ticks once a second: set whole seconds, at least 2s"},
	{When: []scenarios.Condition{set(Purge.Name, "write")}, Needs: linked(scenarios.RoleEdges),
		Else: "purge: write has nobody to tell: add links edges, or set purge: none"},
	{When: []scenarios.Condition{sharded}, Needs: set(ShardBy.Name, "hash"),
		Else: "shard_by: {shard_by} with {database} databases: a seeded shard holds what hashes to it, set shard_by: hash"},
	{When: []scenarios.Condition{sharded}, Needs: set(Feed.Name, "join"),
		Else: "feed: {feed} with {database} databases: a feed of several shards is gathered in one way, set feed: join"},
}

// Kind is the reference application. A shop counts requests_total,
// pool_acquires_total, pool_wait_s_total, pool_max, cache_hits_total,
// cache_misses_total, cache_passes_total (reads of sessions that wrote lately),
// cache_errors_total, feed_requests_total, feed_statements_total, round_trips_total
// (to databases, of requests), allocations_total (on its heap), replica_reads_total,
// primary_reads_total, replica_failures_total, replicas_healthy, purges_total and
// purge_errors_total; with a queue also jobs_published_total and
// jobs_publish_errors_total.
func Kind() machine.Kind {
	return machine.Kind{
		Kind: scenarios.Kind{
			Name: "shop", Port: 8000,
			Facts: scenarios.Facts{
				Label: "the shop", About: "the reference application", Keeps: scenarios.KeepsNothing, Ports: 1,
				Speaks: []scenarios.Protocol{scenarios.ProtocolHTTP, scenarios.ProtocolOrigin, scenarios.ProtocolFill, scenarios.ProtocolHome, scenarios.ProtocolSettle},
				Counters: []scenarios.Counter{
					{Key: "requests", Meaning: scenarios.MeaningAppRequests, Total: true},
					{Key: "feed_requests", Meaning: scenarios.MeaningFeedRequests, Total: true},
					{Key: "feed_statements", Meaning: scenarios.MeaningFeedStatements, Total: true},
					{Key: "round_trips", Meaning: scenarios.MeaningRoundTrips, Total: true},
					{Key: "allocations", Meaning: scenarios.MeaningAllocations, Total: true},
					{Key: "pool_wait_s", Meaning: scenarios.MeaningPoolWait, Total: true, Unit: "s"},
				},
			},
			Settings: []scenarios.SettingSpec{
				Burn.SettingSpec, CacheTTL.SettingSpec, CacheWrite.SettingSpec, Email.SettingSpec, Feed.SettingSpec, Orders.SettingSpec,
				OwnWrites.SettingSpec, OwnWritesFor.SettingSpec, Plant.SettingSpec, PoolSize.SettingSpec, Purge.SettingSpec, ShardBy.SettingSpec,
			},
			Links: []scenarios.LinkSpec{
				{Role: scenarios.RoleDatabase, Needs: scenarios.ProtocolPostgreSQL, Required: true, Many: true, Distinct: true, About: "the rows; several are shards"},
				{Role: scenarios.RoleMail, Needs: scenarios.ProtocolMail, Required: true, About: "confirmations"},
				{Role: scenarios.RoleCache, Needs: scenarios.ProtocolRedis, About: "pages, and who wrote lately"},
				{Role: scenarios.RoleEdges, Needs: scenarios.ProtocolPurge, Many: true, About: "whose pages it purges"},
				{Role: scenarios.RolePages, Needs: scenarios.ProtocolMemcached, About: "pages alone"},
				{Role: scenarios.RoleQueue, Needs: scenarios.ProtocolJetStream, About: "what may be done later"},
				{Role: scenarios.RoleReplicas, Needs: scenarios.ProtocolReplication, Many: true, About: "where it may read; replica i belongs to database i, counted round"},
			},
			Rules: rules,
		},
		New: machine.NewCountedApp,
	}
}
