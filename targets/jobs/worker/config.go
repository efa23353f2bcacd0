// SPDX-License-Identifier: Apache-2.0

package worker

import (
	"time"

	"headroom/scenarios"
	"headroom/targets/jobs"
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

// maxImageWork leaves an image time to be done before its job is another's,
// on a machine that has a fifth of a CPU.
const maxImageWork = 500 * time.Millisecond

// ConfigFromProcess reads p, whose settings are complete.
func ConfigFromProcess(p spec.Process) (Config, error) {
	r := program.NewReader(p, scenarios.KindWorker)
	c := Config{
		Listen:     r.Listen(),
		Queue:      r.Link("queue"),
		Cache:      r.Link("cache"),
		Mail:       "http://" + r.Link("mail"),
		Jobs:       jobs.Kinds(),
		Idempotent: r.OneOf("idempotent", "yes", "no") == "yes",
		ImageWork:  r.Duration("image_work", 0, maxImageWork),
	}
	if only := r.OneOf("jobs", "all", "mail", "image", "analytics"); only != "all" {
		c.Jobs = []jobs.Kind{jobs.Kind(only)}
	}
	return c, r.Err()
}
