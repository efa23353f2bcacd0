package harness

import (
	"time"

	"headroom/harness/search"
)

// drainPause lets a system come to rest after a step: the driver returns with
// the last answer, what the system does behind it may go on a little.
const drainPause = 200 * time.Millisecond

// Plan is how long a run measures.
type Plan struct {
	Quick       bool
	Blocks      int
	Slice       time.Duration
	Warmup      time.Duration // before each slice, the same load, not recorded
	CacheWarmup time.Duration // at most, before a block's first slice, until the hit ratio is flat
	Search      search.Config
	Curve       []float64 // shares of the capacity at which latency is measured
	Repeats     int       // of slices that the driver or the host spoiled, in all
	Proof       ProofPlan
}

// ProofPlan is how long the proof of a bottleneck measures. A round is so many
// turns; a turn is a step of each of the three systems.
type ProofPlan struct {
	Rounds, Turns int           // at most
	Step          time.Duration // at low rates longer, as the search's
	Total         time.Duration // of all rounds
}

// FullPlan is what verdicts need; QuickPlan shows that everything works.
func FullPlan() Plan {
	return Plan{
		Blocks: 3, Slice: 6 * time.Second, Warmup: 2 * time.Second, CacheWarmup: 8 * time.Second, Repeats: 4,
		Search: search.Config{
			StartRPS: 20, MinRPS: 1, Probes: 2, Confirms: 3, Samples: 350, MaxStep: 12 * time.Second,
			Grow: 2 * time.Second, Probe: 4 * time.Second, Confirm: 8 * time.Second, Recover: 3 * time.Second, Total: 70 * time.Second, Pause: drainPause,
		},
		Curve: []float64{0.2, 0.4, 0.6, 0.8, 0.9, 1, 1.1},
		Proof: ProofPlan{Rounds: 5, Turns: 4, Step: 3 * time.Second, Total: 220 * time.Second},
	}
}

// QuickPlan is one short block: no interval, hence no verdict.
func QuickPlan() Plan {
	return Plan{
		Quick: true, Blocks: 1, Slice: 3 * time.Second, Warmup: time.Second, CacheWarmup: 4 * time.Second,
		Search: search.Config{
			StartRPS: 20, MinRPS: 1, Probes: 2, Confirms: 1, Samples: 350, MaxStep: 4 * time.Second,
			Grow: time.Second, Probe: 2 * time.Second, Confirm: 3 * time.Second, Total: 22 * time.Second, Pause: drainPause,
		},
		Proof: ProofPlan{Rounds: 3, Turns: 2, Step: 2 * time.Second, Total: 60 * time.Second},
	}
}
