package reports

import (
	"encoding/json"
	"fmt"
	"io"
)

// WriteJSON writes report.json: the whole Report, indented, keys in the order
// of its fields.
func WriteJSON(w io.Writer, r Report) error {
	encoder := json.NewEncoder(w)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	if err := encoder.Encode(r); err != nil {
		return fmt.Errorf("write the JSON report: %w", err)
	}
	return nil
}
