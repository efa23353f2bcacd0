// SPDX-License-Identifier: Apache-2.0

package harness

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"headroom/harness/drive"
	"headroom/harness/record"
	"headroom/harness/stage"
	"headroom/scenarios"
)

// withReady starts both variants, makes them ready, and calls use with them. It stops
// both in any case.
func (c *Conductor) withReady(ctx context.Context, block int, use func(map[scenarios.Variant]stage.System) error) error {
	return c.withStarted(ctx, block, func(running map[scenarios.Variant]stage.System) error {
		if err := c.makeReady(ctx, block, running); err != nil {
			return err
		}
		return use(running)
	})
}

// withStarted starts both variants and calls use with them. It stops both in any
// case. An error names the machine whose death caused the error.
func (c *Conductor) withStarted(ctx context.Context, block int, use func(map[scenarios.Variant]stage.System) error) (err error) {
	var mu sync.Mutex
	running := map[scenarios.Variant]stage.System{}
	defer func() {
		c.Progress.Begin(fmt.Sprintf("block %d of %d: stop both", block, c.Plan.Blocks), 2*time.Second)
		// One after the other: Docker 20.10 was seen to lock up when the containers of
		// both were removed at once.
		for _, s := range running {
			if closeErr := s.Close(ctx); closeErr != nil {
				err = errors.Join(err, fmt.Errorf("%w: %w", errNotClosed, closeErr))
			}
		}
	}()
	c.Progress.Begin(fmt.Sprintf("block %d of %d: start before (%s) and after (%s)", block, c.Plan.Blocks, c.Scenario.Before.Label, c.Scenario.After.Label), 8*time.Second)
	group, groupCtx := errgroup.WithContext(ctx)
	for _, v := range scenarios.Variants() {
		group.Go(func() error {
			s, err := c.start(groupCtx, v, block)
			if err != nil {
				return err
			}
			mu.Lock()
			defer mu.Unlock()
			running[v] = s
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		return err
	}
	return withDeath(ctx, running, use(running))
}

// start starts a variant afresh for a block.
func (c *Conductor) start(ctx context.Context, v scenarios.Variant, block int) (stage.System, error) {
	return c.Stage.Start(ctx, stage.Request{
		Variant: v, Topology: c.Scenario.Topology(v), Instance: fmt.Sprintf("block-%d", block),
	})
}

// drive hands the job to `headroom job`, which the stage runs where the systems'
// entries can be reached.
func (c *Conductor) drive(ctx context.Context, job drive.Job) (record.Measurement, error) {
	var m record.Measurement
	encoded, err := json.Marshal(job)
	if err != nil {
		return m, fmt.Errorf("encode the job: %w", err)
	}
	out, err := c.Stage.Exec(ctx, encoded, "job")
	// An interrupted driver still says what it measured.
	if len(out) == 0 || (err != nil && ctx.Err() == nil) {
		return m, err
	}
	if err := json.Unmarshal(out, &m); err != nil {
		return m, fmt.Errorf("read the driver's measurement: %w", err)
	}
	return m, nil
}
