// SPDX-License-Identifier: Apache-2.0

package plan

import (
	"fmt"
	"math"
	"slices"
)

// Point is one rate at which a system was measured and kept up.
type Point struct {
	RPS       float64 // answered
	ResponseS float64 // mean response time
	Requests  float64 // behind both: the point's weight
}

// Concurrency is how many requests were in progress on average: Little's law.
func (p Point) Concurrency() float64 { return p.RPS * p.ResponseS }

// Law is the Universal Scalability Law of N. Gunther: with N requests in
// progress a system answers
//
//	X(N) = lambda N / (1 + sigma (N-1) + kappa N (N-1))
//
// requests/s. Sigma is the share of work that waits in one queue, kappa the
// price of keeping each two requests in step. Neither is below 0.
type Law struct {
	LambdaRPS float64 `json:"lambda_rps"`
	Sigma     float64 `json:"sigma"`
	Kappa     float64 `json:"kappa"`
	Points    int     `json:"points"` // rates that it was fitted to
	// HeldOutError is the mean relative error of throughput at a rate that the
	// fit did not see: each rate was left out once, and weighs as in the fit.
	HeldOutError float64 `json:"held_out_error"`
	// HeldOutResponseError is the same of the mean response time that the law
	// gives for the rate, and WorstResponseError the largest one. Where
	// throughput is flat the response time is steep: it is off by far more. A
	// rate that the law takes to be beyond the peak counts as 1.
	HeldOutResponseError float64 `json:"held_out_response_error"`
	WorstResponseError   float64 `json:"worst_held_out_response_error"`
}

// Needs of a fit.
const (
	minPoints       = 5    // three numbers are sought, so two are left to contradict
	minConcurrency  = 1    // below, no request ever waits for another
	minSpread       = 2    // largest concurrency over the smallest
	maxHeldOutError = 0.25 // a law that is further off says nothing
)

// Fit finds the law by least squares on the relative errors, weighted by the
// requests behind each, or says why it can't. By Little's law the response time is
//
//	R(N) = N / X(N) = u + b N + c N (N-1),  lambda = 1/(u+b), sigma = b/(u+b), kappa = c/(u+b)
//
// which is linear, so that sigma >= 0 and kappa >= 0 become u, b, c >= 0 and
// the best fit is found exactly.
func Fit(points []Point) (Law, error) {
	if len(points) < minPoints {
		return Law{}, fmt.Errorf("it takes %d different rates at which the system kept up, there are %d", minPoints, len(points))
	}
	low, high := math.Inf(1), 0.0
	for _, p := range points {
		low, high = min(low, p.Concurrency()), max(high, p.Concurrency())
	}
	switch {
	case high < minConcurrency:
		return Law{}, fmt.Errorf("at most %.2g requests were in progress on average: too few to wait for one another", high)
	case high < minSpread*low:
		return Law{}, fmt.Errorf("between %.3g and %.3g requests were in progress: too narrow a range", low, high)
	}
	law, ok := fit(points)
	if !ok {
		return Law{}, fmt.Errorf("the %d rates do not determine it", len(points))
	}
	requests := 0.0
	for i := range points {
		without, ok := fit(slices.Delete(slices.Clone(points), i, i+1))
		if !ok {
			return Law{}, fmt.Errorf("the %d rates do not determine it once one is left out", len(points))
		}
		off := math.Abs(without.throughput(points[i].Concurrency())/points[i].RPS - 1)
		slow := without.responseError(points[i])
		law.HeldOutError += points[i].Requests * off
		law.HeldOutResponseError += points[i].Requests * slow
		law.WorstResponseError = max(law.WorstResponseError, slow)
		requests += points[i].Requests
	}
	law.HeldOutError /= requests
	law.HeldOutResponseError /= requests
	if law.HeldOutError > maxHeldOutError {
		return Law{}, fmt.Errorf("at rates left out it is %.1f%% off, more than %.0f%%", law.HeldOutError*100, maxHeldOutError*100)
	}
	return law, nil
}

// responseError is the relative error of the law's response time at the point's rate.
func (l Law) responseError(p Point) float64 {
	seconds, ok := l.ResponseS(p.RPS)
	if !ok {
		return 1
	}
	return math.Abs(seconds/p.ResponseS - 1)
}

// fit tries every set of coefficients that may be above 0, the others being 0,
// and keeps the best that has none below: with three this is exact and short.
func fit(points []Point) (Law, bool) {
	best, bestError := [3]float64{}, math.Inf(1)
	for set := 1; set < 8; set++ {
		c, ok := leastSquares(points, set)
		if !ok || slices.Min(c[:]) < 0 || !(c[0]+c[1] > 0) {
			continue
		}
		squares := 0.0
		for _, p := range points {
			basis := basisAt(p.Concurrency())
			predicted := c[0]*basis[0] + c[1]*basis[1] + c[2]*basis[2]
			squares += p.Requests * math.Pow(predicted/p.ResponseS-1, 2)
		}
		// A coefficient that adds nothing stays out.
		if squares < bestError*(1-1e-9)-1e-12 {
			best, bestError = c, squares
		}
	}
	if math.IsInf(bestError, 1) {
		return Law{}, false
	}
	one := best[0] + best[1]
	return Law{LambdaRPS: 1 / one, Sigma: best[1] / one, Kappa: best[2] / one, Points: len(points)}, true
}

func basisAt(n float64) [3]float64 { return [3]float64{1, n, n * (n - 1)} }

// leastSquares solves the normal equations for the coefficients in set, a bit
// each; false when they have no one solution.
func leastSquares(points []Point, set int) ([3]float64, bool) {
	var a [3][4]float64
	for i := range 3 {
		if set&(1<<i) == 0 {
			a[i][i] = 1 // its coefficient is 0
		}
	}
	for _, p := range points {
		basis := basisAt(p.Concurrency())
		for i := range 3 {
			for j := range 3 {
				if set&(1<<i) != 0 && set&(1<<j) != 0 {
					a[i][j] += p.Requests * basis[i] * basis[j] / (p.ResponseS * p.ResponseS)
				}
			}
			if set&(1<<i) != 0 {
				a[i][3] += p.Requests * basis[i] / p.ResponseS
			}
		}
	}
	return solve(a)
}

// solve is Gauss's elimination of three equations, the right side last.
func solve(a [3][4]float64) ([3]float64, bool) {
	for i := range 3 {
		// Columns differ by orders of magnitude; each is brought to its own size.
		size := max(math.Abs(a[i][0]), math.Abs(a[i][1]), math.Abs(a[i][2]))
		if !(size > 0) || math.IsInf(size, 0) {
			return [3]float64{}, false
		}
		for j := range 4 {
			a[i][j] /= size
		}
	}
	for i := range 3 {
		pivot := i
		for k := i + 1; k < 3; k++ {
			if math.Abs(a[k][i]) > math.Abs(a[pivot][i]) {
				pivot = k
			}
		}
		a[i], a[pivot] = a[pivot], a[i]
		if math.Abs(a[i][i]) < 1e-13 {
			return [3]float64{}, false
		}
		for k := range 3 {
			if k == i {
				continue
			}
			factor := a[k][i] / a[i][i]
			for j := i; j < 4; j++ {
				a[k][j] -= factor * a[i][j]
			}
		}
	}
	return [3]float64{a[0][3] / a[0][0], a[1][3] / a[1][1], a[2][3] / a[2][2]}, true
}

func (l Law) throughput(n float64) float64 {
	return l.LambdaRPS * n / (1 + l.Sigma*(n-1) + l.Kappa*n*(n-1))
}

// PeakRPS is the most that the law lets the system answer: at
// N = sqrt((1-sigma)/kappa), or in the limit when kappa is 0. It is +Inf when
// nothing bounds it.
func (l Law) PeakRPS() float64 {
	switch {
	case l.Kappa > 0:
		return l.throughput(max(1, math.Sqrt((1-l.Sigma)/l.Kappa)))
	case l.Sigma > 0:
		return l.LambdaRPS / l.Sigma
	}
	return math.Inf(1)
}

// ResponseS is the mean response time at a rate, by Little's law and the
// smaller root of rate = X(N); false beyond the peak.
func (l Law) ResponseS(rps float64) (float64, bool) {
	// kappa r N^2 + ((sigma - kappa) r - lambda) N + (1 - sigma) r = 0
	a, b, c := l.Kappa*rps, (l.Sigma-l.Kappa)*rps-l.LambdaRPS, (1-l.Sigma)*rps
	root := b*b - 4*a*c
	if !(rps > 0) || root < 0 || b >= 0 {
		return 0, false
	}
	n := 2 * c / (-b + math.Sqrt(root))
	return n / rps, n > 0
}
