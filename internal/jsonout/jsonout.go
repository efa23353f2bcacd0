// SPDX-License-Identifier: Apache-2.0

// Package jsonout writes the project's JSON results.
package jsonout

import (
	"encoding/json"
	"fmt"
	"io"
)

// Write writes v indented, keys in the order of its fields, < and > as they are.
// what names it in an error.
func Write(w io.Writer, what string, v any) error {
	encoder := json.NewEncoder(w)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	if err := encoder.Encode(v); err != nil {
		return fmt.Errorf("write %s: %w", what, err)
	}
	return nil
}
