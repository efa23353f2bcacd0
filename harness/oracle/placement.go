// SPDX-License-Identifier: Apache-2.0

package oracle

import (
	"fmt"

	"headroom/harness/record"
	"headroom/scenarios"
)

// Misplaced checks that each acknowledged row is in exactly one shard, the
// right one: `misplaced`. present says for each shard, in order, which of the
// created ids it holds; home is the shard where a row belongs, counted from 0,
// or nil where only the number of its places can be checked.
//
// It can't see: rows that were not created during the slice, or are not in the sample;
// wrong values in a row.
func Misplaced(table string, created []record.Created, present [][]int64, home func(record.Created) int) record.Oracle {
	o := record.Oracle{Name: scenarios.OracleMisplaced, Scope: table}
	places := map[int64][]int{}
	for shard, ids := range present {
		for _, id := range ids {
			places[id] = append(places[id], shard)
		}
	}
	for _, c := range created {
		o.Checked++
		found := places[c.ID]
		right := len(found) == 1 && (home == nil || found[0] == home(c))
		if right {
			continue
		}
		o.Violations++
		if o.Example == "" {
			o.Example = misplacement(table, c, found, home)
		}
	}
	setUnknown(&o, fmt.Sprintf("no row of %s was created", table))
	return o
}

func misplacement(table string, c record.Created, found []int, home func(record.Created) int) string {
	where := "is in no shard"
	if len(found) > 0 {
		where = fmt.Sprintf("is in shards %d", found)
	}
	if home == nil {
		return fmt.Sprintf("row %d of %s %s, instead of one", c.ID, table, where)
	}
	return fmt.Sprintf("row %d of %s, of session %d, %s, it belongs in shard %d alone (counted from 0)", c.ID, table, c.Session, where, home(c))
}
