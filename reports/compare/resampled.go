// SPDX-License-Identifier: Apache-2.0

package compare

// WithPairs is the effect of other pairs of the same metric, such as resampled blocks,
// by the same rule and with the same resolution.
func (e Effect) WithPairs(pairs []Pair) Effect { return ratioOf(pairs, e.resolution) }

// JudgeTogether sets PAdjusted and Survives of the effects of one table.
func JudgeTogether(effects []Effect) {
	pointers := make([]*Effect, len(effects))
	for i := range effects {
		pointers[i] = &effects[i]
	}
	adjustTogether(pointers)
}
