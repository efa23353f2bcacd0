// SPDX-License-Identifier: Apache-2.0

package harness

import (
	"context"
	"slices"

	"headroom/scenarios"
)

// question finds out after a slice what the driver can't see, for some oracles. If
// that can't be found out, the finding says why.
type question struct {
	oracles []scenarios.OracleName
	ask     func(*audit, context.Context)
}

// questions returns all questions. An oracle without a question rests on the driver
// alone.
func questions() []question {
	return []question{
		askLag,
		askMisplaced,
		askEffects,
		askReordered,
	}
}

// ask asks one oracle's question, or records why the question can't be asked.
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
