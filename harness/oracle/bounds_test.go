// SPDX-License-Identifier: Apache-2.0

package oracle

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"headroom/harness/record"
	"headroom/scenarios"
)

const ms = time.Millisecond

// A version that was acknowledged, or shown, twice counts from the first time on; a
// lower one that comes later changes nothing.
func TestTheFirstTimeCounts(t *testing.T) {
	v := NewVersions(allVersions, nameOf)
	for _, at := range []time.Duration{10, 50} {
		v.Wrote(Access{Object: 7, Session: 1, Version: 5, Ended: at * ms})
		v.Read(Access{Object: 7, Session: 1, Version: 6, Ended: at*ms + 5*ms}, Floor{})
	}
	v.Wrote(Access{Object: 7, Session: 1, Version: 4, Ended: 60 * ms})
	v.Read(Access{Object: 7, Session: 1, Version: 3, Ended: 60 * ms}, Floor{})
	floor := v.Send(7, 1)
	if want := (Floor{versions: [checkCount]int64{5, 5, 6}, at: [checkCount]time.Duration{10 * ms, 10 * ms, 15 * ms}}); floor != want {
		t.Fatalf("certain is %+v, want %+v", floor, want)
	}
	v.Read(Access{Object: 7, Session: 1, Version: 2, Sent: 100 * ms, Ended: 110 * ms, Recorded: true}, floor)
	for i, want := range []struct {
		age  time.Duration
		text string
	}{
		{90 * ms, "version 5 was acknowledged 90 ms before"},
		{90 * ms, "version 5 was acknowledged to the same session 90 ms before"},
		{85 * ms, "version 6 was shown to the same session 85 ms before"},
	} {
		o := v.Results(allVersions)[i]
		if o.Checked != 1 || o.Violations != 1 || o.Age.Max().Round(ms) != want.age || !strings.HasSuffix(o.Example, "showed version 2, although "+want.text+" it was sent") {
			t.Errorf("%+v, age %v; want %v, %q", o, o.Age.Max(), want.age, want.text)
		}
	}
	// A read that shows just what it must breaks nothing.
	v.Read(Access{Object: 7, Session: 1, Version: 6, Sent: 100 * ms, Recorded: true}, floor)
	for _, o := range v.Results(allVersions) {
		if o.Checked != 2 || o.Violations != 1 {
			t.Errorf("%+v: version 6 is none of its violations", o)
		}
	}
}

// The last four acknowledgements of an object are kept. The age of a read runs from the
// first of the kept ones, or from the very first.
func TestWhichAcknowledgementsAreKept(t *testing.T) {
	for writes, want := range map[int]time.Duration{1: 10, 4: 10, 5: 20, 6: 30, 8: 50, 9: 60} { // the first of the last four
		v := NewVersions([]scenarios.OracleName{scenarios.OracleStale}, nameOf)
		for i := 1; i <= writes; i++ {
			v.Wrote(Access{Object: 1, Version: int64(1 + i), Ended: time.Duration(i) * 10 * ms})
		}
		v.Read(Access{Object: 1, Version: 1, Sent: 500 * ms, Recorded: true}, v.Send(1, 0))
		o := v.Results([]scenarios.OracleName{scenarios.OracleStale})[0]
		if got := 500*ms - o.Age.Max().Round(ms); got != want*ms {
			t.Errorf("after %d writes the age runs from %v, want %v", writes, got, want*ms)
		}
	}
}

// Requests without a session are not tracked, nor are checks that nobody asked for.
func TestWhatIsFollowed(t *testing.T) {
	v := NewVersions([]scenarios.OracleName{scenarios.OracleReadYourWrites}, nameOf)
	v.Wrote(Access{Object: 1, Session: 0, Version: 5})
	v.Wrote(Access{Object: 2, Session: 3, Version: 5})
	if floor := v.Send(1, 0); floor != (Floor{}) {
		t.Errorf("of nobody's write %+v is certain", floor)
	}
	if floor := v.Send(2, 4); floor != (Floor{}) {
		t.Errorf("of another session's write %+v is certain", floor)
	}
	if floor := v.Send(2, 3); floor.versions[checkStale] != 0 || floor.versions[checkOwn] != 5 {
		t.Errorf("of its own write %+v is certain", floor)
	}
	if got := v.Results([]scenarios.OracleName{scenarios.OracleReadYourWrites}); len(got) != 1 || got[0].Name != scenarios.OracleReadYourWrites ||
		got[0].Unknown != "not measured: no session read what it had written" {
		t.Errorf("%+v", got)
	}
	for _, name := range allVersions {
		if v := NewVersions([]scenarios.OracleName{name}, nameOf); v == nil || v.stale != (name == scenarios.OracleStale) || v.session == v.stale {
			t.Errorf("of %s alone: %+v", name, v)
		}
	}
	v = NewVersions(allVersions, nameOf)
	v.pairs = newBudget(1)
	v.Wrote(Access{Object: 1, Session: 1, Version: 5})
	v.Wrote(Access{Object: 1, Session: 2, Version: 6})
	v.Read(Access{Object: 1, Session: 3, Version: 6, Recorded: true}, Floor{})
	if o := v.Results(allVersions)[1]; !strings.Contains(o.Unknown, "2 answers were not followed") {
		t.Errorf("two sessions beyond the bound: %q", o.Unknown)
	}
}

func TestBudget(t *testing.T) {
	b := newBudget(5)
	for _, test := range []struct {
		n    int64
		want bool
		left int64
	}{{3, true, 2}, {3, false, 2}, {2, true, 0}, {1, false, 0}, {0, true, 0}} {
		if got := b.take(test.n); got != test.want || b.left.Load() != test.left {
			t.Errorf("%d: %v, %d left; want %v, %d", test.n, got, b.left.Load(), test.want, test.left)
		}
	}
}

// Each key has an entry of its own that stays where it is, over all slabs.
func TestTableKeepsItsEntries(t *testing.T) {
	var entries table[int, int]
	room := newBudget(3 * slabSize)
	var at []*int
	for key := range 3 * slabSize {
		if entries.get(key) != nil {
			t.Fatalf("%d is there before it was put", key)
		}
		entry := entries.put(key, room)
		*entry = key + 1
		at = append(at, entry)
	}
	for key, entry := range at {
		if got := entries.put(key, room); got != entry || *got != key+1 || entries.get(key) != entry {
			t.Fatalf("%d has another entry, of %d", key, *got)
		}
	}
	if entries.put(-1, room) != nil || len(entries.slabs) != 3 {
		t.Errorf("beyond the budget, %d slabs", len(entries.slabs))
	}
}

// Keys are spread over all parts, and never beyond them.
func TestShards(t *testing.T) {
	counts := make([]int, shardCount)
	for key := range uint64(64_000) {
		counts[shardOf(key)]++
	}
	if least, most := slices.Min(counts), slices.Max(counts); least < 900 || most > 1100 {
		t.Errorf("of 64,000 keys a part has %d to %d", least, most)
	}
}

// Limiters stamp whole milliseconds: a window is overrun when the answers came two
// milliseconds less than it after the first send, and more.
func TestLimitAtItsBound(t *testing.T) {
	for ended, want := range map[time.Duration]int64{97 * ms: 1, 98*ms - 1: 1, 98 * ms: 0, 99 * ms: 0} {
		limits := NewRateLimitCheck(1, 100*ms)
		limits.Admitted(1, 0, ms, true)
		limits.Admitted(1, 50*ms, ended, true)
		if o := limits.Result(); o.Violations != want || o.Checked != 2 || o.Age != nil {
			t.Errorf("two of one within %v: %+v, want %d violations", ended, o, want)
		}
	}
	limits := NewRateLimitCheck(1, 100*ms)
	limits.Admitted(1, 0, ms, false) // in the warm-up: known, and not counted
	limits.Admitted(1, 10*ms, 11*ms, false)
	limits.Admitted(1, 20*ms, 21*ms, true)
	if o := limits.Result(); o.Violations != 1 || o.Checked != 1 {
		t.Errorf("the last of three is recorded: %+v", o)
	}
}

// A ring holds the latest sends in their order, however they come.
func TestStampsAreTheLatestInOrder(t *testing.T) {
	const limit = 20
	draw := rand.New(rand.NewPCG(4, 2))
	s, room := &stamps{}, newBudget(limit)
	var sent []time.Duration
	for i := range 500 {
		at := time.Duration(10*i + draw.IntN(100))
		if s.size == len(s.slots) && s.size < limit && !s.grow(limit, room) {
			t.Fatal("there is no room")
		}
		earliest := len(sent) >= limit && at <= sent[len(sent)-limit]
		if s.insert(at, limit) == earliest {
			t.Fatalf("%v is among the latest: %v", at, earliest)
		}
		sent = append(sent, at)
		slices.Sort(sent)
		var held []time.Duration
		for k := range s.size {
			held = append(held, s.slots[(s.first+k)%len(s.slots)])
		}
		if want := sent[max(0, len(sent)-limit):]; !slices.Equal(held, want) {
			t.Fatalf("after %v: %v, want %v", at, held, want)
		}
	}
	if room.left.Load() != 0 || len(s.slots) != limit {
		t.Errorf("%d slots, %d left", len(s.slots), room.left.Load())
	}
}

// The sessions of one shard are bounded, and the finding says what is beyond the bound.
func TestTooManySessions(t *testing.T) {
	limits := NewRateLimitCheck(1, time.Second)
	sessions := int64(0)
	for session := int64(0); sessions < MaxTracked/shardCount+2; session++ {
		if shardOf(uint64(session)) == 0 {
			limits.Admitted(session, 1, 2, true)
			sessions++
		}
	}
	if o := limits.Result(); o.Checked != MaxTracked/shardCount || o.Unknown != "2 requests were not followed: there were too many sessions" {
		t.Errorf("%d checked, %q", o.Checked, o.Unknown)
	}
}

// Rows created outside of the slice are known, but not counted.
func TestCreatedInTheWarmUp(t *testing.T) {
	c := NewCreations([]string{"orders"}, true, 1)
	c.Add(0, record.Created{ID: 1}, false)
	c.Add(0, record.Created{ID: 1}, false)
	if o := c.Duplicates(); o.Checked != 0 || o.Violations != 0 {
		t.Errorf("in the warm-up: %+v", o)
	}
	c.Add(0, record.Created{ID: 1}, true)
	c.Add(0, record.Created{ID: 2}, true)
	c.Add(0, record.Created{ID: 2}, true)
	if o := c.Duplicates(); o.Checked != 3 || o.Violations != 2 || o.Example != "two creations of row 1 of orders were acknowledged" {
		t.Errorf("%+v", o)
	}
	c = NewCreations([]string{"orders"}, false, 1)
	for range 2 {
		c.Add(0, record.Created{ID: 1}, true)
	}
	if o := c.Duplicates(); o.Checked != 0 {
		t.Errorf("nobody asked for duplicates: %+v", o)
	}
	for range MaxSample {
		c.Add(0, record.Created{ID: 3}, true)
	}
	if got := len(c.Sample()["orders"]); got != MaxSample {
		t.Errorf("%d are kept", got)
	}
}

// A lag's quantiles are samples, and the finding says how many samples are beyond the
// histogram.
func TestLagOfFewSamples(t *testing.T) {
	for _, test := range []struct {
		bytes         []int64
		p50, p99, max float64
	}{{[]int64{7}, 7, 7, 7}, {[]int64{9, 5}, 5, 9, 9}, {[]int64{1, 3, 2}, 2, 3, 3}, {[]int64{-4}, 0, 0, 0}} {
		var samples []LagSample
		for _, b := range test.bytes {
			samples = append(samples, LagSample{Bytes: b, Millis: 1})
		}
		o := Lag("r", samples)
		if o.LagBytes["p50"] != test.p50 || o.LagBytes["p99"] != test.p99 || o.LagBytes["max"] != test.max || o.Unknown != "" {
			t.Errorf("%v: %+v", test.bytes, o)
		}
	}
	o := Lag("r", []LagSample{{Millis: 1}, {Millis: 3600e3}})
	if o.Checked != 2 || o.Age.Count() != 1 || o.Unknown != "1 samples are beyond ten minutes" {
		t.Errorf("an hour: %+v", o)
	}
}

func TestReasonsInWords(t *testing.T) {
	for want, o := range map[string]struct {
		checked int64
		reasons []string
	}{"": {1, nil}, "not measured: none": {0, []string{""}}, "a; b": {1, []string{"a", "", "b"}}, "not measured: none; a": {0, []string{"a"}}} {
		finding := record.Oracle{Checked: o.checked}
		if setUnknown(&finding, "none", o.reasons...); finding.Unknown != want {
			t.Errorf("%+v: %q, want %q", o, finding.Unknown, want)
		}
	}
	if got := countReason(0, "x") + countReason(2, "of %d", 3); got != "2 of 3" {
		t.Errorf("%q", got)
	}
	if got := millis(1500*time.Microsecond) + " " + millis(123456*time.Microsecond); got != "1.5 ms 123.5 ms" {
		t.Errorf("%q", got)
	}
	if o := Unmeasured("lost", "orders", "no %s", "queue"); o.Name != "lost" || o.Scope != "orders" || o.Unknown != "not measured: no queue" {
		t.Errorf("%+v", o)
	}
	var a ages
	for i, age := range []time.Duration{5 * ms, -ms, 9 * ms} {
		a.add(age, func() string { return fmt.Sprint("violation ", i) })
	}
	var o record.Oracle
	if a.into(&o); o.Example != "violation 0" || o.Age.Count() != 3 || o.Age.Max().Round(ms) != 9*ms || o.Age.CountAbove(ms) != 2 {
		t.Errorf("%+v", o)
	}
}
