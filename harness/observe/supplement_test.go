// SPDX-License-Identifier: Apache-2.0

package observe

import (
	"reflect"
	"testing"

	"headroom/internal/maybe"
	"headroom/targets/machine/spec"
)

// What was read stays, what was not is filled in, and what nobody knows stays not known
// with every reason; why the engine did not count stands in the place of why others
// could not.
func TestSupplement(t *testing.T) {
	const cgroup = "cgroup: permission denied"
	counted := spec.Counters{CPUSecondsTotal: maybe.Of(3), MemoryBytes: maybe.Of(700), NetRxBytesTotal: maybe.Of(0), NetTxBytesTotal: maybe.Of(20)}
	for _, test := range []struct {
		name          string
		read, counted spec.Counters
		want          spec.Counters
	}{
		{"the network alone",
			spec.Counters{CPUSecondsTotal: maybe.Of(2), MemoryBytes: maybe.Of(600), OOMKillsTotal: maybe.Of(0), Unread: []string{"machine: why", spec.NetworkOutside},
				Processes: []spec.ProcessCounters{{Name: "web", CPUSecondsTotal: maybe.Of(2)}}},
			counted,
			spec.Counters{CPUSecondsTotal: maybe.Of(2), MemoryBytes: maybe.Of(600), OOMKillsTotal: maybe.Of(0), NetRxBytesTotal: maybe.Of(0), NetTxBytesTotal: maybe.Of(20),
				Unread: []string{"machine: why"}, Processes: []spec.ProcessCounters{{Name: "web", CPUSecondsTotal: maybe.Of(2)}}}},
		{"all that the engine has",
			spec.Counters{Unread: []string{cgroup, spec.NetworkOutside}, Processes: []spec.ProcessCounters{{Name: "web"}}},
			counted,
			spec.Counters{CPUSecondsTotal: maybe.Of(3), MemoryBytes: maybe.Of(700), NetRxBytesTotal: maybe.Of(0), NetTxBytesTotal: maybe.Of(20),
				Unread: []string{cgroup}, Processes: []spec.ProcessCounters{{Name: "web", CPUSecondsTotal: maybe.Of(3)}}}},
		{"nothing",
			spec.Counters{Unread: []string{spec.NetworkOutside, cgroup}, Processes: []spec.ProcessCounters{{Name: "web"}, {Name: "more"}}},
			spec.Counters{Unread: []string{"engine: too slow"}},
			spec.Counters{Unread: []string{"engine: too slow", cgroup}, Processes: []spec.ProcessCounters{{Name: "web"}, {Name: "more"}}}},
		{"nothing, and nobody says why",
			spec.Counters{Unread: []string{spec.NetworkOutside}},
			spec.Counters{},
			spec.Counters{Unread: []string{spec.NetworkOutside}}},
		{"nothing of a machine that counts its network",
			spec.Counters{Unread: []string{cgroup}},
			spec.Counters{Unread: []string{"engine: too slow"}},
			spec.Counters{Unread: []string{cgroup, "engine: too slow"}}},
	} {
		if Supplement(&test.read, test.counted); !reflect.DeepEqual(test.read, test.want) {
			t.Errorf("%s: got  %+v\nwant %+v", test.name, test.read, test.want)
		}
	}
}
