// SPDX-License-Identifier: Apache-2.0

package drive

import (
	"fmt"
	"math"
	"slices"
	"testing"
	"time"

	"headroom/harness/drive/draw"
	"headroom/harness/drive/schedule"
)

// checkQuantiles compares a distribution with what theory says of it.
func checkQuantiles(t *testing.T, what string, quantile, theory func(float64) time.Duration, tolerance float64, at ...float64) {
	t.Helper()
	for _, q := range at {
		got, want := quantile(q), theory(q)
		off := got.Seconds()/want.Seconds() - 1
		t.Logf("%s: p%g is %v, theory says %v: %+.2f%%", what, 100*q, got.Round(10*time.Microsecond), want.Round(10*time.Microsecond), 100*off)
		if math.Abs(off) > tolerance {
			t.Errorf("%s: p%g is %v, theory says %v: %+.1f%%, beyond %.0f%%", what, 100*q, got, want, 100*off, 100*tolerance)
		}
	}
}

// The target answers at once, but freezes for the last second of every five. At a constant
// rate a fifth of the requests meet the freeze, evenly spread over it, so their response
// times are uniform over 0 to 1 s, and a share s of all takes longer than 1 s * (1 - 5 s):
// p90 is 500 ms, p95 750 ms, p99 950 ms. That holds for every number of connections,
// because a waiting request was due all the same. After the thaw the thousand waiting
// requests are answered one after another, as fast as this machine's loopback allows. A
// request that was due s into the freeze waits s * rate / drained longer.
func TestFrozenTargetHasItsTrueQuantiles(t *testing.T) {
	if testing.Short() {
		t.Skip("drives a target for 30 s: skipped by -short")
	}
	const cycle, freeze, rate = 5 * time.Second, time.Second, 1000
	drained := fastest(t, startFreezing(t, time.Hour, 0, 0))
	t.Logf("what waited is answered at %.0f requests/s", drained)
	theory := func(q float64) time.Duration {
		into := (1 - q) * cycle.Seconds() / freeze.Seconds()
		return time.Duration((1 - into + into*rate/drained) * float64(freeze))
	}
	for i, connections := range []int{16, 64, 2000} {
		t.Run(fmt.Sprintf("%d connections", connections), func(t *testing.T) {
			t.Parallel()
			m := driveQuietly(t, 5*time.Millisecond, func() (*target, Job) {
				// They must not all thaw at once: that takes a core's whole time.
				tg := startFreezing(t, cycle, freeze, time.Duration(i)*cycle/4)
				job := jobFor(tg, rate, 30*time.Second)
				job.Connections, job.MaxInFlight, job.SLOLatency = connections, 5000, theory(0.99)
				return tg, job
			})
			if m.Succeeded != 30_000 {
				t.Fatalf("%d of 30000 succeeded, %d unsent, errors %v", m.Succeeded, m.Unsent, m.Errors)
			}
			checkQuantiles(t, "response", m.Response.Quantile, theory, 0.02, 0.9, 0.95, 0.99)
		})
	}
	t.Run("cap hit", func(t *testing.T) {
		t.Parallel()
		job := jobFor(startFreezing(t, cycle, freeze, 3*cycle/4), rate, 10*time.Second)
		job.MaxInFlight = 500
		m := mustDrive(t, job)
		if m.Unsent == 0 || m.MaxInFlight != 500 {
			t.Errorf("%d unsent, up to %d in flight", m.Unsent, m.MaxInFlight)
		}
	})
}

// fastest is how many requests a second the target answers a closed loop.
func fastest(t *testing.T, tg *target) float64 {
	t.Helper()
	job := jobFor(tg, 0, time.Second)
	return mustDrive(t, job).AchievedRPS
}

// A single server with exponential service times, fed by Poisson arrivals, is
// the queue M/M/1: response times are exponential with the rate
// mu - lambda (Kleinrock, Queueing Systems, volume I, 1975).
func TestQueueMatchesTheory(t *testing.T) {
	if testing.Short() {
		t.Skip("drives two queues for 30 s: skipped by -short")
	}
	const mean = 10 * time.Millisecond
	for _, test := range []struct {
		load float64
		seed uint64
	}{{0.5, 4341}, {0.8, 1162}} {
		t.Run(fmt.Sprintf("load %v", test.load), func(t *testing.T) {
			t.Parallel()
			rate := test.load / mean.Seconds()
			duration := 30 * time.Second
			theory := func(q float64) time.Duration {
				return time.Duration(-math.Log(1-q) / (1 - test.load) * float64(mean))
			}
			services := draw.NewStream(test.seed, "services")
			service := func(k uint64) time.Duration {
				return time.Duration(services.Exponential(k) * float64(mean))
			}
			checkQuantiles(t, "sample", lindley(t, rate, test.seed, duration, service), theory, 0.04, 0.5, 0.9, 0.95, 0.99)

			m := driveQuietly(t, mean/40, func() (*target, Job) {
				tg := startQueue(t, service)
				job := jobFor(tg, rate, duration)
				job.Arrivals, job.Seed, job.Connections, job.SLOLatency = schedule.Poisson, test.seed, 200, theory(0.99)
				return tg, job
			})
			if m.Succeeded != m.Planned {
				t.Fatalf("%d of %d succeeded: %v", m.Succeeded, m.Planned, m.Errors)
			}
			checkQuantiles(t, "response", m.Response.Quantile, theory, 0.05, 0.5, 0.9, 0.95, 0.99)
		})
	}
}

// lindley computes the quantiles of this very sample of arrivals and services in an ideal
// queue. A few thousand requests may stray from theory by chance. The seeds are chosen so
// that this sample hardly strays, also at the ranks beside each quantile. The remaining
// difference is the driver's.
func lindley(t *testing.T, rate float64, seed uint64, duration time.Duration, service func(uint64) time.Duration) func(float64) time.Duration {
	t.Helper()
	sched, err := schedule.New(schedule.Poisson, rate, seed)
	if err != nil {
		t.Fatal(err)
	}
	var responses []time.Duration
	var free time.Duration
	for k := uint64(0); sched.At(k) < duration; k++ {
		free = max(free, sched.At(k)) + service(k)
		responses = append(responses, free-sched.At(k))
	}
	slices.Sort(responses)
	return func(q float64) time.Duration { return responses[int(q*float64(len(responses)))] }
}

// startQueue starts a target that serves requests one after another, request k
// for service(k). The queue has a clock of its own, so that a late answer does
// not delay those behind it.
func startQueue(t *testing.T, service func(uint64) time.Duration) *target {
	var free time.Duration // when the server will be
	return startTimed(t, func(k uint64, now time.Duration) time.Duration {
		free = max(free, now) + service(k)
		return free
	})
}

// startFreezing starts a target that answers at once, but in the last freeze
// of every cycle when that is over. It begins at into.
func startFreezing(t *testing.T, cycle, freeze, into time.Duration) *target {
	return startTimed(t, func(_ uint64, now time.Duration) time.Duration {
		if at := (now + into) % cycle; at >= cycle-freeze {
			return now + cycle - at
		}
		return now
	})
}
