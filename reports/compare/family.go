// SPDX-License-Identifier: Apache-2.0

package compare

import (
	"fmt"
	"slices"

	"headroom/scenarios"
)

// Tables lists the metrics of a rate's two tables: those that everybody sees,
// and those by endpoint and machine. The rows of a table are judged together.
func (c Comparison) Tables() (rows, details []scenarios.MetricKey) {
	for _, m := range scenarios.Metrics() {
		switch {
		case m.Headline && c.applies(m):
			rows = append(rows, m.Key)
		case m.Detail:
			details = append(details, m.Key)
		}
	}
	for _, e := range union(c.allBefore.Endpoints(), c.allAfter.Endpoints()) {
		details = append(details, withArgument(scenarios.MetricP50, e), withArgument(scenarios.MetricP95, e))
	}
	for _, header := range union(c.allBefore.Headers(), c.allAfter.Headers()) {
		details = append(details, withArgument("header_share", header))
	}
	for _, m := range c.Machines() {
		for _, base := range []scenarios.MetricKey{"cpu_ms_per_request", "utilisation", "throttled_share"} {
			details = append(details, withArgument(base, m))
		}
	}
	return rows, details
}

// withArgument is the key of a metric with what it is of.
func withArgument(base scenarios.MetricKey, of string) scenarios.MetricKey {
	return scenarios.MetricKey(fmt.Sprintf("%s[%s]", base, of))
}

// applies says whether a headline metric has a row: a metric of a pattern has one only
// where one of the variants has the pattern.
func (c Comparison) applies(m scenarios.Metric) bool {
	return m.TellsWith == "" || c.allBefore.Value(m.TellsWith).OK() || c.allAfter.Value(m.TellsWith).OK()
}

// Machines lists the machines of both variants.
func (c Comparison) Machines() []string { return union(c.allBefore.Machines(), c.allAfter.Machines()) }

// union lists the names of a, then those that only b has.
func union[S ~string](a, b []S) []S {
	all := slices.Clone(a)
	for _, name := range b {
		if !slices.Contains(all, name) {
			all = append(all, name)
		}
	}
	return all
}

// Effects compares the metrics of one table, judged together.
func (c Comparison) Effects(keys []scenarios.MetricKey) []Effect {
	effects := make([]Effect, len(keys))
	for i, key := range keys {
		effects[i] = c.Ratio(key)
	}
	JudgeTogether(effects)
	return effects
}

// inItsTable is the effect of one metric, judged together with the table that
// it stands in. What stands in none is judged with the details.
func (c Comparison) inItsTable(key scenarios.MetricKey) Effect {
	rows, details := c.Tables()
	if !slices.Contains(rows, key) {
		rows = union(details, []scenarios.MetricKey{key})
	}
	return c.Effects(rows)[slices.Index(rows, key)]
}
