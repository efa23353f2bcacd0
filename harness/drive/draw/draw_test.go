// SPDX-License-Identifier: Apache-2.0

package draw

import (
	"math"
	"testing"

	"headroom/scenarios"
)

func TestDrawsArePureFunctionsOfSeedNameAndNumber(t *testing.T) {
	s := NewStream(7, "arrivals")
	backwards := make([]uint64, 100)
	for k := len(backwards) - 1; k >= 0; k-- {
		backwards[k] = s.Uint64(uint64(k))
	}
	for k, want := range backwards {
		if got := NewStream(7, "arrivals").Uint64(uint64(k)); got != want {
			t.Fatalf("draw %d is %d, then %d", k, want, got)
		}
	}
	// These numbers are stored in results: they must not change.
	if got, want := s.Uint64(0), uint64(0x5b3697e1649e3526); got != want {
		t.Errorf("the first draw of seed 7 is %#x, it was %#x", got, want)
	}
	for _, other := range []Stream{NewStream(8, "arrivals"), NewStream(7, "endpoint"), s.At(0), s.At(1)} {
		if other.Uint64(0) == s.Uint64(0) {
			t.Errorf("stream %v starts as %v does", other, s)
		}
	}
}

func TestFloatIsUniform(t *testing.T) {
	const draws, bins = 200_000, 100
	var seen [bins]float64
	s := NewStream(1, "u")
	for k := range uint64(draws) {
		seen[int(s.Float(k)*bins)]++
	}
	expected := make([]float64, bins)
	for i := range expected {
		expected[i] = draws / bins
	}
	checkChiSquared(t, seen[:], expected)
}

func TestNeighbouringDrawsAreUncorrelated(t *testing.T) {
	const draws = 200_000
	s := NewStream(3, "u")
	var sum float64
	for k := range uint64(draws) {
		sum += (s.Float(k) - 0.5) * (s.Float(k+1) - 0.5)
	}
	// Under independence the mean has a standard deviation of 1/12/sqrt(n).
	if mean := sum / draws; math.Abs(mean) > 4.0/12/math.Sqrt(draws) {
		t.Errorf("the correlation of neighbours is %v", mean*12)
	}
}

func TestZipfMatchesItsLaw(t *testing.T) {
	const draws = 50_000
	for _, exponent := range []float64{0.2, 0.5, 0.99, 1, 1 + 1e-9, 1.2, 2, 5} {
		for _, count := range []int{1, 2, 10, 1000} {
			keys := NewZipf(NewStream(5, "z"), count, exponent)
			seen, expected := make([]float64, count), make([]float64, count)
			var sum float64
			for r := range expected {
				expected[r] = math.Pow(float64(r+1), -exponent)
				sum += expected[r]
			}
			for r := range expected {
				expected[r] *= draws / sum
			}
			for k := range uint64(draws) {
				seen[keys.zipf.rank(keys.stream.At(k))-1]++
			}
			checkChiSquared(t, seen, expected)
			if t.Failed() {
				t.Fatalf("exponent %v, count %d", exponent, count)
			}
		}
	}
}

// checkChiSquared fails when seen departs from expected by more than chance
// does once in 10,000 times. Bins of few are joined.
func checkChiSquared(t *testing.T, seen, expected []float64) {
	t.Helper()
	var chi, s, e float64
	degrees := -1.0
	for i := range seen {
		s, e = s+seen[i], e+expected[i]
		if e >= 10 || i == len(seen)-1 && e > 0 {
			chi += (s - e) * (s - e) / e
			degrees++
			s, e = 0, 0
		}
	}
	if degrees < 1 {
		return
	}
	// Wilson and Hilferty's approximation of chi-squared's quantile.
	limit := degrees * math.Pow(1-2/(9*degrees)+3.72*math.Sqrt(2/(9*degrees)), 3)
	if chi > limit {
		t.Errorf("chi-squared is %.1f at %.0f degrees of freedom; the limit is %.1f", chi, degrees, limit)
	}
}

func TestScatterIsTheScenariosBijection(t *testing.T) {
	for count := 1; count <= 600; count++ {
		keys := NewZipf(NewStream(1, "z"), count, 1)
		seen := make([]bool, count+1)
		for rank := 1; rank <= count; rank++ {
			key := keys.scatter(uint64(rank))
			if key < 1 || key > uint64(count) || seen[key] {
				t.Fatalf("of %d: rank %d has key %d, which is out of range or taken", count, rank, key)
			}
			if want := uint64(scenarios.ScatterRank(rank, count)); key != want {
				t.Fatalf("of %d: rank %d has key %d, the dataset's is %d", count, rank, key, want)
			}
			seen[key] = true
		}
	}
}

func TestHotKeysAreTheSameForEverySeedAndScattered(t *testing.T) {
	const count = 100_000
	hottest := func(seed uint64) uint64 {
		keys, seen := NewZipf(NewStream(seed, "z"), count, 0.99), map[uint64]int{}
		best := uint64(0)
		for k := range uint64(20_000) {
			key := keys.Key(k)
			if seen[key]++; seen[key] > seen[best] {
				best = key
			}
		}
		return best
	}
	first := hottest(1)
	for seed := uint64(2); seed < 6; seed++ {
		if got := hottest(seed); got != first {
			t.Errorf("seed %d has the hottest key %d, seed 1 %d", seed, got, first)
		}
	}
	keys := NewZipf(NewStream(1, "z"), count, 0.99)
	for rank := uint64(1); rank < 20; rank++ {
		a, b := keys.scatter(rank), keys.scatter(rank+1)
		if distance := max(a, b) - min(a, b); distance < count/10 {
			t.Errorf("ranks %d and %d have the keys %d and %d, next to each other", rank, rank+1, a, b)
		}
	}
}

func TestUniformKeysCoverTheirRange(t *testing.T) {
	const count, draws = 50, 100_000
	keys := NewUniform(NewStream(2, "k"), count)
	seen, expected := make([]float64, count), make([]float64, count)
	for k := range uint64(draws) {
		seen[keys.Key(k)-1]++
	}
	for i := range expected {
		expected[i] = draws / count
	}
	checkChiSquared(t, seen, expected)
}

func BenchmarkZipf(b *testing.B) {
	keys := NewZipf(NewStream(1, "z"), 1_000_000, 0.99)
	for k := range uint64(b.N) {
		keys.Key(k)
	}
}

// A stream is SplitMix64: these are the published first numbers of seed 1234567
// (Vigna's reference implementation).
func TestStreamIsSplitMix64(t *testing.T) {
	s := Stream{base: 1234567}
	for k, want := range []uint64{6457827717110365317, 3203168211198807973, 9817491932198370423, 4593380528125082431, 16408922859458223821} {
		if got := s.Uint64(uint64(k)); got != want {
			t.Errorf("number %d is %d, want %d", k, got, want)
		}
		// 53 bits of it, from 0 on and below 1; the exponential is its inverse.
		if got := s.Float(uint64(k)); got != float64(want>>11)/(1<<53) {
			t.Errorf("number %d is %v of 1", k, got)
		}
		if got := s.Exponential(uint64(k)); math.Abs(math.Exp(-got)-(1-s.Float(uint64(k)))) > 1e-15 {
			t.Errorf("number %d is %v by the exponential law", k, got)
		}
		// A draw's own stream begins with the first number that its draw seeds.
		if got, want := s.At(uint64(k)), (Stream{base: Stream{base: want}.Uint64(0)}); got != want {
			t.Errorf("the stream of number %d is %v, want %v", k, got, want)
		}
	}
}
