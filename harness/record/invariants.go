// SPDX-License-Identifier: Apache-2.0

package record

import (
	"errors"
	"fmt"
	"math"
)

// Check tests the invariants of docs/measurement.md, "Histograms". They hold
// on write and on read: planned = sent + unsent, sent = succeeded + failed,
// recorded + clipped = sent, no number is missing, no answer came at no time, and
// no oracle found more violations than it made checks.
func (m *Measurement) Check() error {
	var errs []error
	equal := func(what string, a, b int64) {
		if a != b {
			errs = append(errs, fmt.Errorf("%s: %d is not %d", what, a, b))
		}
	}
	equal("planned = sent + unsent", m.Planned, m.Sent+m.Unsent)
	equal("sent = succeeded + failed", m.Sent, m.Succeeded+m.Failed)
	equal("sent = recorded + clipped", m.Sent, m.Response.Count()+m.Clipped)
	if recorded := m.ResponseSuccess.Count(); recorded > m.Succeeded || recorded < m.Succeeded-m.Clipped {
		errs = append(errs, fmt.Errorf("%d successes, but %d of them recorded and at most %d clipped", m.Succeeded, recorded, m.Clipped))
	}
	var sent int64
	for _, e := range m.Endpoints {
		sent += e.Sent
		equal(e.Name+": sent = succeeded + failed", e.Sent, e.Succeeded+e.Failed)
	}
	if len(m.Endpoints) > 0 {
		equal("sum of the endpoints' sent = sent", sent, m.Sent)
	}
	for _, count := range []int64{m.Planned, m.Sent, m.Succeeded, m.Failed, m.Unsent, m.Clipped} {
		if count < 0 {
			errs = append(errs, fmt.Errorf("a count is negative: %d", count))
		}
	}
	for name, v := range map[string]float64{"offered_rps": m.OfferedRPS, "achieved_rps": m.AchievedRPS, "duration_s": m.DurationS} {
		if math.IsNaN(v) || math.IsInf(v, 0) || v < 0 {
			errs = append(errs, fmt.Errorf("%s is %v", name, v))
		}
	}
	return errors.Join(append(errs, m.Answers.check(m.Answered), checkOracles(m.Oracles))...)
}

// check compares the counts, which begin with the warm-up, with the answers within the
// slice.
func (a *Answers) check(answered int64) error {
	if len(a.Counts) == 0 {
		return nil
	}
	if !(a.StepS > 0) || math.IsInf(a.StepS, 0) {
		return fmt.Errorf("answers: step_s is %v", a.StepS)
	}
	var sum int64
	for _, n := range a.Counts {
		if n < 0 {
			return fmt.Errorf("answers: a count is negative: %d", n)
		}
		sum += n
	}
	if sum < answered {
		return fmt.Errorf("answers: %d are counted by time, but %d came within the slice", sum, answered)
	}
	return nil
}
