// SPDX-License-Identifier: Apache-2.0

package gate

import (
	"fmt"
	"strings"

	"gonum.org/v1/gonum/stat/distuv"

	"headroom/harness/record"
	"headroom/harness/slo"
	"headroom/scenarios"
)

const (
	keyFailures = "failures"
	keyAnswers  = "answers " // and the oracle's name
)

const (
	// minExtraFailures is the share of all requests by which after may fail more than
	// twice before's share.
	minExtraFailures = 0.001
	// significance is the chance of equal sides to come out so far apart, below which the
	// difference is called a regression.
	significance = 0.001
)

// correctness says that the row is one of Correctness, and no timed metric.
func (t Timed) correctness() bool {
	return t.Key == keyFailures || strings.HasPrefix(t.Key, keyAnswers)
}

// Correctness compares what failed, and what oracles found, in the gate's slices of
// after with those of before. A failure is cheap: without this check a gate would take
// an after that answers with errors for a faster one. An invalid slice does not count,
// as its failures may be the driver's or the host's.
//
// Requests have one row, and each oracle that checked anything has one.
func Correctness(trials []record.Trial, s *scenarios.Scenario) []Timed {
	var valid []record.Trial
	for _, t := range trials {
		if isGateSlice(t) && t.Valid() {
			valid = append(valid, t)
		}
	}
	requests := check{key: keyFailures, label: "failed or unsent requests", allowed: allowedFailures(s.SLO), requests: true}
	out := []Timed{requests.judge(failed(valid, scenarios.Before), failed(valid, scenarios.After))}
	for _, name := range scenarios.Oracles() {
		before, after := violated(valid, scenarios.Before, name), violated(valid, scenarios.After, name)
		if scenarios.CountsViolations(name) && before.of+after.of > 0 {
			c := check{key: keyAnswers + string(name), label: "wrong answers (" + string(name) + ")", allowed: allowedViolations(s.SLO, name)}
			out = append(out, c.judge(before, after))
		}
	}
	return out
}

// tally is how many of a side's requests, or checks, were bad.
type tally struct {
	bad, of int64
	bySlice []int64 // bad ones
}

func (t *tally) add(bad, of int64) {
	t.bad, t.of, t.bySlice = t.bad+bad, t.of+of, append(t.bySlice, bad)
}

func (t tally) share() float64 {
	if t.of == 0 {
		return 0
	}
	return float64(t.bad) / float64(t.of)
}

func (t tally) String() string { return fmt.Sprintf("%d of %d (%.3g%%)", t.bad, t.of, 100*t.share()) }

// exceeds allows for what 1 - 0.9 lacks of 0.1.
func (t tally) exceeds(allowed float64) bool { return t.share() > allowed+1e-9 }

func failed(trials []record.Trial, v scenarios.Variant) (out tally) {
	for _, t := range trials {
		if t.Variant == v {
			out.add(t.Measurement.Failed+t.Measurement.Unsent, t.Measurement.Planned)
		}
	}
	return out
}

func violated(trials []record.Trial, v scenarios.Variant, name scenarios.OracleName) (out tally) {
	for _, t := range trials {
		if t.Variant != v {
			continue
		}
		var bad, of int64
		for _, o := range t.Oracles {
			if o.Name == name {
				bad, of = bad+o.Violations, of+o.Checked
			}
		}
		out.add(bad, of)
	}
	return out
}

// allowedFailures is the share of requests that the SLO lets fail. A failed request
// counts as slower than any quantile, so a quantile lets the share beyond it fail.
func allowedFailures(s scenarios.SLO) float64 {
	allowed := 1.0
	for _, c := range s.Conditions {
		switch {
		case c.Endpoint != "" || c.Oracle != "":
		case c.ErrorShare > 0:
			allowed = min(allowed, c.ErrorShare)
		case c.Quantile > 0:
			allowed = min(allowed, 1-c.Quantile)
		}
	}
	if allowed == 1 {
		return minExtraFailures // the SLO says nothing of all requests
	}
	return allowed
}

// allowedViolations is the share of an oracle's checks that the SLO lets be
// violations: none unless it names one.
func allowedViolations(s scenarios.SLO, name scenarios.OracleName) float64 {
	for _, c := range s.Conditions {
		if c.Oracle == name {
			return c.ViolationShare
		}
	}
	return 0
}

// check is one row of Correctness before it is judged.
type check struct {
	key, label string
	allowed    float64 // share that may be bad
	requests   bool    // what is bad are requests, so that nothing can be timed where before has too many
}

func (c check) judge(before, after tally) Timed {
	t := Timed{Key: c.key, Label: c.label, Status: StatusSame}
	figures := fmt.Sprintf("before %v, after %v; %.3g%% are allowed", before, after, 100*c.allowed)
	tooMany, more := after.exceeds(c.allowed), after.share() > 2*before.share()+minExtraFailures
	// An oracle raises no false alarm: where no violation is allowed, a single one
	// counts.
	surely := c.allowed == 0 && before.bad == 0 || pValue(before, after) <= significance
	switch {
	case after.of == 0 || c.requests && before.of == 0:
		t.Status, t.Why = StatusAbsent, "one side has nothing to be judged by: "+figures
	case tooMany && surely && (more || !before.exceeds(c.allowed)):
		t.Status, t.Why = StatusRegression, figures
	case c.requests && before.exceeds(c.allowed) && tooMany:
		t.Status, t.Why = StatusAbsent, "both fail, so nothing can be timed: "+figures
	case c.requests && before.exceeds(c.allowed):
		t.Status, t.Why = StatusAbsent, "before fails, so nothing can be held against it: "+figures
	case tooMany && !before.exceeds(c.allowed):
		t.Status, t.Why = StatusOpen, "after has more than are allowed, which may be chance: "+figures
	case more:
		t.Status, t.Why = StatusOpen, "after has more than twice as many: "+figures
	default:
		t.Why = figures
	}
	return t
}

// pValue is how often after would have so many of all bad ones, or more, if both sides
// were equal (binomial). A burst of bad ones says as much as one.
func pValue(before, after tally) float64 {
	if after.bad == 0 {
		return 1
	}
	burst := max(slo.Burst(before.bySlice), slo.Burst(after.bySlice))
	share := float64(after.of) / float64(after.of+before.of)
	return distuv.Beta{Alpha: float64(after.bad) / burst, Beta: float64(before.bad)/burst + 1}.CDF(share)
}
