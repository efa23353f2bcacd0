// SPDX-License-Identifier: Apache-2.0

package shards

import "time"

// Layout of an id that an app makes itself, 63 bits, so that it stays a
// positive bigint: milliseconds since Epoch, the node that made it, and its
// place among those that the node made in that millisecond.
const (
	NodeBits     = 10
	SequenceBits = 12
)

// Epoch is where the milliseconds begin; 41 bits of them last until 2094.
var Epoch = time.Date(2025, 1, 1, 0, 0, 0, 0, time.UTC)

// ID puts an id together. Of every part only the bits that have room are used.
func ID(milliseconds, node, sequence int64) int64 {
	const parts = NodeBits + SequenceBits
	return milliseconds&(1<<(63-parts)-1)<<parts | node&(1<<NodeBits-1)<<SequenceBits | sequence&(1<<SequenceBits-1)
}

// Time is when an id was made, by the clock of the app that made it. Ids of
// the seeded data, 1, 2, 3, ..., all give Epoch: they carry no time.
func Time(id int64) time.Time {
	return Epoch.Add(time.Duration(id>>(NodeBits+SequenceBits)) * time.Millisecond)
}
