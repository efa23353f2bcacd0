// SPDX-License-Identifier: Apache-2.0

// Package slo holds the two rules of headroom's capacities. Judge says whether one
// stretch of load at one rate held an SLO. CapacityOf computes a system's capacity from
// many such stretches. The search, the trials file, reports and the plan all use these
// two. The package is pure: no clock, no disk, no network.
//
// docs/measurement.md, "Capacity under an SLO", is the method.
package slo

import (
	"fmt"
	"strings"

	"headroom/harness/record"
	"headroom/scenarios"
)

// Step is a stretch of load at one rate, with its counts for each of an SLO's
// conditions.
type Step struct {
	RPS float64
	record.Verdict
	// Backlog is by how much a queue grew, as a share of what was put into it.
	Backlog float64
}

// maxBacklog is the share of a queue's input that may stay in the queue. A system that
// answers 95 of 100 requests in time, and lets the others wait, does not keep up.
const maxBacklog = 0.05

// Decide gives a step its outcome by its counts and its backlog. A step held when every
// condition's share is at most the allowed share and no queue has grown. A single
// outcome needs no certainty, because many steps make the capacity.
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

// FailsSignificantly says that a step failed by more than chance explains: fewer than 2%
// of the steps at the allowed share have so many bad requests. The short steps of a
// bracket use this test.
func FailsSignificantly(s Step) bool {
	const chance = 0.02
	n := Nearest(s.Counts)
	return s.Outcome == record.Failed && (n.Of <= 1 || chanceOf(n) <= chance || s.Backlog > maxBacklog)
}

// conditionBacklog is the condition that every SLO has.
const conditionBacklog = "no queue grows"

// backlogCount counts a grown queue as one bad of one: a step sees a queue grow once.
func backlogCount(grew bool) record.Count {
	c := record.Count{Condition: conditionBacklog, Of: 1, Allowed: 0.5}
	if grew {
		c.Bad = 1
	}
	return c
}

// exceeds allows for rounding: 1 - 0.9 is a little less than 0.1.
func exceeds(c record.Count) bool { return float64(c.Bad) > float64(c.Of)*(c.Allowed+1e-9) }

func words(c record.Count) string {
	return fmt.Sprintf("%s: %d of %d are bad (%.3g%%), %.3g%% may be", c.Condition, c.Bad, c.Of,
		100*float64(c.Bad)/float64(c.Of), 100*c.Allowed)
}

// Judge says whether a trial held the SLO. A failure counts only when it is the
// system's own. A failure is invalid when the driver was late, the hypervisor took
// much, or a machine was restarted. A trial that held despite a late driver counts as
// held, because response times run from when requests were due.
//
// A staircase accepts no disturbed step. Keeping disturbed steps that held, and
// repeating disturbed steps that failed, would bias the staircase.
func Judge(t *record.Trial, s scenarios.SLO) record.Verdict {
	counts, unknown := countAll(t, s)
	step := Decide(Step{Verdict: record.Verdict{Counts: counts}, Backlog: backlog(t, s)})
	v, d := step.Verdict, t.Measurement.Driver
	with := func(o record.Outcome, reason string) record.Verdict {
		v.Outcome, v.Reason = o, reason
		return v
	}
	others := len(t.Invalid) != len(t.Measurement.InvalidReasons) // machines': a restart, a reading that failed
	failed := v.Outcome == record.Failed
	switch {
	case t.Measurement.Interrupted:
		return with(record.Invalid, "interrupted")
	case t.Measurement.Planned == 0:
		return with(record.Invalid, "no request was due")
	case others:
		return with(record.Invalid, joined(t.Invalid))
	case !failed && unknown != "":
		return with(record.Invalid, unknown)
	case d.Saturated && (failed || d.Limit != "" && d.Limit != record.LimitCPU):
		// Requests that waited for a connection, a port or a file of the driver were
		// not offered, even if their answers came in time.
		return with(record.Saturated, joined(t.Invalid))
	case failed && d.Stolen():
		return with(record.Invalid, stolenWords(d)+": "+v.Reason)
	case failed && !t.Valid() && !ownFailure(t, s):
		return with(record.Invalid, joined(t.Invalid))
	case !failed && !t.Valid() && t.RateName == record.RateStairs:
		return with(record.Invalid, joined(t.Invalid))
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

// ownFailure says that the system failed whatever a late driver did. It looks at
// service times in place of response times, at failures, and at requests that the
// in-flight cap kept back.
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

// joined is the first reason, with the number of reasons.
func joined(reasons []string) string {
	switch len(reasons) {
	case 0:
		return ""
	case 1:
		return reasons[0]
	}
	return fmt.Sprintf("%s (%d reasons in all)", reasons[0], len(reasons))
}

// StepOf is a trial as a step. It takes the verdict in the trial if stored is set and the
// trial has one, and else judges the trial anew.
func StepOf(t *record.Trial, s scenarios.SLO, stored bool) Step {
	if stored && t.Verdict != nil {
		return Step{RPS: t.Measurement.OfferedRPS, Verdict: *t.Verdict}
	}
	return Step{RPS: t.Measurement.OfferedRPS, Verdict: Judge(t, s)}
}
