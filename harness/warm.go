// SPDX-License-Identifier: Apache-2.0

package harness

import (
	"context"
	"fmt"
	"math"
	"time"

	"headroom/harness/record"
	"headroom/harness/stage"
	"headroom/scenarios"
)

// warmUp sends a load that is not recorded. Connections open, pools fill, and the
// queues of the previous slice drain.
func (c *Conductor) warmUp(ctx context.Context, of sliceOf, s stage.System) error {
	if _, err := c.drive(ctx, c.job(of, s)); err != nil {
		return fmt.Errorf("warm up %s: %w", of.variant, err)
	}
	return ctx.Err()
}

const (
	warmStep = time.Second
	// A step that answers more than warmGain times the best so far shows that the
	// system still gets faster. After plateauSteps steps in a row without such a
	// gain the system counts as warm.
	warmGain     = 1.04
	plateauSteps = 2
)

// makeReady prepares systems that have just started: they are warmed up, their
// caches are filled, and then every machine gets its CPU quota.
func (c *Conductor) makeReady(ctx context.Context, block int, running map[scenarios.Variant]stage.System) error {
	if c.bounds == nil {
		c.bounds = map[scenarios.Variant]float64{}
	}
	lowest := math.Inf(1)
	for _, v := range scenarios.Variants() {
		if s := running[v]; s != nil {
			if err := c.warmStarted(ctx, v, s, block); err != nil {
				return err
			}
			if len(cachesOf(c.Scenario.Topology(v))) > 0 {
				lowest = min(lowest, c.bounds[v])
			}
		}
	}
	if c.fillRPS == 0 && !math.IsInf(lowest, 1) {
		c.fillRPS = lowest * startShare // one for all variants and blocks
	}
	for _, v := range scenarios.Variants() {
		s := running[v]
		if s == nil {
			continue
		}
		if err := c.fillCaches(ctx, v, s); err != nil {
			return fmt.Errorf("fill %s's cache: %w", v, err)
		}
		if quotas, has := s.(stage.Resizer); has {
			if err := quotas.SetCPUQuotas(ctx); err != nil {
				return fmt.Errorf("limit %s's CPUs: %w", v, err)
			}
		}
	}
	return nil
}

// warmStarted loads a system that has just started at full speed, until the system
// gets no faster or the plan's time is up. Caches fill, and every connection of a
// database maps the memory that it reads. Under the small quotas this would take
// minutes, and each step would find the system faster than the step before. So the
// quotas come into force afterwards (makeReady). A service with `limits: start` has
// its quota already: it is warmed up as it will be measured.
func (c *Conductor) warmStarted(ctx context.Context, v scenarios.Variant, s stage.System, block int) error {
	c.Progress.Begin(fmt.Sprintf("warm up %s, its CPUs not limited yet", v), c.Plan.StartWarmup)
	best, level, hostCPUs := 0.0, 0, float64(c.Environment.CPUs)
	for step := 0; step < int(c.Plan.StartWarmup/warmStep) && level < plateauSteps; step++ {
		// No rate means full speed.
		of := sliceOf{variant: v, block: block, rateName: scenarios.RateName(fmt.Sprintf("fresh %d", step)), duration: warmStep}
		m, used, err := c.driveUnrecorded(ctx, of, s)
		if err != nil {
			return fmt.Errorf("warm up %s: %w", v, err)
		}
		c.bounds[v] = throughputBound(used, m.Succeeded, hostCPUs)
		answered := float64(m.Succeeded) / m.DurationS
		if level++; answered > best*warmGain {
			best, level = answered, 0
		}
	}
	return nil
}

// driveUnrecorded drives a slice that is no trial, and reads what the machines used.
func (c *Conductor) driveUnrecorded(ctx context.Context, of sliceOf, s stage.System) (record.Measurement, []record.MachineUse, error) {
	machines := s.Machines()
	before, err := readAll(ctx, s)
	if err != nil {
		return record.Measurement{}, nil, err
	}
	m, err := c.drive(ctx, c.job(of, s))
	if err == nil {
		err = ctx.Err()
	}
	if err != nil {
		return m, nil, err
	}
	after, err := readAll(ctx, s)
	if err != nil {
		return m, nil, err
	}
	return m, uses(machines, before, after, new([]string)), nil
}
