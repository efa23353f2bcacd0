// SPDX-License-Identifier: Apache-2.0

package harness

import (
	"context"
	"errors"
	"fmt"
	"time"

	"headroom/harness/record"
	"headroom/harness/search"
	"headroom/harness/stage"
	"headroom/scenarios"
)

// CapacityOf starts one variant afresh and searches its capacity. The search that
// CapacityOf returns holds what is known, also beside an error. It is nil when the
// variant did not start.
func (c *Conductor) CapacityOf(ctx context.Context, v scenarios.Variant, onStep func(CapacityStep)) (found *search.Search, err error) {
	c.Progress.Begin(fmt.Sprintf("start %s (%s)", v, c.Scenario.Topology(v).Label), 8*time.Second)
	s, err := c.start(ctx, v, 1)
	if err != nil {
		return nil, err
	}
	defer func() {
		c.Progress.Begin(fmt.Sprintf("stop %s", v), 2*time.Second)
		err = errors.Join(err, s.Close(ctx))
	}()
	running := map[scenarios.Variant]stage.System{v: s}
	if err := c.makeReady(ctx, 1, running); err != nil {
		return nil, withDeath(ctx, running, err)
	}
	found, err = c.searchCapacity(ctx, v, s, &boundFinder{hostCPUs: float64(c.Environment.CPUs)}, onStep)
	return found, withDeath(ctx, running, err)
}

// startShare of the throughput that CPU demand allows is where a search begins: low
// enough to hold most SLOs, and few steps from the capacity.
const startShare = 0.35

// searchCapacity searches the capacity of a running, warm variant. Every step is a
// trial on file.
func (c *Conductor) searchCapacity(ctx context.Context, v scenarios.Variant, s stage.System, bounds *boundFinder, onStep func(CapacityStep)) (*search.Search, error) {
	config := c.Plan.Search
	config.StartRPS = max(config.StartRPS, c.bounds[v]*startShare)
	return Capacity{
		SLO: c.Scenario.SLO, Config: config,
		Drive: func(ctx context.Context, step search.Step, maxInFlight int) (record.Trial, error) {
			c.Progress.Begin(fmt.Sprintf("capacity: %s, %s at %.0f requests/s", v, step.Kind, step.RPS), step.Duration)
			return c.slice(ctx, sliceOf{kind: record.KindProbe, variant: v, block: 1, rateName: scenarios.RateName(step.Kind), rps: step.RPS,
				duration: step.Duration, inFlight: maxInFlight}, s)
		},
		OnStep: onStep,
		Bound:  bounds.add,
	}.Search(ctx)
}
