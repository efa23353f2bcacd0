package scenarios

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

// What a process keeps that copies of its machine would have to agree on.
const (
	KeepsNothing = ""
	KeepsData    = "data"  // the rows that all read and write
	KeepsQueue   = "queue" // jobs in their order, each once
)

// Keeps is one of these words. An edge's cache is none of them: a copy begins
// with an empty one of its own.
func (k Kind) Keeps() string {
	rule, known := kinds[k]
	if !known {
		return KeepsData // more than it may be
	}
	return rule.keeps
}

// IsDatabase says whether a process of the kind keeps the dataset's rows.
func (k Kind) IsDatabase() bool { return kinds[k].database }

// Keeps is what the machine's processes keep, data before a queue.
func (m Machine) Keeps() string {
	keeps := KeepsNothing
	for _, p := range m.Processes {
		switch p.Kind.Keeps() {
		case KeepsData:
			return KeepsData
		case KeepsQueue:
			keeps = KeepsQueue
		}
	}
	return keeps
}

// setting is what one key of a process may hold.
type setting struct {
	fallback string
	values   []string // an enumeration, or nil
	typ      string   // "int", "duration", "share", "size" or "enum"
}

// linkRule is what one role of a kind may be linked to.
type linkRule struct {
	kinds    []Kind
	required bool
	many     bool
	// pairwise: copy i talks to target i, counted round where there are fewer.
	pairwise bool
}

// kindRule is all that the parser knows of a kind.
type kindRule struct {
	port     int
	keeps    string // KeepsData, KeepsQueue, or nothing
	database bool   // keeps the dataset's rows
	settings map[string]setting
	links    map[Role]linkRule
}

// kinds is the one table of what a process may say. The parser refuses
// everything else, and names the nearest word that it knows.
var kinds = map[Kind]kindRule{
	KindShop: {
		port: 8000,
		settings: map[string]setting{
			"feed":   {fallback: "join", values: []string{"join", "n_plus_1"}, typ: "enum"},
			"orders": {fallback: "limited", values: []string{"limited", "unbounded"}, typ: "enum"},
			"email":  {fallback: "background", values: []string{"background", "inline", "queue"}, typ: "enum"},
			// Connections to each database, open from the start. The catalog's add
			// up to about 2 x vCPU + 1 at a database, PostgreSQL's own rule of
			// thumb. With four times as many, overloaded, phase 3's after answered a
			// third as much where page faults are slow: each maps its memory anew.
			"pool_size":   {fallback: "8", typ: "int"},
			"cache_ttl":   {fallback: "5m0s", typ: "duration"},
			"cache_write": {fallback: "delete", values: []string{"delete", "none"}, typ: "enum"},
			// Where a session reads for own_writes_for after it wrote; needs a
			// cache, which keeps the marks.
			"own_writes":     {fallback: "primary", values: []string{"primary", "replica"}, typ: "enum"},
			"own_writes_for": {fallback: "1s", typ: "duration"},
			"shard_by":       {fallback: "hash", values: []string{"hash", "range", "region", "time"}, typ: "enum"},
			"purge":          {fallback: "none", values: []string{"none", "write"}, typ: "enum"}, // of the edges
			// CPU time that every request uses for nothing, as a share of what requests
			// use on this machine: a planted difference, to see what a comparison finds.
			"burn": {fallback: "0%", typ: "share"},
			// Other planted differences: a statement more a request, a round trip to
			// the database more, answers twice as large.
			"plant": {fallback: "none", values: []string{"none", "statement", "round_trip", "body"}, typ: "enum"},
		},
		links: map[Role]linkRule{
			RoleDatabase: {kinds: []Kind{KindPostgres}, required: true, many: true}, // several are shards
			// Replica i belongs to database i, counted round.
			RoleReplicas: {kinds: []Kind{KindPostgres}, many: true},
			RoleCache:    {kinds: []Kind{KindValkey}},
			RoleQueue:    {kinds: []Kind{KindNATS}},
			RoleEdges:    {kinds: []Kind{KindVarnish}, many: true},
			RoleMail:     {kinds: []Kind{KindMail}, required: true},
		},
	},
	KindMail: {
		port:     8025,
		settings: map[string]setting{"delay": {fallback: "80ms", typ: "duration"}},
	},
	KindPostgres: {
		port: 5432, keeps: KeepsData, database: true,
		settings: map[string]setting{
			"indexes":         {fallback: "all", values: []string{"all", "primary_keys_only"}, typ: "enum"},
			"max_connections": {fallback: "100", typ: "int"},
			"shared_buffers":  {fallback: "512MB", typ: "size"}, // holds the whole standard dataset
			// With shard, copy i of n holds the rows that hash to it.
			"data": {fallback: "all", values: []string{"all", "shard"}, typ: "enum"},
		},
		// With a primary it is a streaming replica, a hot standby.
		links: map[Role]linkRule{RolePrimary: {kinds: []Kind{KindPostgres}, pairwise: true}},
	},
	KindValkey: {
		port: 6379, keeps: KeepsData,
		settings: map[string]setting{"maxmemory": {fallback: "256MB", typ: "size"}},
	},
	KindHAProxy: {
		port: 8080,
		settings: map[string]setting{
			"balance": {fallback: "roundrobin", values: []string{"roundrobin", "leastconn"}, typ: "enum"},
		},
		// Requests for /api/orders, /api/users and /api/search go to their own
		// backends where there are any.
		links: map[Role]linkRule{
			RoleBackends: {kinds: []Kind{KindShop, KindGateway}, required: true, many: true},
			RoleOrders:   {kinds: []Kind{KindShop}, many: true},
			RoleUsers:    {kinds: []Kind{KindShop}, many: true},
			RoleSearch:   {kinds: []Kind{KindShop}, many: true},
		},
	},
	KindNATS: {port: 4222, keeps: KeepsQueue},
	KindWorker: {
		port: 8026,
		settings: map[string]setting{
			"jobs":       {fallback: "all", values: []string{"all", "mail", "image", "analytics"}, typ: "enum"},
			"idempotent": {fallback: "yes", values: []string{"yes", "no"}, typ: "enum"},
			"image_work": {fallback: "5ms", typ: "duration"}, // CPU time of one image
		},
		links: map[Role]linkRule{
			RoleQueue: {kinds: []Kind{KindNATS}, required: true},
			RoleCache: {kinds: []Kind{KindValkey}, required: true}, // remembers what was done
			RoleMail:  {kinds: []Kind{KindMail}, required: true},
		},
	},
	KindGateway: {
		port: 8081,
		settings: map[string]setting{
			"limiter":     {fallback: "sliding", values: []string{"sliding", "fixed", "none"}, typ: "enum"},
			"rate_limit":  {fallback: "100", typ: "int"}, // requests of one user in rate_window
			"rate_window": {fallback: "1m0s", typ: "duration"},
		},
		links: map[Role]linkRule{
			RoleUpstream: {kinds: []Kind{KindHAProxy, KindShop}, required: true, many: true},
			RoleCache:    {kinds: []Kind{KindValkey}, required: true}, // sessions and rates
		},
	},
	KindVarnish: {
		port: 8082,
		settings: map[string]setting{
			"assets_ttl": {fallback: "24h0m0s", typ: "duration"},
			"api_ttl":    {fallback: "2s", typ: "duration"}, // of public API answers
			"storage":    {fallback: "64MB", typ: "size"},
		},
		links: map[Role]linkRule{RoleOrigin: {kinds: []Kind{KindHAProxy, KindGateway, KindShop, KindLink}, required: true}},
	},
	KindLink: {
		port: 9000,
		settings: map[string]setting{
			"delay":     {fallback: "40ms", typ: "duration"}, // one way
			"jitter":    {fallback: "0s", typ: "duration"},   // added to it, 0 to this, uniform
			"bandwidth": {fallback: "1GB", typ: "size"},      // a second, each way
		},
		links: map[Role]linkRule{RoleTo: {kinds: []Kind{KindHAProxy, KindGateway, KindShop, KindVarnish, KindLink}, required: true}},
	},
}
