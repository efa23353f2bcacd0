// SPDX-License-Identifier: Apache-2.0

package worker

import (
	"time"

	"headroom/scenarios"
	"headroom/targets/jobs"
	kind "headroom/targets/kinds/worker"
	"headroom/targets/machine/spec"
	"headroom/targets/program"
)

// Config is one worker.
type Config struct {
	Listen     string        // host:port or :port, for health and counters
	Queue      string        // host:port of NATS
	Cache      string        // host:port of Valkey
	Mail       string        // base URL of the mail provider
	Jobs       []jobs.Kind   // what it takes
	Idempotent bool          // a job that comes again is skipped
	ImageWork  time.Duration // CPU time of one image
}

// ConfigFromProcess reads p, whose settings are complete.
func ConfigFromProcess(p spec.Process) (Config, error) {
	r := program.NewReader(p, kind.Kind().Kind)
	if r.Err() != nil {
		return Config{}, r.Err()
	}
	c := Config{
		Listen:     r.Listen(),
		Queue:      r.Link(scenarios.RoleQueue),
		Cache:      r.Link(scenarios.RoleCache),
		Mail:       "http://" + r.Link(scenarios.RoleMail),
		Jobs:       jobs.Kinds(),
		Idempotent: kind.Idempotent.Of(p.Settings) == "yes",
		ImageWork:  kind.ImageWork.Of(p.Settings),
	}
	if only := kind.Jobs.Of(p.Settings); only != "all" {
		c.Jobs = []jobs.Kind{jobs.Kind(only)}
	}
	return c, r.Err()
}
