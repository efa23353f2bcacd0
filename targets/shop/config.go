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

// Config is one instance of the shop. The values of Feed, Orders, Email and
// CacheWrite are those of scenarios.KindShop's settings.
type Config struct {
	Listen     string        `json:"listen"`          // host:port or :port
	Database   string        `json:"database"`        // host:port of PostgreSQL
	Cache      string        `json:"cache,omitempty"` // host:port of Valkey; "" runs without a cache
	Queue      string        `json:"queue,omitempty"` // host:port of NATS; "" unless Email is "queue"
	Mail       string        `json:"mail"`            // base URL of the mail provider
	PoolSize   int           `json:"pool_size"`       // database connections at most; one more watches its health
	Feed       string        `json:"feed"`            // "join" or "n_plus_1"
	Orders     string        `json:"orders"`          // "limited" or "unbounded"
	Email      string        `json:"email"`           // "background", "inline" or "queue"
	CacheTTL   time.Duration `json:"cache_ttl_ns"`
	CacheWrite string        `json:"cache_write"` // what a write does to cached pages: "delete" or "none"
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
		Database:   r.link("database", true),
		Cache:      r.link("cache", false),
		Mail:       "http://" + r.link("mail", true),
		PoolSize:   r.count("pool_size", 1000),
		Feed:       r.oneOf("feed", "join", "n_plus_1"),
		Orders:     r.oneOf("orders", "limited", "unbounded"),
		Email:      r.oneOf("email", "background", "inline", "queue"),
		CacheTTL:   r.duration("cache_ttl", time.Millisecond),
		CacheWrite: r.oneOf("cache_write", "delete", "none"),
	}
	if c.Email == "queue" {
		c.Queue = r.link("queue", true)
	}
	return c, r.err
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
	if _, _, err := net.SplitHostPort(to[0]); err != nil {
		r.fail("link %s: %q is not host:port", role, to[0])
	}
	return to[0]
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
