// SPDX-License-Identifier: Apache-2.0

package gate

import (
	"math"
	"math/rand/v2"
)

// simulations is how many gates are simulated for one figure of the sentence.
const simulations = 1000

// SharedNoise is the part of a block's variance that simulated metrics of one
// gate have in common: one machine, one clock, the same requests.
const SharedNoise = 0.5

// Power is how often a gate of so many timed metrics finds a regression of one
// of them, when its blocks scatter normally by sd: 0..1, simulated, and always
// the same for the same figures.
func Power(slowdown, sd float64, metrics int) float64 {
	random := rand.New(rand.NewPCG(0x6368616e, 0x6365)) // "chance"
	found := 0
	for range simulations {
		if detects(slowdown, sd, max(metrics, 1), random) {
			found++
		}
	}
	return float64(found) / simulations
}

// detects plays one gate whose first metric is slower. It ends without an alarm
// once all metrics have passed.
func detects(slowdown, sd float64, metrics int, random *rand.Rand) bool {
	d, passed := make([][]float64, metrics), make([]bool, metrics)
	together, apart := sd*math.Sqrt(SharedNoise), sd*math.Sqrt(1-SharedNoise)
	for block := 1; block <= MaxBlocks; block++ {
		shared := random.NormFloat64()
		for i := range d {
			d[i] = append(d[i], together*shared+apart*random.NormFloat64())
		}
		d[0][block-1] += math.Log1p(slowdown)
		if !IsLook(block) {
			continue
		}
		if forRegression(d[0]) >= evidenceThreshold*float64(metrics) {
			return true
		}
		all := true
		for i := range d {
			passed[i] = passed[i] || forPass(d[i]) >= evidenceThreshold
			all = all && passed[i]
		}
		if all {
			return false
		}
	}
	return false
}
