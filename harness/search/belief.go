package search

import "math"

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
	gridPoints = 300
	// lapse is the chance that a step has nothing to do with its rate: a
	// checkpoint, a neighbour's burst.
	lapse = 0.02
	// lapseWhileGrowing is more: a step of growing is short, and the first at its
	// rate, to which connections and pools have yet to grow.
	lapseWhileGrowing = 0.1
	// wander is the standard deviation of ln(capacity) from step to step.
	wander = 0.015
)

// wanders is a normal distribution in three points (Gauss-Hermite).
var wanders = []struct{ shift, weight float64 }{
	{-wander * math.Sqrt(3), 1.0 / 6}, {0, 2.0 / 3}, {wander * math.Sqrt(3), 1.0 / 6},
}

// newBelief is flat between a bracket's ends and beyond: the lower one may have
// been luck, and the upper one a stall that has nothing to do with the rate.
func newBelief(low, high float64) belief {
	from, till := math.Log(low)-0.3, math.Log(high)+0.4
	b := belief{logs: make([]float64, gridPoints), weights: make([][]float64, len(slopes))}
	for i := range b.logs {
		b.logs[i] = from + (till-from)*float64(i)/(gridPoints-1)
	}
	for k := range b.weights {
		b.weights[k] = make([]float64, gridPoints)
		for i := range b.weights[k] {
			b.weights[k][i] = 1.0 / float64(gridPoints*len(slopes))
		}
	}
	return b
}

// learn multiplies by the likelihood of what came of a step.
func (b *belief) learn(step fed) {
	at, sum := math.Log(step.rps), 0.0
	bursts := float64(step.result.Requests) / burst(step.rps)
	for k, slope := range slopes {
		for i, capacity := range b.logs {
			l := 0.0
			for _, w := range wanders {
				l += w.weight * step.result.likelihood(slope*(at-capacity-w.shift), bursts)
			}
			b.weights[k][i] *= step.lapse/2 + (1-step.lapse)*l
			sum += b.weights[k][i]
		}
	}
	for k := range b.weights {
		for i := range b.weights[k] {
			b.weights[k][i] /= sum
		}
	}
}

// Where the share lies further from what is allowed than these factors, the
// law is not trusted: a floor of requests that are slow at any rate, or a queue
// that grew until the step ended. It then only says "below", or "above".
const (
	farBelow = 1.0 / 4
	farAbove = 8.0
)

// likelihood is that of the result where the odds of a bad request lie
// exp(excess) above the allowed ones, relative to the best there can be, with so
// many independent requests.
func (r Result) likelihood(excess, n float64) float64 {
	if !r.counted() {
		held := 1 / (1 + math.Exp(excess))
		if r.Verdict == Failed {
			return 1 - held
		}
		return held
	}
	odds := r.Allowed / (1 - r.Allowed) * math.Exp(excess)
	share, seen := odds/(1+odds), float64(r.Over)/float64(r.Requests)
	low, high := r.Allowed*farBelow, min(r.Allowed*farAbove, 0.5)
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

func (r Result) counted() bool { return r.Requests > 0 && r.Allowed > 0 }

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

// slope is its mean.
func (b *belief) slope() float64 {
	mean := 0.0
	for k, slope := range slopes {
		for _, w := range b.weights[k] {
			mean += slope * w
		}
	}
	return mean
}

// deviation is the standard deviation of ln(capacity).
func (b *belief) deviation() float64 {
	mean, square := 0.0, 0.0
	for _, weights := range b.weights {
		for i, w := range weights {
			mean += w * b.logs[i]
			square += w * b.logs[i] * b.logs[i]
		}
	}
	return math.Sqrt(max(square-mean*mean, 0))
}
