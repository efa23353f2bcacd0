// SPDX-License-Identifier: Apache-2.0

// Package oracle checks, while the load runs, what a system promises beyond
// being fast: that reads show what was acknowledged, that a limit limits, that
// nothing acknowledged is lost.
//
// An oracle receives events and returns its findings at the end. It has no clock and no
// network: the caller gives the times, since any common epoch. Its memory is bounded, a
// few words for each thing that it tracks. Whatever is beyond the bound counts as
// unchecked. Several threads may use one oracle at once.
//
// Requests overlap, so an oracle compares only with requests that were certainly over: a
// read that was sent before a write's answer arrived may show either value. An oracle
// raises no false alarm, and so misses some violations. Each file says what its oracle
// can't see.
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

// Limits of the oracles' memory.
const (
	MaxTracked = 1_000_000 // objects, pairs of session and object, and ids
	maxStamps  = 8_000_000 // send times of the rate limit's sessions, 8 bytes each
	shardCount = 64        // independently locked parts
)

// shardOf spreads keys over the parts: Fibonacci hashing.
func shardOf(key uint64) uint64 { return key * 0x9e3779b97f4a7c15 >> (64 - 6) }

// budget counts how many more things may be kept.
type budget struct{ left atomic.Int64 }

func newBudget(limit int64) *budget {
	b := &budget{}
	b.left.Store(limit)
	return b
}

// take reserves room for n things, and returns false when there is not enough.
func (b *budget) take(n int64) bool {
	if b.left.Add(-n) >= 0 {
		return true
	}
	b.left.Add(n)
	return false
}

// slabSize is how many entries of a table are allocated at once. Growing a table never
// copies entries, so it never delays a driver's thread.
const slabSize = 128

// table keeps an entry for each key, as long as the budget lasts. Its entries hold no
// pointers for the garbage collector to follow.
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

// put returns the key's entry. It makes a zero entry for a new key, and returns nil when
// the quota is used up.
func (t *table[K, V]) put(key K, quota *budget) *V {
	if entry := t.get(key); entry != nil {
		return entry
	}
	if !quota.take(1) {
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

// ages is the distribution of how stale violating reads were, with an example in words.
// Violations are rare enough for one lock.
type ages struct {
	mu      sync.Mutex
	dense   *hdr.Histogram
	example string
}

// add records a violation; example is called for the first violation only.
func (a *ages) add(age time.Duration, example func() string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.dense == nil {
		a.dense, a.example = record.Dense(), example()
	}
	// No slice lasts ten minutes, the end of the histogram's range.
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

// Unmeasured is the finding of an oracle that could not check anything.
func Unmeasured(name scenarios.OracleName, scope, format string, args ...any) record.Oracle {
	return record.Oracle{Name: name, Scope: scope, Unknown: "not measured: " + fmt.Sprintf(format, args...)}
}

// setUnknown sets o.Unknown to the reasons why events could not be checked; none is the
// reason when nothing was checked.
func setUnknown(o *record.Oracle, none string, reasons ...string) {
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

// countReason is the reason why n events could not be checked, "" for no event.
func countReason(n int64, format string, args ...any) string {
	if n == 0 {
		return ""
	}
	return fmt.Sprintf("%d ", n) + fmt.Sprintf(format, args...)
}

// millis writes a duration for people.
func millis(d time.Duration) string {
	return fmt.Sprintf("%.4g ms", float64(d)/float64(time.Millisecond))
}
