// SPDX-License-Identifier: Apache-2.0

package schedule

import (
	"math"
	"slices"
	"strings"
	"testing"
	"time"
)

func mustNew(t testing.TB, arrivals string, rateRPS float64, seed uint64) *Schedule {
	t.Helper()
	s, err := New(arrivals, rateRPS, seed)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestConstantAt(t *testing.T) {
	for _, test := range []struct {
		rateRPS float64
		k       uint64
		want    time.Duration
	}{
		{1, 0, 0},
		{1, 1, time.Second},
		{1000, 1, time.Millisecond},
		{1000, 999, 999 * time.Millisecond},
		{10_000, 36_000_000, time.Hour}, // no drift over an hour
		{3, 1, 333_333_333 * time.Nanosecond},
		{3, 3, time.Second},
		{0.1, 6, time.Minute},
		{2.5, 5, 2 * time.Second},
		{1e-10, 1, math.MaxInt64}, // beyond what a Duration holds
	} {
		if got := mustNew(t, Constant, test.rateRPS, 1).At(test.k); got != test.want {
			t.Errorf("request %d at %v/s is due at %v, want %v", test.k, test.rateRPS, got, test.want)
		}
	}
}

func TestNewRefuses(t *testing.T) {
	for _, test := range []struct {
		arrivals string
		rateRPS  float64
		says     string
	}{
		{"uniform", 1, `"uniform"`},
		{Poisson, 0, "above 0"},
		{Constant, -1, "above 0"},
		{Poisson, math.NaN(), "above 0"},
		{Constant, math.Inf(1), "finite"},
	} {
		if _, err := New(test.arrivals, test.rateRPS, 1); err == nil || !strings.Contains(err.Error(), test.says) {
			t.Errorf("New(%q, %v) says %v, not %q", test.arrivals, test.rateRPS, err, test.says)
		}
	}
}

// The gaps of a Poisson schedule are exponential: Kolmogorov and Smirnov's
// test, at a level of 1 in 1,000. The seeds are fixed, so it either always
// passes or never.
func TestPoissonGapsAreExponential(t *testing.T) {
	const n, rateRPS = 50_000, 1000
	for seed := range uint64(8) {
		s := mustNew(t, Poisson, rateRPS, seed)
		gaps := make([]float64, n)
		before := time.Duration(0)
		for k := range gaps {
			at := s.At(uint64(k))
			gaps[k] = (at - before).Seconds()
			before = at
		}
		checkIndependent(t, gaps, 1.0/rateRPS)
		slices.Sort(gaps)
		var distance float64
		for i, gap := range gaps {
			model := -math.Expm1(-gap * rateRPS)
			distance = max(distance, math.Abs(model-float64(i)/n), math.Abs(model-float64(i+1)/n))
		}
		if limit := 1.95 / math.Sqrt(n); distance > limit {
			t.Errorf("seed %d: the gaps are %.5f away from exponential; the limit is %.5f", seed, distance, limit)
		}
	}
}

// checkIndependent fails when a gap tells of the next one.
func checkIndependent(t *testing.T, gaps []float64, mean float64) {
	t.Helper()
	for lag := 1; lag <= 3; lag++ {
		var sum float64
		for i := lag; i < len(gaps); i++ {
			sum += (gaps[i] - mean) * (gaps[i-lag] - mean)
		}
		if r := sum / float64(len(gaps)) / (mean * mean); math.Abs(r) > 4/math.Sqrt(float64(len(gaps))) {
			t.Errorf("gaps %d apart are correlated: %.4f", lag, r)
		}
	}
}

func TestPoissonCountsPerSecondVaryAsTheyShould(t *testing.T) {
	const seconds, rateRPS = 2000, 100
	s := mustNew(t, Poisson, rateRPS, 11)
	counts := make([]float64, seconds)
	for k := uint64(0); ; k++ {
		second := int(s.At(k) / time.Second)
		if second >= seconds {
			break
		}
		counts[second]++
	}
	var sum, squares float64
	for _, c := range counts {
		sum += c
		squares += (c - rateRPS) * (c - rateRPS)
	}
	if mean := sum / seconds; math.Abs(mean-rateRPS) > 4*math.Sqrt(rateRPS/float64(seconds)) {
		t.Errorf("%.2f requests a second, want %d", mean, rateRPS)
	}
	// A Poisson count's variance is its mean.
	if dispersion := squares / seconds / rateRPS; math.Abs(dispersion-1) > 4*math.Sqrt(2.0/seconds) {
		t.Errorf("the variance of the counts is %.3f of their mean, want 1", dispersion)
	}
}

func TestAtIsPure(t *testing.T) {
	const n = 3*checkpointEvery + 100
	forward := mustNew(t, Poisson, 5000, 42)
	want := make([]time.Duration, n)
	for k := range want {
		want[k] = forward.At(uint64(k))
		if k > 0 && want[k] < want[k-1] {
			t.Fatalf("request %d is due before request %d", k, k-1)
		}
	}
	jumping := mustNew(t, Poisson, 5000, 42)
	for _, k := range []uint64{n - 1, 0, checkpointEvery, checkpointEvery - 1, 2*checkpointEvery + 7, 5, 5, n - 1, 3 * checkpointEvery} {
		if got := jumping.At(k); got != want[k] {
			t.Errorf("asked out of order, request %d is due at %v, else at %v", k, got, want[k])
		}
	}
	if other := mustNew(t, Poisson, 5000, 43).At(0); other == want[0] {
		t.Error("another seed has the same first arrival")
	}
}

func TestPoissonMemoryIsItsCheckpoints(t *testing.T) {
	const k, rateRPS = 3_600_000, 10_000
	s := mustNew(t, Poisson, rateRPS, 1)
	at := s.At(k)
	if want := 1 + k/checkpointEvery; len(s.checkpoints) != want {
		t.Errorf("%d requests keep %d sums, want %d", k, len(s.checkpoints), want)
	}
	if want := float64(k) / rateRPS; math.Abs(at.Seconds()-want) > 4*math.Sqrt(k)/rateRPS {
		t.Errorf("request %d is due at %v, want about %v s", k, at, want)
	}
}

func BenchmarkPoissonAt(b *testing.B) {
	s := mustNew(b, Poisson, 10_000, 1)
	for k := range uint64(b.N) {
		s.At(k)
	}
}
