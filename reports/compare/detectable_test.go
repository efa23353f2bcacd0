// SPDX-License-Identifier: Apache-2.0

package compare

import (
	"flag"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"gonum.org/v1/gonum/stat/distuv"
)

// simulatedShift is the shift that the rule finds in 80 of 100 repetitions. A shift
// moves every interval by as much, so the one that is sought lifts the low end above 0
// in 80 of 100 intervals of unshifted blocks.
func simulatedShift(random *rand.Rand, blocks, runs int) float64 {
	low := make([]float64, runs)
	d := make([]float64, blocks)
	for i := range low {
		for k := range d {
			d[k] = random.NormFloat64()
		}
		low[i] = -estimateCentre(d, 0).interval.Low
	}
	slices.Sort(low)
	return low[int(power*float64(runs))]
}

var manyShifts = flag.Bool("shifts", false, "simulate the table of detectable.go with a million repetitions, and print it with -v")

// The table, and what stands in for it beyond its end, is what the rule itself
// finds. Until it was, the figure was Student's with a central t, from two blocks
// on: 1.42 in place of 1.43 at 6, and 1.15 in place of 1.25 at 8.
func TestShifts(t *testing.T) {
	random, runs := rand.New(rand.NewPCG(4, 80)), 20_000
	if *manyShifts {
		runs = 1_000_000
	}
	for _, blocks := range []int{3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 16, 24} {
		want := simulatedShift(random, blocks, runs)
		t.Logf("%d blocks: %.3f sd", blocks, want)
		if got := detectableShift(blocks); math.Abs(got/want-1) > 0.03 {
			t.Errorf("%d blocks: %.3f sd, the simulation finds %.3f", blocks, got, want)
		}
	}
}

// Up to six blocks the table is exact: P[t(n-1, shift sqrt n) > t] = 0.8.
func TestStudentShiftsAreExact(t *testing.T) {
	for blocks := MinBlocks; blocks < minRankBlocks; blocks++ {
		threshold := studentQuantile((1+Confidence)/2, blocks-1)
		found := 1 - distuv.NoncentralT{Nu: float64(blocks - 1), Mu: shifts[blocks] * math.Sqrt(float64(blocks))}.CDF(threshold)
		near(t, fmt.Sprintf("power with %d blocks", blocks), found, power, 0.0005)
	}
}

// Each run's differences scatter about their own mean; two runs of three and four
// blocks have five degrees of freedom.
func TestScatterOfEarlierRuns(t *testing.T) {
	effect := func(d ...float64) Effect {
		var pairs []Pair
		for i, x := range d {
			pairs = append(pairs, Pair{Block: i + 1, Before: 1, After: math.Exp(x)})
		}
		return ratioOf(pairs, minResolution)
	}
	own, other := effect(-0.1, 0, 0.1), effect(0.3, 0.5, 0.4, 0.4)
	near(t, "alone", own.DetectableRatio, math.Exp(3.264*0.1), 1e-9)
	pooled := own.WithScatterOf([]Effect{other})
	near(t, "with an earlier run", pooled.DetectableRatio, math.Exp(3.264*math.Sqrt(0.04/5)), 1e-9)
	if pooled.Ratio != own.Ratio || *pooled.Interval != *own.Interval {
		t.Errorf("an earlier run changed the ratio: %+v", pooled)
	}
	less := other
	less.Basis = correctedBasis
	for name, lends := range map[string]Effect{"less the driver's": less, "missing": {Missing: "no PostgreSQL"}, "without blocks": {Ratio: 2}} {
		near(t, name+" lends nothing", own.WithScatterOf([]Effect{lends}).DetectableRatio, own.DetectableRatio, 1e-12)
	}
	if e := effect(0.1, 0.2).WithScatterOf([]Effect{other}); e.DetectableRatio != 0 {
		t.Errorf("two blocks give no interval, and find nothing: %+v", e)
	}
	same := effect(0, 0, 0)
	near(t, "no finer than the resolution", same.WithScatterOf([]Effect{same}).DetectableRatio, math.Exp(2*minResolution), 1e-12)
}
