// SPDX-License-Identifier: Apache-2.0

// Package oracle checks, while the load runs, what a system promises beyond
// being fast: that reads show what was acknowledged, that a limit limits, that
// nothing acknowledged is lost.
//
// An oracle is fed with events and asked for its findings at the end. It knows
// no clock and no network: times are those of its caller, since any common
// epoch. What it keeps is bounded, a few words for each thing that it follows,
// and what is beyond the bound is said to be unchecked. Several threads may
// feed one oracle at once.
//
// Requests overlap, so an oracle compares only with what was surely over: a
// read that was sent before a write's answer arrived may show either. It
// raises no false alarm, and so misses some of what is wrong; each file says
// what its oracle can't see.
//
// The rules are those of A. Tanenbaum and M. van Steen, "Distributed Systems",
// chapter 7 (read your writes, monotonic reads), and of D. Terry et al.,
// "Session Guarantees for Weakly Consistent Replicated Data" (1994). How stale
// a read is follows W. Golab et al., "Analyzing Consistency Properties for Fun
// and Profit" (2011).
package oracle

import (
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	hdr "github.com/HdrHistogram/hdrhistogram-go"

	"headroom/harness/record"
	"headroom/scenarios"
)

// Limits of what the oracles keep.
const (
	MaxKept    = 1_000_000 // objects, pairs of session and object, and ids
	maxStamps  = 8_000_000 // send times of the rate limit's sessions, 8 bytes each
	shardCount = 64        // independently locked parts
)

// shardOf spreads keys over the parts: Fibonacci hashing.
func shardOf(key uint64) uint64 { return key * 0x9e3779b97f4a7c15 >> (64 - 6) }

// budget counts what is kept down to nothing left.
type budget struct{ left atomic.Int64 }

func newBudget(limit int64) *budget {
	b := &budget{}
	b.left.Store(limit)
	return b
}

// take reports whether there was room for n more.
func (b *budget) take(n int64) bool {
	if b.left.Add(-n) >= 0 {
		return true
	}
	b.left.Add(n)
	return false
}

// slabSize is how many entries of a table are allocated at once: growing never
// copies them, so it never holds a driver's thread up.
const slabSize = 128

// table keeps an entry for each key, as long as the budget lasts. It holds no
// pointer that a garbage collector has to follow for each.
type table[K comparable, V any] struct {
	index map[K]uint32
	slabs []*[slabSize]V
}

// get returns the key's entry, nil when there is none.
func (t *table[K, V]) get(key K) *V {
	at, found := t.index[key]
	if !found {
		return nil
	}
	return &t.slabs[at/slabSize][at%slabSize]
}

// put returns the key's entry, new and zero when there was none, and nil when
// there is no room for one.
func (t *table[K, V]) put(key K, room *budget) *V {
	if entry := t.get(key); entry != nil {
		return entry
	}
	if !room.take(1) {
		return nil
	}
	if t.index == nil {
		t.index = map[K]uint32{}
	}
	at := uint32(len(t.index))
	if at%slabSize == 0 {
		t.slabs = append(t.slabs, new([slabSize]V))
	}
	t.index[key] = at
	return &t.slabs[at/slabSize][at%slabSize]
}

// ages is the distribution of how stale violating reads were, and one of them
// in words. Violations are rare enough for one lock.
type ages struct {
	mu      sync.Mutex
	dense   *hdr.Histogram
	example string
}

// add records a violation; example is called for the first only.
func (a *ages) add(age time.Duration, example func() string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.dense == nil {
		a.dense, a.example = record.Dense(), example()
	}
	// Beyond ten minutes there is no slice.
	_ = a.dense.RecordValue(int64(max(age, 0)))
}

func (a *ages) into(o *record.Oracle) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.dense == nil {
		return
	}
	age := record.FromDense(a.dense)
	o.Age, o.Example = &age, a.example
}

// Unmeasured is the finding of an oracle that could check nothing.
func Unmeasured(name scenarios.OracleName, scope, format string, args ...any) record.Oracle {
	return record.Oracle{Name: name, Scope: scope, Unknown: "not measured: " + fmt.Sprintf(format, args...)}
}

// because joins the reasons why some could not be checked.
func because(o *record.Oracle, none string, reasons ...string) {
	var given []string
	if o.Checked == 0 {
		given = append(given, "not measured: "+none)
	}
	for _, reason := range reasons {
		if reason != "" {
			given = append(given, reason)
		}
	}
	o.Unknown = strings.Join(given, "; ")
}

// some says that n events could not be checked, "" for none.
func some(n int64, format string, args ...any) string {
	if n == 0 {
		return ""
	}
	return fmt.Sprintf("%d ", n) + fmt.Sprintf(format, args...)
}

// millis writes a duration for people.
func millis(d time.Duration) string {
	return fmt.Sprintf("%.4g ms", float64(d)/float64(time.Millisecond))
}
