package selftest

import (
	"context"
	"fmt"
	"io"
	"math"
	"math/rand/v2"

	"headroom/reports/gate"
)

// Noise is how the blocks' D of simulated gates scatter.
type Noise struct {
	Name string
	SD   float64
	// Tails of Student's t with that many degrees of freedom, scaled to SD; 0 is
	// normal.
	Tails int
	// Carry is the correlation from one block to the next, Run the part of the
	// standard deviation that a whole run shares.
	Carry, Run float64
	Metrics    int
}

// GateNoises are the rows of docs/truth.md.
func GateNoises() []Noise {
	var out []Noise
	for _, metrics := range []int{1, 3} {
		for _, sd := range []float64{0.025, 0.035, 0.044, 0.057, 0.085} {
			out = append(out, Noise{Name: "normal", SD: sd, Metrics: metrics})
		}
		out = append(out,
			Noise{Name: "tails of t3", SD: 0.035, Tails: 3, Metrics: metrics},
			Noise{Name: "each block carries half of the last", SD: 0.044, Carry: 0.5, Metrics: metrics},
			Noise{Name: "a quarter of it is the run's", SD: 0.044, Run: 0.25, Metrics: metrics})
	}
	return out
}

// GateShares are what became of simulated gates, 0 to 1, and how many blocks
// they took.
type GateShares struct {
	Alarm, Pass, Open, Blocks float64
}

// GateResult is what one noise makes of equal sides, and of planted regressions
// of the first metric.
type GateResult struct {
	Noise
	Equal, By5, By10, By20 GateShares
}

// SimulateGates plays n gates of each noise and regression, and hands on each
// result as it comes.
func SimulateGates(ctx context.Context, n int, each func(GateResult) error) error {
	for _, noise := range GateNoises() {
		r := GateResult{Noise: noise}
		for planted, into := range map[float64]*GateShares{1: &r.Equal, 1.05: &r.By5, 1.10: &r.By10, 1.20: &r.By20} {
			all, err := inParallel(ctx, n, func(random *rand.Rand) GateShares { return noise.gate(math.Log(planted), random) })
			if err != nil {
				return err
			}
			*into = meanShares(all)
		}
		if err := each(r); err != nil {
			return err
		}
	}
	return nil
}

func meanShares(all []GateShares) (mean GateShares) {
	n := float64(len(all))
	for _, one := range all {
		mean.Alarm += one.Alarm / n
		mean.Pass += one.Pass / n
		mean.Open += one.Open / n
		mean.Blocks += one.Blocks / n
	}
	return mean
}

// gate plays one gate with a regression of the first metric.
func (n Noise) gate(shift float64, random *rand.Rand) GateShares {
	draws := make([]func() float64, n.Metrics)
	for i := range draws {
		draws[i] = n.draws(random)
	}
	return playGate(n.Metrics, func() []float64 {
		d := make([]float64, n.Metrics)
		for i, draw := range draws {
			d[i] = draw()
		}
		d[0] += shift
		return d
	})
}

// playGate plays a gate, block by block, as the command does.
func playGate(metrics int, next func() []float64) GateShares {
	series := make([]gate.Series, metrics)
	for block := 1; ; block++ {
		for i, d := range next() {
			series[i].D = append(series[i].D, d)
		}
		timed := gate.Decide(series)
		if !gate.Finished(timed, block) {
			continue
		}
		out := GateShares{Pass: 1, Blocks: float64(block)}
		for _, t := range timed {
			switch t.Status {
			case gate.StatusRegression:
				return GateShares{Alarm: 1, Blocks: float64(block)}
			case gate.StatusSame:
			default:
				out.Pass, out.Open = 0, 1
			}
		}
		return out
	}
}

// draws returns a source of one metric's D in one run.
func (n Noise) draws(random *rand.Rand) func() float64 {
	run := n.Run * n.SD * random.NormFloat64()
	carried, first := 0.0, true
	return func() float64 {
		fresh := random.NormFloat64()
		if n.Tails > 0 {
			chi := 0.0
			for range n.Tails {
				x := random.NormFloat64()
				chi += x * x
			}
			// t has the variance tails/(tails-2).
			fresh *= math.Sqrt(float64(n.Tails)/chi) / math.Sqrt(float64(n.Tails)/float64(n.Tails-2))
		}
		if first {
			carried, first = fresh, false
		} else {
			carried = n.Carry*carried + math.Sqrt(1-n.Carry*n.Carry)*fresh
		}
		return run + n.SD*carried
	}
}

// WriteGateTable writes the results in Markdown.
func WriteGateTable(w io.Writer, results []GateResult) error {
	out := "| metrics | noise of a block | sd | equal: alarm, % | pass, % | open, % | blocks | 5% more: alarm, % | 10% more: alarm, % | pass, % | blocks | 20% more: alarm, % |\n|---:|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|\n"
	for _, r := range results {
		out += fmt.Sprintf("| %d | %s | %.1f%% | %.3f | %.2f | %.2f | %.1f | %.1f | %.2f | %.3f | %.1f | %.2f |\n", r.Metrics, r.Name, 100*r.SD,
			100*r.Equal.Alarm, 100*r.Equal.Pass, 100*r.Equal.Open, r.Equal.Blocks, 100*r.By5.Alarm, 100*r.By10.Alarm, 100*r.By10.Pass, r.By10.Blocks, 100*r.By20.Alarm)
	}
	_, err := io.WriteString(w, out)
	return err
}
