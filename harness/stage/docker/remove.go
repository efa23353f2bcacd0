// SPDX-License-Identifier: Apache-2.0

package docker

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/containerd/errdefs"
	"github.com/moby/moby/client"

	"headroom/internal/child"
)

const (
	removeTimeout       = 15 * time.Second
	removePause         = 100 * time.Millisecond
	removeParallel      = 6
	stuckNetworkTimeout = 2 * time.Second
)

// Sweep removes every container, volume and network that carries our labels
// and whose owner is provably dead. With datasets it also removes the dataset
// volumes that no container uses; the next run seeds them again. It returns
// what it removed, also beside an error, and gives up after 15 s. Things of
// live owners, of owners it cannot judge, and of others are left alone.
func Sweep(ctx context.Context, cli *client.Client, datasets bool) (removed []string, err error) {
	ctx, cancel := context.WithTimeout(ctx, removeTimeout)
	defer cancel()
	me := child.CurrentOwner()
	removed, err = removeAll(ctx, cli, labelled(labelOurs, "1"), func(labels map[string]string) bool {
		return ownerOf(labels).IsDead(me, child.StartOf)
	})
	if !datasets {
		return removed, err
	}
	volumes, datasetsErr := removeVolumes(ctx, cli, labelled(labelDataset, ""), func(map[string]string) bool { return true })
	return append(removed, volumes...), errors.Join(err, datasetsErr)
}

// removeRun removes everything that carries the run's id.
func removeRun(ctx context.Context, cli *client.Client, runID string) ([]string, error) {
	return removeAll(ctx, cli, labelled(labelRun, runID), func(map[string]string) bool { return true })
}

// labelled filters by a label; an empty value means any.
func labelled(label, value string) client.Filters {
	if value != "" {
		label += "=" + value
	}
	return make(client.Filters).Add("label", label)
}

// removeAll removes what passes the filters and the match, and repeats that until
// nothing is left: a network can't be removed before its last container is gone. It
// returns the last pass's error when ctx ends first, or when only stuck networks are
// left.
func removeAll(ctx context.Context, cli *client.Client, filters client.Filters, match func(labels map[string]string) bool) ([]string, error) {
	var removed []string
	deadline := time.Now().Add(stuckNetworkTimeout)
	for {
		containers, err := removeContainers(ctx, cli, filters, match)
		volumes, volumesErr := removeVolumes(ctx, cli, filters, match)
		networks, networksErr := removeNetworks(ctx, cli, filters, match)
		removed = append(append(append(removed, containers...), volumes...), networks...)
		onlyStuckNetworks := err == nil && volumesErr == nil && errors.Is(networksErr, ErrStuckNetwork)
		if err = errors.Join(err, volumesErr, networksErr); err == nil {
			return removed, nil
		}
		if onlyStuckNetworks && time.Now().After(deadline) {
			return removed, fmt.Errorf("remove leftovers: %w", err)
		}
		select {
		case <-ctx.Done():
			return removed, fmt.Errorf("remove leftovers: %w", err)
		case <-time.After(removePause):
		}
	}
}

func removeContainers(ctx context.Context, cli *client.Client, filters client.Filters, match func(map[string]string) bool) ([]string, error) {
	list, err := cli.ContainerList(ctx, client.ContainerListOptions{All: true, Filters: filters})
	if err != nil {
		return nil, fmt.Errorf("list containers: %w", err)
	}
	var ids []string
	names := map[string]string{}
	for _, c := range list.Items {
		if !match(c.Labels) {
			continue
		}
		ids = append(ids, c.ID)
		names[c.ID] = c.ID[:12]
		if len(c.Names) > 0 {
			names[c.ID] = strings.TrimPrefix(c.Names[0], "/")
		}
	}
	return removeEach("container", ids, names, func(id string) error { return removeContainer(ctx, cli, id) })
}

// removeContainer kills and removes a container with its anonymous volumes.
func removeContainer(ctx context.Context, cli *client.Client, id string) error {
	_, err := cli.ContainerRemove(ctx, id, client.ContainerRemoveOptions{Force: true, RemoveVolumes: true})
	return err
}

func removeVolumes(ctx context.Context, cli *client.Client, filters client.Filters, match func(map[string]string) bool) ([]string, error) {
	list, err := cli.VolumeList(ctx, client.VolumeListOptions{Filters: filters})
	if err != nil {
		return nil, fmt.Errorf("list volumes: %w", err)
	}
	var ids []string
	for _, v := range list.Items {
		if match(v.Labels) {
			ids = append(ids, v.Name)
		}
	}
	return removeEach("volume", ids, nil, func(id string) error {
		_, err := cli.VolumeRemove(ctx, id, client.VolumeRemoveOptions{})
		return err
	})
}

func removeNetworks(ctx context.Context, cli *client.Client, filters client.Filters, match func(map[string]string) bool) ([]string, error) {
	list, err := cli.NetworkList(ctx, client.NetworkListOptions{Filters: filters})
	if err != nil {
		return nil, fmt.Errorf("list networks: %w", err)
	}
	var ids []string
	names := map[string]string{}
	for _, n := range list.Items {
		if match(n.Labels) {
			ids = append(ids, n.ID)
			names[n.ID] = n.Name
		}
	}
	return removeEach("network", ids, names, func(id string) error { return removeNetwork(ctx, cli, id) })
}

// ErrStuckNetwork is an empty network that the engine takes to be in use. The
// engine's count of endpoints is wrong, as Docker 20.10's may be after many
// containers end at once. Nothing runs in the network, and no call of the engine
// removes it.
var ErrStuckNetwork = errors.New("the engine counts containers in it that are gone; it is empty, does no harm, and can be removed after a restart of Docker")

func removeNetwork(ctx context.Context, cli *client.Client, id string) error {
	_, err := cli.NetworkRemove(ctx, id, client.NetworkRemoveOptions{})
	if err == nil || errdefs.IsNotFound(err) || !strings.Contains(err.Error(), "active endpoints") {
		return err
	}
	found, inspectErr := cli.NetworkInspect(ctx, id, client.NetworkInspectOptions{})
	if inspectErr != nil || len(found.Network.Containers) > 0 {
		return err
	}
	return ErrStuckNetwork
}

// removeEach removes the ids, a few at a time. An id that is gone already is no
// error: the reaper, a sweep and a Close may work at the same time.
func removeEach(what string, ids []string, names map[string]string, remove func(id string) error) ([]string, error) {
	errs := make([]error, len(ids))
	slots := make(chan struct{}, removeParallel)
	var wg sync.WaitGroup
	for i, id := range ids {
		slots <- struct{}{}
		wg.Go(func() {
			defer func() { <-slots }()
			errs[i] = remove(id)
		})
	}
	wg.Wait()
	var removed []string
	for i, id := range ids {
		name := id
		if known := names[id]; known != "" {
			name = known
		}
		switch {
		case errs[i] == nil:
			removed = append(removed, what+" "+name)
		case errdefs.IsNotFound(errs[i]):
			errs[i] = nil
		default:
			errs[i] = fmt.Errorf("remove %s %s: %w", what, name, errs[i])
		}
	}
	return removed, errors.Join(errs...)
}
