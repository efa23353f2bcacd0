// SPDX-License-Identifier: Apache-2.0

package selftest

import (
	"context"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"runtime"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"headroom/harness/search"
	"headroom/scenarios"
)

// Options say how often each system is searched and each pair compared. Seeds
// are 1 to that number.
type Options struct {
	Searches, Pairs int
	Only            string // one system alone; "" is all
}

// Scatters are the standard deviations of ln(capacity) from one fresh start to
// the next that pairs are compared with.
var scatters = []float64{0, 0.03, 0.046}

// planted is the true ratio that a pair is to show.
const planted = 1.10

// Result is what the simulation of one system showed.
type Result struct {
	System   System
	Run      []SearchShares // of a run's searches, by scatter
	URL      SearchShares   // of `headroom capacity --url`
	Pairs    []PairShares   // by scatter
	Searches int
}

// SearchShares counts over the searches of one system. Shares are 0 to 1.
type SearchShares struct {
	Scatter        float64
	Holds          float64 // the printed range holds the truth
	Open           float64 // nothing bounded the range from above
	Low, Mid, High float64 // of point/truth: 5%, median, 95%
	Confirmed      float64 // a soak held
	Soaked         float64 // soaked/truth, median of those confirmed
	FailsAfter     float64 // of those confirmed: the SLO failed in the minute that followed
	NoPoint        float64
}

// PairShares counts over pairs of runs.
type PairShares struct {
	Scatter      float64
	EqualApart   float64 // an equal pair's interval excludes 1
	PlantedHolds float64 // the planted ratio lies in the interval
	PlantedSeen  float64 // the interval lies above 1
	Half         float64 // of the interval, in ln(ratio), median
}

// Simulate searches the systems and compares pairs of them, and calls each with
// every result as it comes.
func Simulate(ctx context.Context, o Options, each func(Result) error) error {
	for _, s := range Systems() {
		if o.Only != "" && o.Only != s.Name {
			continue
		}
		r := Result{System: s, Searches: o.Searches}
		var err error
		if r.URL, err = s.searchURL(ctx, o.Searches); err != nil {
			return err
		}
		for _, scatter := range scatters {
			equal, err := s.runs(ctx, max(o.Searches, o.Pairs), scatter, 1)
			if err != nil {
				return err
			}
			different, err := s.runs(ctx, o.Pairs, scatter, planted)
			if err != nil {
				return err
			}
			r.Run = append(r.Run, s.searchShares(scatter, equal[:o.Searches]))
			r.Pairs = append(r.Pairs, pairShares(scatter, equal[:o.Pairs], different))
		}
		if err := each(r); err != nil {
			return err
		}
	}
	return nil
}

// inParallel calls simulate for the seeds 1 to n.
func inParallel[T any](ctx context.Context, n int, simulate func(random *rand.Rand) T) ([]T, error) {
	out := make([]T, n)
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(runtime.GOMAXPROCS(0))
	for i := range n {
		group.Go(func() error {
			if ctx.Err() == nil {
				out[i] = simulate(rand.New(rand.NewPCG(uint64(i+1), 0x73656c66))) // "self"
			}
			return ctx.Err()
		})
	}
	return out, group.Wait()
}

func (s System) runs(ctx context.Context, n int, scatter, factor float64) ([]found, error) {
	return inParallel(ctx, n, func(random *rand.Rand) found { return s.simulateRun(scatter, factor, random) })
}

// searchTime is how long a simulated `capacity --url` takes.
const searchTime = 3 * time.Minute

func (s System) searchURL(ctx context.Context, n int) (SearchShares, error) {
	type one struct {
		search.Outcome
		fails bool
	}
	all, err := inParallel(ctx, n, func(random *rand.Rand) one {
		out, fails := s.simulateSearch(0, searchTime, random)
		return one{out, fails}
	})
	t := tally{truth: s.TruthRPS}
	for _, o := range all {
		soak, confirmed := o.Confirmed()
		t.add(o.PointRPS, o.LowRPS, o.HighOrInf(), soak.RPS, confirmed, o.fails)
	}
	return t.shares(0), err
}

func (s System) searchShares(scatter float64, runs []found) SearchShares {
	t := tally{truth: s.TruthRPS}
	for _, f := range runs {
		c := f.capacities[scenarios.Before]
		soak, confirmed := c.Confirmed()
		t.add(c.PointRPS, c.LowRPS, c.HighOrInf(), soak.RPS, confirmed, f.failsAfter)
	}
	return t.shares(scatter)
}

// tally counts searches of a system.
type tally struct {
	truth                                      float64
	n, holds, open, confirmed, failed, noPoint float64
	points, soaked                             []float64
}

func (t *tally) add(point, low, high, soakRPS float64, confirmed, failsAfter bool) {
	t.n++
	if low > 0 && low <= t.truth && t.truth <= high {
		t.holds++
	}
	if math.IsInf(high, 1) {
		t.open++
	}
	if point == 0 {
		t.noPoint++
	} else {
		t.points = append(t.points, point/t.truth)
	}
	if !confirmed {
		return
	}
	t.confirmed++
	t.soaked = append(t.soaked, soakRPS/t.truth)
	if failsAfter {
		t.failed++
	}
}

func (t *tally) shares(scatter float64) SearchShares {
	n := max(t.n, 1)
	return SearchShares{Scatter: scatter, Holds: t.holds / n, Open: t.open / n, Low: quantile(t.points, 0.05), Mid: quantile(t.points, 0.5),
		High: quantile(t.points, 0.95), Confirmed: t.confirmed / n, Soaked: quantile(t.soaked, 0.5), FailsAfter: t.failed / max(t.confirmed, 1), NoPoint: t.noPoint / n}
}

func pairShares(scatter float64, equal, different []found) PairShares {
	p := PairShares{Scatter: scatter}
	var halves []float64
	for _, f := range equal {
		if i := f.ratio.Interval; i != nil {
			halves = append(halves, math.Log(i.High/i.Low)/2)
			if i.Low > 1 || i.High < 1 {
				p.EqualApart += 1 / float64(len(equal))
			}
		}
	}
	for _, f := range different {
		if i := f.ratio.Interval; i != nil {
			if i.Low <= planted && planted <= i.High {
				p.PlantedHolds += 1 / float64(len(different))
			}
			if i.Low > 1 {
				p.PlantedSeen += 1 / float64(len(different))
			}
		}
	}
	p.Half = quantile(halves, 0.5)
	return p
}

func quantile(values []float64, q float64) float64 {
	if len(values) == 0 {
		return math.NaN()
	}
	sorted := slices.Sorted(slices.Values(values))
	return sorted[int(math.Round(q*float64(len(sorted)-1)))]
}

// WriteTable writes the results in Markdown.
func WriteTable(w io.Writer, results []Result) error {
	percent := func(share float64) string { return fmt.Sprintf("%.0f", 100*share) }
	out := "| system (truth/s) | way | scatter | range holds truth, % | point/truth p5 median p95 | confirmed, % | soaked/truth | fails in the 60 s after, % |\n|---|---|---:|---:|---|---:|---:|---:|\n"
	for _, r := range results {
		row := func(way string, s SearchShares) {
			out += fmt.Sprintf("| %s %s (%.0f) | %s | %.1f%% | %s | %.2f %.2f %.2f | %s | %.2f | %s |\n", r.System.Name, r.System.Words, r.System.TruthRPS, way, 100*s.Scatter,
				percent(s.Holds), s.Low, s.Mid, s.High, percent(s.Confirmed), s.Soaked, percent(s.FailsAfter))
		}
		row("url", r.URL)
		for _, s := range r.Run {
			row("run", s)
		}
	}
	out += "\n| pair of | scatter | equal: excludes 1, % | 1.10: held, % | 1.10: seen, % | half width, % |\n|---|---:|---:|---:|---:|---:|\n"
	for _, r := range results {
		for _, p := range r.Pairs {
			out += fmt.Sprintf("| %s | %.1f%% | %.1f | %s | %s | %.1f |\n", r.System.Name, 100*p.Scatter, 100*p.EqualApart,
				percent(p.PlantedHolds), percent(p.PlantedSeen), 100*p.Half)
		}
	}
	_, err := io.WriteString(w, out)
	return err
}
