// SPDX-License-Identifier: Apache-2.0

// Package draw makes the random numbers of a load: draw k of a stream is a
// pure function of the seed, the stream's name and k. So request k is the same
// request whenever it is sent, and in both variants of an experiment.
package draw

import (
	"hash/fnv"
	"math"
)

// Stream is a sequence of independent 64-bit draws, addressed by number.
type Stream struct {
	base uint64
}

// golden is 2^64 divided by the golden ratio: SplitMix64's increment (Steele,
// Lea and Flood, "Fast splittable pseudorandom number generators", 2014).
const golden = 0x9e3779b97f4a7c15

// NewStream returns the stream of that name under seed. Streams of different
// names or seeds are independent.
func NewStream(seed uint64, name string) Stream {
	h := fnv.New64a()
	h.Write([]byte(name)) // a hash.Hash never fails
	return Stream{base: mix64(mix64(seed+golden) ^ h.Sum64())}
}

// Uint64 returns draw k, uniform over all 64-bit values: SplitMix64 in counter
// mode.
func (s Stream) Uint64(k uint64) uint64 { return mix64(s.base + (k+1)*golden) }

// Float returns draw k, uniform over [0, 1).
func (s Stream) Float(k uint64) float64 { return float64(s.Uint64(k)>>11) * 0x1p-53 }

// Exponential returns draw k of the exponential distribution of mean 1.
func (s Stream) Exponential(k uint64) float64 { return -math.Log1p(-s.Float(k)) }

// At returns a stream of its own for draw k, for draws that need more than one number.
func (s Stream) At(k uint64) Stream { return Stream{base: mix64(s.Uint64(k) + golden)} }

// mix64 is the finaliser of SplitMix64 (Stafford's variant 13).
func mix64(z uint64) uint64 {
	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9
	z = (z ^ (z >> 27)) * 0x94d049bb133111eb
	return z ^ (z >> 31)
}
