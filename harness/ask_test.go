// SPDX-License-Identifier: Apache-2.0

package harness

import (
	"slices"
	"testing"

	"headroom/scenarios"
)

// Each question is for oracles that there are, and no oracle has two.
func TestQuestions(t *testing.T) {
	var asked []scenarios.OracleName
	for _, q := range questions() {
		for _, name := range q.oracles {
			if _, known := scenarios.OracleNamed(name); !known || slices.Contains(asked, name) {
				t.Errorf("%s is no oracle, or two questions are for it", name)
			}
			asked = append(asked, name)
		}
	}
	if !slices.Contains(asked, scenarios.OracleLost) || slices.Contains(asked, scenarios.OracleStale) {
		t.Errorf("the questions are for %q", asked)
	}
}
