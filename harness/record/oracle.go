// SPDX-License-Identifier: Apache-2.0

package record

import (
	"errors"
	"fmt"
)

// Share is violations / checked, 0 when nothing was checked.
func (o Oracle) Share() float64 {
	if o.Checked == 0 {
		return 0
	}
	return float64(o.Violations) / float64(o.Checked)
}

// check tests what must hold of every finding.
func (o Oracle) check() error {
	of := string(o.Name)
	if o.Scope != "" {
		of += " of " + o.Scope
	}
	switch {
	case o.Checked < 0 || o.Violations < 0:
		return fmt.Errorf("oracle %s: a count is negative: %d of %d", of, o.Violations, o.Checked)
	case o.Violations > o.Checked:
		return fmt.Errorf("oracle %s: %d violations of %d checks", of, o.Violations, o.Checked)
	case o.Checked == 0 && o.Unknown == "":
		return fmt.Errorf("oracle %s: nothing was checked, and no reason is given", of)
	}
	return nil
}

func checkOracles(oracles []Oracle) error {
	var errs []error
	for _, o := range oracles {
		errs = append(errs, o.check())
	}
	return errors.Join(errs...)
}

// Check tests the invariants of the trial and of its measurement.
func (t *Trial) Check() error {
	return errors.Join(t.Measurement.Check(), checkOracles(t.Oracles))
}
