// SPDX-License-Identifier: Apache-2.0

package mail

import (
	"time"

	kind "headroom/targets/kinds/mail"
	"headroom/targets/machine/spec"
	"headroom/targets/program"
)

// Config is one stand-in.
type Config struct {
	Listen string        `json:"listen"`   // host:port or :port
	Delay  time.Duration `json:"delay_ns"` // before every answer to POST /send
}

// ConfigFromProcess reads p, whose settings are complete: the scenario's parser fills
// in what is not said. The error names the process and what is wrong.
func ConfigFromProcess(p spec.Process) (Config, error) {
	r := program.NewReader(p, kind.Kind().Kind)
	if r.Err() != nil {
		return Config{}, r.Err()
	}
	c := Config{Listen: r.Listen(), Delay: kind.Delay.Of(p.Settings)}
	return c, r.Err()
}
