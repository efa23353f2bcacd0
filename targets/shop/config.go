package shop

import (
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"
	"time"

	"headroom/scenarios"
	"headroom/targets/machine/spec"
)

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
	r := processReader{p: p}
	r.kind(scenarios.KindShop)
	c := Config{
		Listen:     r.listen(),
		Databases:  r.linksTo("database"),
		Replicas:   r.linksTo("replicas"),
		Cache:      r.link("cache", false),
		Edges:      r.linksTo("edges"),
		Mail:       "http://" + r.link("mail", true),
		PoolSize:   r.count("pool_size", 1000),
		Feed:       r.oneOf("feed", "join", "n_plus_1"),
		Orders:     r.oneOf("orders", "limited", "unbounded"),
		Email:      r.oneOf("email", "background", "inline", "queue"),
		CacheTTL:   r.duration("cache_ttl", time.Millisecond),
		CacheWrite: r.oneOf("cache_write", "delete", "none"),

		OwnWrites:    r.oneOf("own_writes", "primary", "replica"),
		OwnWritesFor: r.duration("own_writes_for", 10*time.Millisecond),
		Purge:        r.oneOf("purge", "none", "write"),
		Node:         p.Node,
	}
	if c.Email == "queue" {
		c.Queue = r.link("queue", true)
	}
	r.checkTogether(c, r.oneOf("shard_by", "hash", "range", "region", "time"))
	return c, r.err
}

// checkTogether refuses what only goes wrong in company.
func (r *processReader) checkTogether(c Config, shardBy string) {
	several := len(c.Databases) > 1
	switch {
	case len(c.Databases) == 0:
		r.fail("link database leads to 0 places, want at least 1")
	case len(c.Replicas) > 0 && c.Cache == "" && c.OwnWrites == "primary":
		r.fail("with replicas, own_writes: primary keeps its marks in the cache: add a link cache, or set own_writes: replica to read blindly")
	case c.Purge == "write" && len(c.Edges) == 0:
		r.fail("purge: write has nobody to tell: add links edges, or set purge: none")
	case several && shardBy != "hash":
		r.fail("shard_by: %s with %d databases: a seeded shard holds what hashes to it, set shard_by: hash", shardBy, len(c.Databases))
	case several && c.Feed != "join":
		r.fail("feed: %s with %d databases: a feed of several shards is gathered in one way, set feed: join", c.Feed, len(c.Databases))
	case several && (c.Node < 0 || c.Node > maxNode):
		r.fail("node %d: an id has room for nodes 0 to %d, use fewer machines", c.Node, maxNode)
	}
}

// MailConfigFromProcess reads p as ConfigFromProcess does.
func MailConfigFromProcess(p spec.Process) (MailConfig, error) {
	r := processReader{p: p}
	r.kind(scenarios.KindMail)
	c := MailConfig{Listen: r.listen(), Delay: r.duration("delay", 0)}
	return c, r.err
}

// processReader reads a process and keeps the first error.
type processReader struct {
	p   spec.Process
	err error
}

func (r *processReader) fail(format string, args ...any) {
	if r.err == nil {
		r.err = fmt.Errorf("process %s (%s): %s", r.p.Name, r.p.Kind, fmt.Sprintf(format, args...))
	}
}

func (r *processReader) kind(want scenarios.Kind) {
	if r.p.Kind != want {
		r.fail("want a process of kind %s", want)
	}
}

func (r *processReader) listen() string {
	if r.p.Port < 1 || r.p.Port > 65535 {
		r.fail("port %d: must lie between 1 and 65535", r.p.Port)
	}
	return r.p.Listen()
}

func (r *processReader) link(role string, required bool) string {
	to := r.p.Links[role]
	if len(to) == 0 && !required {
		return ""
	}
	if len(to) != 1 {
		r.fail("link %s leads to %d places, want exactly 1", role, len(to))
		return ""
	}
	return r.linksTo(role)[0]
}

// linksTo are all the places that a role leads to.
func (r *processReader) linksTo(role string) []string {
	to := r.p.Links[role]
	for _, address := range to {
		if _, _, err := net.SplitHostPort(address); err != nil {
			r.fail("link %s: %q is not host:port", role, address)
		}
	}
	return to
}

func (r *processReader) setting(name string) string {
	value, ok := r.p.Settings[name]
	if !ok {
		r.fail("setting %s is missing", name)
	}
	return value
}

func (r *processReader) oneOf(name string, words ...string) string {
	value := r.setting(name)
	if !slices.Contains(words, value) {
		r.fail("setting %s: %q is not one of %s", name, value, strings.Join(words, ", "))
	}
	return value
}

func (r *processReader) count(name string, most int) int {
	text := r.setting(name)
	value, err := strconv.Atoi(text)
	if err != nil || value < 1 || value > most {
		r.fail("setting %s: %q is not a whole number from 1 to %d", name, text, most)
	}
	return value
}

func (r *processReader) duration(name string, least time.Duration) time.Duration {
	text := r.setting(name)
	value, err := time.ParseDuration(text)
	if err != nil || value < least {
		r.fail("setting %s: %q is not a time of at least %v with its unit, for example 5m", name, text, least)
	}
	return value
}
