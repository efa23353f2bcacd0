package search

import (
	"math"
	"math/rand/v2"
	"testing"
	"time"
)

// queue is a simulated M/M/c: Poisson arrivals, exponential service, one line
// for all servers. Each step begins with it empty, as the search drains it.
type queue struct {
	servers int
	mean    float64 // service time in seconds
	limit   float64 // seconds; p99 must stay below
	noise   float64 // standard deviation of ln(speed) from step to step
	random  *rand.Rand
}

// capacity is the rate at which P[response > limit] is 1%: the M/M/c response
// time's tail, with C the Erlang C formula.
func (q *queue) capacity() float64 {
	low, high := 0.0, float64(q.servers)/q.mean
	for range 60 {
		if rps := (low + high) / 2; q.tail(rps) > 0.01 {
			high = rps
		} else {
			low = rps
		}
	}
	return low
}

func (q *queue) tail(rps float64) float64 {
	mu, load, c := 1/q.mean, rps*q.mean, float64(q.servers)
	term, sum := 1.0, 0.0
	for k := range q.servers {
		sum += term
		term *= load / float64(k+1)
	}
	wait := term * c / (c - load)
	wait /= sum + wait
	spare := c - 1 - load
	return math.Exp(-mu*q.limit) * (1 + wait/spare*(1-math.Exp(-mu*q.limit*spare)))
}

// load drives one step and counts the requests beyond the limit.
func (q *queue) load(step Step) Result {
	free := make([]float64, q.servers)
	now, end := 0.0, step.Duration.Seconds()
	mean := q.mean * math.Exp(q.noise*q.random.NormFloat64())
	r := Result{Allowed: 0.01}
	for {
		if now += q.random.ExpFloat64() / step.RPS; now >= end {
			break
		}
		next := 0
		for i := range free {
			if free[i] < free[next] {
				next = i
			}
		}
		free[next] = max(free[next], now) + mean*q.random.ExpFloat64()
		r.Requests++
		if free[next]-now > q.limit {
			r.Over++
		}
	}
	expected := float64(r.Requests) * r.Allowed
	switch over := float64(r.Over); {
	case over > expected && (step.Kind == Confirm || over > expected+2.5*math.Sqrt(expected)+1):
		r.Verdict = Failed // outside confirmations by more than chance
	case !provenBelow(r.Over, r.Requests, r.Allowed):
		r.Verdict = Insufficient
	}
	return r
}

// provenBelow is the sample rule: P[Bin(n, p) <= t] <= 5%, by its normal
// approximation.
func provenBelow(t, n int64, p float64) bool {
	mean := float64(n) * p
	return n >= 299 && (float64(t)+0.5-mean)/math.Sqrt(mean*(1-p)) <= -1.645
}

// TestQueueOfKnownCapacity is the search of `headroom capacity` on queues with
// an analytic answer. They are noisy by themselves: near saturation, bad
// requests come in bursts of dozens.
func TestQueueOfKnownCapacity(t *testing.T) {
	const runs = 60
	for _, test := range []struct {
		queue queue
		near  int // runs within 5%, at the least
	}{
		{queue{servers: 4, mean: 0.010, limit: 0.080, noise: 0.01}, 45},
		{queue{servers: 4, mean: 0.005, limit: 0.050, noise: 0.01}, 50},
		{queue{servers: 16, mean: 0.010, limit: 0.080, noise: 0.01}, 55},
		{queue{servers: 1, mean: 0.001, limit: 0.020, noise: 0.01}, 45},
	} {
		q := &test.queue
		truth := q.capacity()
		near, silent, mean := 0, 0, 0.0
		for seed := range uint64(runs) {
			q.random = rand.New(rand.NewPCG(seed, 7))
			out := q.search(t, cliConfig())
			if !out.Confirmed {
				silent++
				continue
			}
			off := out.HeldRPS/truth - 1
			mean += off / runs
			if math.Abs(off) <= 0.05 {
				near++
			}
		}
		t.Logf("%d servers, %.1f/s: %d of %d within 5%%, mean error %+.3f, %d without an answer", q.servers, truth, near, runs, mean, silent)
		if near < test.near {
			t.Errorf("%d servers: %d of %d within 5%%, want %d", q.servers, near, runs, test.near)
		}
	}
}

// A stall of the whole system for one step while the rate grows, in which
// everything is bad, is not the capacity.
func TestStallWhileGrowing(t *testing.T) {
	q := &queue{servers: 16, mean: 0.010, limit: 0.080, noise: 0.01}
	truth, near := q.capacity(), 0
	const runs = 40
	for seed := range uint64(runs) {
		q.random = rand.New(rand.NewPCG(seed, 9))
		s, stalls := New(cliConfig()), 0
		for {
			step, more := s.Next()
			if !more {
				break
			}
			r := q.load(step)
			if step.Kind == Grow && step.RPS > truth/3 && stalls < 1 {
				stalls++
				r.Over, r.Verdict = r.Requests*9/10, Failed
			}
			s.Feed(step, r, step.Duration)
		}
		if s.Outcome().HeldRPS > 0.9*truth {
			near++
		}
	}
	t.Logf("%d of %d found their way", near, runs)
	if near < runs*8/10 {
		t.Errorf("%d of %d found their way", near, runs)
	}
}

// cliConfig is that of `headroom capacity --max-time 90s`.
func cliConfig() Config {
	return Config{
		StartRPS: 20, MinRPS: 1, Probes: 3, Samples: 400, MaxStep: 15300 * time.Millisecond,
		Grow: 1400 * time.Millisecond, Probe: 5000 * time.Millisecond, Confirm: 10000 * time.Millisecond,
		Recover: 4500 * time.Millisecond, Total: 86400 * time.Millisecond, Pause: 200 * time.Millisecond,
	}
}

func (q *queue) search(t *testing.T, c Config) Outcome {
	t.Helper()
	s, held, failed := New(c), map[float64]bool{}, map[float64]bool{}
	for range 1000 {
		step, more := s.Next()
		if !more {
			if out := s.Outcome(); out.Confirmed && (!held[out.HeldRPS] || failed[out.HeldRPS]) {
				t.Errorf("%.1f was published; its confirmations: held %v, failed %v", out.HeldRPS, held[out.HeldRPS], failed[out.HeldRPS])
			}
			return s.Outcome()
		}
		r := q.load(step)
		if step.Kind == Confirm {
			held[step.RPS] = held[step.RPS] || r.Verdict == Held
			failed[step.RPS] = failed[step.RPS] || r.Verdict == Failed
		}
		s.Feed(step, r, step.Duration+c.Pause)
	}
	t.Fatal("the search does not end")
	return Outcome{}
}
