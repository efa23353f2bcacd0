// SPDX-License-Identifier: Apache-2.0

package scenarios

import "slices"

// OracleName names an oracle in scenario files, in trials and on pages.
type OracleName string

// The oracles: checks that run with the load. Each counts violations among
// what it checked.
const (
	OracleStale          OracleName = "stale"            // reads that show less than was acknowledged before they were sent
	OracleReadYourWrites OracleName = "read_your_writes" // of them, reads of what the same session wrote
	OracleMonotonic      OracleName = "monotonic_reads"  // reads that show less than the session had seen before
	OracleLag            OracleName = "replication_lag"  // samples of the replicas' lag; a distribution, no violations
	OracleMisplaced      OracleName = "misplaced"        // acknowledged rows that are not in exactly one shard, the right one
	OracleDuplicateIDs   OracleName = "duplicate_ids"    // acknowledged ids that were given twice
	OracleLost           OracleName = "lost"             // acknowledged jobs without their effect, once the queue is empty
	OracleDuplicated     OracleName = "duplicated"       // jobs whose effect was applied more than once
	OracleReordered      OracleName = "reordered"        // jobs delivered after a later one
	OracleOverLimit      OracleName = "over_limit"       // requests admitted beyond the rate limit in some window
)

// Oracle is what everybody knows of an oracle: scenario files, reports and gates need
// no more. The check itself is in harness/oracle.
type Oracle struct {
	Name  OracleName
	Label string // what it looks for, as reports say it
	// Samples says that the oracle sums up samples and counts no violations. So no
	// claim, SLO or gate can bound its violations.
	Samples bool
}

// oracles are all of them, in the order of reports.
var oracles = []Oracle{
	{Name: OracleStale, Label: "stale reads"},
	{Name: OracleReadYourWrites, Label: "own writes not read"},
	{Name: OracleMonotonic, Label: "reads going back in time"},
	{Name: OracleLag, Label: "replication lag", Samples: true},
	{Name: OracleMisplaced, Label: "rows in the wrong shard"},
	{Name: OracleDuplicateIDs, Label: "ids given twice"},
	{Name: OracleLost, Label: "jobs lost"},
	{Name: OracleDuplicated, Label: "jobs done twice"},
	{Name: OracleReordered, Label: "jobs out of order"},
	{Name: OracleOverLimit, Label: "admitted over the limit"},
}

// Oracles lists the names of all oracles in the order of reports.
func Oracles() []OracleName {
	names := make([]OracleName, len(oracles))
	for i, o := range oracles {
		names[i] = o.Name
	}
	return names
}

// OracleNamed returns the oracle of a name, false when there is none.
func OracleNamed(name OracleName) (Oracle, bool) {
	i := slices.IndexFunc(oracles, func(o Oracle) bool { return o.Name == name })
	if i < 0 {
		return Oracle{}, false
	}
	return oracles[i], true
}

// CountsViolations says whether the name is an oracle's that counts violations.
func CountsViolations(name OracleName) bool {
	o, known := OracleNamed(name)
	return known && !o.Samples
}

func readOracles(n node) []OracleName {
	var names []OracleName
	for _, item := range n.items() {
		name := OracleName(item.text())
		if _, known := OracleNamed(name); !known {
			item.fail("%q is not known%s", name, nearest(name, Oracles()))
		}
		if slices.Contains(names, name) {
			item.fail("the oracle %q stands twice", name)
		}
		names = append(names, name)
	}
	return names
}
