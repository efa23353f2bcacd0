// SPDX-License-Identifier: Apache-2.0

package reports

import (
	"fmt"
	"io"

	"headroom/reports/gate"
)

// WriteGateHTML writes a gate's page, which looks as a run's does.
func WriteGateHTML(w io.Writer, r gate.Result) error {
	if err := gate.WriteHTML(w, r, style); err != nil {
		return fmt.Errorf("write the gate's page: %w", err)
	}
	return nil
}
