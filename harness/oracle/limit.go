// SPDX-License-Identifier: Apache-2.0

package oracle

import (
	"fmt"
	"sync"
	"time"

	"headroom/harness/record"
	"headroom/scenarios"
)

// limitSlack is by how much a violation must be certain: limiters stamp
// requests in whole milliseconds.
const limitSlack = 2 * time.Millisecond

// Limits checks that no session gets more requests admitted within any window
// of the rate limit than it allows: `over_limit`.
//
// A request was admitted at a moment that nobody saw, between its send and its
// answer. More than the limit lie surely within one window when limit+1 of
// them were sent and answered within less than it. With the limit+1 latest
// sends of a session at hand, of requests that are over, that is so exactly
// when the newest answer came less than a window after the earliest of these
// sends. Each admission that completes such a set counts as one violation.
//
// It can't see: what was admitted and answered outside of what this driver
// sent, or before it started; what overshoots by less than a request takes, or
// by less than two milliseconds. It must not be told of answers that the
// limiter had no part in: those of a cache before it, and failures.
type Limits struct {
	limit  int
	window time.Duration
	room   *budget
	shards [shardCount]limitShard
	first  ages
}

type limitShard struct {
	mu       sync.Mutex
	sessions map[int64]*stamps
	tally    tally
	unkept   int64
	_        [64]byte
}

// stamps holds a session's latest sends, in order, in a ring.
type stamps struct {
	slots       []time.Duration
	first, size int
	ended       time.Duration // the newest answer
}

// NewLimits returns the oracle of a limit of that many requests in a window.
func NewLimits(limit int, window time.Duration) *Limits {
	return &Limits{limit: limit, window: window, room: newBudget(maxStamps)}
}

// Admitted is told of a request of a session that passed the limiter.
func (l *Limits) Admitted(session int64, sent, ended time.Duration, recorded bool) {
	s := &l.shards[shardOf(uint64(session))]
	s.mu.Lock()
	defer s.mu.Unlock()
	known := s.sessions[session]
	if known == nil {
		if s.sessions == nil {
			s.sessions = map[int64]*stamps{}
		}
		if len(s.sessions) >= MaxKept/shardCount {
			s.unkept++
			return
		}
		known = &stamps{}
		s.sessions[session] = known
	}
	if known.size == len(known.slots) && known.size <= l.limit && !known.grow(l.limit+1, l.room) {
		s.unkept++
		return
	}
	known.ended = max(known.ended, ended)
	newest := known.insert(sent, l.limit+1)
	if !recorded {
		return
	}
	s.tally.checked++
	if !newest || known.size <= l.limit {
		return
	}
	if span := known.ended - known.slots[known.first]; span+limitSlack < l.window {
		s.tally.violations++
		l.first.add(l.window-span, func() string {
			return fmt.Sprintf("session %d got %d requests admitted within %s, the limit is %d in %v",
				session, l.limit+1, millis(span), l.limit, l.window)
		})
	}
}

const firstStamps = 8

// grow makes room, and reports false when the bound of all is reached.
func (s *stamps) grow(limit int, room *budget) bool {
	slots := min(max(2*len(s.slots), firstStamps), limit)
	if !room.take(int64(slots - len(s.slots))) {
		return false
	}
	grown := make([]time.Duration, slots)
	for i := range s.size {
		grown[i] = s.slots[(s.first+i)%len(s.slots)]
	}
	s.slots, s.first = grown, 0
	return true
}

// insert puts sent in its place, and lets the earliest go when there are limit
// of them; it reports false when that is sent itself. Answers come nearly in
// the order of their sends: its place is soon found.
func (s *stamps) insert(sent time.Duration, limit int) bool {
	n := len(s.slots)
	if s.size == limit {
		if sent <= s.slots[s.first] {
			return false
		}
		s.first = (s.first + 1) % n
		s.size--
	}
	at := s.size
	for at > 0 && s.slots[(s.first+at-1)%n] > sent {
		s.slots[(s.first+at)%n] = s.slots[(s.first+at-1)%n]
		at--
	}
	s.slots[(s.first+at)%n] = sent
	s.size++
	return true
}

// Result returns the finding.
func (l *Limits) Result() record.Oracle {
	o := record.Oracle{Name: scenarios.OracleOverLimit}
	var unkept int64
	for i := range l.shards {
		s := &l.shards[i]
		s.mu.Lock()
		o.Checked += s.tally.checked
		o.Violations += s.tally.violations
		unkept += s.unkept
		s.mu.Unlock()
	}
	l.first.into(&o)
	o.Age = nil // by how much a window was overrun is no age
	because(&o, "no request of a session was admitted",
		some(unkept, "requests were not followed: there were too many sessions"))
	return o
}
