// SPDX-License-Identifier: Apache-2.0

package plan

import (
	"fmt"
	"slices"
	"strconv"

	"headroom/harness/record"
	"headroom/scenarios"
)

// warningsOf is what a reader must know of the run behind a number.
func warningsOf(log *record.Log, capacity Capacity) []string {
	warnings := []string{}
	if log.Run.Quick {
		warnings = append(warnings, "a quick run: not evidence")
	}
	if log.End == nil || log.End.Interrupted || log.End.Reason != "" {
		warnings = append(warnings, "the run ended early: its capacity may be higher than what it found")
	}
	if !log.Run.Environment.HasQuotas() {
		warnings = append(warnings, "measured as local processes: rates are this computer's, not the machines'")
	}
	if capacity.RPS > 0 && !capacity.Confirmed {
		warnings = append(warnings, "no rate of it was confirmed by a soak: the plan takes the lower end of the capacity's range")
	}
	return warnings
}

// edgeWarnings tell that copies of a cache are no larger cache.
func edgeWarnings(t scenarios.Topology, groups []Group, copies map[string]int) []string {
	var warnings []string
	for _, g := range groups {
		edge := slices.ContainsFunc(t.Of(g.Name), func(m scenarios.Machine) bool { return m.Runs(scenarios.KindVarnish) })
		if edge && copies[g.Name] > g.Measured {
			warnings = append(warnings, fmt.Sprintf("each copy of %s fills a cache of its own, so the machines behind it get a larger share of the requests than was measured", g.Name))
		}
	}
	return warnings
}

// poolWarning tells when all copies' connections are more than PostgreSQL
// takes.
func poolWarning(t scenarios.Topology, copies map[string]int) []string {
	connections, most := 0.0, 0
	for _, at := range t.Processes(scenarios.KindShop) {
		pool, _ := strconv.Atoi(at.Process.Settings["pool_size"])
		_, measured := t.CopyOf(at.Machine)
		connections += float64(pool*copies[at.Machine.GroupName()]) / float64(measured)
	}
	for _, at := range t.Databases() {
		limit, _ := strconv.Atoi(at.Process.Settings["max_connections"])
		most += limit
	}
	if most == 0 || connections <= float64(most) {
		return nil
	}
	return []string{fmt.Sprintf("all copies together open up to %.0f connections, PostgreSQL takes %d: lower pool_size or raise max_connections", connections, most)}
}
