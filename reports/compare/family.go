// SPDX-License-Identifier: Apache-2.0

package compare

import (
	"fmt"
	"slices"
)

// Tables lists the metrics of a rate's two tables: those that everybody sees,
// and those by endpoint and machine. The rows of a table are judged together.
func (c Comparison) Tables() (rows, details []string) {
	rows = []string{"p50_ms", "p95_ms", "p99_ms"}
	for _, m := range metrics {
		if m.headline && c.tells(m) {
			rows = append(rows, m.Key)
		}
	}
	details = []string{"database_demand_share"}
	for _, e := range union(c.allBefore.Endpoints(), c.allAfter.Endpoints()) {
		details = append(details, fmt.Sprintf("p50_ms[%s]", e), fmt.Sprintf("p95_ms[%s]", e))
	}
	for _, header := range union(c.allBefore.Headers(), c.allAfter.Headers()) {
		details = append(details, fmt.Sprintf("header_share[%s]", header))
	}
	for _, m := range c.Machines() {
		for _, base := range []string{"cpu_ms_per_request", "utilisation", "throttled_share"} {
			details = append(details, fmt.Sprintf("%s[%s]", base, m))
		}
	}
	return rows, details
}

// tells says whether a headline metric tells anything: those of a pattern only
// where one of the variants has it.
func (c Comparison) tells(m metric) bool {
	return m.tellsWith == "" || c.allBefore.Value(m.tellsWith).OK() || c.allAfter.Value(m.tellsWith).OK()
}

// Machines lists the machines of both variants.
func (c Comparison) Machines() []string { return union(c.allBefore.Machines(), c.allAfter.Machines()) }

// union lists the names of a, then those that only b has.
func union(a, b []string) []string {
	all := slices.Clone(a)
	for _, name := range b {
		if !slices.Contains(all, name) {
			all = append(all, name)
		}
	}
	return all
}

// Effects compares the metrics of one table, judged together.
func (c Comparison) Effects(keys []string) []Effect {
	effects := make([]Effect, len(keys))
	for i, key := range keys {
		effects[i] = c.Ratio(key)
	}
	JudgeTogether(effects)
	return effects
}

// inItsTable is the effect of one metric, judged together with the table that
// it stands in. What stands in none is judged with the details.
func (c Comparison) inItsTable(key string) Effect {
	rows, details := c.Tables()
	if !slices.Contains(rows, key) {
		rows = union(details, []string{key})
	}
	return c.Effects(rows)[slices.Index(rows, key)]
}
