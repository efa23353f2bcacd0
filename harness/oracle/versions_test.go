// SPDX-License-Identifier: Apache-2.0

package oracle

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"headroom/harness/record"
	"headroom/scenarios"
)

var allVersions = versionOracles[:]

func nameOf(object uint64) string { return fmt.Sprintf("user %d", object) }

// simulation is a system of versioned objects under overlapping requests: each
// takes effect at some moment between its send and its answer.
type simulation struct {
	draw    *rand.Rand
	history [][]ack                                    // of each object: its versions, and since when
	written [simSessions + 1][simObjects]time.Duration // when a session last wrote an object
	// show is the version that a read sees at a moment.
	show func(s *simulation, object, session int, at time.Duration) int64
}

const (
	simObjects  = 5
	simSessions = 4
)

// asOf is the object's version at a moment on a lagging copy.
func (s *simulation) asOf(object int, at time.Duration) int64 {
	version := int64(1)
	for _, a := range s.history[object] {
		if a.at <= at {
			version = a.version
		}
	}
	return version
}

// run feeds the oracle with n requests and returns its findings by name.
func (s *simulation) run(n int) map[scenarios.OracleName]record.Oracle {
	type event struct {
		at   time.Duration
		call func()
	}
	v := NewVersions(allVersions, nameOf)
	s.history = make([][]ack, simObjects)
	var events []event
	at := time.Duration(0)
	for range n {
		at += time.Duration(s.draw.Int64N(int64(4 * time.Millisecond)))
		sent := at
		effect := sent + time.Duration(1+s.draw.Int64N(int64(10*time.Millisecond)))
		ended := effect + time.Duration(1+s.draw.Int64N(int64(10*time.Millisecond)))
		object, session, write := s.draw.IntN(simObjects), 1+s.draw.IntN(simSessions), s.draw.IntN(4) == 0
		access := Access{Object: uint64(object), Session: int64(session), Sent: sent, Ended: ended, Recorded: true}
		var floor Floor
		events = append(events, event{sent, func() { floor = v.Send(access.Object, access.Session) }})
		if write {
			events = append(events, event{effect, func() {
				access.Version = s.asOf(object, effect) + 1
				s.history[object] = append(s.history[object], ack{access.Version, effect})
				s.written[session][object] = effect
			}}, event{ended, func() { v.Wrote(access) }})
			continue
		}
		events = append(events, event{effect, func() { access.Version = s.show(s, object, session, effect) }},
			event{ended, func() { v.Read(access, floor) }})
	}
	slices.SortStableFunc(events, func(a, b event) int { return cmp.Compare(a.at, b.at) })
	for _, e := range events {
		e.call()
	}
	found := map[scenarios.OracleName]record.Oracle{}
	for _, o := range v.Results(allVersions) {
		found[o.Name] = o
	}
	return found
}

// A correct register never raises an alarm, however requests overlap, and each
// planted bug raises those that it must and none that it can't.
func TestVersionsCatchWhatIsPlanted(t *testing.T) {
	const lag = 60 * time.Millisecond
	current := func(s *simulation, object, _ int, at time.Duration) int64 { return s.asOf(object, at) }
	for _, test := range []struct {
		name string
		show func(*simulation, int, int, time.Duration) int64
		bad  []scenarios.OracleName
	}{
		{"correct", current, nil},
		{"one replica, one lag", func(s *simulation, object, _ int, at time.Duration) int64 {
			return s.asOf(object, at-lag)
		}, []scenarios.OracleName{scenarios.OracleStale, scenarios.OracleReadYourWrites}},
		{"two replicas, one lags", func(s *simulation, object, _ int, at time.Duration) int64 {
			return s.asOf(object, at-lag*time.Duration(s.draw.IntN(2)))
		}, []scenarios.OracleName{scenarios.OracleStale, scenarios.OracleReadYourWrites, scenarios.OracleMonotonic}},
		{"a cache for 50 ms", func(s *simulation, object, _ int, at time.Duration) int64 {
			return s.asOf(object, at.Truncate(50*time.Millisecond))
		}, []scenarios.OracleName{scenarios.OracleStale, scenarios.OracleReadYourWrites}},
		{"session 1 reads the primary, the others a replica", func(s *simulation, object, session int, at time.Duration) int64 {
			if session == 1 {
				return s.asOf(object, at)
			}
			return s.asOf(object, at-lag)
		}, []scenarios.OracleName{scenarios.OracleStale, scenarios.OracleReadYourWrites}},
		{"own writes are read from the primary while the replica lags", func(s *simulation, object, session int, at time.Duration) int64 {
			if at-s.written[session][object] < lag {
				return s.asOf(object, at)
			}
			return s.asOf(object, at-lag)
		}, []scenarios.OracleName{scenarios.OracleStale, scenarios.OracleMonotonic}},
		{"one read in a hundred shows the one before", func(s *simulation, object, _ int, at time.Duration) int64 {
			if s.draw.IntN(100) == 0 {
				return max(s.asOf(object, at)-1, 1)
			}
			return s.asOf(object, at)
		}, []scenarios.OracleName{scenarios.OracleStale, scenarios.OracleReadYourWrites, scenarios.OracleMonotonic}},
	} {
		t.Run(test.name, func(t *testing.T) {
			sums := map[scenarios.OracleName]record.Oracle{}
			for seed := range uint64(20) {
				s := &simulation{draw: rand.New(rand.NewPCG(seed, 1)), show: test.show}
				for name, o := range s.run(2000) {
					sum := sums[name]
					sum.Checked += o.Checked
					sum.Violations += o.Violations
					sums[name] = sum
					if o.Unknown != "" || (o.Violations > 0) != (o.Age != nil && o.Example != "") {
						t.Errorf("seed %d: %+v", seed, o)
					}
				}
			}
			for _, name := range allVersions {
				o := sums[name]
				if o.Checked < 1000 {
					t.Errorf("%s: only %d checks", name, o.Checked)
				}
				if want := slices.Contains(test.bad, name); (o.Violations > 0) != want {
					t.Errorf("%s: %d violations in %d checks, want some: %v", name, o.Violations, o.Checked, want)
				}
			}
		})
	}
}

func TestAgeRunsFromTheFirstMissedAcknowledgement(t *testing.T) {
	const ms = time.Millisecond
	v := NewVersions(allVersions, nameOf)
	for i, at := range []time.Duration{10 * ms, 20 * ms, 30 * ms} {
		v.Wrote(Access{Object: 7, Session: 1, Version: int64(i + 2), Ended: at})
	}
	floor := v.Send(7, 2)
	v.Read(Access{Object: 7, Session: 2, Version: 2, Sent: 100 * ms, Ended: 110 * ms, Recorded: true}, floor)
	o := v.Results([]scenarios.OracleName{scenarios.OracleStale})[0]
	if o.Checked != 1 || o.Violations != 1 || o.Age.Max().Round(ms) != 80*ms {
		t.Errorf("%+v, age %v: version 3 came at 20 ms, the read went out at 100 ms", o, o.Age.Max())
	}
	if want := "a read of user 7 showed version 2, although version 4 was acknowledged 70 ms before it was sent"; o.Example != want {
		t.Errorf("example %q, want %q", o.Example, want)
	}
}

// Only the last four acknowledgements are kept: beyond them, the age is less
// than the truth, never more.
func TestAgeOfAForgottenVersionIsALowerBound(t *testing.T) {
	const ms = time.Millisecond
	v := NewVersions(allVersions, nameOf)
	for i := range 10 {
		v.Wrote(Access{Object: 1, Version: int64(i + 2), Ended: time.Duration(i+1) * 10 * ms})
	}
	v.Read(Access{Object: 1, Version: 1, Sent: 200 * ms, Recorded: true}, v.Send(1, 0))
	o := v.Results(allVersions)[0]
	if got := o.Age.Max().Round(ms); got != 130*ms {
		t.Errorf("age %v: the fourth last of ten came at 70 ms", got)
	}
}

func TestWritesUnderWayAreNotHeldAgainstReads(t *testing.T) {
	v := NewVersions(allVersions, nameOf)
	early := v.Send(1, 1) // before the answer arrives
	v.Wrote(Access{Object: 1, Session: 1, Version: 5, Ended: 10})
	v.Read(Access{Object: 1, Session: 1, Version: 4, Sent: 5, Ended: 20, Recorded: true}, early)
	for _, o := range v.Results(allVersions) {
		if o.Checked != 0 || !strings.HasPrefix(o.Unknown, "not measured: ") {
			t.Errorf("%+v: nothing could be checked", o)
		}
	}
}

func TestWhatIsOutsideOfTheSliceIsKnownAndNotCounted(t *testing.T) {
	v := NewVersions(allVersions, nameOf)
	v.Wrote(Access{Object: 1, Session: 1, Version: 5, Ended: 10}) // in the warm-up
	v.Read(Access{Object: 1, Session: 1, Version: 1, Sent: 20, Ended: 30}, v.Send(1, 1))
	v.Read(Access{Object: 1, Session: 1, Version: 4, Sent: 40, Ended: 50, Recorded: true}, v.Send(1, 1))
	want := map[scenarios.OracleName]int64{scenarios.OracleStale: 1, scenarios.OracleReadYourWrites: 1, scenarios.OracleMonotonic: 0}
	for _, o := range v.Results(allVersions) {
		if o.Checked != 1 || o.Violations != want[o.Name] {
			t.Errorf("%+v: one read was recorded", o)
		}
	}
}

func TestVersionsSayWhatTheyCouldNotCheck(t *testing.T) {
	v := NewVersions([]scenarios.OracleName{scenarios.OracleStale}, nameOf)
	v.objects = newBudget(1)
	v.Wrote(Access{Object: 1, Version: 2, Ended: 1})
	v.Wrote(Access{Object: 2, Version: 2, Ended: 1})
	v.Unread(1)
	v.Read(Access{Object: 1, Version: 2, Sent: 5, Recorded: true}, v.Send(1, 0))
	found := v.Results(allVersions)[:1]
	if o := found[0]; o.Checked != 1 || !strings.Contains(o.Unknown, "1 answers showed no version; 1 answers were not followed") {
		t.Errorf("%+v", o)
	}
	if NewVersions([]scenarios.OracleName{scenarios.OracleLost}, nameOf) != nil {
		t.Error("an oracle of versions was made that nobody asked for")
	}
}

// Several loops use the oracle at once. The race detector finds missing locks; without it
// the test shows that no event is lost.
func TestVersionsAreSafeTogether(t *testing.T) {
	const loops, each = 4, 2000
	v := NewVersions(allVersions, nameOf)
	var wg sync.WaitGroup
	for loop := range loops {
		wg.Go(func() {
			for i := range each {
				a := Access{Object: uint64(i % 50), Session: int64(loop + 1), Version: int64(i + 1), Sent: time.Duration(i), Ended: time.Duration(i), Recorded: true}
				v.Wrote(a)
				v.Read(a, v.Send(a.Object, a.Session))
			}
		})
	}
	wg.Wait()
	if o := v.Results(allVersions)[0]; o.Checked != loops*each {
		t.Errorf("%d checks of %d reads after writes", o.Checked, loops*each)
	}
}

// The cost of a read: with few objects what the code costs, with many what the
// memory does.
func BenchmarkVersions(b *testing.B) {
	for _, objects := range []uint64{1000, 100_000} {
		b.Run(fmt.Sprintf("%d objects", objects), func(b *testing.B) {
			v := NewVersions(allVersions, nameOf)
			for i := range objects {
				v.Wrote(Access{Object: i, Session: int64(i + 1), Version: 1})
			}
			at := uint64(0)
			for b.Loop() {
				at = at*6364136223846793005 + 1442695040888963407
				object := at >> 33 % objects
				a := Access{Object: object, Session: int64(object + 1), Version: 1, Recorded: true}
				v.Read(a, v.Send(object, a.Session))
			}
		})
	}
}
