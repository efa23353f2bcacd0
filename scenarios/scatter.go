// SPDX-License-Identifier: Apache-2.0

package scenarios

// ScatterRank is the key, 1..count, of popularity rank 1..count. It is a bijection.
// The hot ranks lie far apart, so they share no page of a table. The driver draws
// keys by ScatterRank, and the shop's data give most orders to the users of the first
// ranks: a user who orders much also looks often.
func ScatterRank(rank, count int) int {
	const goldenRatio = 0.6180339887498949 // its multiples spread most evenly over a ring
	stride := max(1, int(float64(count)*goldenRatio))
	for greatestCommonDivisor(stride, count) != 1 {
		stride++
	}
	return rank*stride%count + 1
}

func greatestCommonDivisor(a, b int) int {
	for b != 0 {
		a, b = b, a%b
	}
	return a
}
