// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"math"
	"slices"

	"gonum.org/v1/gonum/stat"
	"gonum.org/v1/gonum/stat/distuv"
)

// deviation is a standard deviation that was pooled over groups, each about its
// own mean.
type deviation struct {
	sd      float64
	freedom float64
}

func pooled(groups [][]float64) deviation {
	squares, d := 0.0, deviation{}
	for _, g := range groups {
		if len(g) < 2 {
			continue
		}
		freedom := float64(len(g) - 1)
		squares += stat.Variance(g, nil) * freedom
		d.freedom += freedom
	}
	if d.freedom > 0 {
		d.sd = math.Sqrt(squares / d.freedom)
	}
	return d
}

// interval is the 95% interval of a standard deviation of what scatters normally.
func (d deviation) interval() (low, high float64) {
	chi := distuv.ChiSquared{K: d.freedom}
	return d.sd * math.Sqrt(d.freedom/chi.Quantile(0.975)), d.sd * math.Sqrt(d.freedom/chi.Quantile(0.025))
}

func (d deviation) text() string {
	low, high := d.interval()
	return fmt.Sprintf("%.1f%% (%.1f-%.1f%%, %.0f degrees of freedom)", 100*d.sd, 100*low, 100*high, d.freedom)
}

// median is the middle value, or the mean of the two in the middle; NaN of none.
func median(values []float64) float64 {
	if len(values) == 0 {
		return math.NaN()
	}
	sorted := slices.Sorted(slices.Values(values))
	return (sorted[(len(sorted)-1)/2] + sorted[len(sorted)/2]) / 2
}
