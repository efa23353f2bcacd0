// SPDX-License-Identifier: Apache-2.0

package compare

import (
	"math"
	"slices"
)

// power is the chance of detection that the minimum detectable effect is for.
const power = 0.8

// shifts are, by number of blocks, the smallest true shifts that estimateCentre's
// interval separates from 0 in 80 of 100 repetitions, in standard deviations of the
// blocks. Up to six blocks they are exact, by the noncentral t distribution. From seven
// on they are simulated, as TestShifts does, with a million repetitions each.
var shifts = [...]float64{
	3: 3.264, 4: 2.128, 5: 1.682, 6: 1.435,
	7: 1.331, 8: 1.249, 9: 1.148, 10: 1.019, 11: 0.988, 12: 0.935,
}

// rankLoss is the shift that ranks find over the shift that Student's t finds, in large
// samples of normal values: ranks have the efficiency 3/pi.
var rankLoss = math.Sqrt(math.Pi / 3)

// detectableShift is the smallest true shift that an interval over so many
// blocks finds with the probability of power, in standard deviations of the
// blocks. Beyond the table it is Student's, made larger by rankLoss.
func detectableShift(blocks int) float64 {
	if blocks < len(shifts) {
		return shifts[blocks]
	}
	return rankLoss * (studentQuantile((1+Confidence)/2, blocks-1) + studentQuantile(power, blocks-1)) / math.Sqrt(float64(blocks))
}

// detectable is the smallest true shift that so many blocks find when they scatter by
// sd. The interval is at least a resolution wide to each side, and the estimate may be
// off by another.
func detectable(blocks int, sd, resolution float64) float64 {
	return max(detectableShift(blocks)*sd, 2*resolution)
}

// WithScatterOf is the effect with what is detectable by the scatter of its own blocks
// and of the same metric's blocks in earlier runs, each about its own run's mean. A
// ratio that is divided by the driver's scatters in another way than a raw one, so the
// two are not pooled.
func (e Effect) WithScatterOf(earlier []Effect) Effect {
	if e.DetectableRatio == 0 {
		return e
	}
	squares, freedom := 0.0, 0
	for _, run := range slices.Concat([]Effect{e}, earlier) {
		d, why := logRatios(run.Pairs)
		if run.Missing == "" && why == "" && (run.Basis == correctedBasis) == (e.Basis == correctedBasis) {
			squares, freedom = squares+squaresAbout(meanOf(d), d), freedom+len(d)-1
		}
	}
	e.DetectableRatio = math.Exp(detectable(len(e.Pairs), math.Sqrt(squares/float64(freedom)), e.resolution))
	return e
}
