// SPDX-License-Identifier: Apache-2.0

package main

import (
	"math"
	"testing"
	"time"
)

// For one server the response time is exponential with rate mu - lambda.
func TestTailOfOneServer(t *testing.T) {
	q := queue{servers: 1, mean: 10 * time.Millisecond}
	for _, rps := range []float64{1, 40, 90} {
		want := math.Exp(-(100 - rps) * 0.05)
		if got := q.tail(rps, 50*time.Millisecond); math.Abs(got/want-1) > 1e-9 {
			t.Errorf("at %v/s: %v, want %v", rps, got, want)
		}
	}
}

// The capacity is where a simulated line, too, has 1% beyond the limit.
func TestCapacityAgainstTheLine(t *testing.T) {
	q, limit := queue{servers: 4, mean: 10 * time.Millisecond}, 80*time.Millisecond
	rps := q.capacity(limit)
	line, now, over := newLine(q), time.Unix(0, 0), 0
	const requests = 4_000_000
	for range requests {
		now = now.Add(time.Duration(line.random.ExpFloat64() / rps * float64(time.Second)))
		if line.join(now).Sub(now) > limit {
			over++
		}
	}
	if share := float64(over) / requests; math.Abs(share/allowed-1) > 0.15 {
		t.Errorf("at %.1f/s %.4f are beyond the limit, want %v", rps, share, allowed)
	}
}

func TestRefused(t *testing.T) {
	for _, q := range []queue{{servers: 0, mean: time.Millisecond}, {servers: 1, mean: 0}, {servers: 1, mean: time.Second}} {
		if q.check(100*time.Millisecond) == nil {
			t.Errorf("%+v was taken", q)
		}
	}
}
