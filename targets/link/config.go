// SPDX-License-Identifier: Apache-2.0

package link

import (
	"fmt"
	"net"
	"strconv"
	"time"

	"headroom/scenarios"
	kind "headroom/targets/kinds/link"
	"headroom/targets/machine/spec"
	"headroom/targets/program"
)

// Config is one link.
type Config struct {
	Listen    string        // host:port or :port, what is relayed
	Control   string        // host:port or :port, for health and counters: the port after it
	To        string        // host:port of the far side
	Delay     time.Duration // one way
	Jitter    time.Duration // added to it, from 0 to this, uniform
	Bandwidth int64         // bytes a second, each way
}

// ConfigFromProcess reads p, whose settings are complete.
func ConfigFromProcess(p spec.Process) (Config, error) {
	r := program.NewReader(p, kind.Kind().Kind)
	if err := r.Err(); err != nil {
		return Config{}, fmt.Errorf("link: %w", err)
	}
	c := Config{
		Listen:    r.Listen(),
		Control:   net.JoinHostPort(p.Address, strconv.Itoa(p.Port+1)),
		To:        r.Link(scenarios.RoleTo),
		Delay:     kind.Delay.Of(p.Settings),
		Jitter:    kind.Jitter.Of(p.Settings),
		Bandwidth: kind.Bandwidth.Of(p.Settings),
	}
	if err := r.Err(); err != nil {
		return c, fmt.Errorf("link: %w", err)
	}
	return c, nil
}
