// Package search finds the highest rate at which a system holds an SLO. It is
// a state machine without a clock or a network: the caller runs each step, a
// stretch of load at one rate, and feeds back what came of it.
//
// docs/measurement.md, "Capacity under an SLO":
//
//  1. grow from a low rate, or from a guess, until a step fails;
//  2. probe inside the bracket: a belief over ln(capacity), each probe at its
//     median, fed with how many requests were bad and not with verdicts alone:
//     near the limit a verdict is a coin that leans, and halving would believe
//     the first one (probabilistic bisection; Waeber, Frazier and Henderson,
//     2013);
//  3. confirm: longer steps at the estimate, of lower rates and of higher ones
//     while there is time. Only a rate that held its own confirmations is
//     published;
//  4. recover: 1.3 times the capacity, then 0.7 times: if the SLO does not
//     come back, the system is metastable.
package search

import (
	"math"
	"slices"
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
	Confirms int     // at most; 0: as many as there is time for

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
// held: those steps only look for where to confirm. There a step that chance
// alone explains must not be called failed either: one bad request of thirty is
// above 1%, and says nothing.
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

// Result is what came of a step.
type Result struct {
	Verdict Verdict
	// Over of Requests broke the SLO's latency, failed or were not sent;
	// Allowed is the share that may. They tell how near the limit is, where a
	// verdict only says on which side. All 0: only the verdict is known.
	Over, Requests int64
	Allowed        float64
}

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
	guessBelow    = 0.5   // of the guess: where growing from it starts
	growNearGuess = 1.5   // from one step to the next there
	closeEnough   = 0.015 // standard deviation of the belief at which probing ends
	candidateAt   = 0.5   // quantile of the belief that is confirmed
	lowerBy       = 0.98  // after a confirmation failed: at least
	lowestBy      = 0.9   // and at most
	higherBy      = 1.015 // at least, after one held, for another to be worth its time
	overloadBy    = 1.3
	recoverAt     = 0.7
	maxSpoiled    = 12 // in a row: then nothing can be measured here
	maxSaturated  = 2  // in a row: then the driver is the limit
	maxConfirms   = 4  // where no time is set
	minRatio      = 64
	sampleRule    = 1.645 * 1.645 // squared quantile of its 5%
)

// fed is a step's rate with what came of it.
type fed struct {
	rps    float64
	result Result
	lapse  float64
}

// Search is one search. It is not safe for concurrent use.
type Search struct {
	config Config
	kind   Kind
	rps    float64
	spent  time.Duration

	held, failed float64 // of growing: the bracket
	belief       belief
	probes       int
	confirms     int
	missed       int     // confirmations that did not hold
	spoiled      int     // in a row, saturated ones included
	saturated    int     // in a row
	doubted      float64 // a rate at which growing failed once

	learned   []fed // what the belief is made from
	allFailed []float64
	allHeld   []float64 // confirmations
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
func (s *Search) Feed(step Step, r Result, took time.Duration) {
	v := r.Verdict
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
		s.learn(step.RPS, r)
		s.grown(step.RPS, r)
	case Probe:
		s.probes++
		s.learn(step.RPS, r)
		s.nextProbe()
	case Confirm:
		s.learn(step.RPS, r)
		s.confirmed(step.RPS, r)
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
func (s *Search) grown(rps float64, r Result) {
	if r.Verdict != Failed {
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
		s.rps = s.within(s.faster(rps, r))
	case rps <= s.config.MinRPS:
		s.out.BelowMin, s.done = true, true
	default:
		s.rps = s.within(rps / (growFactor * growFactor))
	}
}

// faster is the next rate while growing: in small steps near the guess, in
// large ones while nothing at all is bad and little is risked.
func (s *Search) faster(rps float64, r Result) float64 {
	switch {
	case s.config.GuessRPS > 0:
		return max(rps*growNearGuess, s.config.GuessRPS*guessBelow)
	case r.counted() && r.Over == 0 && rps < s.config.StartRPS*growFactor*growFactor:
		return rps * growFactor * growFactor
	}
	return rps * growFactor
}

// learn keeps what a step has told, for the belief that begins with the
// bracket, and adds it to the one there is. A failure that was asked for again
// and then held is forgotten.
func (s *Search) learn(rps float64, r Result) {
	if n := len(s.learned); s.kind == Grow && r.Verdict != Failed && n > 0 && s.learned[n-1].rps == rps {
		s.learned = s.learned[:n-1]
	}
	of := fed{rps, r, lapse}
	if s.kind == Grow {
		of.lapse = lapseWhileGrowing
	}
	s.learned = append(s.learned, of)
	if s.belief.logs != nil {
		s.belief.learn(of)
	}
}

// believe begins the belief with all that is known.
func (s *Search) believe(low, high float64) {
	s.belief = newBelief(low, high)
	for _, l := range s.learned {
		s.belief.learn(l)
	}
}

func (s *Search) startProbing() {
	s.believe(s.held, s.failed)
	s.kind = Probe
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
		s.kind, s.rps = Confirm, s.within(s.candidate())
	}
}

// confirmed takes a confirmation. While there is time others follow: of a lower
// rate after one that failed, and after one that held of a higher rate, or of
// the same once more, as one of some that are luckily quiet would be believed
// too easily. Only a rate that has held, and never failed, is published.
func (s *Search) confirmed(rps float64, r Result) {
	held := r.Verdict == Held
	s.confirms++
	if !held {
		s.missed++
	}
	s.publish(rps, held)
	if held && s.out.Unbounded {
		s.done = true // what is beyond cannot be sent
		return
	}
	if s.belief.logs == nil { // failed where growing had seen it hold
		s.out.Unbounded, s.out.DriverLimited = false, false
		s.believe(rps/growFactor, rps)
	}
	next := s.within(s.candidate())
	switch {
	case !held && !s.out.Confirmed:
		next = s.within(s.lower(rps, r))
	case next < s.out.HeldRPS*higherBy:
		next = s.out.HeldRPS
	}
	switch {
	case !s.out.Confirmed && rps <= s.config.MinRPS:
		s.out.BelowMin, s.done = true, true
	case !s.out.Confirmed, next > s.out.HeldRPS && s.another(next, 1), s.another(next, 2):
		s.rps = next // the same once more only with time for a lower one, should it fail
	case s.config.Recover == 0:
		s.done = true
	default:
		s.kind, s.rps = Overload, s.out.HeldRPS*overloadBy
	}
}

// publish keeps the highest rate that has held and never failed.
func (s *Search) publish(rps float64, held bool) {
	if held {
		s.allHeld = append(s.allHeld, rps)
	}
	s.out.HeldRPS = 0
	for _, rps := range s.allHeld {
		if !slices.Contains(s.allFailed, rps) {
			s.out.HeldRPS = max(s.out.HeldRPS, rps)
		}
	}
	s.out.Confirmed = s.out.HeldRPS > 0
}

// candidate is the rate to confirm.
func (s *Search) candidate() float64 { return s.belief.quantile(candidateAt) }

// lower is the rate to confirm after one that did not hold: by so much lower
// that the share of bad requests falls to where the sample rule takes it, and by
// more from the third such one on: what holds for some seconds may not for longer,
// and the belief, made from short steps, is slow to see it.
func (s *Search) lower(rps float64, r Result) float64 {
	by := lowerBy
	if r.counted() {
		missing := math.Sqrt(sampleRule / (float64(r.Requests) * r.Allowed)) // of the allowed share
		by = min(max(math.Exp(-missing/s.belief.slope()), lowestBy), lowerBy)
	}
	return min(s.candidate(), rps*math.Pow(by, max(1, float64(s.missed-1))))
}

// another says whether there is time for n more confirmations.
func (s *Search) another(rps float64, n int) bool {
	if s.config.Confirms > 0 && s.confirms+n > s.config.Confirms {
		return false
	}
	if s.config.Total == 0 {
		return s.confirms+n <= maxConfirms
	}
	return s.spent+time.Duration(n)*(s.length(Confirm, rps)+s.config.Pause)+2*s.length(Recover, rps) <= s.config.Total
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

// Bracketed says that a rate held and a higher one failed, so that Estimate
// rests on something.
func (s *Search) Bracketed() bool { return s.belief.logs != nil }

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
