// SPDX-License-Identifier: Apache-2.0

package scenarios

import "slices"

// The oracles: checks that run with the load. Each counts violations among
// what it checked.
const (
	OracleStale          = "stale"            // reads that show less than was acknowledged before they were sent
	OracleReadYourWrites = "read_your_writes" // of them, reads of what the same session wrote
	OracleMonotonic      = "monotonic_reads"  // reads that show less than the session had seen before
	OracleLag            = "replication_lag"  // samples of the replicas' lag; a distribution, no violations
	OracleMisplaced      = "misplaced"        // acknowledged rows that are not in exactly one shard, the right one
	OracleDuplicateIDs   = "duplicate_ids"    // acknowledged ids that were given twice
	OracleLost           = "lost"             // acknowledged jobs without their effect, once the queue is empty
	OracleDuplicated     = "duplicated"       // jobs whose effect was applied more than once
	OracleReordered      = "reordered"        // jobs delivered after a later one
	OracleOverLimit      = "over_limit"       // requests admitted beyond the rate limit in some window
)

// Oracles lists every oracle in the order of reports.
func Oracles() []string {
	return []string{
		OracleStale, OracleReadYourWrites, OracleMonotonic, OracleLag, OracleMisplaced,
		OracleDuplicateIDs, OracleLost, OracleDuplicated, OracleReordered, OracleOverLimit,
	}
}

func readOracles(n node) []string {
	var names []string
	for _, item := range n.items() {
		name := item.oneOf(Oracles()...)
		if slices.Contains(names, name) {
			item.fail("the oracle %q stands twice", name)
		}
		names = append(names, name)
	}
	return names
}
