// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"headroom/harness/record"
	"headroom/harness/stage"
	"headroom/harness/stage/docker"
	"headroom/scenarios"
	"headroom/targets/image"
	"headroom/targets/kinds"
	"headroom/targets/shop/dataset"
)

// openDocker makes the image, waits for its turn, and makes the stage, the images of
// the user's own, the datasets and the driver. Our image takes the engine seconds. The
// rest waits for the turn: a user's build takes an unknown time, a dataset takes a
// database a minute of CPU, and a sweep stops what a dead run left, which is better
// done when that run's turn is over.
func openDocker(ctx context.Context, s *scenarios.Scenario, runID string, shares record.Shares, progress *progress, turn *turn) (_ stage.Stage, err error) {
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
	opened, err := docker.Open(ctx, docker.Options{
		RunID: runID, Image: ref.Tag, DatasetVersion: datasetVersion(), Progress: progress,
		UnitCPUs: shares.UnitCPUs, Period: time.Duration(shares.PeriodMicros) * time.Microsecond,
	})
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, opened.Close(ctx))
		}
	}()
	for _, v := range scenarios.Variants() {
		if err := opened.EnsureImages(ctx, s.Topology(v)); err != nil {
			return nil, err
		}
	}
	if err := ensureDatasets(ctx, s, progress, opened.EnsureDataset); err != nil {
		return nil, err
	}
	if err := opened.StartDriver(ctx, shares.DriverCPUs); err != nil {
		return nil, err
	}
	return opened, nil
}

// datasetVersion changes whenever a dataset's files do. The files may belong to a
// server's user, whose number differs in an image with other packages.
func datasetVersion() string {
	return dataset.Version + " " + image.BaseTag(image.Packages(kinds.Data()))
}
