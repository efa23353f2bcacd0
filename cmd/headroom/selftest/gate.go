// SPDX-License-Identifier: Apache-2.0

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
	// Shared is the part of a block's variance that the metrics have in common.
	Shared float64
}

// GateNoises are the rows of docs/truth.md.
func GateNoises() []Noise {
	var out []Noise
	for _, metrics := range []int{1, 3} {
		add := func(n Noise) {
			if n.Metrics = metrics; metrics > 1 {
				n.Shared = gate.SharedNoise
			}
			out = append(out, n)
		}
		for _, sd := range []float64{0.025, 0.035, 0.044, 0.057, 0.085} {
			add(Noise{Name: "normal", SD: sd})
		}
		add(Noise{Name: noiseTails, SD: 0.035, Tails: 3})
		add(Noise{Name: noiseCarry, SD: 0.044, Carry: 0.5})
		add(Noise{Name: noiseRun, SD: 0.044, Run: 0.25})
	}
	return append(out, Noise{Name: noiseApart, SD: 0.044, Metrics: 3})
}

// The names of noises that are not simply normal.
const (
	noiseTails = "tails of t3"
	noiseCarry = "each block carries half of the last"
	noiseRun   = "a quarter of it is the run's"
	noiseApart = "normal, nothing in common"
)

// GateShares are what became of simulated gates, 0 to 1, and how many blocks
// they took. Unmeasurable ones, where the null control found a drift by chance,
// are a part of those that were left open.
type GateShares struct {
	Alarm, Pass, Open, Unmeasurable, Blocks float64
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
			all, err := inParallel(ctx, n, func(random *rand.Rand) GateShares {
				return playGate(noise.Metrics, noise.blocks(math.Log(planted), random))
			})
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
		mean.Unmeasurable += one.Unmeasurable / n
		mean.Blocks += one.Blocks / n
	}
	return mean
}

// gateBlock is what one block has of one metric: D, and of each side what two
// neighbouring slices differ by, which is no number where there are none.
type gateBlock struct {
	d    float64
	null [2]float64
}

// playGate plays a gate, block by block, as the command does.
func playGate(metrics int, next func() []gateBlock) GateShares {
	series := make([]gate.Series, metrics)
	for block := 1; ; block++ {
		for i, b := range next() {
			series[i].D = append(series[i].D, b.d)
			for side, null := range b.null {
				if !math.IsNaN(null) {
					series[i].Null[side] = append(series[i].Null[side], null)
				}
			}
		}
		if !gate.IsLook(block) {
			continue // the rule says what it said before
		}
		if timed := gate.Decide(series, nil); gate.Finished(timed, block) {
			return sharesOf(timed, block)
		}
	}
}

func sharesOf(timed []gate.Timed, blocks int) GateShares {
	out := GateShares{Pass: 1, Blocks: float64(blocks)}
	for _, t := range timed {
		switch t.Status {
		case gate.StatusRegression:
			return GateShares{Alarm: 1, Blocks: float64(blocks)}
		case gate.StatusSame:
			continue
		case gate.StatusUnmeasurable:
			out.Unmeasurable = 1
		}
		out.Pass, out.Open = 0, 1
	}
	return out
}

// blocks returns a source of all metrics' blocks in one run, the first metric's
// with a shift.
func (n Noise) blocks(shift float64, random *rand.Rand) func() []gateBlock {
	common, own := n.draws(random), make([]func() float64, n.Metrics)
	for i := range own {
		own[i] = n.draws(random)
	}
	together, apart := math.Sqrt(n.Shared), math.Sqrt(1-n.Shared)
	out := make([]gateBlock, n.Metrics)
	return func() []gateBlock {
		shared, neighbours := common(), [2]float64{n.neighbours(random), n.neighbours(random)}
		for i := range out {
			out[i].d = together*shared + apart*own[i]()
			for side := range out[i].null {
				out[i].null[side] = together*neighbours[side] + apart*n.neighbours(random)
			}
		}
		out[0].d += shift
		return out
	}
}

// neighbours is what two neighbouring slices of one side differ by. D has the
// variance of two means of three slices, two thirds of a slice's; the difference
// of two slices has twice a slice's, three times as much.
func (n Noise) neighbours(random *rand.Rand) float64 { return math.Sqrt(3) * n.SD * n.fresh(random) }

// fresh is a draw of the noise's shape, with variance 1.
func (n Noise) fresh(random *rand.Rand) float64 {
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
	return fresh
}

// draws returns a source of one metric's D in one run.
func (n Noise) draws(random *rand.Rand) func() float64 {
	run := n.Run * n.SD * random.NormFloat64()
	carried, first := 0.0, true
	return func() float64 {
		fresh := n.fresh(random)
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
	out := "| metrics | noise of a block | sd | equal: alarm, % | pass, % | open, % | of these unmeasurable, % | blocks | 5% more: alarm, % | 10% more: alarm, % | pass, % | blocks | 20% more: alarm, % |\n|---:|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|\n"
	for _, r := range results {
		out += fmt.Sprintf("| %d | %s | %.1f%% | %.3f | %.2f | %.2f | %.2f | %.1f | %.1f | %.2f | %.3f | %.1f | %.2f |\n", r.Metrics, r.Name, 100*r.SD,
			100*r.Equal.Alarm, 100*r.Equal.Pass, 100*r.Equal.Open, 100*r.Equal.Unmeasurable, r.Equal.Blocks, 100*r.By5.Alarm, 100*r.By10.Alarm, 100*r.By10.Pass, r.By10.Blocks, 100*r.By20.Alarm)
	}
	_, err := io.WriteString(w, out)
	return err
}
