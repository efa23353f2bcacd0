// SPDX-License-Identifier: Apache-2.0

// Package selftest holds headroom's statistics against systems whose truth is
// known: simulated queues, with the troubles that real ones have. It searches
// them and compares them by the code that a run uses, and counts how often
// what is printed is true.
//
// The systems are those in which earlier searches went wrong: queues that
// scatter, drift, stall and break (docs/truth.md).
package selftest

import (
	"math"
	"math/rand/v2"
	"time"

	"headroom/harness/record"
	"headroom/harness/slo"
)

// System describes a simulated system: servers with one line before them, to
// which Poisson arrivals come, and its SLO.
type System struct {
	Name  string
	Words string
	// TruthRPS is the highest rate at which the share of bad requests stays
	// within the SLO in the long run; FindTruth finds it.
	TruthRPS float64

	servers  int
	mean     float64 // of the service time, in s
	latencyS float64 // p99 must stay below, in s
	allowed  float64 // share of errors; 0: they don't count

	slowShare, slowFactor float64 // so many requests take so many times as long
	speedSD, speedS       float64 // of ln(speed), and how long a deviation lasts
	drift                 float64 // of ln(speed), within driftS
	stallEvery, stallFor  float64 // s in which nothing is served
	errorsFrom            float64 // the rate from which on requests fail
	errorsSlope           float64 // how their share grows: of (rate/errorsFrom - 1)
	errorsJump            float64 // their share at once
	secondShare           float64 // so many requests need a second station, too
	secondMean            float64 // with one server, in s
}

// driftS is how long a system drifts after its start.
const driftS = 90

// Running is a system after a start. It is not safe for concurrent use.
type Running struct {
	of       System
	random   *rand.Rand
	speedup  float64 // as fast as the system, in all that it does
	logSpeed float64 // ln(speed) beside it, of this moment
	clockS   float64 // of its own time, since the start
	phaseS   float64 // of the stalls
}

// Start starts the system afresh. Its capacity is speedup times as large, and scatters
// from start to start with the standard deviation scatter of its logarithm.
func (s System) Start(speedup, scatter float64, random *rand.Rand) *Running {
	r := &Running{of: s, random: random, speedup: speedup * math.Exp(scatter*random.NormFloat64())}
	r.logSpeed = s.speedSD * random.NormFloat64()
	r.phaseS = s.stallEvery * random.Float64()
	return r
}

// Pause lets time pass without load.
func (r *Running) Pause(d time.Duration) { r.clockS += d.Seconds() * r.speedup }

// speedStepS is how often the speed is drawn anew.
const speedStepS = 0.25

// Load drives a step and tells what came of it, but for a warm-up. The step begins
// with empty queues, as steps are drained. It runs in the system's own time, in which a
// system that is 1.1 times as fast gets 1/1.1 of the rate for 1.1 times as long:
// so its capacity is exactly 1.1 times as large, whatever bounds it.
func (r *Running) Load(rps float64, warmup, d time.Duration) slo.Step {
	s := r.of
	own, from, end := rps/r.speedup, warmup.Seconds()*r.speedup, (warmup+d).Seconds()*r.speedup
	free, second := make([]float64, s.servers), 0.0
	now, nextSpeedStep, speed := 0.0, 0.0, r.speedNow()
	latency := record.Count{Condition: "p99", Allowed: 0.01}
	failures := record.Count{Condition: "errors", Allowed: s.allowed}
	inFlight, put := make([]int64, int(end)), make([]int64, int(end)) // at the end of each second
	bad := make([]int64, int(end-from)+1)
	for {
		if now += r.random.ExpFloat64() / own; now >= end {
			break
		}
		for now >= nextSpeedStep {
			r.stepSpeed()
			nextSpeedStep, speed = nextSpeedStep+speedStepS, r.speedNow()
			r.clockS += speedStepS
		}
		zero := r.clockS - nextSpeedStep // the step's beginning on the system's clock
		finish := r.finish(free, &second, now, speed, zero)
		if now < from {
			continue
		}
		latency.Of++
		failures.Of++
		failed := s.errorsFrom > 0 && own > s.errorsFrom && r.random.Float64() < s.errorsJump+s.errorsSlope*(own/s.errorsFrom-1)
		if failed {
			failures.Bad++
		}
		if failed || finish-now > s.latencyS {
			latency.Bad++
			bad[int(now-from)]++
		}
		for k := int(now); k < len(put) && finish > float64(k+1); k++ {
			inFlight[k]++
		}
		if k := int(now); k < len(put) {
			put[k]++
		}
	}
	for k := 1; k < len(put); k++ {
		put[k] += put[k-1]
	}
	r.clockS += end - nextSpeedStep
	latency.Burst, failures.Burst = slo.Burst(bad[:int(end-from)]), 1
	step := slo.Step{RPS: rps, Backlog: slo.Growth(inFlight, put, own*s.latencyS/4)}
	step.Counts = append(step.Counts, latency)
	if s.allowed > 0 {
		step.Counts = append(step.Counts, failures)
	}
	return slo.Decide(step)
}

// finish serves a request that came at a time: the first free server takes the
// next in line. Those that need the second station join its line as they came.
func (r *Running) finish(free []float64, second *float64, now, speed, zero float64) float64 {
	s, next := r.of, 0
	for i := range free {
		if free[i] < free[next] {
			next = i
		}
	}
	work := s.mean * r.random.ExpFloat64() / speed
	if s.slowShare > 0 && r.random.Float64() < s.slowShare {
		work *= s.slowFactor
	}
	finish := r.serve(max(free[next], now), work, zero)
	free[next] = finish
	if s.secondShare > 0 && r.random.Float64() < s.secondShare {
		*second = max(*second, finish) + s.secondMean*r.random.ExpFloat64()/speed
		finish = *second
	}
	return finish
}

// serve returns when a service that begins at a time ends, with the stalls
// that it meets; offset is the system's clock at the step's zero.
func (r *Running) serve(begin, work, offset float64) float64 {
	s := r.of
	if s.stallEvery == 0 {
		return begin + work
	}
	at := begin + offset + r.phaseS
	into := math.Mod(at, s.stallEvery)
	if into < s.stallFor { // it begins within a stall
		begin += s.stallFor - into
		into = s.stallFor
	}
	end := begin + work
	if into+work > s.stallEvery { // the next one comes before it ends
		end += s.stallFor
	}
	return end
}

func (r *Running) stepSpeed() {
	if r.of.speedSD > 0 {
		keep := math.Exp(-speedStepS / r.of.speedS)
		r.logSpeed = keep*r.logSpeed + math.Sqrt(1-keep*keep)*r.of.speedSD*r.random.NormFloat64()
	}
}

func (r *Running) speedNow() float64 {
	return math.Exp(r.logSpeed + r.of.drift*min(r.clockS/driftS, 1))
}

// FindTruth finds the capacity by stretches of load that long.
func (s System) FindTruth(seconds float64) float64 {
	low, high := 1.0, float64(s.servers)/s.mean*1.2
	for range 16 {
		rps := math.Sqrt(low * high)
		r := s.Start(1, 0, rand.New(rand.NewPCG(1, 2)))
		r.clockS = driftS // it has ended drifting
		if step := r.Load(rps, 0, time.Duration(seconds*float64(time.Second))); step.Outcome == record.Held {
			low = rps
		} else {
			high = rps
		}
	}
	return math.Sqrt(low * high)
}
