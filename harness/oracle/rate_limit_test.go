// SPDX-License-Identifier: Apache-2.0

package oracle

import (
	"cmp"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"
)

// limiter decides at a moment whether a request is admitted.
type limiter func(at time.Duration) bool

// sliding admits at most limit requests in any window.
func sliding(limit int, window time.Duration) limiter {
	var admitted []time.Duration
	return func(at time.Duration) bool {
		recent := 0
		for _, earlier := range admitted {
			if at-earlier < window {
				recent++
			}
		}
		if recent >= limit {
			return false
		}
		admitted = append(admitted, at)
		return true
	}
}

// fixed counts in windows that begin at multiples of their length: across an
// edge it admits up to twice the limit.
func fixed(limit int, window time.Duration) limiter {
	counts := map[time.Duration]int{}
	return func(at time.Duration) bool {
		counts[at/window]++
		return counts[at/window] <= limit
	}
}

// simulateLimit sends requests that overlap, and tells the oracle of those that
// are admitted, in the order of their answers.
func simulateLimit(draw *rand.Rand, limits *RateLimitCheck, admit limiter, n int, gap, longest time.Duration) {
	type request struct{ sent, decided, ended time.Duration }
	var requests []request
	at := time.Duration(0)
	for range n {
		at += time.Duration(draw.Int64N(int64(2 * gap)))
		decided := at + time.Duration(draw.Int64N(int64(longest)))
		requests = append(requests, request{at, decided, decided + time.Duration(draw.Int64N(int64(longest)))})
	}
	slices.SortFunc(requests, func(a, b request) int { return cmp.Compare(a.decided, b.decided) })
	var admitted []request
	for _, r := range requests {
		if admit(r.decided) {
			admitted = append(admitted, r)
		}
	}
	slices.SortFunc(admitted, func(a, b request) int { return cmp.Compare(a.ended, b.ended) })
	for _, r := range admitted {
		limits.Admitted(1, r.sent, r.ended, true)
	}
}

func TestLimitIsHeldBySlidingAndBrokenByFixedWindows(t *testing.T) {
	const limit, window = 20, time.Second
	for _, test := range []struct {
		name  string
		admit func(int, time.Duration) limiter
		bad   bool
	}{
		{"sliding", sliding, false},
		{"fixed", fixed, true},
		{"none", func(int, time.Duration) limiter { return func(time.Duration) bool { return true } }, true},
	} {
		for _, longest := range []time.Duration{time.Millisecond, 50 * time.Millisecond, 300 * time.Millisecond} {
			var checked, violations int64
			for seed := range uint64(30) {
				limits := NewRateLimitCheck(limit, window)
				simulateLimit(rand.New(rand.NewPCG(seed, 2)), limits, test.admit(limit, window), 1000, 12*time.Millisecond, longest)
				o := limits.Result()
				checked += o.Checked
				violations += o.Violations
				if o.Unknown != "" || (o.Violations > 0) != (o.Example != "") || o.Violations > o.Checked {
					t.Errorf("%s: %+v", test.name, o)
				}
			}
			if checked < 5000 || (violations > 0) != test.bad {
				t.Errorf("%s, answers within %v: %d violations in %d checks, want some: %v", test.name, longest, violations, checked, test.bad)
			}
		}
	}
}

func TestLimitCountsExactly(t *testing.T) {
	const ms = time.Millisecond
	limits := NewRateLimitCheck(3, 100*ms)
	for _, at := range []time.Duration{0, 10, 20, 97, 98, 99, 300, 310, 320, 401} {
		limits.Admitted(5, at*ms, at*ms, true)
		limits.Admitted(6+int64(at), at*ms, at*ms, true) // others, once each
	}
	// 97 is the fourth in 97 ms; 98 with 10, 20, 97 and 99 with 20, 97, 98 too.
	// 401 comes 101 ms after 300.
	o := limits.Result()
	if o.Checked != 20 || o.Violations != 3 {
		t.Errorf("%+v: want 3 violations in 20 checks", o)
	}
	if !strings.Contains(o.Example, "session 5 got 4 requests admitted within 97 ms, the limit is 3 in 100ms") {
		t.Errorf("example %q", o.Example)
	}
}

// A request that took long may have been admitted early: it is not held
// against those that came after.
func TestLimitIsCertain(t *testing.T) {
	const ms = time.Millisecond
	limits := NewRateLimitCheck(2, 100*ms)
	limits.Admitted(1, 0, 5*ms, true)
	limits.Admitted(1, 60*ms, 65*ms, true)
	limits.Admitted(1, 3*ms, 104*ms, true) // perhaps after the first has left the window
	if o := limits.Result(); o.Violations != 0 {
		t.Errorf("%+v: 0 to 104 ms is more than a window", o)
	}
	limits.Admitted(1, 70*ms, 71*ms, true) // its answer is older than the newest
	if o := limits.Result(); o.Violations != 0 {
		t.Errorf("%+v: 3 to 104 ms is more than a window", o)
	}
}

// A window may be 2 ms short, which is the slack: only a shorter window is a violation. A
// request that was sent no later than the earliest send kept is ignored.
func TestLimitAtItsBounds(t *testing.T) {
	const ms = time.Millisecond
	for _, test := range []struct {
		name string
		sent []time.Duration // each is answered at once
		want int64
	}{
		{"a window less the slack", []time.Duration{0, 98 * ms}, 0},
		{"a little less", []time.Duration{0, 98*ms - 1}, 1},
		{"one as early as the earliest", []time.Duration{50 * ms, 60 * ms, 50 * ms}, 1},
		{"one that is earlier", []time.Duration{50 * ms, 60 * ms, 49 * ms}, 1},
		{"one that is later", []time.Duration{50 * ms, 60 * ms, 51 * ms}, 2},
	} {
		limits := NewRateLimitCheck(1, 100*ms)
		for _, at := range test.sent {
			limits.Admitted(7, at, at, true)
		}
		if o := limits.Result(); o.Violations != test.want || o.Checked != int64(len(test.sent)) {
			t.Errorf("%s: %d violations in %d checks, want %d in %d", test.name, o.Violations, o.Checked, test.want, len(test.sent))
		}
	}
}

func TestLimitSaysWhatItCouldNotFollow(t *testing.T) {
	limits := NewRateLimitCheck(100, time.Second)
	if o := limits.Result(); o.Checked != 0 || !strings.HasPrefix(o.Unknown, "not measured") {
		t.Errorf("%+v", o)
	}
	limits.stampBudget = newBudget(firstStamps)
	for session := range int64(3) {
		limits.Admitted(session, 1, 2, true)
	}
	if o := limits.Result(); o.Checked != 1 || !strings.HasPrefix(o.Unknown, "2 requests") {
		t.Errorf("%+v: there is room for one session", o)
	}
}

func BenchmarkRateLimitCheck(b *testing.B) {
	limits := NewRateLimitCheck(100, time.Minute)
	at := time.Duration(0)
	for b.Loop() {
		at += time.Millisecond
		limits.Admitted(int64(at/time.Millisecond)%1000, at, at+time.Millisecond, true)
	}
}
