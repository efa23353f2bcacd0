package harness

import (
	"context"
	"fmt"
	"time"

	"headroom/scenarios"
)

// warmUp sends the slice's own load for a moment, unrecorded: connections
// open, pools fill, and the queues of the slice before drain.
func (c *Conductor) warmUp(ctx context.Context, v scenarios.Variant, s System, rps float64, block int) error {
	_, err := c.Stage.Drive(ctx, c.job(sliceOf{variant: v, block: block, rateName: "warm-up", rps: rps, duration: c.Plan.Warmup}, s))
	if err != nil {
		return fmt.Errorf("warm up %s: %w", v, err)
	}
	return ctx.Err()
}

const (
	freshStep = 2 * time.Second
	// freshGain is how much more than the best so far a step has to answer for
	// the system to be still getting faster, and freshLevel how many in a row
	// that don't say that it is not.
	freshGain  = 1.04
	freshLevel = 2
)

// warmFresh loads a system that has just started as fast as it takes it, until
// it gets no faster or the plan's time is up: caches fill, and every connection
// of a database comes to map the memory that it reads. On its small quotas that
// would take minutes, in which each step finds the system faster than the one
// before. So the quotas come into force only then.
func (c *Conductor) warmFresh(ctx context.Context, v scenarios.Variant, s System, block int) error {
	c.Progress.Begin(fmt.Sprintf("warm up %s, its CPUs not limited yet", v), c.Plan.Fresh)
	best, level := 0.0, 0
	for step := 0; step < int(c.Plan.Fresh/freshStep) && level < freshLevel; step++ {
		// No rate: as fast as it goes.
		of := sliceOf{variant: v, block: block, rateName: fmt.Sprintf("fresh %d", step), duration: freshStep}
		m, err := c.Stage.Drive(ctx, c.job(of, s))
		if err != nil {
			return fmt.Errorf("warm up %s: %w", v, err)
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		answered := float64(m.Succeeded) / m.DurationS
		if level++; answered > best*freshGain {
			best, level = answered, 0
		}
	}
	if err := s.Limit(ctx); err != nil {
		return fmt.Errorf("limit %s's CPUs: %w", v, err)
	}
	return nil
}
