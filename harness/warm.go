package harness

import (
	"context"
	"fmt"
	"math"
	"time"

	"headroom/scenarios"
	"headroom/targets/machine/spec"
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
	cacheWarmStep = 2 * time.Second
	// flatHitRatio is how little the hit ratio may move between two steps to
	// be called flat. It never stands quite still: rare keys keep coming.
	flatHitRatio = 0.03
)

// warmCache loads a variant that has a cache until its hit ratio is flat, or
// for as long as the plan allows. A variant without one is not loaded.
func (c *Conductor) warmCache(ctx context.Context, v scenarios.Variant, s System, rps float64, block int) error {
	last := math.NaN()
	hits, misses, found, err := c.cacheCounts(ctx, s)
	if err != nil || !found {
		return err
	}
	c.Progress.Begin(fmt.Sprintf("fill %s's cache", v), c.Plan.CacheWarmup)
	for step := range int(c.Plan.CacheWarmup / cacheWarmStep) {
		of := sliceOf{variant: v, block: block, rateName: fmt.Sprintf("cache-%d", step), rps: rps, duration: cacheWarmStep}
		if _, err := c.Stage.Drive(ctx, c.job(of, s)); err != nil {
			return fmt.Errorf("fill %s's cache: %w", v, err)
		}
		nowHits, nowMisses, _, err := c.cacheCounts(ctx, s)
		if err != nil {
			return err
		}
		ratio := (nowHits - hits) / max(nowHits-hits+nowMisses-misses, 1)
		hits, misses = nowHits, nowMisses
		if math.Abs(ratio-last) < flatHitRatio {
			return nil
		}
		last = ratio
	}
	return ctx.Err()
}

// cacheCounts sums hits and misses over the system's Valkeys.
func (c *Conductor) cacheCounts(ctx context.Context, s System) (hits, misses float64, found bool, err error) {
	counters, err := readAll(ctx, s.Machines())
	if err != nil {
		return 0, 0, false, err
	}
	for _, machine := range counters {
		for _, p := range machine.Processes {
			if p.Kind == scenarios.KindValkey {
				found = true
				hits += p.Counts["hits_total"]
				misses += p.Counts["misses_total"]
			}
		}
	}
	return hits, misses, found, checkRead(counters)
}

func checkRead(counters []spec.Counters) error {
	for _, m := range counters {
		if len(m.Errors) > 0 {
			return fmt.Errorf("machine %s could not read %s", m.Machine, m.Errors[0])
		}
	}
	return nil
}
