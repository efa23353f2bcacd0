// SPDX-License-Identifier: Apache-2.0

package search

import (
	"math"
	"math/rand/v2"
	"testing"

	"gonum.org/v1/gonum/stat/distuv"

	"headroom/harness/record"
	"headroom/harness/slo"
)

// stepOf is a step with so many bad requests.
func stepOf(rps float64, bad, of int64, allowed float64) slo.Step {
	return slo.Decide(slo.Step{RPS: rps, Verdict: record.Verdict{Counts: []record.Count{{Condition: "errors", Bad: bad, Of: of, Allowed: allowed, Burst: 1}}}})
}

func TestWeightOfAStepDown(t *testing.T) {
	for _, test := range []struct {
		of      int64
		allowed float64
		want    float64
	}{
		{250, 0.001, 0.7788 / 0.2212}, // P[none | 0.25] = 78%
		{2000, 0.01, 1},               // twenty may be bad
		{100, 0.0001, maxDownWeight},  // 0.01: no step can tell
		{990, 0.001, 1},               // P[none | 0.99] = 37%: never a smaller step down
		{10, 1 - 0.9, 0.7358 / 0.2642},
	} {
		if got := downWeight(stepOf(1, test.of, test.of, test.allowed)); math.Abs(got/test.want-1) > 0.001 {
			t.Errorf("%g of %d may be bad: weight %.4f, want %.4f", test.allowed, test.of, got, test.want)
		}
	}
}

// Where a step may have a quarter of a bad request, the staircase hovers where the
// share is the allowed one, and not where half of the steps hold.
func TestStaircaseHoversAtTheShare(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	const of, allowed = 250, 0.001
	stairs := NewStaircase(100, 0)
	sum, n := 0.0, 0
	for i := range 4000 {
		rps := stairs.RPS()
		share := allowed * math.Pow(rps/100, 5) // a slope of 5, as of a system without a queue
		bad := distuv.Poisson{Lambda: of * share, Src: random}.Rand()
		stairs.Observe(stepOf(rps, int64(bad), of, allowed))
		if i >= 200 {
			sum, n = sum+math.Log(rps), n+1
		}
	}
	// Half of the steps hold at ln 2 bad ones: (0.693/0.25)^(1/5) = 1.23.
	if hover := math.Exp(sum / float64(n)); hover < 85 || hover > 110 {
		t.Errorf("it hovers about %.1f, want about 100", hover)
	}
}
