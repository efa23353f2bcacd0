// SPDX-License-Identifier: Apache-2.0

package gate

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"slices"

	"gonum.org/v1/gonum/stat/distuv"
)

// falseAlarmRate is how often a baseline's measured tolerances may be exceeded by chance
// in one gate, all of its metrics together.
const falseAlarmRate = 0.01

// Changes says what renewing did to a baseline's lines.
type Changes struct{ Changed, New, Gone, Kept int }

func (c Changes) String() string {
	return fmt.Sprintf("%d metrics changed, %d new, %d gone, %d kept", c.Changed, c.New, c.Gone, c.Kept)
}

// Renew makes a baseline's lines of several counted runs that are equal, two at
// the least, each with what its values differed by; what is exact and agreed has
// no tolerance. A tolerance that is too large to be of use is an error.
//
// An old line stays as it is where every run's value lies within its tolerance. Written
// anew, the line would move a little each time, its tolerance would shrink to that of
// some lucky runs, and a diff would show what nobody changed. A line whose tolerance is
// too large is written anew; fresh renews all lines.
func Renew(old []Count, runs []Counts, fresh bool) ([]Count, Changes, error) {
	var changes Changes
	rows, err := mergeRows(runs)
	if err != nil {
		return nil, changes, err
	}
	before := map[Count]Count{}
	for _, m := range old {
		before[m.id()] = m
	}
	var out, anew []Count
	for _, r := range rows {
		was, known := before[r.id()]
		delete(before, r.id())
		switch {
		case !known:
			changes.New++
			anew = append(anew, r.Count)
		case was == r.Count:
			changes.Kept++
			anew = append(anew, r.Count)
		case !fresh && r.within(was) && !was.tooWide():
			changes.Kept++
			out = append(out, was)
		default:
			changes.Changed++
			anew = append(anew, r.Count)
		}
	}
	changes.Gone = len(before)
	out = append(out, anew...)
	slices.SortFunc(out, sameMetric)
	return out, changes, tooWideOf(anew)
}

// row is one metric's value in every run.
type row struct {
	Count
	values []float64
}

// mergeRows are the metrics of the runs with their tolerances, sorted.
func mergeRows(runs []Counts) ([]row, error) {
	if len(runs) < 2 {
		return nil, errors.New("one run tells no tolerance: at least two are needed")
	}
	rows, err := rowsOf(runs)
	if err != nil {
		return nil, err
	}
	scattered := 0
	for _, r := range rows {
		if r.toleranced() {
			scattered++
		}
	}
	of := map[string][]row{}
	for _, r := range rows {
		of[r.Metric] = append(of[r.Metric], r)
	}
	rows = rows[:0:0]
	for _, mine := range of {
		rows = append(rows, withTolerance(mine, runs[0].requests, len(runs), scattered)...)
	}
	slices.SortFunc(rows, func(a, b row) int { return sameMetric(a.Count, b.Count) })
	return rows, nil
}

func rowsOf(runs []Counts) ([]row, error) {
	values := map[Count][]float64{}
	for i, run := range runs {
		if err := run.incomplete(); err != nil {
			return nil, err
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

// incomplete is an error when an endpoint has no counts, or lacks those of a
// process that was there.
func (c Counts) incomplete() error {
	var lacks []string
	for at, why := range c.problems {
		lacks = append(lacks, fmt.Sprintf("%s: %s", at, why))
	}
	for at, sources := range c.unread {
		for key, why := range sources {
			lacks = append(lacks, fmt.Sprintf("%s: %s: %s", at, key, why))
		}
	}
	if len(lacks) == 0 {
		return nil
	}
	return errors.New(slices.Min(lacks))
}

func (r row) spread() float64 { return slices.Max(r.values) - slices.Min(r.values) }

// toleranced says that the row has a tolerance: its source is not exact, or its runs
// disagreed all the same.
func (r row) toleranced() bool {
	s, _ := sourceOf(r.Metric)
	return !s.exact || r.spread() > 0
}

// within says that every run's value lies within the tolerance of a line.
func (r row) within(line Count) bool {
	room := line.Within + rounding
	return slices.Max(r.values) <= line.Value+room && slices.Min(r.values) >= line.Value-room
}

const (
	// priorFreedom is how many degrees of freedom the source's scatter lends to each row's
	// own: three or four runs alone can be alike by chance.
	priorFreedom = 4
	// minCounted is how much a row must count in a run for its scatter to be lent: of a
	// few events one more is a large share, and says nothing of other rows.
	minCounted = 10
)

// withTolerance gives the rows of one source their tolerance: a prediction
// interval for one more run. A row's relative variance is its own and the
// source's median one, weighted by their degrees of freedom (a moderated t: Smyth,
// "Linear models and empirical Bayes methods", 2004, with its prior's weight
// fixed), and never less than its own. The median and not the mean: one row that
// scatters is to widen no other. Where most rows of a source that is not exact
// agree, the source's least share is what they are allowed.
func withTolerance(rows []row, requests, runs, scattered int) []row {
	s, own := source{}, float64(runs-1)
	var variances []float64
	for _, r := range rows {
		s, _ = sourceOf(r.Metric)
		if r.toleranced() && r.Value*float64(requests) >= minCounted {
			variances = append(variances, r.variance())
		}
	}
	prior := median(variances)
	student := distuv.StudentsT{Mu: 0, Sigma: 1, Nu: own + priorFreedom}
	reach := student.Quantile(1-falseAlarmRate/float64(2*max(scattered, 1))) * math.Sqrt(1+1/float64(runs))
	for i := range rows {
		r := &rows[i]
		if !r.toleranced() {
			continue
		}
		variance := max(r.variance(), (own*r.variance()+priorFreedom*prior)/(own+priorFreedom))
		r.Within = roundUp(max(reach*math.Sqrt(variance)*r.Value, r.spread(), s.least*r.Value))
		r.Value = roundLike(r.Value, r.Within)
	}
	return rows
}

// median is the middle value, or the mean of the two in the middle; 0 of none.
func median(values []float64) float64 {
	if len(values) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(values))
	half := len(sorted) / 2
	if len(sorted)%2 == 1 {
		return sorted[half]
	}
	return (sorted[half-1] + sorted[half]) / 2
}

// variance of the row's values, as a share of their mean squared.
func (r row) variance() float64 {
	mean, sd := meanAndSD(r.values)
	if mean == 0 {
		return 0
	}
	return sd * sd / (mean * mean)
}

// roundUp rounds up to three digits: a tolerance is no more exact, and a diff is
// read by people.
func roundUp(v float64) float64 {
	if !(v > 0) {
		return 0
	}
	unit := unitOfDigits(v)
	return round(math.Ceil(v/unit-1e-9) * unit) // less what dividing adds
}

// roundLike rounds a value to the digits that its tolerance has.
func roundLike(v, within float64) float64 {
	if !(within > 0) {
		return v
	}
	unit := unitOfDigits(within)
	return round(math.Round(v/unit) * unit)
}

// unitOfDigits is that of the third digit of v.
func unitOfDigits(v float64) float64 { return math.Pow(10, math.Floor(math.Log10(v))-2) }

// A tolerance is of no use where an N+1 or a lost index would fit into it, and
// equal runs that differ so much have a cause that can be found.
const (
	maxShare      = 0.10 // of the value, a tolerance may be
	maxExactShare = 0.03 // where two runs should agree to the digit
	// smallTolerance, by request, is never too large, where a source has no floor
	// of its own: 5 more of 100 requests.
	smallTolerance = 0.05
)

// tooWide says that the line's tolerance is too large to be of use.
func (c Count) tooWide() bool {
	s, _ := sourceOf(c.Metric)
	share, floor := maxShare, smallTolerance
	if s.exact {
		share = maxExactShare
	}
	share, floor = cmp.Or(s.most, share), cmp.Or(s.floor, floor)
	return c.Within > share*c.Value && c.Within > floor
}

// tooWideOf is an error that names the lines whose tolerances are too large.
func tooWideOf(lines []Count) error {
	const most = 5 // named
	var errs []error
	n := 0
	for _, c := range lines {
		if !c.tooWide() {
			continue
		}
		if n++; n <= most {
			errs = append(errs, fmt.Errorf("%s: equal runs differ so much that its tolerance would be %.0f%%: find out why, or raise --runs", c.name(), 100*c.Within/c.Value))
		}
	}
	if n > most {
		errs = append(errs, fmt.Errorf("and %d more such metrics", n-most))
	}
	return errors.Join(errs...)
}
