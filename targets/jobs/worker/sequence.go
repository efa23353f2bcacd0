// SPDX-License-Identifier: Apache-2.0

package worker

// maxPublishers bounds the memory of a sequence: each start of a shop is one.
const maxPublishers = 4096

// sequence finds jobs that were delivered after a later one of the same
// publisher. It sees what this worker takes: an order that is lost between two
// workers is not seen. Not safe for concurrent use.
type sequence struct {
	last map[string]int64 // publisher -> the latest number that was delivered
}

func newSequence() *sequence { return &sequence{last: map[string]int64{}} }

// outOfOrder notes one delivery. A job that comes again is out of order when a later
// one came between.
func (s *sequence) outOfOrder(publisher string, seq int64) bool {
	last, known := s.last[publisher]
	if seq < last {
		return true
	}
	if known || len(s.last) < maxPublishers {
		s.last[publisher] = seq
	}
	return false
}
