// SPDX-License-Identifier: Apache-2.0

package oracle

import (
	"fmt"
	"slices"
	"sync"
	"time"

	"headroom/harness/record"
	"headroom/scenarios"
)

// Versions checks what reads of versioned objects show: `stale`,
// `read_your_writes` and `monotonic_reads`.
//
// A read is stale when it shows a lower version than the highest version that was
// acknowledged, to any client, before the read was sent. A read breaks read-your-writes
// when this holds of the writes of its own session. A read breaks monotonic reads when
// an earlier read of its session, which was over before, showed a higher version. Only
// reads with an earlier version to compare with are checked: the others can't be wrong.
//
// It can't see: writes that were not acknowledged to this driver, such as those from
// before it started; reads of objects without a version; a wrong value under the right
// version; a read that overtook a write while both were under way.
//
// The age of a stale read is the time from the first acknowledgement of a higher version
// to the read's send. The last four acknowledgements of an object are kept. With an
// older acknowledgement the age is a lower bound.
type Versions struct {
	name           func(object uint64) string
	stale, session bool
	shards         [shardCount]versionShard
	objects, pairs *budget
	ages           [checkCount]ages
}

// The checks, as indices.
const (
	checkStale = iota
	checkOwn
	checkMonotonic
	checkCount
)

var versionOracles = [checkCount]scenarios.OracleName{scenarios.OracleStale, scenarios.OracleReadYourWrites, scenarios.OracleMonotonic}

type versionShard struct {
	mu        sync.Mutex
	objects   table[uint64, object]
	sessions  table[pair, follower]
	tallies   [checkCount]tally
	unread    int64 // answers without a version
	untracked int64 // events of objects or sessions beyond the bound
	_         [64]byte
}

type tally struct{ checked, violations int64 }

type pair struct {
	session int64
	object  uint64
}

const keptAcks = 4

// object is what is known of one object.
type object struct {
	acked int64         // the highest version acknowledged
	at    time.Duration // when that arrived
	acks  [keptAcks]ack // the last, in a ring
	next  uint8
}

type ack struct {
	version int64
	at      time.Duration
}

// follower is what one session knows of one object.
type follower struct {
	own, seen     int64 // the highest version that it wrote, and read
	ownAt, seenAt time.Duration
}

// Floor holds the versions of an object that were certain when a request for the object
// was sent. It travels with the request.
type Floor struct {
	versions [checkCount]int64 // 0: nothing to compare with
	at       [checkCount]time.Duration
}

// Access is one answered request for an object.
type Access struct {
	Object      uint64
	Session     int64 // 0: nobody's
	Version     int64 // shown or acknowledged
	Sent, Ended time.Duration
	Recorded    bool // whether it counts; accesses outside of the slice update what is known all the same
}

// NewVersions returns an oracle for those names that are version checks, and nil when
// there is no such name. name returns what an object is called.
func NewVersions(names []scenarios.OracleName, name func(object uint64) string) *Versions {
	v := &Versions{
		name: name, stale: slices.Contains(names, scenarios.OracleStale),
		session: slices.Contains(names, scenarios.OracleReadYourWrites) || slices.Contains(names, scenarios.OracleMonotonic),
		objects: newBudget(MaxTracked), pairs: newBudget(MaxTracked),
	}
	if !v.stale && !v.session {
		return nil
	}
	return v
}

func (v *Versions) shard(object uint64) *versionShard { return &v.shards[shardOf(object)] }

// Send must be called right before each request for an object goes out. It returns the
// floor with which the answer is compared.
func (v *Versions) Send(id uint64, session int64) (floor Floor) {
	s := v.shard(id)
	s.mu.Lock()
	defer s.mu.Unlock()
	if v.stale {
		if o := s.objects.get(id); o != nil {
			floor.versions[checkStale], floor.at[checkStale] = o.acked, o.at
		}
	}
	if v.session && session != 0 {
		if f := s.sessions.get(pair{session, id}); f != nil {
			floor.versions[checkOwn], floor.at[checkOwn] = f.own, f.ownAt
			floor.versions[checkMonotonic], floor.at[checkMonotonic] = f.seen, f.seenAt
		}
	}
	return floor
}

// Wrote records that a write was acknowledged.
func (v *Versions) Wrote(a Access) {
	s := v.shard(a.Object)
	s.mu.Lock()
	defer s.mu.Unlock()
	if v.stale {
		if o := s.objects.put(a.Object, v.objects); o != nil {
			o.acks[o.next] = ack{a.Version, a.Ended}
			o.next = (o.next + 1) % keptAcks
			if a.Version > o.acked {
				o.acked, o.at = a.Version, a.Ended
			}
		} else {
			s.untracked++
		}
	}
	if v.session && a.Session != 0 {
		f := s.sessions.put(pair{a.Session, a.Object}, v.pairs)
		if f == nil {
			s.untracked++
		} else if a.Version > f.own {
			f.own, f.ownAt = a.Version, a.Ended
		}
	}
}

// Read checks the version that a read showed; floor is what Send returned for the read.
func (v *Versions) Read(a Access, floor Floor) {
	s := v.shard(a.Object)
	s.mu.Lock()
	defer s.mu.Unlock()
	if v.session && a.Session != 0 {
		f := s.sessions.put(pair{a.Session, a.Object}, v.pairs)
		if f == nil {
			s.untracked++
		} else if a.Version > f.seen {
			f.seen, f.seenAt = a.Version, a.Ended
		}
	}
	if !a.Recorded {
		return
	}
	for check, least := range floor.versions {
		if least == 0 {
			continue
		}
		s.tallies[check].checked++
		if a.Version < least {
			s.tallies[check].violations++
			v.violated(s, check, a, floor)
		}
	}
}

// violated records the age of a violation; the shard must be locked.
func (v *Versions) violated(s *versionShard, check int, a Access, floor Floor) {
	since := floor.at[check]
	if o := s.objects.get(a.Object); o != nil && check == checkStale {
		for _, ack := range o.acks {
			if ack.version > a.Version {
				since = min(since, ack.at)
			}
		}
	}
	age := max(a.Sent-since, 0)
	v.ages[check].add(age, func() string {
		happened := [checkCount]string{"was acknowledged", "was acknowledged to the same session", "was shown to the same session"}[check]
		return fmt.Sprintf("a read of %s showed version %d, although version %d %s %s before it was sent",
			v.name(a.Object), a.Version, floor.versions[check], happened, millis(a.Sent-floor.at[check]))
	})
}

// Unread counts a successful answer in which no version was found.
func (v *Versions) Unread(id uint64) {
	s := v.shard(id)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.unread++
}

// Results returns the findings of the oracles among names.
func (v *Versions) Results(names []scenarios.OracleName) []record.Oracle {
	none := [checkCount]string{
		"no read came after an acknowledged write of the same thing",
		"no session read what it had written",
		"no session read the same thing twice",
	}
	var out []record.Oracle
	for check, name := range versionOracles {
		if !slices.Contains(names, name) {
			continue
		}
		o := record.Oracle{Name: name}
		var unread, untracked int64
		for i := range v.shards {
			s := &v.shards[i]
			s.mu.Lock()
			o.Checked += s.tallies[check].checked
			o.Violations += s.tallies[check].violations
			unread += s.unread
			untracked += s.untracked
			s.mu.Unlock()
		}
		v.ages[check].into(&o)
		setUnknown(&o, none[check], countReason(unread, "answers showed no version"),
			countReason(untracked, "answers were not followed: there were more than %d things", MaxTracked))
		out = append(out, o)
	}
	return out
}
