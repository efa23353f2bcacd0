// SPDX-License-Identifier: Apache-2.0

// Package search finds the highest rate at which one running system holds an
// SLO. It is a state machine without a clock or a network: the caller runs each
// step, a stretch of load at one rate, and the search observes the result.
//
// docs/measurement.md, "Capacity under an SLO":
//
//  1. bracket: grow from a low rate, or from a guess, until a short step fails;
//  2. stairs: a staircase about the capacity, for as long as there is time. Its
//     steps make the estimate and its range (package slo);
//  3. soak: a long step just below the estimate. Only a rate that held its soak
//     is confirmed;
//  4. overload and recover: 1.3 times the capacity, then 0.7 times. Where the
//     SLO does not come back, the system is metastable.
//
// A run with two variants uses Bracket and Staircase without a Search, in turns.
package search

import (
	"time"

	"headroom/harness/record"
	"headroom/harness/slo"
	"headroom/scenarios"
)

// Config is what a search may do.
type Config struct {
	StartRPS float64 // of the first step
	MinRPS   float64 // the lowest rate worth trying
	MaxRPS   float64 // the highest that may be sent; 0: no limit

	// Lengths of one step of each kind. A zero Soak or Recover leaves the phase out.
	Bracket, Stair, Soak, Recover time.Duration
	// Latency is the SLO's loosest latency. A step lasts longer than that, so that a
	// request can be too slow within the step.
	Latency time.Duration
	// Samples is how many requests a stair should have. At low rates a stair gets
	// longer for that, up to MaxStep.
	Samples int64
	MaxStep time.Duration
	// Pause is what the caller waits after every step, so that the system comes to
	// rest.
	Pause time.Duration
	// Total bounds the sum of all steps and of the time that their queues take to drain.
	Total time.Duration
}

// Kind is the purpose of a step, as its trial names it.
type Kind string

// The kinds of steps, in their order.
const (
	KindBracket  = Kind(record.RateBracket)
	KindStairs   = Kind(record.RateStairs)
	KindSoak     = Kind(record.RateSoak)
	KindOverload = Kind(record.RateOverload)
	KindRecover  = Kind(record.RateRecover)
)

// Step is a stretch of load that the caller has to run.
type Step struct {
	Kind     Kind
	RPS      float64
	Duration time.Duration
	// HeldRPS is the highest rate that held so far, 0 when none held. The caller
	// derives the cap on requests in flight from it.
	HeldRPS float64
}

// For fits the lengths of steps to an SLO: samples is how many requests a step needs,
// latency the SLO's loosest latency.
func (c Config) For(samples int64, latency time.Duration) Config {
	c.Samples, c.Latency = samples, latency
	return c
}

// Length is how long a step lasts. A step has to be longer than the SLO's latency,
// and at low rates long enough for its samples.
func (c Config) Length(kind Kind, rps float64) time.Duration {
	length, samples := c.Recover, int64(0)
	switch kind {
	case KindBracket:
		length, samples = c.Bracket, fewBracketSamples
	case KindStairs:
		length, samples = c.Stair, c.Samples
	}
	seconds := max(minStepLatencies*c.Latency.Seconds(), float64(samples)/rps)
	return min(max(length, time.Duration(seconds*float64(time.Second))), c.MaxStep)
}

// Rates of the last phases, as shares of the capacity, and bounds of the search.
const (
	SoakAt     = slo.SoakAt
	OverloadAt = 1.3
	RecoverAt  = 0.7
	maxSoaks   = 2
	// fewBracketSamples tell the order of magnitude.
	fewBracketSamples = 10
	// retryBelow is the SLO latency up to which a failed short step is repeated. With
	// a larger latency each failed step takes long to drain.
	retryBelow = time.Second
	// minStepLatencies is how many times the SLO's latency a step lasts at the least.
	minStepLatencies = 1.5
	// minStairs is the least number of stairs that gives an estimate.
	minStairs = 4
	// driverBackoff is the share of a rate at which the search goes on when the driver
	// could not send the rate.
	driverBackoff = 0.8
	// minSoak is the shortest length of a soak.
	minSoak = 10 * time.Second
)

// Outcome is what a search found.
type Outcome struct {
	slo.Capacity
	BelowMin      bool // the lowest rate tried failed: the capacity is below FailedRPS
	AtMax         bool // the highest rate allowed held: the capacity is that or more
	DriverLimited bool // the driver had no more to give: the capacity is HeldRPS or more
	// Needs is how much more time the search needed; 0: it had enough.
	Needs time.Duration
}

// Search is one search. It is not safe for concurrent use.
type Search struct {
	config       Config
	kind         Kind
	bracket      *Bracket
	stairs       *Staircase
	soaks        *Soaks
	spent        time.Duration
	drained      time.Duration // the longest that a step took beyond its length
	invalidInRow int           // steps in a row that said nothing

	taken         []slo.Taken
	validStairs   int     // steps of the staircase that count
	heldRPS       float64 // the highest that held
	driverLimited bool    // the driver could not hold a soak
	ceilingRPS    float64 // that is as much as may be sent, or as the driver can send, and held
	neededTime    time.Duration
	done          bool
}

// New starts a search.
func New(c Config) *Search {
	s := &Search{config: c, kind: KindBracket, bracket: NewBracket(c.StartRPS, c.MinRPS, c.MaxRPS)}
	s.bracket.RetriesFailed = c.Latency < retryBelow
	return s
}

// Guess tells where the capacity is thought to be, from now on.
func (s *Search) Guess(rps float64) { s.bracket.Guess(rps) }

// Next returns the next step, false when the search is over.
func (s *Search) Next() (Step, bool) {
	if s.done {
		return Step{}, false
	}
	step := Step{Kind: s.kind, HeldRPS: s.heldRPS}
	switch s.kind {
	case KindBracket:
		step.RPS, _ = s.bracket.RPS()
	case KindStairs:
		step.RPS = s.stairs.RPS()
	case KindSoak:
		step.RPS, _ = s.soaks.RPS()
	case KindOverload:
		step.RPS = s.point() * OverloadAt
	case KindRecover:
		step.RPS = s.point() * RecoverAt
	}
	step.Duration = s.config.Length(s.kind, step.RPS)
	if s.kind == KindSoak {
		step.Duration = s.soakLength()
	}
	if !s.fits(step.Duration) {
		if s.kind != KindOverload && s.kind != KindRecover {
			s.neededTime = max(s.neededTime, s.spent+step.Duration+s.drained-s.config.Total)
		}
		s.done = true // the search never takes longer than Total
		return Step{}, false
	}
	return step, true
}

func (s *Search) within(rps float64) float64 {
	if s.config.MaxRPS > 0 {
		rps = min(rps, s.config.MaxRPS)
	}
	return rps
}

// soakLength is the planned length of a soak, or the time that is left.
func (s *Search) soakLength() time.Duration {
	left := s.config.Total - s.spent - s.drained - s.recoverTime()
	return max(min(s.config.Soak, left), minSoak)
}

// recoverTime is what the overload and the recovery take.
func (s *Search) recoverTime() time.Duration {
	if s.config.Recover == 0 || s.ceilingRPS > 0 {
		return 0
	}
	return 2 * (s.config.Length(KindRecover, 1) + s.config.Pause)
}

func (s *Search) fits(d time.Duration) bool {
	return s.config.Total == 0 || s.spent+d+s.drained <= s.config.Total
}

// Observe updates the search with a step's result and with the time that the step took
// in all.
func (s *Search) Observe(step Step, result slo.Step, took time.Duration) {
	s.spent += max(took, step.Duration)
	if took > step.Duration {
		s.drained = max(s.drained, took-step.Duration)
	}
	result.RPS = step.RPS
	counts := result.Outcome == record.Held || result.Outcome == record.Failed
	if s.invalidInRow++; counts || step.Kind == KindOverload {
		s.invalidInRow = 0
	}
	if result.Outcome == record.Held {
		s.heldRPS = max(s.heldRPS, step.RPS)
	}
	s.taken = append(s.taken, slo.Taken{Name: scenarios.RateName(step.Kind), Block: 1, Seconds: step.Duration.Seconds(), Step: result})
	switch step.Kind {
	case KindBracket:
		s.bracketed(result)
	case KindStairs:
		if counts {
			s.validStairs++
		}
		s.stairs.Observe(result)
		s.afterStair()
	case KindSoak:
		switch {
		case counts:
			s.soaked(result)
		case result.Outcome == record.Saturated: // a short step could not show this
			s.driverLimited = true
			s.soaks.rps *= driverBackoff
			s.ceilingRPS = min(s.ceilingRPS, s.soaks.rps)
		}
	case KindOverload:
		s.kind = KindRecover
	case KindRecover:
		s.done = true
	}
	if s.invalidInRow >= maxInvalidInRow {
		s.done = true
	}
}

// bracketed updates the bracket. After the last step of the bracket it goes on to the
// staircase, or to a soak of the highest rate that can be sent.
func (s *Search) bracketed(result slo.Step) {
	s.bracket.Observe(result)
	if _, more := s.bracket.RPS(); more {
		return
	}
	switch middle := s.bracket.Middle(); {
	case middle == 0:
		s.done = true
	case s.bracket.AtMax() || s.bracket.DriverLimited:
		s.ceilingRPS = middle
		s.soak(&Soaks{rps: middle})
	default:
		s.kind, s.stairs = KindStairs, NewStaircase(middle, s.config.MaxRPS)
	}
}

// afterStair goes on to the soak when the time for steps is up.
func (s *Search) afterStair() {
	next := s.config.Length(KindStairs, s.stairs.RPS()) + s.config.Pause + s.drained
	reserve := s.recoverTime() + s.drained
	if s.config.Soak > 0 {
		reserve += s.config.Soak + s.config.Pause
	}
	if s.spent+next+reserve <= s.config.Total {
		return
	}
	if s.validStairs < minStairs && s.spent+next+s.recoverTime()+minSoak <= s.config.Total {
		return // a shorter soak is better than no estimate
	}
	soaks := NewSoaks(s.point())
	soaks.rps = s.within(soaks.rps)
	s.soak(soaks)
}

func (s *Search) soak(soaks *Soaks) {
	s.kind, s.soaks = KindSoak, soaks
	if s.config.Soak == 0 {
		s.overload()
	}
}

// soaked goes on after a soak. If the ceiling did not hold its soak, a staircase looks
// for the capacity below the ceiling.
func (s *Search) soaked(result slo.Step) {
	s.soaks.Observe(result.Outcome)
	if _, more := s.soaks.RPS(); !more {
		s.overload()
	} else if s.ceilingRPS > 0 {
		s.kind, s.stairs, s.ceilingRPS = KindStairs, NewStaircase(s.ceilingRPS*SoakAt, s.ceilingRPS), 0
	}
}

// overload goes on to the overload and the recovery, if the driver can send that much.
func (s *Search) overload() {
	s.kind = KindOverload
	overload := s.point() * OverloadAt
	s.done = s.config.Recover == 0 || s.ceilingRPS > 0 || s.within(overload) < overload
}

func (s *Search) point() float64 {
	if c := slo.Of(s.taken); c.Known() {
		return c.PointRPS
	}
	return s.stairs.RPS()
}

// Outcome is what is known so far.
func (s *Search) Outcome() Outcome {
	o := Outcome{Capacity: slo.Of(s.taken), BelowMin: s.bracket.BelowMin(),
		AtMax: s.ceilingRPS > 0 && s.bracket.AtMax() && !s.driverLimited, DriverLimited: s.driverLimited || s.ceilingRPS > 0 && s.bracket.DriverLimited, Needs: s.neededTime}
	if s.stairs != nil && s.stairs.DriverLimited && o.FailedRPS == 0 {
		o.DriverLimited = true
	}
	if s.validStairs < minStairs && o.HeldRPS > 0 && !o.AtMax && !o.DriverLimited && !s.bracket.Unmeasurable {
		s.onlyABound(&o)
	}
	return o
}

// onlyABound withdraws an estimate that has too few stairs. It leaves a lower bound:
// the rate that held a soak, or else the lower end of the range.
func (s *Search) onlyABound(o *Outcome) {
	rps := s.config.StartRPS
	if s.stairs != nil {
		rps = s.stairs.RPS()
	}
	missing := time.Duration(minStairs - s.validStairs)
	o.Needs = max(o.Needs, missing*(s.config.Length(KindStairs, rps)+s.drained)+s.config.Soak)
	bound := min(o.LowRPS, o.HeldRPS)
	if soak, ok := o.Confirmed(); ok {
		bound = max(bound, soak.RPS)
	}
	o.PointRPS, o.LowRPS, o.HighRPS, o.Method = 0, bound, 0, ""
	o.Missing = "the time was too short for a staircase"
}
