// SPDX-License-Identifier: Apache-2.0

// Package slo holds the two rules of headroom's capacities: what one stretch
// of load at one rate says of an SLO (Judge), and what rate a system carries,
// given many of them (CapacityOf). The search, the trials file, reports and the
// plan all use these two. The package is pure: no clock, no disk, no network.
//
// docs/measurement.md, "Capacity under an SLO", is the method.
package slo

import (
	"fmt"
	"strings"

	"headroom/harness/record"
	"headroom/scenarios"
)

// Step is a stretch of load at one rate and what it showed of each of an SLO's
// conditions.
type Step struct {
	RPS float64
	record.Verdict
	// Backlog is by how much a queue grew, as a share of what was put into it.
	Backlog float64
}

// maxBacklog is how much of what was put into a queue may stay in it. A system
// that answers 95 of 100 requests in time, and lets the others wait, does not
// keep up.
const maxBacklog = 0.05

// Decide gives a step its outcome by its counts and its backlog: held when every
// condition's share is at most the allowed one and no queue has grown. A step
// needs no certainty: many of them make the capacity.
func Decide(s Step) Step {
	var reasons []string
	for _, c := range s.Counts {
		if exceeds(c) {
			reasons = append(reasons, words(c))
		}
	}
	grew := s.Backlog > maxBacklog
	if grew {
		reasons = append(reasons, fmt.Sprintf("%.0f%% of the requests were left in a queue that grew", s.Backlog*100))
	}
	s.Outcome, s.Reason = record.Held, ""
	if len(reasons) > 0 {
		s.Outcome, s.Reason = record.Failed, strings.Join(reasons, "; ")
	}
	s.Counts = append(s.Counts, backlogCount(grew))
	return s
}

// Surely says that a step failed by more than chance explains: so many bad
// requests come in fewer than 2% of the steps that keep to what is allowed. Short
// steps that only look for a neighbourhood ask this.
func Surely(s Step) bool {
	const chance = 0.02
	n := Nearest(s.Counts)
	return s.Outcome == record.Failed && (n.Of <= 1 || chanceOf(n) <= chance || s.Backlog > maxBacklog)
}

// conditionBacklog is the condition that every SLO has.
const conditionBacklog = "no queue grows"

// backlogCount makes a grown queue one of one that is bad: a step has no more
// to say of it.
func backlogCount(grew bool) record.Count {
	c := record.Count{Condition: conditionBacklog, Of: 1, Allowed: 0.5}
	if grew {
		c.Bad = 1
	}
	return c
}

// exceeds allows for what 1 - 0.9 lacks of 0.1.
func exceeds(c record.Count) bool { return float64(c.Bad) > float64(c.Of)*(c.Allowed+1e-9) }

func words(c record.Count) string {
	return fmt.Sprintf("%s: %d of %d are bad (%.3g%%), %.3g%% may be", c.Condition, c.Bad, c.Of,
		100*float64(c.Bad)/float64(c.Of), 100*c.Allowed)
}

// Judge says what a trial's rate did to the SLO. A failure counts only when it
// is the system's own: not when the driver was late, the hypervisor took much,
// or a machine was restarted. What was held under such a disturbance was held
// all the same, as response times run from when requests were due.
//
// A staircase takes no such step: what holds under a disturbance is kept and what
// fails is asked for again, which would lean on a coin that each of its steps is.
func Judge(t *record.Trial, s scenarios.SLO) record.Verdict {
	counts, unknown := countAll(t, s)
	step := Decide(Step{Verdict: record.Verdict{Counts: counts}, Backlog: backlog(t, s)})
	v, d := step.Verdict, t.Measurement.Driver
	spoiled := func(o record.Outcome, reason string) record.Verdict {
		v.Outcome, v.Reason = o, reason
		return v
	}
	others := len(t.Invalid) != len(t.Measurement.InvalidReasons) // machines': a restart, a reading that failed
	failed := v.Outcome == record.Failed
	switch {
	case t.Measurement.Interrupted:
		return spoiled(record.Spoiled, "interrupted")
	case t.Measurement.Planned == 0:
		return spoiled(record.Spoiled, "no request was due")
	case others:
		return spoiled(record.Spoiled, joined(t.Invalid))
	case !failed && unknown != "":
		return spoiled(record.Spoiled, unknown)
	case d.Saturated && (failed || d.Limit != "" && d.Limit != record.LimitCPU):
		// Requests that waited for a connection, a port or a file of the driver's
		// were not offered, even if their answers came in time.
		return spoiled(record.Saturated, joined(t.Invalid))
	case failed && d.Stolen():
		return spoiled(record.Spoiled, stolenWords(d)+": "+v.Reason)
	case failed && !t.Valid() && !ownFailure(t, s):
		return spoiled(record.Spoiled, joined(t.Invalid))
	case !failed && !t.Valid() && t.RateName == record.RateStairs:
		return spoiled(record.Spoiled, joined(t.Invalid))
	}
	return v
}

func stolenWords(d record.DriverUse) string {
	var took []string
	if share, known := d.StolenShare.Get(); known {
		took = append(took, fmt.Sprintf("%.1f%% of the CPU time", share*100))
	}
	if worst, known := d.StolenWorstSecond.Get(); known {
		took = append(took, fmt.Sprintf("%.0f%% of one second", worst*100))
	}
	return "the hypervisor took " + strings.Join(took, ", ")
}

// ownFailure judges what a driver that was late has no part in: service time in
// place of response time, failures, and requests that the in-flight cap kept
// back.
func ownFailure(t *record.Trial, s scenarios.SLO) bool {
	m := t.Measurement
	keptBack := m.Unsent > 0 && m.Waited == 0 && m.InFlightCap > 0 && m.MaxInFlight >= int64(m.InFlightCap)
	for _, c := range s.Conditions {
		if k, ok := count(m, c); ok && c.Oracle == "" && keptBack && exceeds(record.Count{Bad: m.Unsent, Of: k.Of, Allowed: k.Allowed}) {
			return true
		}
		if c.ErrorShare > 0 && c.Endpoint == "" && exceeds(record.Count{Bad: m.Failed, Of: m.Planned, Allowed: c.ErrorShare}) {
			return true
		}
		if c.Quantile > 0 && c.Endpoint == "" && m.Sent > 0 && m.Service.Quantile(c.Quantile) > c.Latency {
			return true
		}
	}
	return false
}

// joined is the first reason, and how many there are.
func joined(reasons []string) string {
	switch len(reasons) {
	case 0:
		return ""
	case 1:
		return reasons[0]
	}
	return fmt.Sprintf("%s (%d reasons in all)", reasons[0], len(reasons))
}

// StepOf is a trial as a step, by the verdict that is stored in it. A trial
// without one, or with another SLO asked for, is judged anew.
func StepOf(t *record.Trial, s scenarios.SLO, stored bool) Step {
	if stored && t.Verdict != nil {
		return Step{RPS: t.Measurement.OfferedRPS, Verdict: *t.Verdict}
	}
	return Step{RPS: t.Measurement.OfferedRPS, Verdict: Judge(t, s)}
}
