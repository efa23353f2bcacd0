// SPDX-License-Identifier: Apache-2.0

package compare

import (
	"math"
	"math/rand/v2"
	"testing"
)

func near(t *testing.T, what string, got, want, tolerance float64) {
	t.Helper()
	if !(math.Abs(got-want) <= tolerance) {
		t.Errorf("%s: got %v, want %v", what, got, want)
	}
}

func TestHodgesLehmann(t *testing.T) {
	tests := []struct {
		d    []float64
		want float64
	}{
		{[]float64{3}, 3},
		{[]float64{1, 2}, 1.5},
		// Walsh averages 1, 1.5, 2, 5.5, 6, 10: the median lies between 2 and 5.5.
		{[]float64{1, 10, 2}, 3.75},
		{[]float64{-1, 0, 1, 2}, 0.5},
	}
	for _, tt := range tests {
		near(t, "Hodges-Lehmann", HodgesLehmann(tt.d), tt.want, 1e-15)
	}
	if !math.IsNaN(HodgesLehmann(nil)) {
		t.Error("the centre of nothing is not NaN")
	}
}

func TestSignedRankInterval(t *testing.T) {
	tests := []struct {
		name           string
		d              []float64
		low, high, has float64
	}{
		{"two: 1 - 2/4", []float64{1, 2}, 1, 2, 0.5},
		{"three: 1 - 2/8", []float64{3, 1, 2}, 1, 3, 0.75},
		{"five: 1 - 2/32", []float64{1, 2, 3, 4, 5}, 1, 5, 0.9375},
		{"six: 1 - 2/64 is enough", []float64{1, 2, 3, 4, 5, 6}, 1, 6, 0.96875},
		// P[T <= 2] = 3/128 leaves 95.3%; P[T <= 3] = 5/128 leaves 92.2%. Of the
		// 28 Walsh averages 1, 1.5, 2, 2, ... the third is 2.
		{"seven leave out two at each end", []float64{1, 2, 3, 4, 5, 6, 7}, 2, 6, 1 - 6.0/128},
	}
	for _, tt := range tests {
		low, high, has := SignedRankInterval(tt.d, 0.95)
		near(t, tt.name+" low", low, tt.low, 1e-15)
		near(t, tt.name+" high", high, tt.high, 1e-15)
		near(t, tt.name+" confidence", has, tt.has, 1e-15)
	}
}

// Asked for no confidence the interval is the narrowest that there is: of 1, 1.5, 2,
// 2, 2.5, 3 two are left out at each end, which leaves 1 - 2 * 3/8.
func TestNarrowestSignedRankInterval(t *testing.T) {
	low, high, has := SignedRankInterval([]float64{1, 2, 3}, 0)
	near(t, "low", low, 2, 0)
	near(t, "high", high, 2, 0)
	near(t, "confidence", has, 0.25, 1e-15)
	if low, high, has = SignedRankInterval([]float64{1, 2, 3}, 0.75); low != 1 || high != 3 || has != 0.75 {
		t.Errorf("just the confidence that there is: %v to %v with %v", low, high, has)
	}
	if low, high, _ = SignedRankInterval([]float64{1, 2, 3}, 0.5); low != 1.5 || high != 2.5 {
		t.Errorf("1 - 2 * 2/8 is enough for 50%%: %v to %v", low, high)
	}
}

// TestSignedRankAgainstEnumeration counts all sign patterns by hand.
func TestSignedRankAgainstEnumeration(t *testing.T) {
	const n = 8
	counts := make([]float64, n*(n+1)/2+1)
	for signs := range 1 << n {
		sum := 0
		for rank := 1; rank <= n; rank++ {
			if signs>>(rank-1)&1 == 1 {
				sum += rank
			}
		}
		counts[sum]++
	}
	running := 0.0
	for sum, got := range signedRankCumulative(n) {
		running += counts[sum] / (1 << n)
		near(t, "P[T <= t]", got, running, 1e-15)
	}
}

// TestStudentQuantile holds the library's against published tables.
func TestStudentQuantile(t *testing.T) {
	tests := []struct {
		p       float64
		freedom int
		want    float64
	}{
		{0.975, 1, 12.7062}, {0.975, 2, 4.30265}, {0.975, 3, 3.18245}, {0.975, 4, 2.77645}, {0.975, 9, 2.26216},
		{0.975, 30, 2.04227}, {0.8, 1, 1.37638}, {0.8, 2, 1.06066}, {0.8, 9, 0.88340}, {0.5, 5, 0},
	}
	for _, tt := range tests {
		near(t, "t", studentQuantile(tt.p, tt.freedom), tt.want, 1e-4)
	}
}

// With one degree of freedom it is Cauchy's distribution, whose quartiles are -1 and 1.
func TestStudentBeyond(t *testing.T) {
	for _, test := range []struct {
		t       float64
		freedom int
		want    float64
	}{
		{0, 1, 1}, {1, 1, 0.5}, {12.7062, 1, 0.05}, {2.77645, 4, 0.05}, {2.04227, 30, 0.05}, {math.Inf(1), 4, 0},
	} {
		near(t, "P[|T| > t]", studentBeyond(test.t, test.freedom), test.want, 1e-5)
	}
}

func TestEstimateCentre(t *testing.T) {
	if e := estimateCentre([]float64{2}, minResolution); e.interval != nil || e.point != 2 || !math.IsNaN(e.detectable) {
		t.Errorf("one block: %+v", e)
	}
	if e := estimateCentre([]float64{1, 2}, minResolution); e.interval != nil || e.point != 1.5 || !math.IsNaN(e.detectable) {
		t.Errorf("two blocks, of which nothing can be found: %+v", e)
	}
	// Mean 2, standard deviation 1, standard error 1/sqrt 3, t(2) = 4.30265.
	e := estimateCentre([]float64{1, 2, 3}, minResolution)
	near(t, "low", e.interval.Low, 2-4.30265/math.Sqrt(3), 1e-5)
	near(t, "high", e.interval.High, 2+4.30265/math.Sqrt(3), 1e-5)
	near(t, "rank confidence", e.interval.RankConfidence, 0.75, 1e-15)
	near(t, "detectable", e.detectable, shifts[3], 1e-15)
	// Six blocks: Student's too, which lies within their range here and need not.
	e = estimateCentre([]float64{1, 2, 3, 4, 5, 6}, minResolution)
	near(t, "six blocks, low", e.interval.Low, 3.5-2.57058*math.Sqrt(3.5/6), 1e-5)
	near(t, "six blocks, confidence", e.interval.Confidence, Confidence, 0)
	// Seven: ranks, which leave out two Walsh averages at each end.
	e = estimateCentre([]float64{1, 2, 3, 4, 5, 6, 7}, minResolution)
	near(t, "seven blocks, low", e.interval.Low, 2, 0)
	near(t, "seven blocks, confidence", e.interval.Confidence, 1-6.0/128, 1e-15)
}

// No scatter is not certainty: an interval is as wide as the figures' resolution
// at the least, and what is told to be detectable wider.
func TestNoIntervalIsOfNoWidth(t *testing.T) {
	for _, blocks := range []int{3, 5, 6, 7, 12} {
		for _, resolution := range []float64{minResolution, 0.03} {
			d := make([]float64, blocks)
			for i := range d {
				d[i] = 0.5
			}
			e := estimateCentre(d, resolution)
			near(t, "low", e.interval.Low, 0.5-resolution, 1e-15)
			near(t, "high", e.interval.High, 0.5+resolution, 1e-15)
			near(t, "detectable", e.detectable, 2*resolution, 1e-15)
		}
	}
	// A scatter that is wider counts alone.
	e := estimateCentre([]float64{1, 2, 3}, 0.1)
	near(t, "low", e.interval.Low, 2-4.30265/math.Sqrt(3), 1e-5)
}

// TestCoverage draws blocks whose truth is known: the intervals must hold it
// about as often as they say.
func TestCoverage(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	const runs = 4000
	for _, blocks := range []int{3, 4, 5, 6, 7, 10} {
		held := 0
		for range runs {
			d := make([]float64, blocks)
			for i := range d {
				d[i] = 0.7 + 0.2*random.NormFloat64()
			}
			if estimateCentre(d, minResolution).interval.holds(0.7) {
				held++
			}
		}
		if share := float64(held) / runs; share < 0.94 || share > 0.985 {
			t.Errorf("%d blocks: the interval held the truth in %.1f%% of %d runs", blocks, share*100, runs)
		}
	}
}
