// SPDX-License-Identifier: Apache-2.0

package harness

import (
	"context"
	"math"
	"time"

	"headroom/harness/record"
	"headroom/harness/search"
	"headroom/harness/slo"
	"headroom/scenarios"
)

// Capacity is a search for the highest rate at which one target holds an SLO.
type Capacity struct {
	SLO    scenarios.SLO
	Config search.Config
	// Drive runs one step and returns its trial, written down where it belongs.
	Drive func(ctx context.Context, step search.Step, maxInFlight int) (record.Trial, error)
	// OnStep is called with every step when it is over.
	OnStep func(CapacityStep)
	// StopIfUnusable ends the search with an UnusableTargetError when the target's
	// answers can't give a capacity at any rate.
	StopIfUnusable bool
	// Bound returns the throughput that the CPU demand of a trial allows; nil
	// where that is not known.
	Bound func(*record.Trial) float64
}

// CapacityStep is one step and its trial.
type CapacityStep struct {
	search.Step
	Trial record.Trial // with its verdict
}

// Search runs the steps until the capacity is found or the time is up. The search
// that it returns holds what is known, also beside an error.
func (c Capacity) Search(ctx context.Context) (*search.Search, error) {
	s := search.New(c.Config)
	for steps := 0; ; steps++ {
		step, more := s.Next()
		if !more {
			return s, nil
		}
		began := time.Now()
		trial, err := c.Drive(ctx, step, inFlightCap(step.RPS, step.HeldRPS, c.SLO))
		if err != nil {
			return s, err
		}
		if trial.Measurement.Interrupted {
			return s, ctx.Err()
		}
		if trial.Verdict == nil {
			verdict := slo.Judge(&trial, c.SLO)
			trial.Verdict = &verdict
		}
		if err := c.unusable(&trial.Measurement, steps); err != nil {
			c.OnStep(CapacityStep{step, trial})
			return s, err
		}
		if c.Bound != nil && step.Kind == search.KindBracket && trial.Verdict.Outcome == record.Held {
			s.Guess(c.Bound(&trial) * boundShare)
		}
		if err := sleep(ctx, c.Config.Pause); err != nil {
			return s, err
		}
		s.Observe(step, slo.StepOf(&trial, c.SLO, true), time.Since(began))
		c.OnStep(CapacityStep{step, trial})
	}
}

func sleep(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// The cap on requests in flight ends a hopeless step early. By Little's law, requests
// in flight = rate x mean response time. The cap allows a mean response time of
// hopelessFactor times the SLO's latency at the offered rate, or at twice the highest
// rate that held, whichever is less. Requests due beyond the cap are unsent, so that
// the queue to drain stays short.
const (
	hopelessFactor = 2
	minInFlight    = 128
	maxInFlight    = 20_000
)

func inFlightCap(rps, heldRPS float64, slo scenarios.SLO) int {
	latency := slo.LoosestLatency()
	if latency == 0 {
		latency = time.Second // only errors count
	}
	if heldRPS > 0 {
		rps = min(rps, 2*heldRPS)
	}
	return int(min(max(hopelessFactor*rps*latency.Seconds(), minInFlight), maxInFlight))
}

// boundShare of X_max is where the capacity is looked for: queueing breaks most SLOs
// in the last quarter.
const boundShare = 0.75

// boundFinder bounds the throughput by CPU demand, and improves the bound with every
// step. At a low rate the measured demand includes what the machines use when idle.
// The difference between two rates does not include that idle use.
type boundFinder struct {
	hostCPUs float64
	first    *record.Trial
	bound    float64
}

// minRateRatio is how far apart the rates of two steps must be for their difference to be used.
const minRateRatio = 2

func (b *boundFinder) add(t *record.Trial) float64 {
	bound := throughputBound(t.Machines, t.Measurement.Sent, b.hostCPUs)
	switch {
	case b.first == nil:
		b.first = t
	case t.Measurement.OfferedRPS >= minRateRatio*b.first.Measurement.OfferedRPS:
		bound = max(bound, marginalBound(b.first, t))
	}
	b.bound = max(b.bound, bound)
	return b.bound
}

// marginalBound is min over machines of (cores - idle) / D, with D and idle from two
// rates. It is 0 where the readings do not allow a bound or a machine's CPU time is
// not known. It is at most eight times the higher rate: small differences are mostly
// noise.
func marginalBound(low, high *record.Trial) float64 {
	lowRPS, highRPS := low.Measurement.OfferedRPS, high.Measurement.OfferedRPS
	idle := map[string]record.MachineUse{}
	for _, u := range low.Machines {
		idle[u.Machine] = u
	}
	bound := 8 * highRPS
	for _, u := range high.Machines {
		first, known := idle[u.Machine]
		if u.External || !known || u.WindowS == 0 || first.WindowS == 0 {
			continue
		}
		lowCPU, known1 := first.CPUSeconds.Get()
		highCPU, known2 := u.CPUSeconds.Get()
		if !known1 || !known2 {
			return 0
		}
		lowUse, highUse := lowCPU/first.WindowS, highCPU/u.WindowS
		demand := (highUse - lowUse) / (highRPS - lowRPS)
		if demand <= 0 {
			continue
		}
		bound = min(bound, (u.QuotaCPUs-lowUse+demand*lowRPS)/demand)
	}
	return max(bound, 0)
}

// throughputBound is X_max = min over machines of cores / D, with D the CPU
// seconds of one request (operational laws). Machines without quotas of their own
// share the host, so the host bounds all of them together too. The bound is 0 when a
// machine's CPU time is not known, because that machine might have the least bound.
func throughputBound(uses []record.MachineUse, completed int64, hostCPUs float64) float64 {
	bound, total := math.Inf(1), 0.0
	for _, u := range uses {
		cpu, known := u.CPUSeconds.Get()
		total += cpu
		if !known && (!u.External || hostCPUs > 0) { // an external machine takes its part of a shared host
			return 0
		}
		if u.External || cpu <= 0 || completed == 0 {
			continue
		}
		bound = min(bound, u.QuotaCPUs*float64(completed)/cpu)
	}
	if math.IsInf(bound, 1) {
		return 0
	}
	if hostCPUs > 0 {
		bound = min(bound, hostCPUs*float64(completed)/total)
	}
	return bound
}
