// SPDX-License-Identifier: Apache-2.0

package oracle

import (
	"fmt"

	"headroom/harness/record"
	"headroom/scenarios"
)

// Effects checks, once the queue is empty, that each acknowledged job had its
// effect once: `lost` and `duplicated`. seen says how often the effect of each
// created thing took place; an id that is missing is none.
//
// It must not be asked before the queue is empty: a job that waits is not
// lost.
//
// It can't see: jobs that were never acknowledged; jobs outside of the sample;
// effects in other places than the one that was asked.
func Effects(kind string, created []record.Created, seen map[int64]int64) (lost, duplicated record.Oracle) {
	lost = record.Oracle{Name: scenarios.OracleLost, Scope: kind}
	duplicated = record.Oracle{Name: scenarios.OracleDuplicated, Scope: kind}
	for _, c := range created {
		lost.Checked++
		times := seen[c.ID]
		if times == 0 {
			lost.Violations++
			if lost.Example == "" {
				lost.Example = fmt.Sprintf("%s %d was acknowledged, and its mail was never sent", kind, c.ID)
			}
			continue
		}
		duplicated.Checked++
		if times > 1 {
			duplicated.Violations++
			if duplicated.Example == "" {
				duplicated.Example = fmt.Sprintf("the mail of %s %d was sent %d times", kind, c.ID, times)
			}
		}
	}
	because(&lost, fmt.Sprintf("no %s was created", kind))
	because(&duplicated, fmt.Sprintf("no %s had an effect", kind))
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
