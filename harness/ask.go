// SPDX-License-Identifier: Apache-2.0

package harness

import (
	"context"
	"slices"

	"headroom/scenarios"
)

// question finds out, once a slice is over, what oracles have to say of what the
// driver can't see, or why that can't be found out.
type question struct {
	oracles []scenarios.OracleName
	ask     func(*audit, context.Context)
}

// questions are all of them. Of an oracle that none is for, the driver has all that
// can be known.
func questions() []question {
	return []question{
		askLag,
		askMisplaced,
		askEffects,
		askReordered,
	}
}

// ask finds out what one oracle has to say, or why it can't be found out.
func (a *audit) ask(ctx context.Context, name scenarios.OracleName) {
	all := questions()
	at := slices.IndexFunc(all, func(q question) bool { return slices.Contains(q.oracles, name) })
	switch {
	case a.trial.Measurement.Interrupted || ctx.Err() != nil:
		a.unmeasured(name, "the slice was interrupted")
	case at >= 0:
		all[at].ask(a, ctx)
	case name == scenarios.OracleOverLimit:
		a.unmeasured(name, "there is no rate limit here")
	default:
		a.unmeasured(name, "the driver had nothing to check")
	}
}
