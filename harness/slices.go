// SPDX-License-Identifier: Apache-2.0

package harness

import (
	"context"
	"fmt"

	"headroom/harness/record"
	"headroom/harness/stage"
	"headroom/scenarios"
)

// slices measures both variants at one rate: ABBAAB for the order AB. Many short
// slices in turns expose both variants to the same drift. The slices of one variant
// show how much that variant scatters by itself.
func (c *Conductor) slices(ctx context.Context, block int, running map[scenarios.Variant]stage.System, order []scenarios.Variant, rateName scenarios.RateName) error {
	length := c.Plan.slice(c.commonRPS)
	for take := range c.Plan.Slices {
		for i := range order {
			v := order[i]
			if take%2 == 1 {
				v = order[len(order)-1-i]
			}
			c.Progress.Begin(fmt.Sprintf("block %d of %d: %s at %.0f requests/s", block, c.Plan.Blocks, v, c.commonRPS), c.Plan.Warmup+length)
			before := sliceOf{variant: v, block: block, rateName: "warm-up", rps: c.commonRPS, duration: c.Plan.Warmup, take: take}
			if err := c.warmUp(ctx, before, running[v]); err != nil {
				return err
			}
			of := sliceOf{kind: record.KindSlice, variant: v, block: block, rateName: rateName, rps: c.commonRPS, duration: length, take: take}
			if err := c.measureSlice(ctx, of, running[v]); err != nil {
				return err
			}
		}
	}
	return nil
}

// measureSlice measures a slice. It measures an invalid slice once more if the plan
// has a repeat left, and both are on file. An overload is the variant's own doing and
// is measured once.
func (c *Conductor) measureSlice(ctx context.Context, of sliceOf, s stage.System) error {
	trial, err := c.slice(ctx, of, s)
	if err != nil || trial.Valid() || c.repeats >= c.Plan.Repeats {
		return err
	}
	c.repeats++
	c.Progress.Begin(fmt.Sprintf("block %d of %d: %s again: %s", of.block, c.Plan.Blocks, of.variant, trial.Invalid[0]), of.duration)
	of.again = true
	_, err = c.slice(ctx, of, s)
	return err
}
