// SPDX-License-Identifier: Apache-2.0

package spec

import (
	"encoding/json"
	"testing"
)

func TestEffectsAreKeyedByID(t *testing.T) {
	text, err := json.Marshal(Effects{Seen: map[int64]int{7: 0, 12: 2}})
	if err != nil || string(text) != `{"seen":{"12":2,"7":0}}` {
		t.Errorf("%s, %v", text, err)
	}
}
