// SPDX-License-Identifier: Apache-2.0

package record

import (
	"slices"
	"time"
)

// Restart says that a part of a run was started anew, because a machine died during the
// part. The part's earlier trials stay on file and are void.
type Restart struct {
	Block     int       `json:"block"`
	Part      string    `json:"part"`       // "block 3", "what follows block 5": what was started anew
	FromOrder int       `json:"from_order"` // of the first trial that is void
	At        time.Time `json:"at"`
	Reason    string    `json:"reason"`
}

// Void marks the trials of the restarted part as invalid.
func (r Restart) Void(trials []Trial) {
	for i := range trials {
		t := &trials[i]
		if t.Order < r.FromOrder {
			continue
		}
		reason := r.Part + " was started anew: " + r.Reason
		t.Invalid = append(slices.Clone(t.Invalid), reason)
		if t.Verdict != nil {
			verdict := *t.Verdict
			verdict.Outcome, verdict.Reason = Invalid, reason
			t.Verdict = &verdict
		}
	}
}
