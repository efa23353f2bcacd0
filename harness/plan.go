package harness

import (
	"math"
	"time"

	"headroom/harness/search"
	"headroom/scenarios"
)

// drainPause lets a system come to rest after a step: the driver returns with
// the last answer, what the system does behind it may go on a little.
const drainPause = 200 * time.Millisecond

// Plan is how long a run measures.
type Plan struct {
	Quick      bool
	Blocks     int
	Slice      time.Duration // at low rates longer, up to longestSlice times
	Warmup     time.Duration // before each slice, the same load, not recorded
	Fresh      time.Duration // at most, after a start: until the system gets no faster
	Fill       time.Duration // of caches, at most, after that; 0: they are left as they are
	Search     search.Config
	Curve      []float64     // shares of the capacity at which latency is measured
	CurvePoint time.Duration // of each
	Repeats    int           // of slices that the driver or the host spoiled, in all
	Proof      ProofPlan
}

// ProofPlan is how long the proof of a bottleneck measures. A round is so many
// turns; a turn is a step of each of the three systems.
type ProofPlan struct {
	Rounds, Turns int           // at most
	Step          time.Duration // at low rates longer, as the search's
	Total         time.Duration // of all rounds
}

// For fits the plan to an SLO: the further out its quantile lies, the more
// requests it takes to say anything of it.
func (p Plan) For(slo scenarios.SLO) Plan {
	p.Search.Samples = SLOSamples(slo)
	return p
}

// SLOSamples is how many requests let a step hold the SLO with few bad ones:
// 350 for a p99, 70 for a p95 (the sample rule's least are 299 and 59).
func SLOSamples(slo scenarios.SLO) int64 {
	strictest := 0.0
	for _, c := range slo.Conditions {
		strictest = max(strictest, c.Quantile)
	}
	if strictest == 0 {
		return samplesOfErrors
	}
	return int64(math.Ceil(3.5 / (1 - strictest)))
}

const (
	samplesOfErrors = 350
	longestSlice    = 3
)

// slice is how long a slice at a rate is.
func (p Plan) slice(rps float64) time.Duration {
	needed := time.Duration(float64(p.Search.Samples) / rps * float64(time.Second))
	return min(max(p.Slice, needed), longestSlice*p.Slice)
}

// FullPlan is what verdicts need; QuickPlan shows that everything works.
func FullPlan() Plan {
	return Plan{
		Blocks: 3, Slice: 6 * time.Second, Warmup: 2 * time.Second, Fresh: 6 * time.Second, Fill: 12 * time.Second, Repeats: 4,
		Search: search.Config{
			StartRPS: 20, MinRPS: 1, Probes: 2, Confirms: 3, Samples: 350, MaxStep: 15 * time.Second,
			Grow: 1600 * time.Millisecond, Probe: 4 * time.Second, Confirm: 8 * time.Second, Recover: 3 * time.Second, Total: 60 * time.Second, Pause: drainPause,
		},
		Curve: []float64{0.2, 0.4, 0.6, 0.8, 0.9, 1, 1.1}, CurvePoint: 2500 * time.Millisecond,
		Proof: ProofPlan{Rounds: 5, Turns: 4, Step: 3 * time.Second, Total: 220 * time.Second},
	}
}

// QuickPlan is one short block: no interval, hence no verdict.
func QuickPlan() Plan {
	return Plan{
		Quick: true, Blocks: 1, Slice: 3 * time.Second, Warmup: time.Second, Fresh: 4 * time.Second, Fill: 6 * time.Second,
		Search: search.Config{
			StartRPS: 20, MinRPS: 1, Probes: 2, Confirms: 1, Samples: 350, MaxStep: 4 * time.Second,
			Grow: time.Second, Probe: 2 * time.Second, Confirm: 3 * time.Second, Total: 22 * time.Second, Pause: drainPause,
		},
		Proof: ProofPlan{Rounds: 3, Turns: 2, Step: 2 * time.Second, Total: 60 * time.Second},
	}
}
