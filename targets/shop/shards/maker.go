// SPDX-License-Identifier: Apache-2.0

package shards

import (
	"sync/atomic"
	"time"
)

// MaxNode is the last node that an id has room for.
const MaxNode = 1<<NodeBits - 1

// idMaker makes ids that no other app makes, for databases that cannot ask each
// other: time, node and a sequence in 63 bits (see ID).
//
// Why not a sequence a shard: two shards would give the same number to two
// rows; sequences that start apart or step by the number of shards make the
// number of shards part of every id, and a row that moves keeps an id which
// says otherwise. And the shard of a post is chosen by its id, which must be
// there before the shard is asked.
//
// Gives: an id without a round trip, newer ones greater to about the
// millisecond, so that newest is still highest id. Costs: ids are long; clocks
// that differ put two nodes' posts in the wrong order by as much; an id tells
// when and where it was made. A node is a machine: two shops on one machine
// would make the same ids.
//
// The time of an id never goes back: while the clock does, ids count on from
// the last, as they do beyond 4,096 in a millisecond. Only a restart forgets
// the last; then the clock must not have gone back past it. Measured by
// scenario phase5.
type idMaker struct {
	node int64
	now  func() time.Time
	last atomic.Int64 // milliseconds and sequence, as one number
}

func (m *idMaker) next() int64 {
	now := m.now().Sub(Epoch).Milliseconds() << SequenceBits
	for {
		last := m.last.Load()
		made := max(now, last+1)
		if m.last.CompareAndSwap(last, made) {
			return ID(made>>SequenceBits, m.node, made)
		}
	}
}
