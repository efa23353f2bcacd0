package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"headroom/harness"
	"headroom/harness/drive"
	"headroom/harness/observe"
	"headroom/harness/record"
	"headroom/harness/stage/docker"
	"headroom/scenarios"
	"headroom/targets/shop/dataset"
)

// dockerStage is the Docker stage as the conductor wants it: systems of one
// scenario, and a driver in the same network.
type dockerStage struct {
	*docker.Stage
	driver   *docker.Driver
	scenario *scenarios.Scenario
	shares   record.Shares
}

// openDocker makes the image, waits for its turn, and makes the stage, the
// dataset and the driver. An image takes the engine seconds; seeding a dataset
// takes a database a minute of CPU, and a sweep stops what a dead run left,
// which is better done when that run's turn is over.
func openDocker(ctx context.Context, s *scenarios.Scenario, runID string, shares record.Shares, progress *progress, turn *turn) (_ *dockerStage, err error) {
	cli, err := docker.Connect(ctx)
	if err != nil {
		return nil, fmt.Errorf("%w; or measure without it: --stage process", err)
	}
	defer cli.Close()
	ref, err := ensureImage(ctx, cli, progress)
	if err != nil {
		return nil, err
	}
	if err := turn.take(ctx); err != nil {
		return nil, err
	}
	stage, err := docker.Open(ctx, docker.Options{
		RunID: runID, Image: ref.Tag, DatasetVersion: dataset.Version, Progress: progress,
	})
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, stage.Close(ctx))
		}
	}()
	progress.seeding(s.Dataset)
	if err := ensureDatasets(ctx, s, stage.EnsureDataset); err != nil {
		return nil, err
	}
	driver, err := stage.StartDriver(ctx, shares.DriverCPUs)
	if err != nil {
		return nil, err
	}
	return &dockerStage{Stage: stage, driver: driver, scenario: s, shares: shares}, nil
}

// describe adds what the engine and the image tell.
func (d *dockerStage) describe(ctx context.Context, e *record.Environment) error {
	found, err := d.Environment(ctx)
	if err != nil {
		return err
	}
	e.Stage = record.StageDocker
	e.Engine = found.Engine
	e.CgroupMode = found.Cgroup
	e.ImageDigest = found.ImageDigest
	e.Packages = found.Packages
	e.NetworkPath = "driver container, same bridge network, no published port between"
	return nil
}

// Start starts variant v afresh for a block.
func (d *dockerStage) Start(ctx context.Context, v scenarios.Variant, block int) (harness.System, error) {
	system, err := d.Stage.Start(ctx, v, d.scenario.Topology(v), docker.StartOptions{
		UnitCPUs: d.shares.UnitCPUs,
		Period:   time.Duration(d.shares.PeriodMicros) * time.Microsecond,
		Dataset:  d.scenario.DatasetOf(v),
		Instance: fmt.Sprintf("block-%d", block),
		// The conductor limits them when they are warm.
		LimitLater: true,
	})
	if err != nil {
		return nil, err
	}
	return dockerSystem{system}, nil
}

// Drive sends the job from the driver's container.
func (d *dockerStage) Drive(ctx context.Context, job drive.Job) (record.Measurement, error) {
	return driveJob(ctx, job, func(ctx context.Context, stdin []byte, args ...string) ([]byte, error) {
		out, _, err := d.driver.Run(ctx, stdin, args...)
		return out, err
	})
}

// dockerSystem is a running system as the conductor wants it.
type dockerSystem struct{ *docker.System }

// Machines adds to each machine where its agent answers.
func (s dockerSystem) Machines() []harness.Machine {
	var out []harness.Machine
	for _, m := range s.System.Machines() {
		out = append(out, harness.Machine{
			Name: m.Name, Group: m.Group, External: m.External,
			QuotaCPUs: m.QuotaCPUs, MemoryLimitBytes: m.MemoryLimitBytes,
			Agent: observe.Target{Machine: m.Name, AgentURL: m.AgentURL, Nonce: s.Nonce()},
		})
	}
	return out
}
