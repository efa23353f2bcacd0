// SPDX-License-Identifier: Apache-2.0

package reports

import (
	"io"

	"headroom/internal/jsonout"
)

// WriteJSON writes report.json: the whole Report, indented, keys in the order
// of its fields.
func WriteJSON(w io.Writer, r Report) error { return jsonout.Write(w, "the JSON report", r) }

// WriteJourneyJSON writes journey.json, indented.
func WriteJourneyJSON(w io.Writer, j Journey) error {
	return jsonout.Write(w, "the journey's JSON", j)
}
