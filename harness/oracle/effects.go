// SPDX-License-Identifier: Apache-2.0

package oracle

import (
	"fmt"

	"headroom/harness/record"
	"headroom/scenarios"
)

// Effects checks, once the queue is empty, that each acknowledged job had its
// effect once: `lost` and `duplicated`. seen says how often the effect of each
// row that was created in the table took place; an id that is missing is none.
//
// It must not be asked before the queue is empty: a job that waits is not
// lost.
//
// It can't see: jobs that were never acknowledged; jobs outside of the sample;
// effects in other places than the one that was asked.
func Effects(table string, created []record.Created, seen map[int64]int64) (lost, duplicated record.Oracle) {
	lost = record.Oracle{Name: scenarios.OracleLost, Scope: table}
	duplicated = record.Oracle{Name: scenarios.OracleDuplicated, Scope: table}
	for _, c := range created {
		lost.Checked++
		times := seen[c.ID]
		if times == 0 {
			lost.Violations++
			if lost.Example == "" {
				lost.Example = fmt.Sprintf("row %d of %s was acknowledged, and its mail was never sent", c.ID, table)
			}
			continue
		}
		duplicated.Checked++
		if times > 1 {
			duplicated.Violations++
			if duplicated.Example == "" {
				duplicated.Example = fmt.Sprintf("the mail of row %d of %s was sent %d times", c.ID, table, times)
			}
		}
	}
	because(&lost, fmt.Sprintf("no row of %s was created", table))
	because(&duplicated, fmt.Sprintf("no row of %s had an effect", table))
	return lost, duplicated
}

// Reordered is what the workers themselves counted: of the jobs delivered,
// those that came after a later one of the same publisher and kind.
//
// It can't see: order between publishers, which a queue does not promise.
func Reordered(delivered, reordered int64) record.Oracle {
	o := record.Oracle{Name: scenarios.OracleReordered, Checked: delivered, Violations: reordered}
	because(&o, "no job was delivered")
	return o
}
