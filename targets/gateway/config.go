// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"time"

	"headroom/scenarios"
	kind "headroom/targets/kinds/gateway"
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

// ConfigFromProcess reads p, whose settings are complete.
func ConfigFromProcess(p spec.Process) (Config, error) {
	r := program.NewReader(p, kind.Kind().Kind)
	if r.Err() != nil {
		return Config{}, r.Err()
	}
	c := Config{
		Listen:    r.Listen(),
		Upstreams: r.Links(scenarios.RoleUpstream),
		Cache:     r.Link(scenarios.RoleCache),
		Limiter:   kind.Limiter.Of(p.Settings),
		Limit:     kind.RateLimit.Of(p.Settings),
		Window:    kind.RateWindow.Of(p.Settings),
	}
	return c, r.Err()
}
