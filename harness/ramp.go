package harness

import (
	"fmt"
	"math"
	"time"

	"headroom/harness/record"
)

// ramp finds a first estimate of the load that a variant holds: one seed
// probe at a low rate gives the service demands and through them a bound on
// the throughput, then the rate climbs by steps towards and past it until a
// probe fails, and falls between the two until they are a step apart. It is a
// pure state machine; the conductor feeds it.
//
// docs/measurement.md, "Capacity under an SLO", steps 1 and 2. It is an
// estimate: the slices that follow are what is reported.
type ramp struct {
	seedRPS  float64
	hostCPUs float64 // that all machines share; 0 is unknown
	bound    float64 // X_max = min over machines of quota / demand
	rate     float64 // of the next probe
	held     float64 // highest that held
	failed   float64 // lowest that failed
	steps    int
	unknown  int     // probes that said nothing about the target
	doubted  float64 // a rate that failed once, far below the bound
}

const (
	rampStart     = 0.5 // of X_max
	rampStep      = 1.5
	rampMaxSteps  = 10
	rampBracket   = 1.3 // of failed over held: close enough
	rampLowestRPS = 1
	// rampMaxUnknown probes that were spoiled by the driver or the host end
	// the ramp: latency can't be judged here, but CPU demand can.
	rampMaxUnknown = 2
	// boundShare of X_max is taken when there is nothing better: queueing
	// makes the last quarter useless for most SLOs.
	boundShare = 0.75
)

func newRamp(seedRPS float64) *ramp { return &ramp{seedRPS: seedRPS, rate: seedRPS} }

// next returns the rate of the next probe, false when the ramp is done.
func (r *ramp) next() (rps float64, more bool) {
	bracketed := r.held > 0 && r.failed > 0 && r.failed <= r.held*rampBracket
	if bracketed || r.rate < rampLowestRPS || r.steps >= rampMaxSteps || r.unknown >= rampMaxUnknown {
		return 0, false
	}
	return r.rate, true
}

// verdict is what a probe says about its rate.
type verdict int

const (
	held verdict = iota
	failed
	unknown // the driver or the host spoiled the probe
)

// feed takes a probe's result.
func (r *ramp) feed(rps float64, v verdict, uses []record.MachineUse, completed int64) {
	r.steps++
	// The demand seen at a low rate holds what the machines use when idle, so
	// the bound grows with the rate.
	if v != failed {
		r.bound = max(r.bound, throughputBound(uses, completed, r.hostCPUs))
	}
	// One short probe may meet a checkpoint or a cold buffer: a failure where
	// the CPU was far from used up is asked for again.
	if v == failed && rps < r.bound*boundShare && r.doubted != rps {
		r.doubted = rps
		return
	}
	switch v {
	case unknown:
		r.unknown++
	case failed:
		r.failed = rps
	case held:
		r.held = rps
	}
	switch {
	case v == unknown: // the same rate again
	case r.failed == 0:
		r.rate = max(rps*rampStep, r.bound*rampStart)
	case r.held == 0:
		r.rate = rps / 2
	default:
		r.rate = math.Sqrt(r.held * r.failed)
	}
}

// limit is the estimate: the highest rate that held. A short probe is too
// kind, so what lies between it and the lowest that failed is left alone.
// Where probes could not be judged it comes from the CPU demand alone; 0 when
// there is nothing to go by.
func (r *ramp) limit() float64 {
	if r.unknown >= rampMaxUnknown {
		return max(r.held, r.bound*boundShare)
	}
	return r.held
}

// throughputBound is X_max = min over machines of cores / D, with D the CPU
// seconds of one request (operational laws). Where machines have no limits of
// their own they share the host, so it bounds them together too.
func throughputBound(uses []record.MachineUse, completed int64, hostCPUs float64) float64 {
	bound, total := math.Inf(1), 0.0
	for _, u := range uses {
		total += u.CPUSeconds
		if u.External || u.CPUSeconds <= 0 || completed == 0 {
			continue
		}
		bound = min(bound, u.QuotaCPUs*float64(completed)/u.CPUSeconds)
	}
	if math.IsInf(bound, 1) {
		return 0
	}
	if hostCPUs > 0 {
		bound = min(bound, hostCPUs*float64(completed)/total)
	}
	return bound
}

// Plan is how long a run measures.
type Plan struct {
	Quick       bool
	Blocks      int
	Slice       time.Duration
	Warmup      time.Duration // before each slice, the same load, not recorded
	CacheWarmup time.Duration // at most, before a block's first slice, until the hit ratio is flat
	Probe       time.Duration
	SeedRPS     float64
	Repeats     int // of slices that the driver or the host spoiled, in all
}

// FullPlan is what verdicts need; QuickPlan shows that everything works.
func FullPlan() Plan {
	return Plan{Blocks: 3, Slice: 6 * time.Second, Warmup: 2 * time.Second, CacheWarmup: 8 * time.Second, Probe: 3 * time.Second, SeedRPS: 20, Repeats: 4}
}

// QuickPlan is one short block: no interval, hence no verdict.
func QuickPlan() Plan {
	return Plan{Quick: true, Blocks: 1, Slice: 4 * time.Second, Warmup: time.Second, CacheWarmup: 4 * time.Second, Probe: 2 * time.Second, SeedRPS: 20, Repeats: 1}
}

func (p Plan) String() string {
	return fmt.Sprintf("%d blocks of slices of %v", p.Blocks, p.Slice)
}
