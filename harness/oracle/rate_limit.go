// SPDX-License-Identifier: Apache-2.0

package oracle

import (
	"fmt"
	"sync"
	"time"

	"headroom/harness/record"
	"headroom/scenarios"
)

// limitSlack is the least margin of a violation: limiters stamp requests in whole
// milliseconds.
const limitSlack = 2 * time.Millisecond

// RateLimitCheck checks that no session gets more requests admitted within any window
// of the rate limit than it allows: `over_limit`.
//
// A request is admitted at an unknown moment between its send and its answer. The limit
// is certainly exceeded when limit+1 requests were sent and answered within less than a
// window. The oracle keeps the limit+1 latest sends of a session's answered requests.
// The limit is exceeded exactly when the newest answer came less than a window after
// the earliest of these sends. Each admission that completes such a set counts as one
// violation.
//
// It can't see: requests of other clients, or from before the driver started; an excess
// shorter than a request takes, or than two milliseconds. Answers that did not pass the
// limiter must not be reported to it: those of a cache before the limiter, and failures.
type RateLimitCheck struct {
	limit       int
	window      time.Duration
	stampBudget *budget
	shards      [shardCount]limitShard
	first       ages
}

type limitShard struct {
	mu        sync.Mutex
	sessions  map[int64]*stamps
	tally     tally
	untracked int64
	_         [64]byte
}

// stamps holds a session's latest sends, in order of time, in a ring.
type stamps struct {
	slots       []time.Duration
	first, size int
	ended       time.Duration // the newest answer
}

// NewRateLimitCheck returns the oracle of a limit of so many requests in a window.
func NewRateLimitCheck(limit int, window time.Duration) *RateLimitCheck {
	return &RateLimitCheck{limit: limit, window: window, stampBudget: newBudget(maxStamps)}
}

// Admitted records a request of a session that passed the limiter.
func (l *RateLimitCheck) Admitted(session int64, sent, ended time.Duration, recorded bool) {
	s := &l.shards[shardOf(uint64(session))]
	s.mu.Lock()
	defer s.mu.Unlock()
	known := s.sessions[session]
	if known == nil {
		if s.sessions == nil {
			s.sessions = map[int64]*stamps{}
		}
		if len(s.sessions) >= MaxTracked/shardCount {
			s.untracked++
			return
		}
		known = &stamps{}
		s.sessions[session] = known
	}
	if known.size == len(known.slots) && known.size <= l.limit && !known.grow(l.limit+1, l.stampBudget) {
		s.untracked++
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

// grow makes room for more sends. It returns false when the quota is used up.
func (s *stamps) grow(limit int, quota *budget) bool {
	slots := min(max(2*len(s.slots), firstStamps), limit)
	if !quota.take(int64(slots - len(s.slots))) {
		return false
	}
	grown := make([]time.Duration, slots)
	for i := range s.size {
		grown[i] = s.slots[(s.first+i)%len(s.slots)]
	}
	s.slots, s.first = grown, 0
	return true
}

// insert puts sent in its place by time. When the ring holds limit sends, insert drops
// the earliest send, and returns false if that is sent itself. Answers come nearly in
// the order of their sends, so the place is near the end.
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
func (l *RateLimitCheck) Result() record.Oracle {
	o := record.Oracle{Name: scenarios.OracleOverLimit}
	var untracked int64
	for i := range l.shards {
		s := &l.shards[i]
		s.mu.Lock()
		o.Checked += s.tally.checked
		o.Violations += s.tally.violations
		untracked += s.untracked
		s.mu.Unlock()
	}
	l.first.into(&o)
	o.Age = nil // the excess over a window is no age
	setUnknown(&o, "no request of a session was admitted",
		countReason(untracked, "requests were not followed: there were too many sessions"))
	return o
}
