// SPDX-License-Identifier: Apache-2.0

package harness

import (
	"math"
	"time"

	"headroom/harness/search"
	"headroom/scenarios"
)

// drainPause lets a system come to rest after a step. The driver returns with the
// last answer, but the system may still work on what follows an answer.
const drainPause = 100 * time.Millisecond

// Plan is how long a run measures.
type Plan struct {
	Quick     bool
	Blocks    int
	Turns     int           // of the staircases in a block: a step of each variant
	LeadTurns int           // turns after the brackets, on the way to the capacity
	Slices    int           // of each variant in a block
	Slice     time.Duration // at low rates longer, up to LongestSlice
	// LongestSlice bounds a slice. At low rates a quantile may then lack samples.
	LongestSlice time.Duration
	Warmup       time.Duration // before each slice, the same load, not recorded
	StartWarmup  time.Duration // at most, after a start: until the system gets no faster
	QuotaWarmup  time.Duration // of each variant at a gate's rate before the slices of its block, not recorded
	Fill         time.Duration // of caches, at most, after that; 0: they are left as they are
	// Search has the lengths of a run's steps too: those of the brackets, the
	// staircases, the soaks and the recoveries.
	Search     search.Config
	Bracketing time.Duration // of one variant, at most
	Curve      []float64     // shares of the capacity at which latency is measured
	CurvePoint time.Duration // of each
	Repeats    int           // of invalid slices, in all
	Proof      ProofPlan
}

// ProofPlan is how long the proof of a bottleneck measures. A round has Turns turns.
// A turn is a step of each of the three systems.
type ProofPlan struct {
	Rounds, Turns int           // at most
	Step          time.Duration // at low rates longer, as the search's
	Total         time.Duration // of all rounds
}

// For fits the plan to an SLO: a quantile further out needs more requests.
func (p Plan) For(slo scenarios.SLO) Plan {
	p.Search = p.Search.For(SLOSamples(slo), slo.LoosestLatency())
	return p
}

// SearchWithin is the plan of a search on a target that was started once. The search
// takes total, of which the soak gets a third at most. maxRPS is the highest rate that
// may be sent, 0 for no limit.
func SearchWithin(total, soak time.Duration, maxRPS float64) search.Config {
	scale := func(share float64) time.Duration {
		return time.Duration(share * float64(total)).Round(100 * time.Millisecond)
	}
	return search.Config{
		StartRPS: 20, MinRPS: 1, MaxRPS: maxRPS, MaxStep: scale(0.17),
		Bracket: scale(0.0155), Stair: min(scale(0.033), 3*time.Second), Soak: min(soak, scale(0.333)), Recover: min(scale(0.05), 5*time.Second),
		Total: total, Pause: drainPause,
	}
}

// Soaking sets how long rates are soaked. Without a soak a run ends after its
// blocks.
func (p Plan) Soaking(soak time.Duration) Plan {
	p.Search.Soak = soak
	if soak == 0 {
		p.Search.Recover, p.Curve = 0, nil
	}
	return p
}

// SLOSamples is how many requests a step needs so that a few bad ones do not fail the
// SLO: 350 for a p99, 70 for a p95. The sample rule asks for 299 and 59 at least.
func SLOSamples(slo scenarios.SLO) int64 {
	strictest := 0.0
	for _, c := range slo.Conditions {
		strictest = max(strictest, c.Quantile)
	}
	if strictest == 0 {
		return errorSamples
	}
	return int64(math.Ceil(3.5 / (1 - strictest)))
}

const errorSamples = 350

// slice is how long a slice at a rate lasts. The samples of a block's slices count
// together.
func (p Plan) slice(rps float64) time.Duration {
	needed := time.Duration(float64(p.Search.Samples) / float64(p.Slices) / rps * float64(time.Second))
	return min(max(p.Slice, needed), p.LongestSlice)
}

// FullPlan is what verdicts need; QuickPlan shows that everything works.
func FullPlan() Plan {
	return Plan{
		Blocks: 5, Turns: 4, LeadTurns: 2, Slices: 3, Slice: 2 * time.Second, LongestSlice: 6 * time.Second, Warmup: 500 * time.Millisecond,
		StartWarmup: 3 * time.Second, Fill: 12 * time.Second, Repeats: 3, Bracketing: 12 * time.Second,
		Search: search.Config{
			StartRPS: 20, MinRPS: 1, Samples: 350, MaxStep: 6 * time.Second,
			Bracket: 1500 * time.Millisecond, Stair: 3 * time.Second, Soak: time.Minute, Recover: 5 * time.Second, Pause: drainPause,
		},
		Curve: []float64{0.2, 0.4, 0.6}, CurvePoint: 2500 * time.Millisecond,
		Proof: ProofPlan{Rounds: 5, Turns: 4, Step: 3 * time.Second, Total: 220 * time.Second},
	}
}

// QuickPlan is one short block: no interval, hence no verdict.
func QuickPlan() Plan {
	return Plan{
		Quick: true, Blocks: 1, Turns: 3, LeadTurns: 1, Slices: 1, Slice: 3 * time.Second, LongestSlice: 9 * time.Second, Warmup: 500 * time.Millisecond,
		StartWarmup: 4 * time.Second, Fill: 6 * time.Second, Bracketing: 10 * time.Second,
		Search: search.Config{
			StartRPS: 20, MinRPS: 1, Samples: 350, MaxStep: 4 * time.Second,
			Bracket: time.Second, Stair: 2 * time.Second, Pause: drainPause,
		},
		Proof: ProofPlan{Rounds: 3, Turns: 2, Step: 2 * time.Second, Total: 60 * time.Second},
	}
}
