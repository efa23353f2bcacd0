// SPDX-License-Identifier: Apache-2.0

package scenarios

import (
	"fmt"
	"time"
)

// Kind is what a process is.
type Kind string

// The kinds of process that a machine can run.
const (
	KindShop     Kind = "shop"     // the reference application, role app
	KindMail     Kind = "mail"     // stands for a mail provider: answers after a stated delay
	KindPostgres Kind = "postgres" // PostgreSQL with the shop's dataset
	KindValkey   Kind = "valkey"
	KindHAProxy  Kind = "haproxy"
	KindNATS     Kind = "nats"    // NATS with JetStream: the queue
	KindWorker   Kind = "worker"  // takes jobs from the queue: mail, image, analytics
	KindGateway  Kind = "gateway" // API gateway: sessions, rate limit, correlation id
	KindVarnish  Kind = "varnish" // a CDN's edge
	KindLink     Kind = "link"    // a TCP link with a delay: distance
)

// setting is what one key of a process may hold.
type setting struct {
	fallback string
	values   []string // an enumeration, or nil
	typ      string   // "int", "duration", "share", "size" or "enum"
	about    string   // what the setting does, for people
	// least and most bound a duration; a most of 0 is a day.
	least, most time.Duration
	largest     int // bounds a number; 0 is 100,000
}

// linkRule is what one role of a kind may be linked to.
type linkRule struct {
	kinds    []Kind
	required bool
	many     bool
	// pairwise: copy i talks to target i, counted round where there are fewer.
	pairwise bool
	about    string // what the process takes the other for, for people
}

// kindRule is all that is known of a kind.
type kindRule struct {
	port     int
	facts    Facts
	settings map[string]setting
	links    map[Role]linkRule
	// check says what only goes wrong in company: settings and links that don't go
	// together; "" when they do. nil: all do.
	check func(p Process) string
}

// kinds is the one table of what a process may say. The parser refuses
// everything else, and names the nearest word that it knows.
var kinds = map[Kind]kindRule{
	KindShop: {
		port:  8000,
		facts: Facts{Label: "the shop", About: "the reference application"},
		settings: map[string]setting{
			"feed":   {fallback: "join", values: []string{"join", "n_plus_1"}, typ: "enum", about: "how the feed reads its authors"},
			"orders": {fallback: "limited", values: []string{"limited", "unbounded"}, typ: "enum", about: "how many of a user's orders are listed"},
			"email":  {fallback: "background", values: []string{"background", "inline", "queue"}, typ: "enum", about: "where a checkout sends its confirmation"},
			// The catalog's add up to about 2 x vCPU + 1 at a database, PostgreSQL's
			// own rule of thumb. With four times as many, overloaded, phase 3's after
			// answered a third as much where page faults are slow: each maps its memory
			// anew.
			"pool_size":   {fallback: "8", typ: "int", largest: 1000, about: "connections to each database, open from the start"},
			"cache_ttl":   {fallback: "5m0s", typ: "duration", least: time.Millisecond, about: "how long the cache keeps a page"},
			"cache_write": {fallback: "delete", values: []string{"delete", "none"}, typ: "enum", about: "what a write does to the pages that show it"},
			"own_writes": {fallback: "primary", values: []string{"primary", "replica"}, typ: "enum",
				about: "where a session reads that wrote lately; the marks of who wrote stand in the cache"},
			"own_writes_for": {fallback: "1s", typ: "duration", least: 10 * time.Millisecond, about: "how long ago lately is"},
			"shard_by":       {fallback: "hash", values: []string{"hash", "range", "region", "time"}, typ: "enum", about: "which database a row is on"},
			"purge":          {fallback: "none", values: []string{"none", "write"}, typ: "enum", about: "when pages are taken out of the edges"},
			// Two planted differences, to see what a comparison finds.
			"burn": {fallback: "0%", typ: "share", about: "CPU time that every request uses for nothing, as a share of what requests use"},
			"plant": {fallback: "none", values: []string{"none", "statement", "round_trip", "body"}, typ: "enum",
				about: "what each request does beyond its work: a statement, a round trip to the database, or an answer twice as large"},
		},
		links: map[Role]linkRule{
			RoleDatabase: {kinds: []Kind{KindPostgres}, required: true, many: true, about: "the rows; several are shards"},
			RoleReplicas: {kinds: []Kind{KindPostgres}, many: true, about: "where it may read; replica i belongs to database i, counted round"},
			RoleCache:    {kinds: []Kind{KindValkey}, about: "pages, and who wrote lately"},
			RoleQueue:    {kinds: []Kind{KindNATS}, about: "what may be done later"},
			RoleEdges:    {kinds: []Kind{KindVarnish}, many: true, about: "whose pages it purges"},
			RoleMail:     {kinds: []Kind{KindMail}, required: true, about: "confirmations"},
		},
		check: checkShop,
	},
	KindMail: {
		port:     8025,
		facts:    Facts{Label: "mail", About: "stands for a mail provider"},
		settings: map[string]setting{"delay": {fallback: "80ms", typ: "duration", about: "until a mail is answered"}},
	},
	KindPostgres: {
		port: 5432,
		facts: Facts{
			Label: "PostgreSQL", About: "a database with the shop's dataset; with a primary it is a streaming replica, a hot standby",
			Keeps: KeepsData, Database: true, Stores: true, SharedMemoryBytes: 256 << 20, // parallel queries share memory there
			Server: &Server{Program: "PostgreSQL 15 or newer", Packages: "postgresql"},
		},
		settings: map[string]setting{
			"indexes":         {fallback: "all", values: []string{"all", "primary_keys_only"}, typ: "enum", about: "which indexes the tables have"},
			"max_connections": {fallback: "100", typ: "int", about: "at once"},
			"shared_buffers":  {fallback: "512MB", typ: "size", about: "its cache; the default holds the whole standard dataset"},
			"data":            {fallback: "all", values: []string{"all", "shard"}, typ: "enum", about: "with shard, copy i of n holds the rows that hash to it"},
		},
		links: map[Role]linkRule{RolePrimary: {kinds: []Kind{KindPostgres}, pairwise: true, about: "the database that it follows"}},
	},
	KindValkey: {
		port: 6379,
		facts: Facts{
			Label: "Valkey", About: "a cache in memory; nothing of it is on disk", Keeps: KeepsData,
			Server: &Server{Program: "valkey-server or redis-server", Packages: "valkey-server (or redis-server)"},
		},
		settings: map[string]setting{"maxmemory": {fallback: "256MB", typ: "size", about: "beyond it the pages that were used longest ago go"}},
	},
	KindHAProxy: {
		port: 8080,
		facts: Facts{
			Label: "HAProxy", About: "a balancer of HTTP requests", Managed: "balancer",
			Server: &Server{Program: "haproxy", Packages: "haproxy"},
		},
		settings: map[string]setting{
			"balance": {fallback: "roundrobin", values: []string{"roundrobin", "leastconn"}, typ: "enum", about: "who gets the next request"},
		},
		// Requests for /api/orders, /api/users and /api/search go to their own
		// backends where there are any.
		links: map[Role]linkRule{
			RoleBackends: {kinds: []Kind{KindShop, KindGateway}, required: true, many: true, about: "who answers"},
			RoleOrders:   {kinds: []Kind{KindShop}, many: true, about: "who answers /api/orders, if others do"},
			RoleUsers:    {kinds: []Kind{KindShop}, many: true, about: "who answers /api/users, if others do"},
			RoleSearch:   {kinds: []Kind{KindShop}, many: true, about: "who answers /api/search, if others do"},
		},
	},
	KindNATS: {
		port: 4222,
		facts: Facts{
			Label: "NATS", About: "a queue on disk, with JetStream", Keeps: KeepsQueue, Stores: true, Ports: 2, Managed: "queue",
			Server: &Server{Program: "nats-server", Packages: "nats-server"},
		},
	},
	KindWorker: {
		port:  8026,
		facts: Facts{Label: "the worker", About: "takes the shop's jobs from the queue"},
		settings: map[string]setting{
			"jobs":       {fallback: "all", values: []string{"all", "mail", "image", "analytics"}, typ: "enum", about: "which it takes"},
			"idempotent": {fallback: "yes", values: []string{"yes", "no"}, typ: "enum", about: "whether a job that comes twice is done once"},
			"image_work": {fallback: "5ms", typ: "duration", most: 500 * time.Millisecond, about: "CPU time of one image"},
		},
		links: map[Role]linkRule{
			RoleQueue: {kinds: []Kind{KindNATS}, required: true, about: "where jobs come from"},
			RoleCache: {kinds: []Kind{KindValkey}, required: true, about: "remembers what was done"},
			RoleMail:  {kinds: []Kind{KindMail}, required: true, about: "where mails go"},
		},
	},
	KindGateway: {
		port:  8081,
		facts: Facts{Label: "the gateway", About: "an API gateway: sessions, rate limits, correlation ids"},
		settings: map[string]setting{
			"limiter":     {fallback: "sliding", values: []string{"sliding", "fixed", "none"}, typ: "enum", about: "how requests of a user are counted"},
			"rate_limit":  {fallback: "100", typ: "int", about: "requests of one user in rate_window"},
			"rate_window": {fallback: "1m0s", typ: "duration", least: 10 * time.Millisecond, about: "of the rate limit"},
		},
		links: map[Role]linkRule{
			RoleUpstream: {kinds: []Kind{KindHAProxy, KindShop}, required: true, many: true, about: "who answers"},
			RoleCache:    {kinds: []Kind{KindValkey}, required: true, about: "sessions and rates"},
		},
	},
	KindVarnish: {
		port: 8082,
		facts: Facts{
			Label: "Varnish", About: "an edge of a CDN; a copy begins with an empty cache of its own", Managed: "CDN",
			Server: &Server{Program: "varnishd", Packages: "varnish"},
		},
		settings: map[string]setting{
			"assets_ttl": {fallback: "24h0m0s", typ: "duration", about: "how long it keeps assets"},
			"api_ttl":    {fallback: "2s", typ: "duration", about: "how long it keeps public API answers"},
			"storage":    {fallback: "64MB", typ: "size", about: "memory for what it keeps"},
		},
		links: map[Role]linkRule{RoleOrigin: {kinds: []Kind{KindHAProxy, KindGateway, KindShop, KindLink}, required: true, about: "what it does not have"}},
	},
	KindLink: {
		port:  9000,
		facts: Facts{Label: "a link", About: "distance: TCP with a delay", Ports: 2, Relays: true},
		settings: map[string]setting{
			"delay":     {fallback: "40ms", typ: "duration", most: 2 * time.Second, about: "one way"},
			"jitter":    {fallback: "0s", typ: "duration", most: 2 * time.Second, about: "added to the delay, from 0 to this, uniform"},
			"bandwidth": {fallback: "1GB", typ: "size", about: "a second, each way"},
		},
		links: map[Role]linkRule{RoleTo: {kinds: []Kind{KindHAProxy, KindGateway, KindShop, KindVarnish, KindLink}, required: true, about: "its far side"}},
	},
}

// checkShop is what the shop refuses when it starts, said before anything starts.
func checkShop(p Process) string {
	databases, set := len(p.Targets(RoleDatabase)), p.Settings
	switch {
	case set["email"] == "queue" && !p.Linked(RoleQueue):
		return "email: queue has no queue: add a link queue, or set email: background"
	case p.Linked(RoleReplicas) && !p.Linked(RoleCache) && set["own_writes"] == "primary":
		return "with replicas, own_writes: primary keeps its marks in the cache: add a link cache, or set own_writes: replica to read blindly"
	case set["purge"] == "write" && !p.Linked(RoleEdges):
		return "purge: write has nobody to tell: add links edges, or set purge: none"
	case databases > 1 && set["shard_by"] != "hash":
		return fmt.Sprintf("shard_by: %s with %d databases: a seeded shard holds what hashes to it, set shard_by: hash", set["shard_by"], databases)
	case databases > 1 && set["feed"] != "join":
		return fmt.Sprintf("feed: %s with %d databases: a feed of several shards is gathered in one way, set feed: join", set["feed"], databases)
	}
	return ""
}
