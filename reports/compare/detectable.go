package compare

import "math"

// power is the chance of detection that the minimum detectable effect is for.
const power = 0.8

// shifts are, by number of blocks, the smallest true shifts that the interval
// of estimateCentre leaves 0 out for in 80 of 100 repetitions, in standard
// deviations of the blocks. Up to six blocks they are exact, by the noncentral t
// distribution. From seven on they are simulated, as TestShifts does, with a
// million repetitions each.
var shifts = [...]float64{
	3: 3.264, 4: 2.128, 5: 1.682, 6: 1.435,
	7: 1.331, 8: 1.249, 9: 1.148, 10: 1.019, 11: 0.988, 12: 0.935,
}

// rankLoss is by how much the shift that ranks find is larger than what
// Student's t finds, in large samples of normal values: ranks have the
// efficiency 3/pi.
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
