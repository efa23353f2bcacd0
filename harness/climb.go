// SPDX-License-Identifier: Apache-2.0

package harness

import (
	"context"
	"fmt"
	"math"
	"slices"
	"time"

	"headroom/harness/record"
	"headroom/harness/search"
	"headroom/harness/slo"
	"headroom/harness/stage"
	"headroom/scenarios"
)

// bracket finds the neighbourhood of a variant's capacity with short steps, and
// starts the variant's staircase there.
func (c *Conductor) bracket(ctx context.Context, v scenarios.Variant, s stage.System) error {
	bounds := boundFinder{hostCPUs: float64(c.Environment.CPUs)}
	config := c.Plan.Search
	bracket := search.NewBracket(max(config.StartRPS, c.bounds[v]*startShare), config.MinRPS, config.MaxRPS)
	began := time.Now()
	for {
		rps, more := bracket.RPS()
		if !more {
			break
		}
		length := config.Length(search.KindBracket, rps)
		if time.Since(began)+length > c.Plan.Bracketing && bracket.Middle() > 0 {
			break // the staircase covers the rest
		}
		c.Progress.Begin(fmt.Sprintf("bracket: %s at %.0f requests/s", v, rps), length)
		trial, err := c.step(ctx, sliceOf{kind: record.KindProbe, variant: v, rateName: record.RateBracket, rps: rps, duration: length}, s)
		if err != nil {
			return err
		}
		if trial.Verdict.Outcome == record.Held {
			bracket.Guess(bounds.add(&trial) * boundShare)
		}
		bracket.Observe(slo.StepOf(&trial, c.Scenario.SLO, true))
	}
	middle := bracket.Middle()
	switch {
	case bracket.BelowMin():
		return fmt.Errorf("%s did not hold the SLO %s even at %.3g requests/s: is it the right SLO for this system?", v, c.Scenario.SLO.Text, config.MinRPS)
	case middle == 0 && bounds.bound == 0 && c.bounds[v] == 0:
		return fmt.Errorf("%s: no step of the search was valid, so there is no rate to measure at: a quiet machine is needed", v)
	case middle == 0:
		middle = max(bounds.bound, c.bounds[v]) * boundShare
		c.Progress.Note("bracket: %s's steps were invalid, its staircase begins where CPU demand lets expect its capacity (%.0f requests/s): is this machine busy with other work?", v, middle)
	}
	c.stairs[v] = search.NewStaircase(middle, config.MaxRPS)
	return nil
}

// step measures one step of a search and lets the system come to rest.
func (c *Conductor) step(ctx context.Context, of sliceOf, s stage.System) (record.Trial, error) {
	of.inFlight = inFlightCap(of.rps, c.highestHeld(of.variant), c.Scenario.SLO)
	trial, err := c.slice(ctx, of, s)
	if err != nil {
		return trial, err
	}
	kept := trial
	kept.Measurement = record.Measurement{OfferedRPS: trial.Measurement.OfferedRPS, DurationS: trial.Measurement.DurationS}
	c.trials = append(c.trials, kept)
	return trial, sleep(ctx, c.Plan.Search.Pause)
}

// highestHeld is the highest rate that a step of the variant held, 0 when none
// did.
func (c *Conductor) highestHeld(v scenarios.Variant) float64 {
	highest := 0.0
	for _, t := range c.trials {
		if t.Variant == v && t.Verdict.Outcome == record.Held {
			highest = max(highest, t.Measurement.OfferedRPS)
		}
	}
	return highest
}

// capacityOf is what the run knows of a variant's capacity so far.
func (c *Conductor) capacityOf(v scenarios.Variant) slo.Capacity {
	return slo.CapacityOf(c.trials, v, c.Scenario.SLO, true)
}

// runStaircases takes the block's steps of both staircases in turns: AB BA BA AB.
//
// Block 0 is the way from the brackets to the capacities. Without block 0 the first
// block would be an outlier that widens the interval over blocks.
func (c *Conductor) runStaircases(ctx context.Context, block, turns int, running map[scenarios.Variant]stage.System, order []scenarios.Variant) error {
	err := c.stairs.Block(order, turns, c.coin.Float64, func(v scenarios.Variant, stairs *search.Staircase) error {
		return c.staircaseStep(ctx, block, v, stairs, running[v])
	})
	if err != nil {
		return err
	}
	if c.commonRPS > 0 || block == 0 {
		return nil
	}
	lowest := math.Inf(1)
	for _, v := range order {
		lowest = min(lowest, c.pointOf(v))
	}
	c.commonRPS = lowest * commonShare
	return nil
}

// maxInvalidSteps bounds how often an invalid step is repeated.
const maxInvalidSteps = 2

func (c *Conductor) staircaseStep(ctx context.Context, block int, v scenarios.Variant, stairs *search.Staircase, s stage.System) error {
	for range 1 + maxInvalidSteps {
		rps := stairs.RPS()
		length := c.Plan.Search.Length(search.KindStairs, rps)
		where := fmt.Sprintf("block %d of %d", block, c.Plan.Blocks)
		if block == 0 {
			where = "lead"
		}
		c.Progress.Begin(fmt.Sprintf("%s: staircase of %s at %.0f requests/s", where, v, rps), length)
		trial, err := c.step(ctx, sliceOf{kind: record.KindProbe, variant: v, block: block, rateName: record.RateStairs, rps: rps, duration: length}, s)
		if err != nil {
			return err
		}
		limited := stairs.DriverLimited
		stairs.Observe(slo.StepOf(&trial, c.Scenario.SLO, true))
		if stairs.DriverLimited && !limited {
			c.Progress.Note("staircase: the driver has no more to give at %.0f requests/s, so %s's capacity may be higher than what is found", rps, v)
		}
		if o := trial.Verdict.Outcome; o == record.Held || o == record.Failed {
			return nil
		}
	}
	return nil
}

// pointOf is where the variant's capacity most likely is.
func (c *Conductor) pointOf(v scenarios.Variant) float64 {
	if capacity := c.capacityOf(v); capacity.Known() {
		return capacity.PointRPS
	}
	return c.stairs[v].RPS()
}

// noteCapacities prints the capacities as far as they are known.
func (c *Conductor) noteCapacities(block int) {
	text := func(v scenarios.Variant) string {
		capacity := c.capacityOf(v)
		switch {
		case !capacity.Known():
			return "not known yet"
		case capacity.HighRPS == 0:
			return fmt.Sprintf("at least %.0f", capacity.LowRPS)
		}
		return fmt.Sprintf("%.0f (%.0f-%.0f)", capacity.PointRPS, capacity.LowRPS, capacity.HighRPS)
	}
	c.Progress.Note("after %d of %d blocks: capacity of before %s requests/s, of after %s", block, c.Plan.Blocks, text(scenarios.Before), text(scenarios.After))
}

// lastMeasurements soaks both variants just below their capacities, overloads them,
// and measures the load-latency curve. It uses the systems of the last block.
func (c *Conductor) lastMeasurements(ctx context.Context, block int, running map[scenarios.Variant]stage.System, order []scenarios.Variant) error {
	for _, v := range order {
		if err := c.soak(ctx, block, v, running[v]); err != nil {
			return err
		}
	}
	for _, v := range order {
		if err := c.recovery(ctx, block, v, running[v]); err != nil {
			return err
		}
		if err := c.curve(ctx, block, v, running[v]); err != nil {
			return err
		}
	}
	return nil
}

// soak holds a rate just below the capacity for long. After a failure a lower rate
// is soaked, once.
func (c *Conductor) soak(ctx context.Context, block int, v scenarios.Variant, s stage.System) error {
	length := c.Plan.Search.Soak
	if length == 0 {
		return nil
	}
	soaks := search.NewSoaks(c.pointOf(v))
	for invalid := 0; ; {
		rps, more := soaks.RPS()
		if !more {
			return nil
		}
		c.Progress.Begin(fmt.Sprintf("soak: %s at %.0f requests/s", v, rps), length)
		trial, err := c.step(ctx, sliceOf{kind: record.KindProbe, variant: v, block: block, rateName: record.RateSoak, rps: rps, duration: length}, s)
		if err != nil {
			return err
		}
		soaks.Observe(trial.Verdict.Outcome)
		switch trial.Verdict.Outcome {
		case record.Held:
		case record.Failed:
			invalid = 0
			c.Progress.Note("soak: %s did not hold %.0f requests/s for %v: %s", v, rps, length, trial.Verdict.Reason)
		default:
			if invalid++; invalid > maxInvalidSteps {
				invalid = 0
				soaks.Lower()
			}
		}
	}
}

// recovery overloads a variant for a moment and then looks whether the variant holds
// its SLO again.
func (c *Conductor) recovery(ctx context.Context, block int, v scenarios.Variant, s stage.System) error {
	length := c.Plan.Search.Recover
	if length == 0 {
		return nil
	}
	for _, step := range []struct {
		name scenarios.RateName
		at   float64
	}{{record.RateOverload, search.OverloadAt}, {record.RateRecover, search.RecoverAt}} {
		rps := c.pointOf(v) * step.at
		c.Progress.Begin(fmt.Sprintf("%s: %s at %.0f requests/s", step.name, v, rps), length)
		if _, err := c.step(ctx, sliceOf{kind: record.KindProbe, variant: v, block: block, rateName: step.name, rps: rps, duration: length}, s); err != nil {
			return err
		}
	}
	return nil
}

// sameRate is how near another measurement must be to stand for a point of the curve.
const sameRate = 0.07

// curve measures the points of the load-latency curve that no other step has measured.
func (c *Conductor) curve(ctx context.Context, block int, v scenarios.Variant, s stage.System) error {
	for _, share := range c.Plan.Curve {
		rps := share * c.pointOf(v)
		if slices.ContainsFunc(c.trials, func(t record.Trial) bool {
			return t.Variant == v && t.RateName != record.RateBracket && math.Abs(t.Measurement.OfferedRPS/rps-1) < sameRate
		}) {
			continue
		}
		c.Progress.Begin(fmt.Sprintf("curve: %s at %.0f requests/s, %.0f%% of its capacity", v, rps, share*100), c.Plan.CurvePoint)
		if _, err := c.step(ctx, sliceOf{kind: record.KindProbe, variant: v, block: block, rateName: record.RateCurve, rps: rps, duration: c.Plan.CurvePoint}, s); err != nil {
			return err
		}
	}
	return nil
}
