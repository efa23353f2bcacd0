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
)

// setting is what one key of a process may hold.
type setting struct {
	fallback string
	values   []string // an enumeration, or nil
	typ      string   // "int", "duration", "size" or "enum"
}

// linkRule is what one role of a kind may be linked to.
type linkRule struct {
	kinds    []Kind
	required bool
	many     bool
}

// kindRule is all that the parser knows of a kind.
type kindRule struct {
	port     int
	settings map[string]setting
	links    map[string]linkRule
}

// kinds is the one table of what a process may say. The parser refuses
// everything else, and names the nearest word that it knows.
var kinds = map[Kind]kindRule{
	KindShop: {
		port: 8000,
		settings: map[string]setting{
			"feed":        {fallback: "join", values: []string{"join", "n_plus_1"}, typ: "enum"},
			"orders":      {fallback: "limited", values: []string{"limited", "unbounded"}, typ: "enum"},
			"email":       {fallback: "background", values: []string{"background", "inline"}, typ: "enum"},
			"pool_size":   {fallback: "8", typ: "int"},
			"cache_ttl":   {fallback: "5m0s", typ: "duration"},
			"cache_write": {fallback: "delete", values: []string{"delete", "none"}, typ: "enum"},
		},
		links: map[string]linkRule{
			"database": {kinds: []Kind{KindPostgres}, required: true},
			"cache":    {kinds: []Kind{KindValkey}},
			"mail":     {kinds: []Kind{KindMail}, required: true},
		},
	},
	KindMail: {
		port:     8025,
		settings: map[string]setting{"delay": {fallback: "80ms", typ: "duration"}},
	},
	KindPostgres: {
		port: 5432,
		settings: map[string]setting{
			"indexes":         {fallback: "all", values: []string{"all", "primary_keys_only"}, typ: "enum"},
			"max_connections": {fallback: "100", typ: "int"},
			"shared_buffers":  {fallback: "256MB", typ: "size"},
		},
	},
	KindValkey: {
		port:     6379,
		settings: map[string]setting{"maxmemory": {fallback: "256MB", typ: "size"}},
	},
	KindHAProxy: {
		port: 8080,
		settings: map[string]setting{
			"balance": {fallback: "roundrobin", values: []string{"roundrobin", "leastconn"}, typ: "enum"},
		},
		links: map[string]linkRule{"backends": {kinds: []Kind{KindShop}, required: true, many: true}},
	},
}
