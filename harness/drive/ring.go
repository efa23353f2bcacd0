// SPDX-License-Identifier: Apache-2.0

package drive

import (
	"time"

	"headroom/harness/drive/mix"
)

// request is one that is due.
type request struct {
	k        uint64
	intended time.Duration // since the epoch
	handed   time.Duration // since the epoch: when the loop got round to it
	// redirected is what to send in place of request k, when an answer has led
	// elsewhere; hops is how often that has happened.
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
