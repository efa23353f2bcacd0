// SPDX-License-Identifier: Apache-2.0

package compare

import (
	"math"
	"slices"

	"gonum.org/v1/gonum/stat/distuv"
)

// Walsh returns the averages of all pairs of d, each value with itself
// included, in ascending order.
func Walsh(d []float64) []float64 {
	averages := make([]float64, 0, len(d)*(len(d)+1)/2)
	for i := range d {
		for j := i; j < len(d); j++ {
			averages = append(averages, (d[i]+d[j])/2)
		}
	}
	slices.Sort(averages)
	return averages
}

// HodgesLehmann estimates the centre of d: the median of its Walsh averages.
// It is NaN for an empty d.
func HodgesLehmann(d []float64) float64 {
	w := Walsh(d)
	if len(w) == 0 {
		return math.NaN()
	}
	return (w[(len(w)-1)/2] + w[len(w)/2]) / 2
}

// SignedRankInterval is the exact Wilcoxon signed-rank interval of d's centre:
// the narrowest that has at least the confidence asked for, else the widest
// that there is, with the confidence that it has. It needs two values.
func SignedRankInterval(d []float64, confidence float64) (low, high, attained float64) {
	w := Walsh(d)
	cumulative := signedRankCumulative(len(d))
	// Leaving out k averages at each end loses 2 P[T <= k].
	cut := 0
	for cut+1 < len(w)/2 && 1-2*cumulative[cut+1] >= confidence {
		cut++
	}
	return w[cut], w[len(w)-1-cut], 1 - 2*cumulative[cut]
}

// signedRankCumulative returns P[T <= t] for every t, where T is the sum of
// the ranks 1..n that got a plus from fair coins. Counted by dynamic
// programming over the ranks.
func signedRankCumulative(n int) []float64 {
	ways := make([]float64, n*(n+1)/2+1)
	ways[0] = 1
	for rank := 1; rank <= n; rank++ {
		for sum := len(ways) - 1; sum >= rank; sum-- {
			ways[sum] += ways[sum-rank]
		}
	}
	total := math.Pow(2, float64(n))
	running := 0.0
	for sum, count := range ways {
		running += count
		ways[sum] = running / total
	}
	return ways
}

// meanAndSD returns the mean and the sample standard deviation of d, which
// must hold at least two values.
func meanAndSD(d []float64) (mean, sd float64) {
	mean = meanOf(d)
	return mean, math.Sqrt(squaresAbout(mean, d) / float64(len(d)-1))
}

func squaresAbout(mean float64, d []float64) float64 {
	squares := 0.0
	for _, x := range d {
		squares += (x - mean) * (x - mean)
	}
	return squares
}

func meanOf(d []float64) float64 {
	sum := 0.0
	for _, x := range d {
		sum += x
	}
	return sum / float64(len(d))
}

// student is Student's t with the given degrees of freedom.
func student(freedom int) distuv.StudentsT {
	return distuv.StudentsT{Mu: 0, Sigma: 1, Nu: float64(freedom)}
}

// studentQuantile is the value that Student's t stays below with probability p,
// 0.5 <= p < 1.
func studentQuantile(p float64, freedom int) float64 { return student(freedom).Quantile(p) }

// studentBeyond is P[|T| > t], for a t of at least 0.
func studentBeyond(t float64, freedom int) float64 { return 2 * student(freedom).Survival(t) }
