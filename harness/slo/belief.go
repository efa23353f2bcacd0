// SPDX-License-Identifier: Apache-2.0

package slo

import (
	"math"

	"gonum.org/v1/gonum/stat/distuv"

	"headroom/harness/record"
)

// belief is the posterior distribution of the capacity. It is a distribution over
// ln(capacity) and over the slope, which is how steeply the share of bad requests grows
// with the rate. Near the capacity that share is close to
//
//	logit(share) = logit(allowed) + slope * ln(rate / capacity)
//
// in every queue. So a step tells more than its verdict. Where 10 bad requests of a
// thousand are allowed, a step with 5 and a step with 9 both hold, but the step with 5
// is further from the capacity.
type belief struct {
	logs    []float64   // ln(capacity)
	weights [][]float64 // by slope, by capacity
}

// slopes of ln(share) over ln(rate): 5 where requests are slow by themselves, 40 and
// more where a machine is saturated.
var slopes = []float64{5, 8, 12, 18, 27, 40, 60}

// expectedBurst is how many bad requests come together. A queue that is too long makes
// all of its requests slow, so n bad requests count as n / expectedBurst independent
// ones. Queues near saturation have bursts of 15 to 100 at some hundred requests a
// second. A queue lasts for a time, so at low rates bursts are smaller. Too large a
// burst makes ranges too wide, and too small a burst makes them wrong.
func expectedBurst(rps float64) float64 {
	const seconds, least, most = 0.12, 2, 40
	return min(max(rps*seconds, least), most)
}

const (
	gridStep = 0.005 // in ln(capacity)
	// outlierProbability is the chance that a step's outcome has nothing to do with its
	// rate, because of a checkpoint or a neighbour's burst.
	outlierProbability = 0.02
	// driftSD is the standard deviation of ln(capacity) from step to step.
	driftSD = 0.015
)

// driftPoints is a normal distribution in three points (Gauss-Hermite).
var driftPoints = []struct{ shift, weight float64 }{
	{-driftSD * math.Sqrt(3), 1.0 / 6}, {0, 2.0 / 3}, {driftSD * math.Sqrt(3), 1.0 / 6},
}

// gridMargin is how far a belief reaches beyond the rates that were tried, in ln(rate).
const gridMargin = 0.7

// beliefOf is the posterior after all steps. The prior is flat, from gridMargin below
// the lowest rate to gridMargin above the highest rate.
func beliefOf(steps []Step) belief {
	low, high := math.Inf(1), 0.0
	for _, s := range steps {
		low, high = min(low, s.RPS), max(high, s.RPS)
	}
	from, till := math.Log(low)-gridMargin, math.Log(high)+gridMargin
	points := int(math.Ceil((till-from)/gridStep)) + 1
	b := belief{logs: make([]float64, points), weights: make([][]float64, len(slopes))}
	for i := range b.logs {
		b.logs[i] = from + float64(i)*gridStep
	}
	for k := range b.weights {
		b.weights[k] = make([]float64, points)
		for i := range b.weights[k] {
			b.weights[k][i] = 1.0 / float64(points*len(slopes))
		}
	}
	for _, s := range steps {
		b.update(s)
	}
	return b
}

// update multiplies the belief by the likelihood of a step's counts.
func (b *belief) update(step Step) {
	c := Nearest(step.Counts)
	if c.Of == 0 {
		return
	}
	at, sum := math.Log(step.RPS), 0.0
	bursts := float64(c.Of) / expectedBurst(step.RPS)
	if c.Of == 1 {
		bursts = 1
	}
	for k, slope := range slopes {
		for i, capacity := range b.logs {
			l := 0.0
			for _, w := range driftPoints {
				l += w.weight * likelihood(c, slope*(at-capacity-w.shift), bursts)
			}
			b.weights[k][i] *= outlierProbability/2 + (1-outlierProbability)*l
			sum += b.weights[k][i]
		}
	}
	for k := range b.weights {
		for i := range b.weights[k] {
			b.weights[k][i] /= sum
		}
	}
}

// Nearest is the condition that is nearest to breaking, or broken most clearly. It is
// the condition whose count of bad requests is least probable at the allowed share.
func Nearest(counts []record.Count) record.Count {
	var found record.Count
	least := 2.0
	for _, c := range counts {
		if c.Of == 0 {
			continue
		}
		if chance := chanceOf(c); chance < least {
			found, least = c, chance
		}
	}
	return found
}

// chanceOf is P[Poisson(of * allowed) >= bad].
func chanceOf(c record.Count) float64 {
	if c.Bad == 0 {
		return 1
	}
	expected := float64(c.Of) * c.Allowed
	if expected == 0 {
		return 0
	}
	return 1 - distuv.Poisson{Lambda: expected}.CDF(float64(c.Bad-1))
}

// Beyond these factors of the allowed share the law does not hold: far below lies a
// floor of requests that are slow at any rate, and far above a queue that grew until
// the step ended. Such a share only says "below" or "above".
const (
	farBelow = 1.0 / 4
	farAbove = 8.0
)

// likelihood is the likelihood of a count when the odds of a bad request are
// exp(excess) times the allowed odds. It is relative to the greatest likelihood, for n
// independent requests.
func likelihood(c record.Count, excess, n float64) float64 {
	if c.Of == 1 { // only the outcome is known
		held := 1 / (1 + math.Exp(excess))
		if c.Bad > 0 {
			return 1 - held
		}
		return held
	}
	odds := c.Allowed / (1 - c.Allowed) * math.Exp(excess)
	share, seen := odds/(1+odds), float64(c.Bad)/float64(c.Of)
	low, high := c.Allowed*farBelow, min(c.Allowed*farAbove, 0.5)
	switch {
	case seen < low && share <= low, seen > high && share >= high:
		return 1
	case seen > high:
		seen = high
	}
	divergence := (1 - seen) * math.Log((1-seen)/(1-share))
	if seen > 0 {
		divergence += seen * math.Log(seen/share)
	}
	return math.Exp(-n * divergence)
}

// quantile returns the rate at a quantile of the capacity.
func (b *belief) quantile(q float64) float64 {
	sum := 0.0
	for i, log := range b.logs {
		for k := range b.weights {
			sum += b.weights[k][i]
		}
		if sum >= q {
			return math.Exp(log)
		}
	}
	return math.Exp(b.logs[len(b.logs)-1])
}
