// SPDX-License-Identifier: Apache-2.0

package link

import (
	"math/rand/v2"
	"sync"
	"time"
)

// wire is one direction of the link, shared by all its connections. Pieces leave one
// after the other, as fast as the bandwidth lets them.
type wire struct {
	perSecond int64

	mu   sync.Mutex
	free time.Time // when all that was sent before has left
}

// departure says when the last of n bytes that come at now has left.
func (w *wire) departure(now time.Time, n int) time.Time {
	takes := time.Duration(float64(n) / float64(w.perSecond) * float64(time.Second))
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.free.Before(now) {
		w.free = now
	}
	w.free = w.free.Add(takes)
	return w.free
}

// timing says when what one connection sends in one direction arrives.
type timing struct {
	wire          *wire
	delay, jitter time.Duration
	opens         time.Time // before it, over a real distance, nothing could have left
	last          time.Time // arrival of what was sent before
}

// arrival says when n bytes arrive that are sent at now. Bytes that jitter would let
// overtake arrive with the bytes before them, because TCP keeps the order.
func (t *timing) arrival(now time.Time, n int) time.Time {
	at := t.wire.departure(now, n)
	if at.Before(t.opens) {
		at = t.opens
	}
	at = at.Add(t.delay)
	if t.jitter > 0 {
		at = at.Add(rand.N(t.jitter + 1))
	}
	if at.Before(t.last) {
		at = t.last
	}
	t.last = at
	return at
}
