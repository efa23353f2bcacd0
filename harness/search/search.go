// Package search finds the highest rate at which a system holds an SLO. It is
// a state machine without a clock or a network: the caller runs each step, a
// stretch of load at one rate, and feeds back what came of it.
//
// docs/measurement.md, "Capacity under an SLO":
//
//  1. grow from a low rate, or from a guess, until a step fails;
//  2. probe inside the bracket: a posterior over ln(capacity), each probe at
//     its median (probabilistic bisection; Waeber, Frazier and Henderson,
//     2013), because a verdict near the limit is a coin that leans, and
//     halving would believe the first one;
//  3. confirm: a longer step at the estimate. Only a rate that held its own
//     confirmation is published; one that fails lowers the estimate;
//  4. recover: 1.3 times the capacity, then 0.7 times: if the SLO does not
//     come back, the system is metastable.
package search

import (
	"math"
	"time"
)

// Config is what a search may do. The zero values of the optional fields mean
// what their comments say.
type Config struct {
	StartRPS float64 // of the first step
	GuessRPS float64 // where the capacity is thought to be; 0: nobody knows
	MinRPS   float64 // the lowest rate worth trying; 0: StartRPS / 64
	MaxRPS   float64 // the highest that may be sent; 0: no limit
	Probes   int     // in the bracket, at most

	// Of one step of each kind. Without Recover the search ends with its
	// confirmation.
	Grow, Probe, Confirm, Recover time.Duration
	// Pause is for the caller to make after every step: it lets the system come
	// to rest.
	Pause time.Duration
	// Total bounds the sum of all steps; 0: no bound. What is left decides how
	// many probes and confirmations there are.
	Total time.Duration
	// Samples is how many requests a probe needs to say anything of the SLO: at
	// low rates probes get longer, up to MaxStep. Growing only looks for the
	// order of magnitude.
	Samples int64
	MaxStep time.Duration
}

// Kind is what a step is for.
type Kind string

// The kinds of steps, in their order.
const (
	Grow     Kind = "grow"
	Probe    Kind = "probe"
	Confirm  Kind = "confirm"
	Overload Kind = "overload"
	Recover  Kind = "recover"
)

// Step is a stretch of load that the caller is asked for.
type Step struct {
	Kind     Kind
	RPS      float64
	Duration time.Duration
}

// Verdict is what came of a step. Outside confirmations Insufficient counts as
// held: those steps only look for where to confirm.
type Verdict int

// The verdicts.
const (
	Held Verdict = iota
	Failed
	// Insufficient is neither: too few requests to be sure, or too close to the
	// limit. A confirmation that comes out so has not held.
	Insufficient
	// Spoiled says nothing of the system: the host disturbed it, or the driver.
	Spoiled
	// Saturated says that the driver had no more to give.
	Saturated
)

// Outcome is what the search found.
type Outcome struct {
	HeldRPS   float64 // the highest rate that held its confirmation; 0: none did
	FailedRPS float64 // the lowest above it that failed; 0: none did
	Confirmed bool    // HeldRPS held a confirmation
	BelowMin  bool    // the lowest rate tried failed: the capacity is below FailedRPS
	// Unbounded: no rate failed up to the highest that could be sent, so the
	// capacity is HeldRPS or more.
	Unbounded     bool
	DriverLimited bool // and what stopped it was the driver
	Recovered     bool // after an overload the SLO came back
	Metastable    bool // after an overload the SLO did not come back
}

const (
	growFactor    = 2.0
	growSamples   = 10
	guessBelow    = 0.5  // of the guess: where growing from it starts
	growNearGuess = 1.5  // from one step to the next there
	noise         = 0.04 // standard deviation of ln(limit) from one probe to the next
	confirmNoise  = 0.02
	closeEnough   = 0.012 // standard deviation of the posterior at which probing ends
	candidateAt   = 0.4   // quantile of the posterior that is confirmed: rather a little low
	lowerBy       = 0.97  // after a confirmation failed
	overloadBy    = 1.3
	recoverAt     = 0.7
	maxSpoiled    = 6 // in a row: then nothing can be measured here
	maxSaturated  = 2 // in a row: then the driver is the limit
	minRatio      = 64
)

// Search is one search. It is not safe for concurrent use.
type Search struct {
	config Config
	kind   Kind
	rps    float64
	spent  time.Duration

	held, failed float64 // of growing: the bracket
	belief       posterior
	probes       int
	spoiled      int     // in a row, saturated ones included
	saturated    int     // in a row
	doubted      float64 // a rate at which growing failed once

	allFailed []float64
	out       Outcome
	done      bool
}

// New starts a search.
func New(c Config) *Search {
	if c.MinRPS == 0 {
		c.MinRPS = c.StartRPS / minRatio
	}
	s := &Search{config: c, kind: Grow, rps: c.StartRPS}
	s.rps = s.within(s.rps)
	return s
}

func (s *Search) within(rps float64) float64 {
	if s.config.MaxRPS > 0 {
		rps = min(rps, s.config.MaxRPS)
	}
	return max(rps, s.config.MinRPS)
}

// Guess tells where the capacity is thought to be, from now on.
func (s *Search) Guess(rps float64) { s.config.GuessRPS = rps }

// Next returns the next step, false when the search is over.
func (s *Search) Next() (Step, bool) {
	if s.done {
		return Step{}, false
	}
	step := Step{Kind: s.kind, RPS: s.rps, Duration: s.length(s.kind, s.rps)}
	if s.config.Total > 0 && s.spent+step.Duration > s.config.Total {
		s.done = true // never longer than was promised
		return Step{}, false
	}
	return step, true
}

// length is how long a step takes: long enough for its samples.
func (s *Search) length(k Kind, rps float64) time.Duration {
	d := map[Kind]time.Duration{Grow: s.config.Grow, Probe: s.config.Probe, Confirm: s.config.Confirm, Overload: s.config.Recover, Recover: s.config.Recover}[k]
	samples := s.config.Samples
	switch k {
	case Overload:
		return d
	case Grow:
		samples = min(samples, growSamples)
	}
	needed := time.Duration(float64(samples) / rps * float64(time.Second))
	return max(d, min(needed, s.config.MaxStep))
}

// Feed takes what came of a step, and how long it took in all.
func (s *Search) Feed(step Step, v Verdict, took time.Duration) {
	s.spent += max(took, step.Duration)
	if v == Spoiled || v == Saturated {
		s.feedSpoiled(step, v)
		return
	}
	s.spoiled, s.saturated = 0, 0
	if v == Failed && step.Kind != Overload && step.Kind != Recover {
		s.allFailed = append(s.allFailed, step.RPS)
	}
	switch step.Kind {
	case Grow:
		s.grown(step.RPS, v != Failed)
	case Probe:
		s.probed(step.RPS, v != Failed)
	case Confirm:
		s.confirmed(step.RPS, v == Held)
	case Overload:
		s.kind, s.rps = Recover, s.out.HeldRPS*recoverAt
	case Recover:
		s.out.Recovered, s.out.Metastable = v != Failed, v == Failed
		s.done = true
	}
	s.settle()
}

// feedSpoiled asks for the step again, some times. Where the driver has no more
// to give while the rate grows, what held before is what can be said.
func (s *Search) feedSpoiled(step Step, v Verdict) {
	s.spoiled++
	if v == Saturated {
		s.saturated++
	}
	switch {
	case step.Kind == Overload: // that it was too much is what was wanted
		s.spoiled, s.saturated = 0, 0
		s.kind, s.rps = Recover, s.out.HeldRPS*recoverAt
	case s.saturated >= maxSaturated && step.Kind == Grow && s.held > 0:
		s.spoiled, s.saturated = 0, 0
		s.out.Unbounded, s.out.DriverLimited = true, true
		s.kind, s.rps = Confirm, s.held
	case s.spoiled >= maxSpoiled || s.saturated >= maxSaturated:
		s.done = true
	}
	s.settle()
}

// grown moves the bracket's ends until there are both.
func (s *Search) grown(rps float64, held bool) {
	if held {
		s.held = max(s.held, rps)
	} else if s.doubted != rps && s.held > 0 {
		s.doubted = rps // one short step is not believed: it may have met a checkpoint
		return
	} else {
		s.failed = rps
	}
	switch {
	case s.held > 0 && s.failed > 0:
		s.startProbing()
	case s.held > 0 && s.config.MaxRPS > 0 && rps >= s.config.MaxRPS:
		s.out.Unbounded = true
		s.kind, s.rps = Confirm, rps
	case s.held > 0:
		s.rps = s.within(s.faster(rps))
	case rps <= s.config.MinRPS:
		s.out.BelowMin, s.done = true, true
	default:
		s.rps = s.within(rps / (growFactor * growFactor))
	}
}

// faster is the next rate while growing: in small steps near the guess.
func (s *Search) faster(rps float64) float64 {
	if s.config.GuessRPS == 0 {
		return rps * growFactor
	}
	return max(rps*growNearGuess, s.config.GuessRPS*guessBelow)
}

func (s *Search) startProbing() {
	s.belief = newPosterior(s.held, s.failed)
	s.belief.learn(s.held, true, noise)
	s.belief.learn(s.failed, false, noise)
	s.kind = Probe
	s.nextProbe()
}

func (s *Search) probed(rps float64, held bool) {
	s.probes++
	s.belief.learn(rps, held, noise)
	s.nextProbe()
}

// nextProbe probes at the median, or goes on to confirm when the posterior is
// narrow enough or time is up.
func (s *Search) nextProbe() {
	s.rps = s.within(s.belief.quantile(0.5))
	probe, confirm := s.length(Probe, s.rps), s.length(Confirm, s.rps)
	// One confirmation may fail, and the recovery is to be seen too.
	reserve := 2*confirm + 2*s.length(Recover, s.rps)
	outOfTime := s.config.Total > 0 && s.spent+probe+reserve > s.config.Total
	if s.probes >= s.config.Probes || s.belief.deviation() < closeEnough || outOfTime {
		s.kind, s.rps = Confirm, s.within(s.belief.quantile(candidateAt))
	}
}

// confirmed publishes a rate that held, or tries a lower one.
func (s *Search) confirmed(rps float64, held bool) {
	if held {
		s.out.HeldRPS, s.out.Confirmed = rps, true
		s.kind, s.rps = Overload, rps*overloadBy
		if s.out.Unbounded || s.config.Recover == 0 {
			s.done = true // what is beyond cannot be sent, or is not asked
		}
		return
	}
	s.out.Unbounded, s.out.DriverLimited = false, false
	if s.belief.logs == nil { // failed where growing had seen it hold
		s.belief = newPosterior(rps/growFactor, rps)
	}
	s.belief.learn(rps, false, confirmNoise)
	s.rps = s.within(min(s.belief.quantile(candidateAt), rps*lowerBy))
	if rps <= s.config.MinRPS {
		s.out.BelowMin, s.done = true, true
	}
}

// settle finds the lowest failure above what held.
func (s *Search) settle() {
	s.out.FailedRPS = 0
	for _, rps := range s.allFailed {
		if rps > s.out.HeldRPS && (s.out.FailedRPS == 0 || rps < s.out.FailedRPS) {
			s.out.FailedRPS = rps
		}
	}
}

// Outcome is what is known so far.
func (s *Search) Outcome() Outcome { return s.out }

// Estimate is where the capacity most likely is, confirmed or not; 0 when
// nothing held.
func (s *Search) Estimate() float64 {
	switch {
	case s.out.Confirmed:
		return s.out.HeldRPS
	case s.belief.logs != nil:
		return s.belief.quantile(0.5)
	}
	return s.held
}

// posterior is a distribution of ln(capacity) on a grid.
type posterior struct {
	logs    []float64
	weights []float64
}

const gridPoints = 600

// newPosterior is flat between a bracket's ends and a little beyond: an end
// may have been a stroke of luck.
func newPosterior(low, high float64) posterior {
	from, till := math.Log(low)-0.15, math.Log(high)+0.15
	p := posterior{logs: make([]float64, gridPoints), weights: make([]float64, gridPoints)}
	for i := range p.logs {
		p.logs[i] = from + (till-from)*float64(i)/(gridPoints-1)
		p.weights[i] = 1.0 / gridPoints
	}
	return p
}

// lapse is the chance that a verdict has nothing to do with the rate: a
// checkpoint, a neighbour's burst.
const lapse = 0.03

// learn multiplies by the likelihood of a verdict at rps.
func (p *posterior) learn(rps float64, held bool, sigma float64) {
	at, sum := math.Log(rps), 0.0
	for i, capacity := range p.logs {
		likelihood := lapse/2 + (1-lapse)*0.5*math.Erfc((at-capacity)/(sigma*math.Sqrt2))
		if !held {
			likelihood = 1 - likelihood
		}
		p.weights[i] *= likelihood
		sum += p.weights[i]
	}
	for i := range p.weights {
		p.weights[i] /= sum
	}
}

// quantile returns a rate.
func (p *posterior) quantile(q float64) float64 {
	sum := 0.0
	for i, w := range p.weights {
		if sum += w; sum >= q {
			return math.Exp(p.logs[i])
		}
	}
	return math.Exp(p.logs[len(p.logs)-1])
}

// deviation is the standard deviation of ln(capacity).
func (p *posterior) deviation() float64 {
	mean, square := 0.0, 0.0
	for i, w := range p.weights {
		mean += w * p.logs[i]
		square += w * p.logs[i] * p.logs[i]
	}
	return math.Sqrt(max(square-mean*mean, 0))
}
