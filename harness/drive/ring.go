package drive

import "time"

// request is one that is due.
type request struct {
	k        uint64
	intended time.Duration // since the epoch
	handed   time.Duration // since the epoch: when the loop got round to it
}

// ring is a first-in, first-out queue of requests. Its length is bounded by
// its user.
type ring struct {
	slots       []request // a power of two
	first, size int
}

func (r *ring) len() int { return r.size }

func (r *ring) push(q request) {
	if r.size == len(r.slots) {
		grown := make([]request, max(2*len(r.slots), 64))
		for i := range r.size {
			grown[i] = r.slots[(r.first+i)&(len(r.slots)-1)]
		}
		r.slots, r.first = grown, 0
	}
	r.slots[(r.first+r.size)&(len(r.slots)-1)] = q
	r.size++
}

// pop removes the oldest request; there must be one.
func (r *ring) pop() request {
	q := r.slots[r.first]
	r.first = (r.first + 1) & (len(r.slots) - 1)
	r.size--
	return q
}
