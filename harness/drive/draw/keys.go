// SPDX-License-Identifier: Apache-2.0

package draw

import (
	"math"
	"math/bits"

	"headroom/scenarios"
)

// Keys draws keys from 1..count, uniformly or by Zipf's law: the key of rank r
// is drawn with a probability proportional to r^-exponent.
//
// The hot keys depend on count alone, not on the seed: the same users are hot in every
// slice. Hot keys are scattered over the range, because real hot users are spread over a
// database's pages too.
type Keys struct {
	stream Stream
	count  uint64
	step   uint64 // of the scattering
	zipf   *zipf  // nil: uniform
}

// NewUniform returns uniform keys of 1..count. count must be at least 1.
func NewUniform(stream Stream, count int) Keys {
	return Keys{stream: stream, count: uint64(count), step: uint64(scenarios.ScatterRank(1, count) - 1)}
}

// NewZipf returns keys of 1..count by Zipf's law with any exponent above 0.
// count must be at least 1.
func NewZipf(stream Stream, count int, exponent float64) Keys {
	k := NewUniform(stream, count)
	k.zipf = newZipf(float64(count), exponent)
	return k
}

// Key returns the key of draw k.
func (k Keys) Key(draw uint64) uint64 {
	if k.zipf == nil {
		hi, _ := bits.Mul64(k.stream.Uint64(draw), k.count)
		return hi + 1
	}
	return k.scatter(k.zipf.rank(k.stream.At(draw)))
}

// scatter is scenarios.ScatterRank with a precomputed step: a multiplication by step,
// modulo count.
func (k Keys) scatter(rank uint64) uint64 {
	hi, lo := bits.Mul64(rank, k.step)
	return bits.Rem64(hi, lo, k.count) + 1
}

// zipf draws ranks by rejection-inversion (Hörmann and Derflinger,
// "Rejection-inversion to generate variates from monotone discrete
// distributions", 1996): exact for every exponent, in constant time and
// memory. math/rand's Zipf is made for exponents above 1 only.
type zipf struct {
	exponent float64
	count    float64
	hLow     float64 // H(1.5) - h(1)
	hHigh    float64 // H(count + 0.5)
	squeeze  float64
}

func newZipf(count, exponent float64) *zipf {
	z := &zipf{exponent: exponent, count: count}
	z.hLow = z.integral(1.5) - 1
	z.hHigh = z.integral(count + 0.5)
	z.squeeze = 2 - z.inverse(z.integral(2.5)-z.density(2))
	return z
}

func (z *zipf) rank(s Stream) uint64 {
	for try := uint64(0); ; try++ {
		u := z.hHigh + s.Float(try)*(z.hLow-z.hHigh)
		x := z.inverse(u)
		rank := min(max(math.Floor(x+0.5), 1), z.count)
		if rank-x <= z.squeeze || u >= z.integral(rank+0.5)-z.density(rank) {
			return uint64(rank)
		}
	}
}

// density is h(x) = x^-exponent.
func (z *zipf) density(x float64) float64 { return math.Exp(-z.exponent * math.Log(x)) }

// integral is H(x), the integral of h from 1 to x, written so that it stays
// exact as the exponent nears 1, where it becomes ln x.
func (z *zipf) integral(x float64) float64 {
	logX := math.Log(x)
	return expm1OverX((1-z.exponent)*logX) * logX
}

// inverse is H^-1.
func (z *zipf) inverse(u float64) float64 {
	t := max(u*(1-z.exponent), -1)
	return math.Exp(log1pOverX(t) * u)
}

func expm1OverX(x float64) float64 {
	if math.Abs(x) < 1e-8 {
		return 1 + x/2
	}
	return math.Expm1(x) / x
}

func log1pOverX(x float64) float64 {
	if math.Abs(x) < 1e-8 {
		return 1 - x/2
	}
	return math.Log1p(x) / x
}
