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

// EnsureDataset fills the volume that a process begins with: a machine runs the
// process and its seed command. It gives up after an hour. A process in an image of the
// user's own runs there, and its command too: EnsureImages comes before. A volume that
// is full already costs one short container. Two runs may do this at once: the machine
// takes a lock in the volume. The volume outlives the run; Sweep with datasets removes
// it. An error holds the last lines of the machine's log, or of the command's output.
func (s *Stage) EnsureDataset(ctx context.Context, d scenarios.Dataset) error {
	ctx, cancel := context.WithTimeoutCause(ctx, seedTimeout, fmt.Errorf("not done within %v: have the seed command make fewer data, or end where it hangs", seedTimeout))
	defer cancel()
	if d.Process.Foreign() && s.imageOf(*d.Process.Service) == "" {
		return fmt.Errorf("make a dataset (%s): its image is not made (%s): call EnsureImages before", d.Command(), describeImage(*d.Process.Service))
	}
	volume, began := s.volumeOf(d), time.Now()
	fill := s.seed
	if d.Process.Foreign() {
		fill = s.seedOwn
	}
	_, err := s.cli.VolumeCreate(ctx, client.VolumeCreateOptions{
		Name: volume, Labels: s.datasetLabels(),
	})
	if err == nil {
		err = fill(ctx, d, volume)
	}
	if err != nil {
		return fmt.Errorf("make dataset %s (%s): %w", volume, d.Command(), err)
	}
	s.progress("dataset %s is ready after %.1f s", volume, time.Since(began).Seconds())
	s.mu.Lock()
	defer s.mu.Unlock()
	s.datasets[d.Key()] = true
	return nil
}

// seed fills a volume by a machine that runs a process of a kind.
func (s *Stage) seed(ctx context.Context, d scenarios.Dataset, volume string) error {
	var files []testcontainers.ContainerFile
	for _, f := range d.Process.SeedFiles {
		files = append(files, fileIn(spec.Below(scenarios.SeedFilesDir, f.Path), f))
	}
	told := stage.SeedSpec(d, spec.DatasetDir, scenarios.SeedFilesDir, stage.NewNonce(), nil)
	return s.runMachine(ctx, told, containerSpec{
		name:     "seed-" + volume,
		files:    files,
		mounts:   []mount.Mount{s.datasetMount(volume, spec.DatasetDir, false)},
		shmBytes: d.Process.Facts.SharedMemoryBytes,
	})
}

// runMachine runs a machine that does something with data to its end. The error holds
// the machine's last lines.
func (s *Stage) runMachine(ctx context.Context, told spec.Spec, c containerSpec) error {
	encoded, err := json.Marshal(told)
	if err != nil {
		return err
	}
	c.env = map[string]string{spec.EnvSpec: string(encoded)}
	made, err := s.create(ctx, c)
	if err != nil {
		return err
	}
	id := made.GetContainerID()
	defer s.discard(ctx, id)
	if err := made.Start(ctx); err != nil {
		return err
	}
	code, err := s.waitExit(ctx, id)
	if err != nil {
		return s.withTail(ctx, id, err)
	}
	if code != 0 {
		return s.withTail(ctx, id, fmt.Errorf("%s exited with code %d", told.Machine, code))
	}
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
			return 0, causeOf(ctx, err)
		}
		if state := inspected.Container.State; !state.Running {
			if state.OOMKilled {
				return state.ExitCode, stopped(state)
			}
			return state.ExitCode, nil
		}
		select {
		case <-ctx.Done():
			return 0, context.Cause(ctx)
		case <-tick.C:
		}
	}
}

// datasetLabels are the labels of a dataset's volume. They name no run: the volume
// outlives the run.
func (s *Stage) datasetLabels() map[string]string {
	return map[string]string{labelOurs: "1", labelDataset: s.options.DatasetVersion}
}

// datasetMount is a dataset's volume in a container. Where somebody has removed the volume
// meanwhile the engine makes an empty one, and a sweep must find that one too.
func (s *Stage) datasetMount(volume, target string, readOnly bool) mount.Mount {
	return mount.Mount{
		Type: mount.TypeVolume, Source: volume, Target: target, ReadOnly: readOnly,
		VolumeOptions: &mount.VolumeOptions{Labels: s.datasetLabels()},
	}
}

// volumeOf names the volume of a dataset. Another image of the same name makes another
// dataset.
func (s *Stage) volumeOf(d scenarios.Dataset) string {
	version := s.options.DatasetVersion
	if d.Process.Foreign() {
		version += " " + s.imageOf(*d.Process.Service)
	}
	return "headroom-" + stage.DatasetName(d, version)
}
