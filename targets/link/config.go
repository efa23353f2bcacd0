// SPDX-License-Identifier: Apache-2.0

package link

import (
	"fmt"
	"net"
	"strconv"
	"time"

	"headroom/scenarios"
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

// maxDelay is more than any distance on earth, by satellite and back.
const maxDelay = 2 * time.Second

// ConfigFromProcess reads p, whose settings are complete.
func ConfigFromProcess(p spec.Process) (Config, error) {
	r := program.NewReader(p, scenarios.KindLink)
	c := Config{
		Listen:    r.Listen(),
		Control:   net.JoinHostPort(p.Address, strconv.Itoa(p.Port+1)),
		To:        r.Link(scenarios.RoleTo),
		Delay:     r.Duration("delay", 0, maxDelay),
		Jitter:    r.Duration("jitter", 0, maxDelay),
		Bandwidth: r.Bytes("bandwidth"),
	}
	if err := r.Err(); err != nil {
		return c, fmt.Errorf("link: %w", err)
	}
	return c, nil
}
