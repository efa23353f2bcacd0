// SPDX-License-Identifier: Apache-2.0

package spec

import "encoding/json"

// AskPath is where a machine's agent takes a Question, by POST.
const AskPath = "/ask"

// Question asks one of a machine's own programs for something of its inside.
type Question struct {
	Process string          `json:"process"`        // its name on the machine
	Path    string          `json:"path"`           // below /internal/
	Body    json.RawMessage `json:"body,omitempty"` // is posted; without one the path is got
}
