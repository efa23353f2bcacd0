// SPDX-License-Identifier: Apache-2.0

package compare

// Again is the effect of other pairs of the same metric, by the same rule and with
// the same resolution: what resampled blocks come to.
func (e Effect) Again(pairs []Pair) Effect { return ratioOf(pairs, e.resolution) }

// JudgeTogether sets PAdjusted and Survives of the effects of one table.
func JudgeTogether(effects []Effect) {
	pointers := make([]*Effect, len(effects))
	for i := range effects {
		pointers[i] = &effects[i]
	}
	adjustTogether(pointers)
}
