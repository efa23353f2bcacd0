// SPDX-License-Identifier: Apache-2.0

package gate

import "math"

// The timed rule: measurement.md, "Gate". Each metric has two e-processes. Both
// hold at every look (Ville's inequality): whoever stops early is not deceived.
const (
	// tolerated is the slowdown that is no regression, excluded is the one that a
	// pass excludes.
	tolerated = 0.02
	excluded  = 0.10
	// evidenceThreshold is the value that an e-process reaches by chance at most one time
	// in so many. A regression takes that times the number of timed metrics, as each may
	// raise the alarm; a pass takes it of each metric.
	evidenceThreshold = 100

	FirstLook = 4  // blocks before the first look
	MaxBlocks = 20 // without a verdict by then there is none
	// lookEvery is the number of blocks between looks: a block's order of slices mirrors
	// the last one's, so the effect of the order cancels over two.
	lookEvery = 2
)

// IsLook says whether a series is looked at when it has so many blocks.
func IsLook(blocks int) bool {
	return blocks >= FirstLook && blocks <= MaxBlocks && (blocks-FirstLook)%lookEvery == 0
}

// minScatter of a block's D: histograms and counters have three significant
// digits, and blocks that agree to the last one are no proof of certainty.
const minScatter = 0.001

// effects are the sizes that evidence is looked for, in standard deviations of
// D, in equal mixture: nobody knows beforehand how large a regression is.
var effects = [...]float64{1, 2, 4}

// tOf is Student's t of the values d against a mean of null.
func tOf(d []float64, null float64) float64 {
	mean, sd := meanAndSD(d)
	return (mean - null) / (max(sd, minScatter) / math.Sqrt(float64(len(d))))
}

// evidenceOfT is the right-Haar likelihood ratio of Student's t over n values: a
// mean above the null by the effects, against the null. It is the density of the
// noncentral t by that of the central one, averaged over the effects. It needs two
// values and is an e-process in their number.
func evidenceOfT(t float64, n int) float64 {
	freedom := n - 1
	shrunk := float64(freedom) / (float64(freedom) + t*t)
	sum, central := 0.0, moment(freedom, 0)
	for _, effect := range effects {
		shift := effect * math.Sqrt(float64(n))
		x := shift * t / math.Sqrt(float64(freedom)+t*t)
		sum += math.Exp(-shift*shift/2*shrunk) * max(0, moment(freedom, x)/central)
	}
	return sum / float64(len(effects))
}

// moment is the integral of s^power exp(-(s-x)²/2) over s > 0, by parts: M(p) =
// x M(p-1) + (p-1) M(p-2). For x far below 0 digits cancel, but what is left is
// tiny beside moment(power, 0), and no evidence.
func moment(power int, x float64) float64 {
	before := math.Sqrt(2*math.Pi) * math.Erfc(-x/math.Sqrt2) / 2
	if power == 0 {
		return before
	}
	last := math.Exp(-x*x/2) + x*before
	for p := 2; p <= power; p++ {
		before, last = last, x*last+float64(p-1)*before
	}
	return last
}

// forRegression is the evidence that after costs more than is tolerated,
// forPass that it costs less than what is excluded, and forDrift that the mean is
// not 0, to whichever side.
func forRegression(d []float64) float64 { return evidenceOfT(tOf(d, math.Log1p(tolerated)), len(d)) }

func forPass(d []float64) float64 { return evidenceOfT(-tOf(d, math.Log1p(excluded)), len(d)) }

func forDrift(d []float64) float64 {
	t := tOf(d, 0)
	return (evidenceOfT(t, len(d)) + evidenceOfT(-t, len(d))) / 2
}

func meanAndSD(d []float64) (mean, sd float64) {
	for _, x := range d {
		mean += x / float64(len(d))
	}
	if len(d) < 2 {
		return mean, 0
	}
	squares := 0.0
	for _, x := range d {
		squares += (x - mean) * (x - mean)
	}
	return mean, math.Sqrt(squares / float64(len(d)-1))
}
