// SPDX-License-Identifier: Apache-2.0

package link

import (
	"testing"
	"time"
)

func TestArrives(t *testing.T) {
	zero := time.Unix(1000, 0)
	ms := func(n int) time.Time { return zero.Add(time.Duration(n) * time.Millisecond) }
	w := &wire{perSecond: 1000} // a byte a millisecond
	one := &timing{wire: w, delay: 40 * time.Millisecond, opens: ms(80)}
	two := &timing{wire: w, delay: 40 * time.Millisecond}
	for i, step := range []struct {
		of        *timing
		now, n    int
		arrivesMS int
	}{
		{one, 0, 10, 120},  // the handshake first
		{two, 0, 10, 60},   // waits for the wire, not for the other's handshake
		{two, 20, 0, 60},   // an end has no size, and keeps the order
		{one, 200, 5, 245}, // idle wire
		{one, 200, 5, 250}, // one after the other
	} {
		if got := step.of.arrival(ms(step.now), step.n); !got.Equal(ms(step.arrivesMS)) {
			t.Errorf("step %d arrives after %v, want %d ms", i, got.Sub(zero), step.arrivesMS)
		}
	}
}

func TestJitterKeepsOrderAndBounds(t *testing.T) {
	const delay, jitter = 10 * time.Millisecond, 5 * time.Millisecond
	line := &timing{wire: &wire{perSecond: 1 << 40}, delay: delay, jitter: jitter}
	now, last := time.Unix(1000, 0), time.Time{}
	spread := false
	for range 1000 {
		now = now.Add(time.Millisecond)
		at := line.arrival(now, 1)
		took := at.Sub(now)
		if at.Before(last) || took < delay || took > delay+jitter+time.Millisecond {
			t.Fatalf("arrives %v after it was sent, the one before at %v", took, last)
		}
		spread = spread || took > delay+jitter/2
		last = at
	}
	if !spread {
		t.Error("there is no jitter")
	}
}
