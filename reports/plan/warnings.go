// SPDX-License-Identifier: Apache-2.0

package plan

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

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
		edge := slices.ContainsFunc(t.MachinesOf(g.Name), scenarios.Machine.HoldsAnswers)
		if edge && copies[g.Name] > g.Measured {
			warnings = append(warnings, fmt.Sprintf("each copy of %s fills a cache of its own, so the machines behind it get a larger share of the requests than was measured", g.Name))
		}
	}
	return warnings
}

// The settings of who opens connections to a database, and of who takes them.
const (
	poolSize       = "pool_size"
	maxConnections = "max_connections"
)

// linksToPool says whether a process's database is a pool, which keeps no rows and
// shares its connections.
func linksToPool(t scenarios.Topology, p scenarios.Process) bool {
	return slices.ContainsFunc(p.Targets(scenarios.RoleDatabase), func(address string) bool {
		at, err := t.Find(address)
		return err == nil && !at.Process.Facts.Database
	})
}

// poolWarning tells when all copies' connections are more than the databases take.
func poolWarning(t scenarios.Topology, copies map[string]int) []string {
	connections, most := 0.0, 0
	for _, at := range t.ProcessesWithSetting(poolSize) {
		if linksToPool(t, at.Process) {
			continue
		}
		pool, _ := strconv.Atoi(at.Process.Settings[poolSize])
		_, measured := t.CopyOf(at.Machine)
		connections += float64(pool*copies[at.Machine.GroupName()]) / float64(measured)
	}
	var takers []string
	for _, at := range t.ProcessesWithSetting(maxConnections) {
		limit, _ := strconv.Atoi(at.Process.Settings[maxConnections])
		most += limit
		if label := at.Process.Facts.Label; !slices.Contains(takers, label) {
			takers = append(takers, label)
		}
	}
	if most == 0 || connections <= float64(most) {
		return nil
	}
	return []string{fmt.Sprintf("all copies together open up to %.0f connections, %s takes %d: lower %s or raise %s",
		connections, strings.Join(takers, ", "), most, poolSize, maxConnections)}
}
