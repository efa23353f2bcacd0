// SPDX-License-Identifier: Apache-2.0

package docker

import (
	"reflect"
	"testing"

	"github.com/moby/moby/api/types/container"

	"headroom/internal/maybe"
	"headroom/targets/machine/spec"
)

// What the engine has read is there, in our units, and what it writes as 0 because it
// could not read it is not.
func TestCountersOf(t *testing.T) {
	usage := container.CPUUsage{TotalUsage: 1_500_000_000}
	for _, test := range []struct {
		name  string
		stats container.StatsResponse
		want  spec.Counters
	}{
		{"nothing", container.StatsResponse{}, spec.Counters{}},
		{"all of it", container.StatsResponse{
			CPUStats:    container.CPUStats{CPUUsage: usage, ThrottlingData: container.ThrottlingData{Periods: 4, ThrottledPeriods: 1, ThrottledTime: 500_000_000}},
			MemoryStats: container.MemoryStats{Usage: 900, Stats: map[string]uint64{"inactive_file": 100}},
			Networks:    map[string]container.NetworkStats{"eth0": {RxBytes: 10, TxBytes: 20}, "eth1": {RxBytes: 1, TxBytes: 2}},
		}, spec.Counters{
			CPUSecondsTotal: maybe.Of(1.5), PeriodsTotal: maybe.Of(4), ThrottledPeriods: maybe.Of(1), ThrottledSTotal: maybe.Of(0.5),
			MemoryBytes: maybe.Of(800), NetRxBytesTotal: maybe.Of(11), NetTxBytesTotal: maybe.Of(22),
		}},
		{"a quota that never held back", container.StatsResponse{CPUStats: container.CPUStats{ThrottlingData: container.ThrottlingData{Periods: 4}}},
			spec.Counters{PeriodsTotal: maybe.Of(4), ThrottledPeriods: maybe.Of(0), ThrottledSTotal: maybe.Of(0)}},
		{"cgroups of version 1", container.StatsResponse{MemoryStats: container.MemoryStats{Usage: 900, Stats: map[string]uint64{"inactive_file": 7, "total_inactive_file": 300}}},
			spec.Counters{MemoryBytes: maybe.Of(600)}},
		{"memory of which no part is told", container.StatsResponse{MemoryStats: container.MemoryStats{Usage: 900}}, spec.Counters{}},
		{"a network without traffic", container.StatsResponse{Networks: map[string]container.NetworkStats{"eth0": {}}},
			spec.Counters{NetRxBytesTotal: maybe.Of(0), NetTxBytesTotal: maybe.Of(0)}},
	} {
		if got := countersOf(test.stats); !reflect.DeepEqual(got, test.want) {
			t.Errorf("%s: got  %+v\nwant %+v", test.name, got, test.want)
		}
	}
}

// A system whose machines all have agents asks the engine nothing.
func TestMeterOfAgents(t *testing.T) {
	if counted := (&System{}).Meter(t.Context()); counted != nil {
		t.Errorf("it tells %+v", counted)
	}
}
