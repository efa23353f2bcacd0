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

// TestStudentQuantile holds the closed form against published tables.
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

func TestMaxT(t *testing.T) {
	// All blocks of the first row agree: only it and its mirror image are as
	// extreme, 2 of 8. The second row's |sum of ranks| is 0 (1 + 2 - 3), which
	// any flip equals.
	got := maxT([][]float64{{0.1, 0.2, 0.3}, {0.1, 0.2, -0.3}})
	near(t, "clear row", got[0], 2.0/8+2.0/8, 1e-15) // the second row lines up under two other flips
	near(t, "balanced row", got[1], 1, 1e-15)
	alone := maxT([][]float64{{0.1, 0.2, 0.3}})
	near(t, "alone", alone[0], 0.25, 1e-15)
	if maxT(nil) != nil || maxT([][]float64{make([]float64, mostEnumerated+1)}) != nil {
		t.Error("nothing and too many blocks must give nothing")
	}
}

func TestEstimateCentre(t *testing.T) {
	if e := estimateCentre([]float64{2}); e.interval != nil || e.point != 2 || !math.IsNaN(e.detectable) {
		t.Errorf("one block: %+v", e)
	}
	if e := estimateCentre([]float64{1, 2}); e.interval != nil || e.point != 1.5 {
		t.Errorf("two blocks: %+v", e)
	}
	// Mean 2, standard deviation 1, standard error 1/sqrt 3, t(2) = 4.30265.
	e := estimateCentre([]float64{1, 2, 3})
	near(t, "low", e.interval.Low, 2-4.30265/math.Sqrt(3), 1e-5)
	near(t, "high", e.interval.High, 2+4.30265/math.Sqrt(3), 1e-5)
	near(t, "rank confidence", e.interval.RankConfidence, 0.75, 1e-15)
	near(t, "detectable", e.detectable, (4.30265+1.06066)/math.Sqrt(3), 1e-5)
	e = estimateCentre([]float64{1, 2, 3, 4, 5, 6})
	near(t, "six blocks, low", e.interval.Low, 1, 0)
	near(t, "six blocks, confidence", e.interval.Confidence, 0.96875, 1e-15)
	e = estimateCentre([]float64{0.5, 0.5, 0.5})
	if e.interval.Low != 0.5 || e.interval.High != 0.5 || e.detectable != 0 {
		t.Errorf("no scatter: %+v %v", e.interval, e.detectable)
	}
}

// TestCoverage draws blocks whose truth is known: the intervals must hold it
// about as often as they say.
func TestCoverage(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	const runs = 4000
	for _, blocks := range []int{3, 4, 6, 10} {
		held := 0
		for range runs {
			d := make([]float64, blocks)
			for i := range d {
				d[i] = 0.7 + 0.2*random.NormFloat64()
			}
			if i := estimateCentre(d).interval; i.Low <= 0.7 && 0.7 <= i.High {
				held++
			}
		}
		if share := float64(held) / runs; share < 0.94 || share > 0.985 {
			t.Errorf("%d blocks: the interval held the truth in %.1f%% of %d runs", blocks, share*100, runs)
		}
	}
}
