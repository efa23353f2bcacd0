// SPDX-License-Identifier: Apache-2.0

package docker

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/containerd/errdefs"
	"github.com/moby/moby/client"

	"headroom/scenarios"
)

// unpauseTimeout bounds all attempts to let a machine go on.
const unpauseTimeout = 15 * time.Second

// Pause stops all processes of a running machine for a time, and lets them go on
// whatever happens, a cancelled ctx included. It is for tests of what such a stall
// does to a measurement. It returns from when to when the machine stood still, also
// with an error.
func Pause(ctx context.Context, cli *client.Client, runID string, v scenarios.Variant, machine string, d time.Duration) (began, ended time.Time, err error) {
	id, err := runningMachine(ctx, cli, runID, v, machine)
	if err != nil {
		return began, ended, fmt.Errorf("pause %s of %s: %w", machine, v, err)
	}
	// Before the pause: an engine that does not answer in time may pause all the
	// same.
	defer func() {
		err = errors.Join(err, unpause(ctx, cli, id))
		ended = time.Now()
	}()
	began = time.Now()
	if _, err := cli.ContainerPause(ctx, id, client.ContainerPauseOptions{}); err != nil {
		return began, ended, fmt.Errorf("pause %s of %s: %w", machine, v, err)
	}
	select {
	case <-time.After(d):
	case <-ctx.Done():
		return began, ended, ctx.Err()
	}
	return began, ended, nil
}

// unpause tries until the machine goes on, is gone, or the time is over.
func unpause(ctx context.Context, cli *client.Client, id string) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), unpauseTimeout)
	defer cancel()
	for {
		_, err := cli.ContainerUnpause(ctx, id, client.ContainerUnpauseOptions{})
		if err == nil || errdefs.IsNotFound(err) || strings.Contains(err.Error(), "not paused") {
			return nil // it goes on, is gone, or was never paused
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("container %s stands still and could not be let go on: %w; run: docker unpause %s", id[:min(len(id), 12)], err, id)
		case <-time.After(removePause):
		}
	}
}

// runningMachine is the running container of a machine of a run, by its name.
func runningMachine(ctx context.Context, cli *client.Client, runID string, v scenarios.Variant, machine string) (id string, err error) {
	list, err := cli.ContainerList(ctx, client.ContainerListOptions{Filters: labelled(labelRun, runID)})
	if err != nil {
		return "", fmt.Errorf("list the containers of run %s: %w", runID, err)
	}
	suffix := fmt.Sprintf("-%s-%s", v, machine)
	var found []string
	for _, c := range list.Items {
		if len(c.Names) > 0 && strings.HasSuffix(c.Names[0], suffix) {
			found = append(found, c.ID)
		}
	}
	if len(found) != 1 {
		return "", fmt.Errorf("%d containers of run %s run that are called ...%s, not one", len(found), runID, suffix)
	}
	return found[0], nil
}
