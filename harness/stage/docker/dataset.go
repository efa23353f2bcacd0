// SPDX-License-Identifier: Apache-2.0

package docker

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/moby/moby/api/types/mount"
	"github.com/moby/moby/client"
	"github.com/testcontainers/testcontainers-go"

	"headroom/harness/stage"
	"headroom/scenarios"
	"headroom/targets/machine/spec"
)

const seedTimeout = time.Hour

// EnsureDataset fills the volume that a process begins with, by a machine that runs
// the process and its seed command, and gives up after an hour. A volume that is full
// already costs one short container. Two runs may do this at once: the machine takes a
// lock in the volume. The volume outlives the run; Sweep with datasets removes it. An
// error holds the end of the machine's log.
func (s *Stage) EnsureDataset(ctx context.Context, d scenarios.Dataset) error {
	ctx, cancel := context.WithTimeout(ctx, seedTimeout)
	defer cancel()
	volume := datasetVolume(d, s.options.DatasetVersion)
	if err := s.seed(ctx, d, volume); err != nil {
		return fmt.Errorf("make dataset %s (%s): %w", volume, d.Command(), err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.datasets[d.Key()] = true
	return nil
}

func (s *Stage) seed(ctx context.Context, d scenarios.Dataset, volume string) error {
	_, err := s.cli.VolumeCreate(ctx, client.VolumeCreateOptions{
		Name:   volume,
		Labels: map[string]string{labelOurs: "1", labelDataset: s.options.DatasetVersion},
	})
	if err != nil {
		return err
	}
	encoded, err := json.Marshal(stage.SeedSpec(d, spec.DatasetDir, stage.SeedFilesDir, stage.NewNonce(), nil))
	if err != nil {
		return err
	}
	var files []testcontainers.ContainerFile
	for _, f := range d.Process.SeedFiles {
		files = append(files, fileIn(spec.Below(stage.SeedFilesDir, f.Path), f))
	}
	c, err := s.create(ctx, containerSpec{
		name:     "seed-" + volume,
		files:    files,
		env:      map[string]string{spec.EnvSpec: string(encoded)},
		mounts:   []mount.Mount{{Type: mount.TypeVolume, Source: volume, Target: spec.DatasetDir}},
		shmBytes: d.Process.Facts.SharedMemoryBytes,
	})
	if err != nil {
		return err
	}
	id := c.GetContainerID()
	defer s.discard(ctx, id)
	began := time.Now()
	if err := c.Start(ctx); err != nil {
		return err
	}
	code, err := s.waitExit(ctx, id)
	if err != nil {
		return s.withTail(ctx, id, err)
	}
	if code != 0 {
		return s.withTail(ctx, id, fmt.Errorf("seed exited with code %d", code))
	}
	s.progress("dataset %s is ready after %.1f s", volume, time.Since(began).Seconds())
	return nil
}

// waitExit waits for a container's end and returns its exit code.
func (s *Stage) waitExit(ctx context.Context, id string) (int, error) {
	tick := time.NewTicker(pollInterval)
	defer tick.Stop()
	for {
		inspected, err := s.cli.ContainerInspect(ctx, id, client.ContainerInspectOptions{})
		if err == nil && inspected.Container.State == nil {
			err = errors.New("the engine does not tell the container's state")
		}
		if err != nil {
			return 0, err
		}
		if state := inspected.Container.State; !state.Running {
			if state.OOMKilled {
				return state.ExitCode, stopped(state)
			}
			return state.ExitCode, nil
		}
		select {
		case <-ctx.Done():
			return 0, ctx.Err()
		case <-tick.C:
		}
	}
}

// datasetVolume names the volume of a dataset.
func datasetVolume(d scenarios.Dataset, version string) string {
	return "headroom-" + stage.DatasetName(d, version)
}
