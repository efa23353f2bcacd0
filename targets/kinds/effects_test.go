// SPDX-License-Identifier: Apache-2.0

package kinds

import (
	"testing"

	"headroom/scenarios"
)

// Who tells of effects says of which table's rows: lost and duplicated are looked
// for among these alone.
func TestWhoTellsOfEffectsNamesTheTable(t *testing.T) {
	tell := 0
	for _, k := range Data() {
		tells := scenarios.Process{Facts: k.Facts}.Speaks(scenarios.ProtocolEffects)
		if tells {
			tell++
		}
		if tells != (k.Facts.EffectsOf != "") {
			t.Errorf("a %s tells of effects: %v; the table of their rows is %q", k.Name, tells, k.Facts.EffectsOf)
		}
	}
	if tell == 0 {
		t.Error("no kind tells of effects")
	}
}
