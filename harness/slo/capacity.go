// SPDX-License-Identifier: Apache-2.0

package slo

import (
	"fmt"
	"math"
	"slices"

	"gonum.org/v1/gonum/stat/distuv"

	"headroom/harness/record"
	"headroom/scenarios"
)

// Capacity is what is known of the highest rate at which the share of bad
// requests stays within an SLO in the long run.
type Capacity struct {
	// PointRPS is the estimate, 0 where there is none: then Missing says why.
	PointRPS float64 `json:"point_rps,omitempty"`
	// LowRPS to HighRPS is the 95% range; HighRPS is 0 without an upper bound.
	LowRPS  float64 `json:"low_rps,omitempty"`
	HighRPS float64 `json:"high_rps,omitempty"`
	Method  string  `json:"method,omitempty"`
	Missing string  `json:"missing,omitempty"`
	Starts  []Start `json:"starts,omitempty"`
	// HeldRPS is the highest rate that held in any step, FailedRPS the lowest rate
	// that failed; 0: no rate did.
	HeldRPS   float64 `json:"held_rps,omitempty"`
	FailedRPS float64 `json:"failed_rps,omitempty"`
	// FailedReason is why the last failed step failed.
	FailedReason string `json:"failed_reason,omitempty"`

	Soaks      []Soak `json:"soaks,omitempty"`
	Recovered  bool   `json:"recovered,omitempty"`  // the SLO came back after an overload
	Metastable bool   `json:"metastable,omitempty"` // it did not
}

// Start is the estimate from the steps of one fresh start.
type Start struct {
	Block int     `json:"block"`
	RPS   float64 `json:"rps"`
	Steps int     `json:"steps"`
}

// Soak is a long stretch at one rate. Only a rate that held a soak is confirmed.
type Soak struct {
	RPS     float64 `json:"rps"`
	Seconds float64 `json:"seconds"`
	record.Verdict
}

// Confirmed is the last soak that held, false where none did.
func (c Capacity) Confirmed() (Soak, bool) {
	for i := len(c.Soaks) - 1; i >= 0; i-- {
		if c.Soaks[i].Outcome == record.Held {
			return c.Soaks[i], true
		}
	}
	return Soak{}, false
}

// Known says whether there is an estimate.
func (c Capacity) Known() bool { return c.PointRPS > 0 }

// HighOrInf is the upper end of the range, +Inf without an upper bound.
func (c Capacity) HighOrInf() float64 {
	if c.HighRPS == 0 {
		return math.Inf(1)
	}
	return c.HighRPS
}

const (
	// minStarts is the least number of starts whose scatter gives a range.
	minStarts = 3
	// startSD is the standard deviation of ln(capacity) from one fresh start to the
	// next, for runs with too few starts. It was measured over 45 pairs of starts,
	// less the steps' own scatter (docs/truth.md, "Live").
	startSD    = 0.046
	confidence = 0.95
)

// Resolution is the best precision of a capacity, in ln(rate): half a step of a
// staircase.
const Resolution = 0.025

// Taken is a step of a run, with its purpose.
type Taken struct {
	Name    scenarios.RateName // record.RateBracket, RateStairs, RateSoak, ...
	Block   int                // whose fresh start it was
	Seconds float64
	Step
}

// CapacityOf computes a variant's capacity from a run's trials. same says that s is the
// run's own SLO: then the verdicts that are stored in the trials count. With another
// SLO the staircases hovered at other rates, so only the belief over all steps counts,
// and the soaks do not.
func CapacityOf(trials []record.Trial, variant scenarios.Variant, s scenarios.SLO, same bool) Capacity {
	var taken []Taken
	for i := range trials {
		t := &trials[i]
		if t.Variant != variant || t.Resize != nil || t.Kind != record.KindProbe {
			continue
		}
		name := t.RateName
		if !same && (name == record.RateStairs || name == record.RateSoak) {
			name = record.RateCurve
		}
		taken = append(taken, Taken{Name: name, Block: t.Block, Seconds: t.Measurement.DurationS, Step: StepOf(t, s, same)})
	}
	return Of(taken)
}

// Of is the capacity by steps, in the order in which they were taken.
func Of(taken []Taken) Capacity {
	var c Capacity
	var all []Step
	stairs, invalidReason := map[int][]Step{}, ""
	var blocks []int
	for i, t := range taken {
		switch {
		case t.Name == record.RateOverload:
			continue
		case t.Name == record.RateRecover:
			c.Metastable, c.Recovered = t.Outcome == record.Failed, t.Outcome == record.Held
			continue
		case t.Outcome != record.Held && t.Outcome != record.Failed:
			invalidReason = t.Reason
			continue
		case heldLater(t, taken[i+1:]):
			continue
		}
		c.addExtremes(t.Step)
		all = append(all, t.Step)
		switch t.Name {
		case record.RateSoak:
			c.Soaks = append(c.Soaks, Soak{RPS: t.RPS, Seconds: t.Seconds, Verdict: t.Verdict})
		case record.RateStairs:
			if stairs[t.Block] == nil {
				blocks = append(blocks, t.Block)
			}
			stairs[t.Block] = append(stairs[t.Block], t.Step)
		}
	}
	for _, block := range blocks {
		if block == 0 {
			continue // the way from the bracket to the capacity
		}
		c.Starts = append(c.Starts, Start{Block: block, RPS: PointOf(stairs[block]), Steps: len(stairs[block])})
	}
	c.estimate(all, stairs)
	if len(all) == 0 && invalidReason != "" {
		c.Missing += ": " + invalidReason
	}
	return c
}

// heldLater says that a bracket step failed at a rate that held later. Such a step met
// a stall, and does not count as a failure.
func heldLater(t Taken, later []Taken) bool {
	if t.Name != record.RateBracket || t.Outcome != record.Failed {
		return false
	}
	for _, l := range later {
		if l.Outcome == record.Held && l.RPS >= t.RPS && l.Name != record.RateOverload {
			return true
		}
	}
	return false
}

// addExtremes keeps the highest rate that held and the lowest that failed.
func (c *Capacity) addExtremes(step Step) {
	if step.Outcome == record.Held {
		c.HeldRPS = max(c.HeldRPS, step.RPS)
		return
	}
	c.FailedReason = step.Reason
	if c.FailedRPS == 0 || step.RPS < c.FailedRPS {
		c.FailedRPS = step.RPS
	}
}

// estimate finds the point and the range.
func (c *Capacity) estimate(all []Step, stairs map[int][]Step) {
	switch {
	case len(all) == 0:
		c.Missing = "no valid step was measured"
	case c.HeldRPS == 0:
		c.Missing = fmt.Sprintf("the SLO failed at the lowest rate tried, %.4g requests/s (%s)", c.FailedRPS, c.FailedReason)
	case c.FailedRPS == 0:
		c.PointRPS, c.LowRPS, c.Method = c.HeldRPS, c.HeldRPS, "no rate failed up to this one"
	case len(c.Starts) >= minStarts:
		c.byStarts(stairs)
	default:
		c.byBelief(all, stairs)
	}
	c.bySoak()
	// The range must not exclude what the longest steps showed.
	if _, confirmed := c.Confirmed(); !confirmed && c.Known() {
		for _, s := range c.Soaks {
			c.LowRPS = min(c.LowRPS, s.RPS*SoakAt)
		}
	}
}

// SoakAt is the rate of a soak as a share of the estimate, or of the soak that failed
// before.
const SoakAt = 0.93

// byStarts computes Student's interval on the logarithms of the starts' estimates,
// which are independent. The interval covers its width about their mean and about the
// point of all steps pooled. The pooled point is the lower one where bad requests come
// in bursts: then most steps see fewer than their share, and some see many more.
func (c *Capacity) byStarts(stairs map[int][]Step) {
	var mean, square float64
	n := float64(len(c.Starts))
	var steps []Step
	for _, s := range c.Starts {
		mean += math.Log(s.RPS) / n
		steps = append(steps, stairs[s.Block]...)
	}
	for _, s := range c.Starts {
		square += (math.Log(s.RPS) - mean) * (math.Log(s.RPS) - mean)
	}
	t := distuv.StudentsT{Mu: 0, Sigma: 1, Nu: n - 1}.Quantile((1 + confidence) / 2)
	half := max(t*math.Sqrt(square/(n-1)/n), Resolution)
	pooled := math.Log(pooledPoint(steps))
	c.PointRPS = math.Exp(pooled)
	c.LowRPS, c.HighRPS = math.Exp(min(mean, pooled)-half), math.Exp(max(mean, pooled)+half)
	c.Method = fmt.Sprintf("Student's t over %d fresh starts", len(c.Starts))
}

// pooledPoint is the mean rate of the steps, less the excess of their pooled share of
// bad requests.
func pooledPoint(steps []Step) float64 {
	sum := 0.0
	all := Step{}
	for _, s := range steps {
		sum += math.Log(s.RPS)
		for _, c := range s.Counts {
			i := slices.IndexFunc(all.Counts, func(have record.Count) bool { return have.Condition == c.Condition })
			if i < 0 {
				i = len(all.Counts)
				all.Counts = append(all.Counts, record.Count{Condition: c.Condition, Allowed: c.Allowed})
			}
			all.Counts[i].Bad += c.Bad
			all.Counts[i].Of += c.Of
		}
	}
	return math.Exp(sum/float64(len(steps)) - excess(all)/typicalSlope)
}

// byBelief computes point and range from the belief over all steps, and adds the
// scatter from start to start once.
func (c *Capacity) byBelief(all []Step, stairs map[int][]Step) {
	b := beliefOf(all)
	point := b.quantile(0.5)
	var steps []Step
	for _, s := range c.Starts {
		steps = append(steps, stairs[s.Block]...)
	}
	if len(steps) > 0 {
		point = pooledPoint(steps)
	}
	normal := distuv.UnitNormal.Quantile((1 + confidence) / 2)
	widen := func(end float64) float64 {
		return math.Hypot(math.Log(end/point), normal*startSD)
	}
	low, high := min(b.quantile((1-confidence)/2), point), max(b.quantile((1+confidence)/2), point)
	c.PointRPS = point
	c.LowRPS, c.HighRPS = point*math.Exp(-widen(low)), point*math.Exp(widen(high))
	c.Method = fmt.Sprintf("belief over %d steps, with the scatter from start to start", len(all))
}

// A step's share of bad requests says how far the capacity is from the step's rate. The
// excess is clamped to a fifth and to eight times the allowed share. Below lies a floor
// of requests that are slow at any rate, above a queue that grew until the step ended.
const (
	typicalSlope = 20 // of logit(share) over ln(rate)
	minExcess    = -1.6
	maxExcess    = 2.1
)

// PointOf is one start's capacity by the steps of its staircase. Each step gives an
// estimate: its rate, less the excess of its share of bad requests divided by a typical
// slope. The estimates are averaged in ln(rate). docs/truth.md compares PointOf with
// the alternatives.
func PointOf(steps []Step) float64 {
	sum := 0.0
	for _, s := range steps {
		sum += math.Log(s.RPS) - excess(s)/typicalSlope
	}
	return math.Exp(sum / float64(len(steps)))
}

// excess is the logarithm of the odds of a bad request over the allowed odds, within
// bounds.
func excess(s Step) float64 {
	c := Nearest(s.Counts)
	switch {
	case c.Of > 1 && c.Allowed > 0:
		share := (float64(c.Bad) + 0.5) / (float64(c.Of) + 1)
		return min(max(logit(share)-logit(c.Allowed), minExcess), maxExcess)
	case s.Outcome == record.Failed:
		return 1 // only the outcome is known
	}
	return -1
}

func logit(share float64) float64 { return math.Log(share / (1 - share)) }

// The slopes of real systems lie between these: flat where requests are slow by
// themselves, steep where a machine is saturated.
const (
	flatSlope  = 8
	steepSlope = 30
)

// bySoak corrects the short steps by the soak. Short steps begin with an empty system
// and see few bursts, so they overestimate the capacity. The range is extended down to
// what the soak's share of bad requests leaves open. The point is the soak's own
// estimate where that is lower.
func (c *Capacity) bySoak() {
	if len(c.Soaks) == 0 || !c.Known() || c.HighRPS == 0 {
		return
	}
	last := c.Soaks[len(c.Soaks)-1]
	n := Nearest(last.Counts)
	if n.Of <= 1 || !(n.Allowed > 0) {
		return
	}
	at := func(share float64) float64 {
		e := min(max(logit(min(max(share, 1e-9), 1-1e-9))-logit(n.Allowed), minExcess), maxExcess)
		slope := float64(flatSlope)
		if e < 0 {
			slope = steepSlope
		}
		return last.RPS * math.Exp(-e/slope)
	}
	own := last.RPS * math.Exp(-excess(Step{RPS: last.RPS, Verdict: last.Verdict})/typicalSlope)
	c.LowRPS = min(c.LowRPS, last.RPS, at(ShareUpperBound(n)))
	c.PointRPS = max(min(c.PointRPS, own), c.LowRPS)
	if soak, ok := c.Confirmed(); ok {
		c.PointRPS = max(c.PointRPS, soak.RPS)
	}
	c.Method += "; reaching down to what the soak leaves open"
}
