// SPDX-License-Identifier: Apache-2.0

package oracle

import (
	"fmt"

	"headroom/harness/record"
	"headroom/scenarios"
)

// Effects checks that each acknowledged job had its effect once: `lost` and `duplicated`.
// seen says how often the effect of each created row took place; a missing id means
// never.
//
// Effects must not be called before the queue is empty: a job that waits is not lost.
//
// It can't see: jobs that were never acknowledged; jobs outside of the sample; effects in
// other places than those that were asked.
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
	setUnknown(&lost, fmt.Sprintf("no row of %s was created", table))
	setUnknown(&duplicated, fmt.Sprintf("no row of %s had an effect", table))
	return lost, duplicated
}

// Reordered is the workers' own count: of the delivered jobs, those that came after a
// later job of the same publisher and kind.
//
// It can't see: order between publishers, which a queue does not promise.
func Reordered(delivered, reordered int64) record.Oracle {
	o := record.Oracle{Name: scenarios.OracleReordered, Checked: delivered, Violations: reordered}
	setUnknown(&o, "no job was delivered")
	return o
}
