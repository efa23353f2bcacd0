// SPDX-License-Identifier: Apache-2.0

package harness

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"time"

	"headroom/harness/record"
	"headroom/harness/stage"
	"headroom/scenarios"
)

// gateShare of the throughput that the CPUs allow is the rate of a gate's
// slices: enough load to measure, and hardly any queue.
const gateShare = 0.4

// GatePlan is how a timed gate measures: docs/measurement.md, "The gate".
func GatePlan(maxBlocks int) Plan {
	return Plan{
		Blocks: maxBlocks, Slices: 3, Slice: 2 * time.Second, LongestSlice: 2 * time.Second, Warmup: 500 * time.Millisecond,
		StartWarmup: 4 * time.Second, QuotaWarmup: 2 * time.Second, Fill: 12 * time.Second, Repeats: 3,
	}
}

// Gate measures blocks of slices of both variants at one rate. Each block starts both
// variants afresh. Gate ends when finished says that no further block is needed, or
// after the plan's blocks. There is no search. The seed decides which side begins the
// first block, and each block is the mirror image of the block before. So after an
// even number of blocks both sides have begun equally often.
func (c *Conductor) Gate(ctx context.Context, finished func(blocks int) bool) error {
	c.coin = rand.New(rand.NewPCG(c.Seed, 0x67617465)) // "gate"
	order := scenarios.Variants()
	if c.coin.IntN(2) == 1 {
		slices.Reverse(order)
	}
	for block := 1; block <= c.Plan.Blocks; block++ {
		err := c.withRestarts(ctx, block, func() error { return c.gateBlock(ctx, block, order) })
		if err != nil {
			return fmt.Errorf("block %d: %w", block, err)
		}
		if finished(block) {
			return nil
		}
		slices.Reverse(order) // the mirror image
	}
	return nil
}

func (c *Conductor) gateBlock(ctx context.Context, block int, order []scenarios.Variant) error {
	return c.withReady(ctx, block, func(running map[scenarios.Variant]stage.System) error {
		if c.commonRPS == 0 {
			c.commonRPS = c.gateRPS()
		}
		if c.commonRPS == 0 {
			return errors.New("the machines' use of CPU while they warmed up bounds no rate: there is nothing to measure at")
		}
		if err := c.warmUnderQuota(ctx, block, running, order); err != nil {
			return err
		}
		return c.slices(ctx, block, running, order, record.RateGate)
	})
}

// warmUnderQuota loads each side at the slices' rate, unrecorded. A side that is warm
// without a quota warms up further under its quota. Without warmUnderQuota the first
// slice of a side used more CPU than its other slices.
func (c *Conductor) warmUnderQuota(ctx context.Context, block int, running map[scenarios.Variant]stage.System, order []scenarios.Variant) error {
	for _, v := range order {
		c.Progress.Begin(fmt.Sprintf("block %d of at most %d: warm up %s under its quotas", block, c.Plan.Blocks, v), c.Plan.QuotaWarmup)
		of := sliceOf{variant: v, block: block, rateName: "warm-up under quotas", rps: c.commonRPS, duration: c.Plan.QuotaWarmup}
		if err := c.warmUp(ctx, of, running[v]); err != nil {
			return err
		}
	}
	return nil
}

// gateRPS is gateShare of the smaller bound.
func (c *Conductor) gateRPS() float64 {
	lowest := math.Inf(1)
	for _, v := range scenarios.Variants() {
		lowest = min(lowest, c.bounds[v])
	}
	if math.IsInf(lowest, 1) {
		return 0
	}
	return gateShare * lowest
}
