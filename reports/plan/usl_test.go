// SPDX-License-Identifier: Apache-2.0

package plan

import (
	"math"
	"math/rand/v2"
	"strings"
	"testing"
)

// pointsOf are what a system that follows the law would show.
func pointsOf(l Law, noise float64, concurrencies ...float64) []Point {
	random := rand.New(rand.NewPCG(3, 5))
	var points []Point
	for _, n := range concurrencies {
		x := l.throughput(n) * math.Exp(noise*random.NormFloat64())
		points = append(points, Point{RPS: x, ResponseS: n / x, Requests: 1000})
	}
	return points
}

func TestFitRecoversTheLaw(t *testing.T) {
	wide := []float64{0.5, 1, 2, 4, 8, 16, 24, 32, 48}
	tests := []struct {
		name      string
		law       Law
		noise     float64
		tolerance float64
	}{
		{"sigma and kappa", Law{LambdaRPS: 100, Sigma: 0.05, Kappa: 0.002}, 0, 1e-6},
		{"no crosstalk", Law{LambdaRPS: 40, Sigma: 0.1}, 0, 1e-6},
		{"no queue", Law{LambdaRPS: 40, Kappa: 0.001}, 0, 1e-6},
		{"all is one queue", Law{LambdaRPS: 40, Sigma: 1}, 0, 1e-6},
		{"linear", Law{LambdaRPS: 40}, 0, 1e-6},
		{"noise of 3%", Law{LambdaRPS: 100, Sigma: 0.05, Kappa: 0.002}, 0.03, 0.15},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := Fit(pointsOf(tt.law, tt.noise, wide...))
			if err != nil {
				t.Fatal(err)
			}
			for name, pair := range map[string][2]float64{"lambda": {got.LambdaRPS, tt.law.LambdaRPS},
				"sigma": {got.Sigma, tt.law.Sigma}, "kappa": {got.Kappa, tt.law.Kappa}} {
				if math.Abs(pair[0]-pair[1]) > tt.tolerance*max(pair[1], 1e-3) {
					t.Errorf("%s is %v, want %v", name, pair[0], pair[1])
				}
			}
			if limit := max(1e-6, 2*tt.noise); got.HeldOutError > limit || got.Points != len(wide) {
				t.Errorf("held-out error %v from %d points, want at most %v", got.HeldOutError, got.Points, limit)
			}
		})
	}
}

// manyServers is the mean response time of a queue with so many servers, each of
// service 1 s, at a share of their capacity: Erlang's C.
func manyServers(servers int, load float64) float64 {
	offered := float64(servers) * load
	blocked := 1.0 // Erlang's B, by recursion
	for n := 1; n <= servers; n++ {
		blocked = offered * blocked / (float64(n) + offered*blocked)
	}
	waits := blocked / (1 - load*(1-blocked))
	return 1 + waits/(float64(servers)*(1-load))
}

// The response time that the law gives is off by far more than the throughput
// that it was judged by: throughput is flat where the response time is steep. At
// 95% load it is 0.72 of the truth for 16 servers.
func TestResponseErrorIsTheResponses(t *testing.T) {
	for servers, least := range map[int]float64{1: 0, 4: 0.2, 16: 0.07} {
		var points []Point
		for load := 0.2; load < 0.905; load += 0.1 {
			rps := float64(servers) * load
			points = append(points, Point{RPS: rps, ResponseS: manyServers(servers, load), Requests: rps})
		}
		law, err := Fit(points)
		if err != nil {
			t.Fatal(err)
		}
		worst := 0.0
		for _, p := range points {
			worst = max(worst, law.responseError(p))
		}
		beyond, _ := law.ResponseS(float64(servers) * 0.95)
		t.Logf("%d servers: %+v; off by %.2f where it was fitted; at 95%% %.2f of the truth", servers, law, worst, beyond/manyServers(servers, 0.95))
		if law.WorstResponseError < worst {
			t.Errorf("%d servers: the response time is off by %.3f at a rate that was fitted, and said to be off by %.3f at most", servers, worst, law.WorstResponseError)
		}
		if law.HeldOutResponseError < least || servers > 1 && law.HeldOutResponseError < 1.2*law.HeldOutError {
			t.Errorf("%d servers: response time %.3f off, throughput %.3f: is it the response's error?", servers, law.HeldOutResponseError, law.HeldOutError)
		}
	}
	if got := manyServers(1, 0.9); math.Abs(got-10) > 1e-9 {
		t.Errorf("one server at 90%%: %v, want 10", got)
	}
}

// Measurements that speed up with load can't make a coefficient negative.
func TestFitIsClamped(t *testing.T) {
	for seed := range uint64(200) {
		random := rand.New(rand.NewPCG(seed, 1))
		var points []Point
		for n := 1.0; n < 100; n *= 2 {
			points = append(points, Point{RPS: 30 * math.Pow(n, 1.1) * math.Exp(0.2*random.NormFloat64()), ResponseS: math.Pow(n, -0.1) / 30, Requests: n})
		}
		got, err := Fit(points)
		if err == nil && (got.Sigma < 0 || got.Sigma > 1 || got.Kappa < 0 || !(got.LambdaRPS > 0)) {
			t.Fatalf("seed %d: %+v", seed, got)
		}
	}
}

func TestNoFit(t *testing.T) {
	law := Law{LambdaRPS: 100, Sigma: 0.05, Kappa: 0.002}
	tests := []struct {
		name   string
		points []Point
		want   string
	}{
		{"too few", pointsOf(law, 0, 1, 2, 4, 8), "5 different rates at which the system kept up, there are 4"},
		{"none", nil, "there are 0"},
		{"idle", pointsOf(law, 0, 0.1, 0.2, 0.3, 0.4, 0.5), "at most 0.5 requests were in progress"},
		{"narrow", pointsOf(law, 0, 8, 9, 10, 11, 12), "too narrow"},
		{"chaos", []Point{{10, 1, 1}, {20, 0.05, 1}, {30, 9, 1}, {40, 0.03, 1}, {50, 7, 1}}, "off, more than 25%"},
	}
	for _, tt := range tests {
		if _, err := Fit(tt.points); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: error %v, want %q", tt.name, err, tt.want)
		}
	}
}

func TestPeakAndItsInverse(t *testing.T) {
	tests := []struct {
		law  Law
		peak float64
	}{
		{Law{LambdaRPS: 100, Sigma: 0.1}, 1000},
		{Law{LambdaRPS: 100}, math.Inf(1)},
		{Law{LambdaRPS: 100, Kappa: 0.01}, 100 * 10 / (1 + 0.01*90)},
		{Law{LambdaRPS: 100, Sigma: 1, Kappa: 0.5}, 100},
	}
	for _, tt := range tests {
		if got := tt.law.PeakRPS(); math.Abs(got-tt.peak) > 1e-9 {
			t.Errorf("peak of %+v is %v, want %v", tt.law, got, tt.peak)
		}
		if _, ok := tt.law.ResponseS(tt.peak * 1.01); ok && !math.IsInf(tt.peak, 1) {
			t.Errorf("%+v has a response time beyond its peak", tt.law)
		}
	}
	law := Law{LambdaRPS: 100, Sigma: 0.05, Kappa: 0.002}
	for _, n := range []float64{0.5, 1, 4, 12} {
		x := law.throughput(n)
		if got, ok := law.ResponseS(x); !ok || math.Abs(got-n/x) > 1e-9 {
			t.Errorf("response at %v/s is %v, want %v", x, got, n/x)
		}
	}
}

// noisyPoints are of a system that the law does not quite fit, each with a weight of
// its own.
func noisyPoints() []Point {
	points := pointsOf(Law{LambdaRPS: 100, Sigma: 0.05, Kappa: 0.002}, 0.08, 0.5, 1, 2, 4, 8, 16, 24, 32, 48)
	for i := range points {
		points[i].Requests = float64(100 * (1 + i*i%7))
	}
	return points
}

// Every small change of the best fit makes the sum of the squared relative errors
// larger, each weighted by its requests.
func TestFitIsTheLeastSquares(t *testing.T) {
	points := noisyPoints()
	law, ok := fit(points)
	if !ok || !(law.Sigma > 0) || !(law.Kappa > 0) {
		t.Fatalf("%+v (%v) is not within the bounds", law, ok)
	}
	squares := func(l Law) (sum float64) {
		for _, p := range points {
			n := p.Concurrency()
			sum += p.Requests * math.Pow(n/l.throughput(n)/p.ResponseS-1, 2)
		}
		return sum
	}
	least := squares(law)
	for _, by := range []float64{-1e-3, 1e-3} {
		for name, change := range map[string]func(*Law){
			"lambda": func(l *Law) { l.LambdaRPS *= 1 + by },
			"sigma":  func(l *Law) { l.Sigma *= 1 + by },
			"kappa":  func(l *Law) { l.Kappa *= 1 + by },
		} {
			other := law
			if change(&other); squares(other) <= least {
				t.Errorf("%s times %v: the squares are %v, and %v with the fit", name, 1+by, squares(other), least)
			}
		}
	}
	// A weight of three is three points of one.
	var repeated []Point
	for i, p := range points {
		points[i].Requests = 3
		p.Requests = 1
		repeated = append(repeated, p, p, p)
	}
	once, _ := fit(points)
	thrice, _ := fit(repeated)
	if math.Abs(once.LambdaRPS/thrice.LambdaRPS-1) > 1e-9 || math.Abs(once.Sigma-thrice.Sigma) > 1e-9 || math.Abs(once.Kappa-thrice.Kappa) > 1e-9 {
		t.Errorf("by weight %+v, three times each %+v", once, thrice)
	}
}

// Each rate is left out once; the errors at it weigh as the rate does.
func TestHeldOutErrors(t *testing.T) {
	points := noisyPoints()
	law, err := Fit(points)
	if err != nil {
		t.Fatal(err)
	}
	throughput, response, worst, requests := 0.0, 0.0, 0.0, 0.0
	for i, p := range points {
		var others []Point
		for k, other := range points {
			if k != i {
				others = append(others, other)
			}
		}
		without, _ := fit(others)
		n := p.RPS * p.ResponseS
		x := without.LambdaRPS * n / (1 + without.Sigma*(n-1) + without.Kappa*n*(n-1))
		off := 1.0 // a rate beyond the peak
		if seconds, ok := without.ResponseS(p.RPS); ok {
			off = math.Abs(seconds-p.ResponseS) / p.ResponseS
		}
		throughput += p.Requests * math.Abs(x-p.RPS) / p.RPS
		response += p.Requests * off
		worst, requests = max(worst, off), requests+p.Requests
	}
	agrees(t, "of throughput", law.HeldOutError, throughput/requests, 1e-9)
	agrees(t, "of response", law.HeldOutResponseError, response/requests, 1e-9)
	agrees(t, "the worst", law.WorstResponseError, worst, 1e-9)
	if beyond := (Law{LambdaRPS: 100, Sigma: 1}).responseError(Point{RPS: 200, ResponseS: 1}); beyond != 1 {
		t.Errorf("beyond the peak it is off by %v, want 1", beyond)
	}
	if off := (Law{LambdaRPS: 10}).responseError(Point{RPS: 5, ResponseS: 0.2}); math.Abs(off-0.5) > 1e-12 {
		t.Errorf("100 ms in place of 200: off by %v", off)
	}
}

// At the bounds of what is fitted: one request in progress at most, and a range of
// two.
func TestJustEnoughToFit(t *testing.T) {
	of := func(rps ...float64) []Point {
		var points []Point
		for _, r := range rps {
			points = append(points, Point{RPS: r, ResponseS: 0.125, Requests: 10}) // eighths are exact
		}
		return points
	}
	for name, points := range map[string][]Point{"one in progress": of(1, 2, 4, 6, 8), "a range of two": of(16, 20, 24, 28, 32)} {
		law, err := Fit(points)
		if err != nil || math.Abs(law.LambdaRPS-8) > 1e-9 || law.Sigma != 0 || law.Kappa != 0 || law.HeldOutError > 1e-9 {
			t.Errorf("%s: %+v, %v", name, law, err)
		}
	}
	for name, points := range map[string][]Point{"less than one": of(1, 2, 4, 6, 7.9), "less than two": of(16.1, 20, 24, 28, 32)} {
		if law, err := Fit(points); err == nil {
			t.Errorf("%s: %+v", name, law)
		}
	}
}

// Gauss's elimination, with rows that have to change places and with none that can.
func TestSolve(t *testing.T) {
	for _, test := range []struct {
		a    [3][4]float64
		want [3]float64
		ok   bool
	}{
		{[3][4]float64{{0, 2, 0, 4}, {3, 0, 0, 3}, {0, 0, 4, 12}}, [3]float64{1, 2, 3}, true},
		{[3][4]float64{{2, 1, -1, 1}, {-3, -1, 2, 1}, {-2, 1, 2, 6}}, [3]float64{1, 2, 3}, true},
		{[3][4]float64{{1e-9, 2e-9, 3e-9, 14e-9}, {1e6, 0, 1e6, 4e6}, {0, 1, -1, -1}}, [3]float64{1, 2, 3}, true},
		{[3][4]float64{{1, 2, 3, 6}, {2, 4, 6, 12}, {0, 0, 1, 1}}, [3]float64{}, false},
		{[3][4]float64{{1, 0, 0, 1}, {0, 0, 0, 0}, {0, 0, 1, 1}}, [3]float64{}, false},
		{[3][4]float64{{math.Inf(1), 0, 0, 1}, {0, 1, 0, 0}, {0, 0, 1, 1}}, [3]float64{}, false},
		{[3][4]float64{{math.NaN(), 0, 0, 1}, {0, 1, 0, 0}, {0, 0, 1, 1}}, [3]float64{}, false},
	} {
		got, ok := solve(test.a)
		if ok != test.ok {
			t.Errorf("%v: solved %v", test.a, ok)
		}
		for i := range got {
			if ok && math.Abs(got[i]-test.want[i]) > 1e-9 {
				t.Errorf("%v: %v, want %v", test.a, got, test.want)
			}
		}
	}
}

// Without load there is no response time, nor where all waits in one queue at its
// end.
func TestResponseAtTheEnds(t *testing.T) {
	law := Law{LambdaRPS: 100, Sigma: 0.05, Kappa: 0.002}
	for _, test := range []struct {
		law  Law
		rps  float64
		want float64 // 0: none
	}{
		{law, 0, 0}, {law, -1, 0}, {law, 100, 0.01}, // one request in progress
		{Law{LambdaRPS: 100}, 500, 0.01},
		{Law{LambdaRPS: 100, Sigma: 0.5}, 100, 0.01}, {Law{LambdaRPS: 100, Sigma: 0.5}, 150, 0.02}, {Law{LambdaRPS: 100, Sigma: 0.5}, 200, 0},
	} {
		if got, ok := test.law.ResponseS(test.rps); ok != (test.want > 0) || math.Abs(got-test.want) > 1e-9 {
			t.Errorf("%+v at %v/s: %v (%v), want %v", test.law, test.rps, got, ok, test.want)
		}
	}
}
