// SPDX-License-Identifier: Apache-2.0

package slo

import (
	"math"

	"gonum.org/v1/gonum/stat/distuv"

	"headroom/harness/record"
)

// belief is what is known of the capacity: a distribution over ln(capacity)
// and over how steeply the share of bad requests grows with the rate. Near the
// limit that share is close to
//
//	logit(share) = logit(allowed) + slope * ln(rate / capacity)
//
// in every queue. So a step tells more than its verdict: 5 bad requests of a
// thousand where 10 are allowed is further from the limit than 9, and both
// hold.
type belief struct {
	logs    []float64   // ln(capacity)
	weights [][]float64 // by slope, by capacity
}

// slopes of ln(share) over ln(rate): 5 where requests are slow by themselves,
// 40 and more where a machine is driven to its end.
var slopes = []float64{5, 8, 12, 18, 27, 40, 60}

// burst is how many bad requests come together: a queue that is too long is so
// for all who stand in it, so n of them say as much as n / burst that are
// independent. Queues near saturation have 15 to 100 at some hundred requests a
// second; they last a time, so at low rates there are fewer. Too large a number
// costs confidence, too small a one truth.
func burst(rps float64) float64 {
	const seconds, least, most = 0.12, 2, 40
	return min(max(rps*seconds, least), most)
}

const (
	gridStep = 0.005 // in ln(capacity)
	// lapse is the chance that a step has nothing to do with its rate: a
	// checkpoint, a neighbour's burst.
	lapse = 0.02
	// wander is the standard deviation of ln(capacity) from step to step.
	wander = 0.015
)

// wanders is a normal distribution in three points (Gauss-Hermite).
var wanders = []struct{ shift, weight float64 }{
	{-wander * math.Sqrt(3), 1.0 / 6}, {0, 2.0 / 3}, {wander * math.Sqrt(3), 1.0 / 6},
}

// margin is how far a belief reaches beyond the rates that were tried, in ln(rate).
const margin = 0.7

// believe is what the steps tell together. It is flat at first, from a margin
// below the lowest rate to a margin above the highest.
func believe(steps []Step) belief {
	low, high := math.Inf(1), 0.0
	for _, s := range steps {
		low, high = min(low, s.RPS), max(high, s.RPS)
	}
	from, till := math.Log(low)-margin, math.Log(high)+margin
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
		b.learn(s)
	}
	return b
}

// learn multiplies by the likelihood of what came of a step.
func (b *belief) learn(step Step) {
	c := Nearest(step.Counts)
	if c.Of == 0 {
		return
	}
	at, sum := math.Log(step.RPS), 0.0
	bursts := float64(c.Of) / burst(step.RPS)
	if c.Of == 1 {
		bursts = 1
	}
	for k, slope := range slopes {
		for i, capacity := range b.logs {
			l := 0.0
			for _, w := range wanders {
				l += w.weight * likelihood(c, slope*(at-capacity-w.shift), bursts)
			}
			b.weights[k][i] *= lapse/2 + (1-lapse)*l
			sum += b.weights[k][i]
		}
	}
	for k := range b.weights {
		for i := range b.weights[k] {
			b.weights[k][i] /= sum
		}
	}
}

// Nearest is the condition that is nearest to breaking, or broken most surely:
// the one whose bad requests are the least to be expected where the allowed
// share is kept.
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

// Where the share lies further from what is allowed than these factors, the
// law is not trusted: a floor of requests that are slow at any rate, or a queue
// that grew until the step ended. It then only says "below", or "above".
const (
	farBelow = 1.0 / 4
	farAbove = 8.0
)

// likelihood is that of the counts where the odds of a bad request lie
// exp(excess) above the allowed ones, relative to the best there can be, with so
// many independent requests.
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

// quantile returns a rate.
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
