// SPDX-License-Identifier: Apache-2.0

package docker

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/client"

	"headroom/internal/maybe"
	"headroom/targets/machine/spec"
)

const (
	// meterTimeout bounds the engine's answer for all machines. An engine that knows no
	// single reading (before API 1.41) takes two, a second apart.
	meterTimeout = 5 * time.Second
	maxStats     = 1 << 20 // bytes
)

// Meter implements stage.Meter: the engine counts what the observer of machines without
// an agent can't see. Whoever asks has the observer asked at the same time: the two
// readings are as far apart as their answers, which is some milliseconds, and with a
// slow engine meterTimeout at the most. They stand before and behind the load, so that
// little is counted between them.
func (sys *System) Meter(ctx context.Context) map[string]spec.Counters {
	if sys.observer == nil {
		return nil
	}
	ctx, cancel := context.WithTimeoutCause(ctx, meterTimeout, fmt.Errorf("no answer within %v", meterTimeout))
	defer cancel()
	counted := make([]spec.Counters, len(sys.machines))
	var asking sync.WaitGroup
	for i, m := range sys.machines {
		if slices.Contains(sys.observer.machines, m.Name) {
			asking.Go(func() { counted[i] = sys.stage.counted(ctx, sys.containers[i]) })
		}
	}
	asking.Wait()
	out := map[string]spec.Counters{}
	for i, m := range sys.machines {
		if slices.Contains(sys.observer.machines, m.Name) {
			out[m.Name] = counted[i]
		}
	}
	return out
}

// counted is what the engine counts of a container, or why nothing is known.
func (s *Stage) counted(ctx context.Context, id string) spec.Counters {
	stats, err := s.stats(ctx, id)
	if err == nil && stats.Read.IsZero() && stats.CPUStats.CPUUsage.TotalUsage == 0 {
		err = errors.New("it counts nothing: the container does not run")
	}
	if err != nil {
		if cause := context.Cause(ctx); cause != nil {
			err = cause // not what followed from it
		}
		return spec.Counters{Unread: []string{"engine: " + strings.ReplaceAll(err.Error(), "\n", "; ")}}
	}
	return countersOf(stats)
}

// stats takes one reading. Nothing is streamed.
func (s *Stage) stats(ctx context.Context, id string) (container.StatsResponse, error) {
	var stats container.StatsResponse
	result, err := s.cli.ContainerStats(ctx, id, client.ContainerStatsOptions{})
	if err != nil {
		return stats, err
	}
	defer result.Body.Close()
	err = json.NewDecoder(io.LimitReader(result.Body, maxStats)).Decode(&stats)
	return stats, err
}

// countersOf are the figures of a reading. The engine writes 0 in place of what it could
// not read: such a figure is known where another shows that the engine has read its
// source. A container that runs has used CPU time and memory; one whose quota has begun
// has had periods; and a network that is there is named.
func countersOf(stats container.StatsResponse) spec.Counters {
	var c spec.Counters
	if used := stats.CPUStats.CPUUsage.TotalUsage; used > 0 {
		c.CPUSecondsTotal = maybe.Of(float64(used) / float64(time.Second))
	}
	if t := stats.CPUStats.ThrottlingData; t.Periods > 0 {
		c.PeriodsTotal, c.ThrottledPeriods = maybe.Of(float64(t.Periods)), maybe.Of(float64(t.ThrottledPeriods))
		c.ThrottledSTotal = maybe.Of(float64(t.ThrottledTime) / float64(time.Second))
	}
	c.MemoryBytes = workingSet(stats.MemoryStats)
	if len(stats.Networks) > 0 {
		var received, sent float64
		for _, n := range stats.Networks {
			received, sent = received+float64(n.RxBytes), sent+float64(n.TxBytes)
		}
		c.NetRxBytesTotal, c.NetTxBytesTotal = maybe.Of(received), maybe.Of(sent)
	}
	return c
}

// workingSet is the memory in use less the file cache that is not, by its name in
// cgroups of version 1 or 2.
func workingSet(m container.MemoryStats) maybe.Number {
	idle, told := m.Stats["total_inactive_file"]
	if !told {
		idle, told = m.Stats["inactive_file"]
	}
	if !told || m.Usage == 0 {
		return maybe.Number{}
	}
	return maybe.Of(max(0, float64(m.Usage)-float64(idle)))
}
