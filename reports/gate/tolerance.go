package gate

import (
	"errors"
	"fmt"
	"math"
	"slices"

	"gonum.org/v1/gonum/stat/distuv"
)

// alarms is how often a baseline's measured tolerances may be exceeded by chance
// in one gate, all of its metrics together.
const alarms = 0.01

// Merge makes a baseline's lines of several counted runs that are equal, each
// with what its values differed by. What is exact and agreed has no tolerance.
// It needs two runs.
func Merge(runs []Counts) ([]Count, error) {
	if len(runs) < 2 {
		return nil, errors.New("one run tells no tolerance: at least two are needed")
	}
	rows, err := rowsOf(runs)
	if err != nil {
		return nil, err
	}
	scattered := 0
	for _, r := range rows {
		if r.loose() {
			scattered++
		}
	}
	out := make([]Count, 0, len(rows))
	for _, s := range sources {
		var mine []row
		for _, r := range rows {
			if r.Metric == s.key {
				mine = append(mine, r)
			}
		}
		out = append(out, withTolerance(mine, len(runs), scattered)...)
	}
	slices.SortFunc(out, sameMetric)
	return out, nil
}

// row is one metric's value in every run.
type row struct {
	Count
	values []float64
}

func rowsOf(runs []Counts) ([]row, error) {
	values := map[Count][]float64{}
	for i, run := range runs {
		for at, why := range run.problems {
			return nil, fmt.Errorf("%s, %s: %s", at.variant, at.endpoint, why)
		}
		for _, m := range run.metrics {
			if values[m.id()] == nil {
				values[m.id()] = make([]float64, len(runs)) // what a run does not have was 0 there
			}
			values[m.id()][i] = m.Value
		}
	}
	var rows []row
	for id, v := range values {
		r := row{id, v}
		mean, _ := meanAndSD(v)
		r.Value = round(mean)
		rows = append(rows, r)
	}
	slices.SortFunc(rows, func(a, b row) int { return sameMetric(a.Count, b.Count) })
	return rows, nil
}

func (r row) spread() float64 { return slices.Max(r.values) - slices.Min(r.values) }

// loose says that the row has a tolerance: its source is not exact, or its runs
// disagreed all the same.
func (r row) loose() bool {
	s, _ := sourceOf(r.Metric)
	return !s.exact || r.spread() > 0
}

// lent is how many degrees of freedom the source's scatter lends to each row's
// own: three or four runs alone can be alike by chance.
const lent = 4

// withTolerance gives the rows of one source their tolerance: a prediction
// interval for one more run. A row's relative variance is its own and the
// source's mean one, weighted by their degrees of freedom (a moderated t: Smyth,
// "Linear models and empirical Bayes methods", 2004, with its prior's weight
// fixed).
func withTolerance(rows []row, runs, scattered int) []Count {
	own, n, source := float64(runs-1), 0.0, 0.0
	for _, r := range rows {
		if r.loose() && r.Value > 0 {
			source += r.variance()
			n++
		}
	}
	source /= max(n, 1)
	student := distuv.StudentsT{Mu: 0, Sigma: 1, Nu: own + lent}
	reach := student.Quantile(1-alarms/float64(2*max(scattered, 1))) * math.Sqrt(1+1/float64(runs))
	out := make([]Count, 0, len(rows))
	for _, r := range rows {
		if r.loose() {
			variance := (own*r.variance() + lent*source) / (own + lent)
			r.Within = coarse(max(reach*math.Sqrt(variance)*r.Value, r.spread()))
		}
		out = append(out, r.Count)
	}
	return out
}

// variance of the row's values, as a share of their mean squared.
func (r row) variance() float64 {
	mean, sd := meanAndSD(r.values)
	if mean == 0 {
		return 0
	}
	return sd * sd / (mean * mean)
}

// coarse rounds up to three digits: a tolerance is no more exact, and a diff is
// read by people.
func coarse(v float64) float64 {
	if !(v > 0) {
		return 0
	}
	unit := math.Pow(10, math.Floor(math.Log10(v))-2)
	return round(math.Ceil(v/unit) * unit)
}
