// SPDX-License-Identifier: Apache-2.0

package harness

import (
	"context"

	"headroom/harness/oracle"
	"headroom/scenarios"
)

// askReordered needs no further question: the workers' counters have been read.
var askReordered = question{[]scenarios.OracleName{scenarios.OracleReordered}, (*audit).reordered}

// reordered reads what the workers counted during the slice.
func (a *audit) reordered(context.Context) {
	var delivered, reordered float64
	found := false
	for _, m := range a.trial.Machines {
		for _, p := range m.Processes {
			facts, _ := a.topology.Facts(m.Machine, p.Name)
			if facts.Counts(scenarios.MeaningReordered) {
				found = true
				delivered += p.Sum(facts.Keys(scenarios.MeaningDelivered))
				reordered += p.Sum(facts.Keys(scenarios.MeaningReordered))
			}
		}
	}
	if !found {
		a.unmeasured(scenarios.OracleReordered, "there is no worker that could be read")
		return
	}
	a.add(oracle.Reordered(int64(delivered), int64(reordered)))
}
