// SPDX-License-Identifier: Apache-2.0

package slo

import (
	"gonum.org/v1/gonum/stat/distuv"

	"headroom/harness/record"
	"headroom/scenarios"
)

// risk is the probability that a sentence of the form "below x%" is wrong.
const risk = 0.05

// ShareUpperBound is the upper 95% confidence bound of the share of bad requests: for 0
// of 800, independent of each other, it is 0.37%. A burst of bad requests counts as one.
func ShareUpperBound(c record.Count) float64 { return shareAt(c, 1, 0, 1-risk) }

// ShareLowerBound is the lower 95% confidence bound of the same share.
func ShareLowerBound(c record.Count) float64 {
	if c.Bad == 0 {
		return 0
	}
	return shareAt(c, 0, 1, risk)
}

// shareAt is the quantile of the share by Clopper and Pearson, with bursts.
func shareAt(c record.Count, badMore, goodMore, quantile float64) float64 {
	if c.Of == 0 || c.Bad >= c.Of {
		return 1
	}
	burst := max(c.Burst, 1)
	return distuv.Beta{Alpha: float64(c.Bad)/burst + badMore, Beta: float64(c.Of-c.Bad)/burst + goodMore}.Quantile(quantile)
}

// burstOf is how many bad requests of a measurement come together.
func burstOf(m record.Measurement, c scenarios.SLOCondition) float64 {
	var bad []int64
	for _, s := range m.Timeline {
		n := s.Failed
		if c.Quantile > 0 {
			n = s.Sent - s.Response.Count() + s.Response.CountAbove(c.Latency)
		}
		bad = append(bad, n)
	}
	return Burst(bad)
}

// Burst is how many events come together, by their counts per second. It is the
// variance over the mean, which is 1 for independent events. Burst is at least 1.
func Burst(perSecond []int64) float64 {
	if len(perSecond) < 2 {
		return 1
	}
	mean, square := mean(perSecond), 0.0
	if mean == 0 {
		return 1
	}
	for _, n := range perSecond {
		square += (float64(n) - mean) * (float64(n) - mean)
	}
	return max(1, square/float64(len(perSecond)-1)/mean)
}
