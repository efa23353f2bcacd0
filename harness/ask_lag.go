// SPDX-License-Identifier: Apache-2.0

package harness

import (
	"context"

	"headroom/harness/oracle"
	"headroom/scenarios"
)

// askLag asks the primaries.
var askLag = question{[]scenarios.OracleName{scenarios.OracleLag}, (*audit).lag}

// lag sums up what the primaries saw of their replicas during the slice.
func (a *audit) lag(ctx context.Context) {
	var replicas []string
	samples := map[string][]oracle.LagSample{}
	for _, at := range a.topology.Databases() {
		if at.Process.IsReplica() {
			replicas = append(replicas, at.Machine.Name)
		}
	}
	if len(replicas) == 0 {
		a.unmeasured(scenarios.OracleLag, "there is no replica")
		return
	}
	for _, at := range a.topology.Databases() {
		m := a.machines[at.Machine.Name]
		if at.Process.IsReplica() {
			continue
		}
		if m.till <= m.from {
			a.unmeasured(scenarios.OracleLag, "machine %s could not be read after the slice", at.Machine.Name)
			return
		}
		seen, err := a.Lag(ctx, m.Agent, m.from, m.till)
		if err != nil {
			a.unmeasured(scenarios.OracleLag, "%v", err)
			return
		}
		for _, s := range seen {
			samples[s.Replica] = append(samples[s.Replica], oracle.LagSample{Bytes: s.Bytes, Millis: s.Ms})
		}
	}
	for _, replica := range replicas {
		a.add(oracle.Lag(replica, samples[replica]))
	}
}
