// SPDX-License-Identifier: Apache-2.0

// Package schedule says when request k is to be sent: a pure function of the
// arrival process, the rate and the seed.
package schedule

import (
	"fmt"
	"math"
	"time"

	"headroom/harness/drive/draw"
)

// The arrival processes.
const (
	Poisson  = "poisson"  // exponential gaps: independent users
	Constant = "constant" // equal gaps; flatters a queue
)

// checkpointEvery is how many gaps lie between two remembered sums of a
// Poisson schedule: an hour at 10,000/s keeps 70 KB of them.
const checkpointEvery = 4096

// Schedule maps request numbers to intended send times. What At returns
// depends on nothing but the arguments of New, whatever the order of calls.
//
// A constant schedule computes each time directly. A Poisson schedule is a sum of gaps, and
// each gap is a pure function of (seed, k). The schedule remembers its last request, so a
// step forward costs one gap. It also remembers one sum in 4,096, so a step back costs at
// most 4,096 gaps. This memory makes a Schedule unsafe for concurrent use: make one for
// each goroutine.
type Schedule struct {
	arrivals string
	rateRPS  float64
	gaps     draw.Stream

	at          uint64    // request number of the walk
	seconds     float64   // its time
	checkpoints []float64 // times of requests 0, 4096, 8192, ...
}

// New returns the schedule of that arrival process ("poisson" or "constant")
// and rate, in requests per second, which must be above 0 and finite.
func New(arrivals string, rateRPS float64, seed uint64) (*Schedule, error) {
	if arrivals != Poisson && arrivals != Constant {
		return nil, fmt.Errorf("arrivals %q are unknown: write %q or %q", arrivals, Poisson, Constant)
	}
	if !(rateRPS > 0) || math.IsInf(rateRPS, 1) {
		return nil, fmt.Errorf("a rate of %v requests per second has no schedule: it must be above 0 and finite", rateRPS)
	}
	s := &Schedule{arrivals: arrivals, rateRPS: rateRPS, gaps: draw.NewStream(seed, "arrivals")}
	s.seconds = s.gap(0)
	s.checkpoints = []float64{s.seconds}
	return s, nil
}

// At returns the intended send time of request k, counted from the epoch.
func (s *Schedule) At(k uint64) time.Duration {
	if s.arrivals == Constant {
		return fromSeconds(float64(k) / s.rateRPS)
	}
	if k < s.at {
		block := k / checkpointEvery
		s.at, s.seconds = block*checkpointEvery, s.checkpoints[block]
	}
	for s.at < k {
		s.at++
		s.seconds += s.gap(s.at)
		if s.at == uint64(len(s.checkpoints))*checkpointEvery {
			s.checkpoints = append(s.checkpoints, s.seconds)
		}
	}
	return fromSeconds(s.seconds)
}

func (s *Schedule) gap(k uint64) float64 { return s.gaps.Exponential(k) / s.rateRPS }

// fromSeconds rounds to the nearest nanosecond. The result is at most the largest
// duration, 292 years.
func fromSeconds(seconds float64) time.Duration {
	nanos := math.Round(seconds * 1e9)
	if nanos >= math.MaxInt64 {
		return math.MaxInt64
	}
	return time.Duration(nanos)
}
