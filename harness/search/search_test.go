package search

import (
	"math"
	"math/rand/v2"
	"testing"
	"time"
)

func config() Config {
	return Config{
		StartRPS: 20, MaxRPS: 1_000_000, Probes: 6, Samples: 350, MaxStep: 15 * time.Second,
		Grow: 1200 * time.Millisecond, Probe: 4 * time.Second, Confirm: 12 * time.Second, Recover: 5 * time.Second,
		Total: 85 * time.Second,
	}
}

// system is a simulated one.
type system struct {
	capacity   float64
	noise      float64 // standard deviation of ln(capacity) from step to step
	lapse      float64 // share of steps that fail for no reason
	metastable bool    // once overloaded, it carries a third
	broken     bool
	driver     float64 // beyond it the driver has no more to give; 0: never
	noisy      float64 // share of steps that the host spoils
	tires      float64 // share of the capacity that is left in steps as long as a confirmation; 0: all
	random     *rand.Rand
	steps      []Step
	verdicts   []Verdict
}

func (s *system) load(step Step) Verdict {
	capacity := s.capacity
	if s.broken {
		capacity /= 3
	}
	if s.tires > 0 && step.Kind == Confirm {
		capacity *= s.tires
	}
	// Longer steps scatter less.
	scatter := s.noise / math.Sqrt(max(step.Duration.Seconds()/4, 0.25))
	v := Held
	switch {
	case s.random.Float64() < s.noisy:
		v = Spoiled
	case s.driver > 0 && step.RPS > s.driver:
		v = Saturated
	case step.RPS > capacity*math.Exp(scatter*s.random.NormFloat64()) || s.random.Float64() < s.lapse:
		v = Failed
	}
	if s.metastable && step.RPS > s.capacity*1.2 {
		s.broken = true
	}
	s.steps, s.verdicts = append(s.steps, step), append(s.verdicts, v)
	return v
}

func (s *system) search(c Config) (Outcome, time.Duration) {
	search := New(c)
	total := time.Duration(0)
	for range 1000 {
		step, more := search.Next()
		if !more {
			return search.Outcome(), total
		}
		total += step.Duration
		search.Feed(step, Result{Verdict: s.load(step)}, step.Duration)
	}
	panic("the search does not end")
}

func newSystem(capacity, noise float64, seed uint64) *system {
	return &system{capacity: capacity, noise: noise, random: rand.New(rand.NewPCG(seed, 1))}
}

// checkPublished fails unless a published rate held its own confirmation.
func checkPublished(t *testing.T, s *system, out Outcome) {
	t.Helper()
	if out.HeldRPS == 0 {
		return
	}
	for i, step := range s.steps {
		if step.Kind == Confirm && step.RPS == out.HeldRPS && s.verdicts[i] == Held {
			return
		}
	}
	t.Errorf("%.1f was published and has not held a confirmation", out.HeldRPS)
}

// ofHundred searches a hundred systems and counts the outcomes that are good.
func ofHundred(t *testing.T, capacity, noise float64, with func(*system), good func(Outcome) bool) (n int) {
	t.Helper()
	for seed := range uint64(100) {
		s := newSystem(capacity, noise, seed)
		with(s)
		out, _ := s.search(config())
		checkPublished(t, s, out)
		if good(out) {
			n++
		}
	}
	return n
}

func TestKnownCapacities(t *testing.T) {
	for _, noise := range []float64{0.01, 0.03, 0.06} {
		for _, capacity := range []float64{45, 800, 12_345, 300_000} {
			near, unfinished := 0, 0
			const runs = 100
			for seed := range uint64(runs) {
				s := newSystem(capacity, noise, seed)
				out, total := s.search(config())
				checkPublished(t, s, out)
				if total > config().Total {
					t.Errorf("capacity %v: the steps sum to %v", capacity, total)
				}
				if !out.Confirmed {
					unfinished++
				}
				if off := math.Abs(out.HeldRPS/capacity - 1); off <= 0.05 {
					near++
				}
				if out.FailedRPS != 0 && out.FailedRPS <= out.HeldRPS {
					t.Errorf("held %v, failed %v", out.HeldRPS, out.FailedRPS)
				}
			}
			t.Logf("noise %v, capacity %v: %d of %d within 5%%, %d not confirmed", noise, capacity, near, runs, unfinished)
			want := 90
			if noise > 0.05 {
				want = 60 // a limit that moves by 6% a step is hardly known to 5%
			}
			if near < want {
				t.Errorf("noise %v, capacity %v: %d of %d within 5%%", noise, capacity, near, runs)
			}
		}
	}
}

// At 3 requests/s there is no time for the samples: nothing wrong is published.
func TestTooSlowToConfirm(t *testing.T) {
	s := newSystem(3, 0.03, 1)
	out, total := s.search(config())
	checkPublished(t, s, out)
	if out.HeldRPS > 3*1.1 || total > config().Total {
		t.Errorf("%+v after %v", out, total)
	}
}

func TestNonMonotonicSystem(t *testing.T) {
	near := ofHundred(t, 900, 0.03, func(s *system) { s.lapse = 0.05 }, func(out Outcome) bool {
		return math.Abs(out.HeldRPS/900-1) <= 0.08
	})
	t.Logf("%d of 100 within 8%%", near)
	if near < 70 {
		t.Errorf("%d of 100 within 8%% although a step in 20 fails for no reason", near)
	}
}

func TestFailsAtTheLowestRate(t *testing.T) {
	s := newSystem(0.001, 0, 1)
	out, _ := s.search(config())
	if !out.BelowMin || out.HeldRPS != 0 || out.FailedRPS != config().StartRPS/minRatio {
		t.Errorf("%+v", out)
	}
}

func TestNeverFails(t *testing.T) {
	s := newSystem(math.Inf(1), 0, 1)
	c := config()
	c.MaxRPS = 5000
	out, _ := s.search(c)
	if !out.Unbounded || out.DriverLimited || !out.Confirmed || out.HeldRPS != 5000 || out.FailedRPS != 0 {
		t.Errorf("up to a given maximum: %+v", out)
	}
	s = newSystem(math.Inf(1), 0, 1)
	s.driver = 3000
	if out, _ = s.search(config()); !out.Unbounded || !out.DriverLimited || !out.Confirmed || out.HeldRPS != 2560 {
		t.Errorf("limited by the driver: %+v", out)
	}
}

// A host that spoils a step in four costs time, and nothing else.
func TestNoisyHost(t *testing.T) {
	near := ofHundred(t, 800, 0.02, func(s *system) { s.noisy = 0.25 }, func(out Outcome) bool {
		if out.DriverLimited || out.Unbounded {
			t.Errorf("%+v", out)
		}
		return math.Abs(out.HeldRPS/800-1) <= 0.05
	})
	t.Logf("%d of 100 within 5%%", near)
	if near < 80 {
		t.Errorf("%d of 100 within 5%%", near)
	}
}

// What holds for seconds may not for longer: the confirmations find where it
// does, though all that the search believes comes from short steps.
func TestHoldsForAMomentOnly(t *testing.T) {
	found := ofHundred(t, 1000, 0.02, func(s *system) { s.tires = 0.92 }, func(out Outcome) bool {
		return out.Confirmed && out.HeldRPS > 800 && out.HeldRPS < 940
	})
	t.Logf("%d of 100 found", found)
	if found < 25 { // 10 with steps down that stay alike; nearly all in twice the time
		t.Errorf("%d of 100 found a rate that lasts", found)
	}
}

func TestMetastableSystem(t *testing.T) {
	for seed := range uint64(20) {
		sound, fragile := newSystem(500, 0.01, seed), newSystem(500, 0.01, seed)
		c := config()
		c.StartRPS, c.GuessRPS = 400, 500 // so that growing does not break it
		fragile.metastable = true
		if out, _ := sound.search(c); !out.Recovered || out.Metastable {
			t.Errorf("seed %d, a sound system: %+v", seed, out)
		}
		if out, _ := fragile.search(c); out.Confirmed && (out.Recovered || !out.Metastable) {
			t.Errorf("seed %d, a fragile system: %+v", seed, out)
		}
	}
}

// One that breaks for good while the rate grows shows what it has left.
func TestBrokenByTheSearchItself(t *testing.T) {
	s := newSystem(500, 0.01, 3)
	s.metastable = true
	out, _ := s.search(config())
	checkPublished(t, s, out)
	if out.HeldRPS > 500/3*1.05 {
		t.Errorf("it carries %v any more, published %+v", 500/3, out)
	}
}

func TestGuessSavesSteps(t *testing.T) {
	blind, guided := newSystem(700, 0.02, 5), newSystem(700, 0.02, 5)
	c := config()
	blind.search(c)
	c.GuessRPS = 750
	out, _ := guided.search(c)
	count := func(s *system) (n int) {
		for _, step := range s.steps {
			if step.Kind == Grow {
				n++
			}
		}
		return n
	}
	if count(guided) >= count(blind) || math.Abs(out.HeldRPS/700-1) > 0.06 {
		t.Errorf("%d steps with a guess, %d without; %+v", count(guided), count(blind), out)
	}
}
