// SPDX-License-Identifier: Apache-2.0

package drive

import (
	"time"

	"headroom/harness/drive/mix"
)

// request is a request that is due.
type request struct {
	k          uint64
	intended   time.Duration // since the epoch
	dispatched time.Duration // since the epoch: when the loop took up the request
	// redirected is the request to send in place of request k, after a redirect; hops
	// is the number of redirects so far.
	redirected *mix.Request
	hops       int
}

// ring is a first-in, first-out queue of requests. Its length is bounded by
// its user.
type ring struct {
	slots      []request // a power of two
	head, size int
}

func (r *ring) len() int { return r.size }

func (r *ring) push(q request) {
	if r.size == len(r.slots) {
		grown := make([]request, max(2*len(r.slots), 64))
		for i := range r.size {
			grown[i] = r.slots[(r.head+i)&(len(r.slots)-1)]
		}
		r.slots, r.head = grown, 0
	}
	r.slots[(r.head+r.size)&(len(r.slots)-1)] = q
	r.size++
}

// first is the oldest request; there must be one.
func (r *ring) first() *request { return r.at(0) }

// at is the i-th of the requests, from the oldest on.
func (r *ring) at(i int) *request { return &r.slots[(r.head+i)&(len(r.slots)-1)] }

// pop removes the oldest request; there must be one.
func (r *ring) pop() request {
	q := r.slots[r.head]
	r.slots[r.head] = request{}
	r.head = (r.head + 1) & (len(r.slots) - 1)
	r.size--
	return q
}

// links are an element's place in a timeList.
type links[T any] struct{ older, newer *T }

// timed is what a timeList holds.
type timed[T any] interface {
	*T
	links() *links[T]
	at() time.Duration
}

// timeList holds things in the order of their moments, the oldest first. An
// element is in one list at most.
type timeList[T any, P timed[T]] struct{ oldest, newest P }

// insert adds an element. The element mostly is the newest, so the search for its place
// begins at the newest end.
func (l *timeList[T, P]) insert(e P) {
	before := l.newest
	for before != nil && before.at() > e.at() {
		before = before.links().older
	}
	own := e.links()
	own.older = before
	if before == nil {
		own.newer, l.oldest = l.oldest, e
	} else {
		own.newer, before.links().newer = before.links().newer, e
	}
	if own.newer == nil {
		l.newest = e
	} else {
		P(own.newer).links().older = e
	}
}

// remove takes an element out that is in the list.
func (l *timeList[T, P]) remove(e P) {
	own := e.links()
	if own.older == nil {
		l.oldest = own.newer
	} else {
		P(own.older).links().newer = own.newer
	}
	if own.newer == nil {
		l.newest = own.older
	} else {
		P(own.newer).links().older = own.older
	}
	*own = links[T]{}
}
