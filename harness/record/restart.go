package record

import (
	"slices"
	"time"
)

// Restart says that a block was started anew, because a machine of it died. What
// was measured of the block until then stays on file, and is void.
type Restart struct {
	Block     int       `json:"block"`
	FromOrder int       `json:"from_order"` // of the first trial that is void
	At        time.Time `json:"at"`
	Reason    string    `json:"reason"`
}

// Void makes invalid what the restart leaves out of the trials before it.
func (r Restart) Void(trials []Trial) {
	for i := range trials {
		t := &trials[i]
		if t.Order < r.FromOrder {
			continue
		}
		t.Invalid = append(slices.Clone(t.Invalid), "its block was started anew: "+r.Reason)
		if t.Verdict != nil {
			verdict := *t.Verdict
			verdict.Outcome = Spoiled
			t.Verdict = &verdict
		}
	}
}
