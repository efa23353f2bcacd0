package record

import (
	"errors"
	"fmt"

	"headroom/scenarios"
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
	of := o.Name
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

// judgeOracle holds a condition against what the oracle found, in all its
// scopes. None at all holds when there were checks and no violation. A share
// holds by the same rule as a quantile: v of n violations with a limit of p
// when P[Bin(n, p) <= v] <= 0.05. What is unknown is never held.
func judgeOracle(oracles []Oracle, c scenarios.SLOCondition) (Judgement, string) {
	var sum Oracle
	unknown, found := "", false
	for _, o := range oracles {
		if o.Name != c.Oracle {
			continue
		}
		found = true
		sum.Checked += o.Checked
		sum.Violations += o.Violations
		if unknown == "" {
			unknown = o.Unknown
		}
	}
	seen := fmt.Sprintf("%s: %d violations in %d checks", c.Oracle, sum.Violations, sum.Checked)
	// Where none is allowed, one is too many, whatever else is unknown.
	if sum.Violations > 0 && sum.Share() >= c.ViolationShare {
		return SLOFails, fmt.Sprintf("%s, the limit is %.3g%%", seen, c.ViolationShare*100)
	}
	switch {
	case !found:
		return SLOInsufficient, c.Oracle + " was not measured"
	case unknown != "":
		return SLOInsufficient, c.Oracle + ": " + unknown
	case sum.Checked == 0:
		return SLOInsufficient, c.Oracle + " was not measured"
	case c.ViolationShare > 0 && binomialAtMost(sum.Violations, sum.Checked, c.ViolationShare) > sampleRisk:
		return SLOInsufficient, seen + "; too few to say that it holds"
	}
	return SLOHolds, ""
}
