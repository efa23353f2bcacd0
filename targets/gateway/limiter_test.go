// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"

	"headroom/targets/valkeypool"
)

const (
	testLimit  = 5
	testWindow = 10 * time.Second
)

// clocked is a limiter whose Valkey has a clock of the test's.
type clocked struct {
	t       *testing.T
	limiter *limiter
	server  *miniredis.Miniredis
	now     time.Time
}

func newClocked(t *testing.T, kind string) *clocked {
	t.Helper()
	server := miniredis.RunT(t)
	cache := valkeypool.Open(server.Addr(), 10*time.Second)
	t.Cleanup(func() { _ = cache.Close() })
	c := &clocked{t: t, server: server, now: time.Unix(1_700_000_000, 0),
		limiter: newLimiter(cache, Config{Limiter: kind, Limit: testLimit, Window: testWindow})}
	c.server.SetTime(c.now)
	return c
}

func (c *clocked) pass(d time.Duration) {
	c.now = c.now.Add(d)
	c.server.SetTime(c.now)
	c.server.FastForward(d) // expires keys
}

func (c *clocked) admit(session string) admission {
	c.t.Helper()
	a, err := c.limiter.admit(c.t.Context(), session)
	if err != nil {
		c.t.Fatal(err)
	}
	return a
}

// admitted counts how many of n requests pass.
func (c *clocked) admitted(n int) int {
	c.t.Helper()
	passed := 0
	for range n {
		if c.admit("a").wait == 0 {
			passed++
		}
	}
	return passed
}

// The planted fault: across the edge of a fixed window nearly twice the limit
// passes within a moment. The sliding window admits the limit and no more.
func TestAcrossTheEdge(t *testing.T) {
	for kind, want := range map[string]int{"fixed": 2*testLimit - 1, "sliding": testLimit, "none": 4 * testLimit} {
		c := newClocked(t, kind)
		opens := c.admitted(1)
		c.pass(testWindow - time.Millisecond)
		before := c.admitted(2 * testLimit)
		c.pass(2 * time.Millisecond)
		after := c.admitted(2 * testLimit)
		if opens != 1 || before+after != want {
			t.Errorf("%s: %d and %d requests passed within 2 ms, want %d together (limit %d)", kind, before, after, want, testLimit)
		}
	}
}

// Whatever the arrivals, the sliding limiter admits exactly when fewer than
// the limit were admitted in the window that ends now.
func TestSlidingIsExact(t *testing.T) {
	c := newClocked(t, "sliding")
	random := rand.New(rand.NewPCG(1, 2))
	var times []time.Time
	refused := 0
	for i := range 3000 {
		step := time.Duration(random.Int64N(int64(testWindow / testLimit)))
		if random.IntN(4) == 0 {
			step = 0 // a burst
		}
		c.pass(step.Truncate(time.Microsecond))
		inWindow := 0
		for _, at := range times[max(0, len(times)-testLimit):] {
			if c.now.Sub(at) < testWindow {
				inWindow++
			}
		}
		got := c.admit("a")
		if (got.wait == 0) != (inWindow < testLimit) {
			t.Fatalf("request %d: wait %v with %d of %d in the window", i, got.wait, inWindow, testLimit)
		}
		if got.wait == 0 {
			times = append(times, c.now)
			continue
		}
		refused++
		if free := times[len(times)-testLimit].Add(testWindow).Sub(c.now); got.wait != free {
			t.Fatalf("request %d: wait %v, want %v", i, got.wait, free)
		}
	}
	if refused == 0 || len(times) == 0 {
		t.Errorf("%d refused, %d admitted: the test tried nothing", refused, len(times))
	}
}

// A clock that is set back must not free anything, nor lock anybody out.
func TestSlidingWithAClockThatStepsBack(t *testing.T) {
	c := newClocked(t, "sliding")
	c.admitted(testLimit)
	c.server.SetTime(c.now.Add(-time.Hour))
	if n := c.admitted(1); n != 0 {
		t.Error("one more than the limit passed")
	}
	c.server.SetTime(c.now.Add(testWindow))
	if n := c.admitted(2 * testLimit); n != testLimit {
		t.Errorf("a window later %d passed", n)
	}
}

func TestSessions(t *testing.T) {
	for _, kind := range []string{"sliding", "fixed", "none"} {
		c := newClocked(t, kind)
		if !c.admit("a").created || c.admit("a").created || !c.admit("b").created {
			t.Errorf("%s: a session is created by its first request only", kind)
		}
		c.pass(sessionTTL)
		if !c.admit("a").created {
			t.Errorf("%s: the session outlives %v", kind, sessionTTL)
		}
		c.pass(sessionTTL)
		if keys := c.server.Keys(); len(keys) != 0 {
			t.Errorf("%s: %q never expire", kind, keys)
		}
	}
}

func TestSessionsAreLimitedApart(t *testing.T) {
	c := newClocked(t, "sliding")
	c.admitted(testLimit)
	if c.admit("a").wait == 0 || c.admit("b").wait != 0 {
		t.Error("one session's requests count for another")
	}
}
