// SPDX-License-Identifier: Apache-2.0

package harness

import (
	"maps"
	"testing"

	"headroom/scenarios"
	"headroom/targets/kinds"
)

// processOf is a process named as its kind, with the kind's facts, with the kind's
// defaults, and with what the settings say.
func processOf(t *testing.T, name scenarios.KindName, settings map[string]string, links ...scenarios.Link) scenarios.Process {
	t.Helper()
	kind, ok := scenarios.KindOf(kinds.Data(), name)
	if !ok {
		t.Fatalf("there is no kind %s", name)
	}
	p := kind.Process(string(name))
	maps.Copy(p.Settings, settings)
	p.Links = links
	return p
}
