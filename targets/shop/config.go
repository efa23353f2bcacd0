// SPDX-License-Identifier: Apache-2.0

package shop

import (
	"time"

	"headroom/scenarios"
	"headroom/targets/machine/spec"
	"headroom/targets/program"
)

// longest is the longest time that a setting may hold.
const longest = 24 * time.Hour

// Config is one instance of the shop. Words such as those of Feed, Orders and
// Email are those of scenarios.KindShop's settings.
type Config struct {
	Listen       string        `json:"listen"`             // host:port or :port
	Databases    []string      `json:"databases"`          // host:port of PostgreSQL; several are shards
	Replicas     []string      `json:"replicas,omitempty"` // host:port; replica i is a copy of database i, counted round
	Cache        string        `json:"cache,omitempty"`    // host:port of Valkey; "" runs without a cache
	Queue        string        `json:"queue,omitempty"`    // host:port of NATS; "" unless Email is "queue"
	Edges        []string      `json:"edges,omitempty"`    // host:port of a CDN's edges
	Mail         string        `json:"mail"`               // base URL of the mail provider
	PoolSize     int           `json:"pool_size"`          // connections at most to each database and replica; one more watches its health
	Feed         string        `json:"feed"`               // "join" or "n_plus_1"
	Orders       string        `json:"orders"`             // "limited" or "unbounded"
	Email        string        `json:"email"`              // "background", "inline" or "queue"
	CacheTTL     time.Duration `json:"cache_ttl_ns"`
	CacheWrite   string        `json:"cache_write"`       // what a write does to cached pages: "delete" or "none"
	OwnWrites    string        `json:"own_writes"`        // where a session that wrote reads, with replicas: "primary" or "replica"
	OwnWritesFor time.Duration `json:"own_writes_for_ns"` // after its write
	Purge        string        `json:"purge"`             // what a write does to the edges: "write" purges the feed, or "none"
	Burn         float64       `json:"burn"`              // CPU time that every request uses for nothing, as a share of what requests use
	Plant        string        `json:"plant"`             // a planted difference; "" or "none" is none
	Node         int           `json:"node"`              // of this machine: part of the ids made with shards
}

// MailConfig is the stand-in of a mail provider.
type MailConfig struct {
	Listen string        `json:"listen"`   // host:port or :port
	Delay  time.Duration `json:"delay_ns"` // before every answer to POST /send
}

// ConfigFromProcess reads p, whose settings are complete: the scenario's
// parser fills in what is not said. The error names the process and the first
// setting or link that is missing or wrong.
func ConfigFromProcess(p spec.Process) (Config, error) {
	r := program.NewReader(p, scenarios.KindShop)
	c := Config{
		Listen:     r.Listen(),
		Databases:  r.Links("database"),
		Replicas:   r.OptionalLinks("replicas"),
		Cache:      r.OptionalLink("cache"),
		Edges:      r.OptionalLinks("edges"),
		Mail:       "http://" + r.Link("mail"),
		PoolSize:   r.Count("pool_size", 1000),
		Feed:       r.OneOf("feed", "join", "n_plus_1"),
		Orders:     r.OneOf("orders", "limited", "unbounded"),
		Email:      r.OneOf("email", "background", "inline", "queue"),
		CacheTTL:   r.Duration("cache_ttl", time.Millisecond, longest),
		CacheWrite: r.OneOf("cache_write", "delete", "none"),

		OwnWrites:    r.OneOf("own_writes", "primary", "replica"),
		OwnWritesFor: r.Duration("own_writes_for", 10*time.Millisecond, longest),
		Purge:        r.OneOf("purge", "none", "write"),
		Node:         p.Node,
	}
	if c.Email == "queue" {
		c.Queue = r.Link("queue")
	}
	if _, planted := p.Settings["burn"]; planted {
		c.Burn = r.Share("burn")
	}
	if _, planted := p.Settings["plant"]; planted {
		c.Plant = r.OneOf("plant", plantNone, plantStatement, plantRoundTrip, plantBody)
	}
	checkTogether(r, c, r.OneOf("shard_by", "hash", "range", "region", "time"))
	return c, r.Err()
}

// checkTogether refuses what only goes wrong in company.
func checkTogether(r *program.Reader, c Config, shardBy string) {
	several := len(c.Databases) > 1
	switch {
	case len(c.Replicas) > 0 && c.Cache == "" && c.OwnWrites == "primary":
		r.Fail("with replicas, own_writes: primary keeps its marks in the cache: add a link cache, or set own_writes: replica to read blindly")
	case c.Purge == "write" && len(c.Edges) == 0:
		r.Fail("purge: write has nobody to tell: add links edges, or set purge: none")
	case several && shardBy != "hash":
		r.Fail("shard_by: %s with %d databases: a seeded shard holds what hashes to it, set shard_by: hash", shardBy, len(c.Databases))
	case several && c.Feed != "join":
		r.Fail("feed: %s with %d databases: a feed of several shards is gathered in one way, set feed: join", c.Feed, len(c.Databases))
	case several && (c.Node < 0 || c.Node > maxNode):
		r.Fail("node %d: an id has room for nodes 0 to %d, use fewer machines", c.Node, maxNode)
	}
}

// MailConfigFromProcess reads p as ConfigFromProcess does.
func MailConfigFromProcess(p spec.Process) (MailConfig, error) {
	r := program.NewReader(p, scenarios.KindMail)
	c := MailConfig{Listen: r.Listen(), Delay: r.Duration("delay", 0, longest)}
	return c, r.Err()
}
