// SPDX-License-Identifier: Apache-2.0

package shop

import (
	"time"

	"headroom/scenarios"
	kind "headroom/targets/kinds/shop"
	"headroom/targets/machine/spec"
	"headroom/targets/program"
	"headroom/targets/shop/postgres"
	"headroom/targets/shop/shards"
)

// Config is one instance of the shop. Words such as those of Feed, Orders and
// Email are those of the kind's settings.
type Config struct {
	Listen       string        `json:"listen"`             // host:port or :port
	Databases    []string      `json:"databases"`          // host:port of PostgreSQL; several are shards
	Replicas     []string      `json:"replicas,omitempty"` // host:port; replica i is a copy of database i, counted round
	Cache        string        `json:"cache,omitempty"`    // host:port of Valkey; "" runs without a cache
	Pages        string        `json:"pages,omitempty"`    // host:port of memcached; "" unless pages are kept there
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

// ConfigFromProcess reads p, whose settings are complete: the scenario's
// parser fills in what is not said. The error names the process and the first
// setting or link that is missing or wrong.
func ConfigFromProcess(p spec.Process) (Config, error) {
	r := program.NewReader(p, kind.Kind().Kind)
	if r.Err() != nil {
		return Config{}, r.Err()
	}
	c := Config{
		Listen:     r.Listen(),
		Databases:  r.Links(scenarios.RoleDatabase),
		Replicas:   r.OptionalLinks(scenarios.RoleReplicas),
		Cache:      r.OptionalLink(scenarios.RoleCache),
		Pages:      r.OptionalLink(scenarios.RolePages),
		Edges:      r.OptionalLinks(scenarios.RoleEdges),
		Mail:       "http://" + r.Link(scenarios.RoleMail),
		PoolSize:   kind.PoolSize.Of(p.Settings),
		Feed:       kind.Feed.Of(p.Settings),
		Orders:     kind.Orders.Of(p.Settings),
		Email:      kind.Email.Of(p.Settings),
		CacheTTL:   kind.CacheTTL.Of(p.Settings),
		CacheWrite: kind.CacheWrite.Of(p.Settings),

		OwnWrites:    kind.OwnWrites.Of(p.Settings),
		OwnWritesFor: kind.OwnWritesFor.Of(p.Settings),
		Purge:        kind.Purge.Of(p.Settings),
		Burn:         kind.Burn.Of(p.Settings),
		Plant:        kind.Plant.Of(p.Settings),
		Node:         p.NodeID,
	}
	if c.Email == "queue" {
		c.Queue = r.Link(scenarios.RoleQueue)
	}
	// What else only goes wrong in company the kind's rules have said.
	if len(c.Databases) > 1 && (c.Node < 0 || c.Node > shards.MaxNode) {
		r.Fail("node %d: an id has room for nodes 0 to %d, use fewer machines", c.Node, shards.MaxNode)
	}
	return c, r.Err()
}

// databases are those that c names, and how they are read.
func (c Config) databases() postgres.Config {
	tooFarBehind := c.OwnWritesFor / 2 // the other half is the lag meter's, which may be late by one look
	if c.OwnWrites == "replica" {
		tooFarBehind = 0
	}
	return postgres.Config{
		Databases: c.Databases, Replicas: c.Replicas, PoolSize: c.PoolSize, Feed: c.Feed, Orders: c.Orders, TooFarBehind: tooFarBehind,
	}
}
