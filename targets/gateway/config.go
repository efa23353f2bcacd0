// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"time"

	"headroom/scenarios"
	"headroom/targets/machine/spec"
	"headroom/targets/program"
)

// Config is one gateway.
type Config struct {
	Listen    string   // host:port or :port
	Upstreams []string // host:port of what it stands before
	Cache     string   // host:port of Valkey
	Limiter   string   // "sliding", "fixed" or "none"
	Limit     int      // requests of one session in Window
	Window    time.Duration
}

// maxLimit bounds what the sliding limiter remembers of one session.
const maxLimit = 100_000

// ConfigFromProcess reads p, whose settings are complete.
func ConfigFromProcess(p spec.Process) (Config, error) {
	r := program.NewReader(p, scenarios.KindGateway)
	c := Config{
		Listen:    r.Listen(),
		Upstreams: r.Links("upstream"),
		Cache:     r.Link("cache"),
		Limiter:   r.OneOf("limiter", "sliding", "fixed", "none"),
		Limit:     r.Count("rate_limit", maxLimit),
		Window:    r.Duration("rate_window", 10*time.Millisecond, 24*time.Hour),
	}
	return c, r.Err()
}
