// SPDX-License-Identifier: Apache-2.0

package slo_test

import (
	"fmt"

	"headroom/harness/record"
	"headroom/harness/slo"
)

// A step of a search saw 130 of 9,000 requests slower than the SLO allows one in a
// hundred to be.
func ExampleDecide() {
	step := slo.Decide(slo.Step{RPS: 900, Verdict: record.Verdict{
		Counts: []record.Count{{Condition: "p99<250ms", Bad: 130, Of: 9000, Allowed: 0.01}},
	}})
	fmt.Println(step.Outcome)
	fmt.Println(step.Reason)
	// Output:
	// failed
	// p99<250ms: 130 of 9000 are bad (1.44%), 1% may be
}
