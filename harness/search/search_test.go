// SPDX-License-Identifier: Apache-2.0

package search

import (
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"headroom/harness/record"
	"headroom/harness/slo"
)

func config() Config {
	return Config{
		StartRPS: 20, MinRPS: 1, Samples: 350, Latency: 50 * time.Millisecond, MaxStep: 15 * time.Second,
		Bracket: 1400 * time.Millisecond, Stair: 3 * time.Second, Soak: 30 * time.Second, Recover: 4500 * time.Millisecond,
		Pause: 200 * time.Millisecond, Total: 90 * time.Second,
	}
}

// system is a simulated one: the share of bad requests is 1% at its capacity and
// grows steeply around it.
type system struct {
	capacity       float64
	driver         float64 // beyond it the driver has no more to give; 0: never
	disturbedShare float64 // of steps, by the host
	stalls         int     // so many of the first steps at or above stallsFrom fail for no reason
	stallsFrom     float64
	metastable     bool // once overloaded, it carries a third
	drains         time.Duration
	random         *rand.Rand

	steps []Step
}

func newSystem(capacity float64, seed uint64) *system {
	return &system{capacity: capacity, random: rand.New(rand.NewPCG(seed, 1))}
}

func (s *system) load(step Step) slo.Step {
	s.steps = append(s.steps, step)
	out := slo.Step{RPS: step.RPS}
	out.Outcome = record.Invalid
	if s.random.Float64() < s.disturbedShare {
		return out
	}
	if s.driver > 0 && step.RPS > s.driver {
		out.Outcome = record.Saturated
		return out
	}
	share := 1 / (1 + 99*math.Pow(s.capacity/step.RPS, 20))
	if s.stalls > 0 && step.RPS >= s.stallsFrom {
		s.stalls--
		share = 0.5
	}
	c := record.Count{Condition: "p99<50ms", Of: int64(step.RPS * step.Duration.Seconds()), Allowed: 0.01}
	for range c.Of {
		if s.random.Float64() < share {
			c.Bad++
		}
	}
	if s.metastable && step.RPS > 1.2*s.capacity {
		s.capacity /= 3
	}
	out.Counts = []record.Count{c}
	return slo.Decide(out)
}

// search runs a whole search and returns how long its steps took together.
func (s *system) search(t *testing.T, c Config) (Outcome, time.Duration) {
	t.Helper()
	search, took := New(c), time.Duration(0)
	for range 1000 {
		step, more := search.Next()
		if !more {
			return search.Outcome(), took
		}
		d := step.Duration + c.Pause + s.drains
		took += d
		search.Observe(step, s.load(step), d)
	}
	t.Fatal("the search does not end")
	return Outcome{}, 0
}

func TestKnownCapacities(t *testing.T) {
	for _, capacity := range []float64{45, 800, 12_345} {
		for seed := range uint64(10) {
			s := newSystem(capacity, seed)
			out, took := s.search(t, config())
			if took > config().Total {
				t.Errorf("capacity %v: the steps take %v", capacity, took)
			}
			if off := out.PointRPS/capacity - 1; math.Abs(off) > 0.1 {
				t.Errorf("capacity %v: found %v", capacity, out.PointRPS)
			}
			if out.LowRPS > capacity || out.HighOrInf() < capacity {
				t.Errorf("capacity %v: the range is %v to %v", capacity, out.LowRPS, out.HighRPS)
			}
			soak, ok := out.Confirmed()
			if !ok || soak.RPS > capacity || soak.RPS < 0.8*capacity {
				t.Errorf("capacity %v: confirmed %+v (%v)", capacity, soak, ok)
			}
			if !out.Recovered || out.Metastable {
				t.Errorf("capacity %v: recovered %v, metastable %v", capacity, out.Recovered, out.Metastable)
			}
		}
	}
}

// A target that stalls once at the highest rate allowed and holds ever after is
// confirmed at that rate.
func TestAStallAtTheMaximumIsForgiven(t *testing.T) {
	c := config()
	c.MaxRPS = 1000
	s := newSystem(1e6, 1)
	s.stalls, s.stallsFrom = 1, 1000
	out, _ := s.search(t, c)
	if soak, ok := out.Confirmed(); !ok || soak.RPS != 1000 || !out.AtMax || out.HighRPS != 0 {
		t.Errorf("%+v", out)
	}
}

func TestEnds(t *testing.T) {
	t.Run("the driver's", func(t *testing.T) {
		s := newSystem(1e6, 1)
		s.driver = 3000
		out, _ := s.search(t, config())
		if soak, ok := out.Confirmed(); !ok || !out.DriverLimited || soak.RPS != out.HeldRPS || out.HeldRPS > 3000 || out.HeldRPS < 1500 {
			t.Errorf("%+v", out)
		}
	})
	t.Run("below the lowest rate", func(t *testing.T) {
		out, _ := newSystem(0.01, 1).search(t, config())
		if !out.BelowMin || out.Known() || out.FailedRPS > 1 {
			t.Errorf("%+v", out)
		}
	})
	t.Run("nothing can be measured", func(t *testing.T) {
		s := newSystem(500, 1)
		s.disturbedShare = 1
		out, _ := s.search(t, config())
		if out.Known() || out.HeldRPS != 0 || len(s.steps) != maxInvalidInRow {
			t.Errorf("%+v after %d steps", out, len(s.steps))
		}
	})
}

func TestMetastableSystem(t *testing.T) {
	for seed := range uint64(10) {
		s := newSystem(500, seed)
		s.metastable = true
		c := config()
		c.StartRPS = 400 // so that growing does not break it
		search := New(c)
		search.Guess(450)
		for {
			step, more := search.Next()
			if !more {
				break
			}
			search.Observe(step, s.load(step), step.Duration)
		}
		out := search.Outcome()
		if _, ok := out.Confirmed(); !ok {
			t.Fatalf("seed %d: nothing was confirmed: %+v", seed, out)
		}
		if !out.Metastable || out.Recovered {
			t.Errorf("seed %d: %+v", seed, out)
		}
	}
}

// A host that disturbs a step in four costs time, and nothing else.
func TestNoisyHost(t *testing.T) {
	for seed := range uint64(20) {
		s := newSystem(800, seed)
		s.disturbedShare = 0.25
		out, took := s.search(t, config())
		if out.DriverLimited || out.AtMax || took > config().Total {
			t.Errorf("seed %d: %+v after %v", seed, out, took)
		}
		if out.Known() && (out.LowRPS > 800 || out.HighOrInf() < 800) {
			t.Errorf("seed %d: the range is %v to %v", seed, out.LowRPS, out.HighRPS)
		}
	}
}

// With too little time what held is a lower bound, and the search says how much
// more it takes.
func TestTooLittleTime(t *testing.T) {
	c := config()
	c.Latency, c.Total = 5*time.Second, 40*time.Second
	s := newSystem(19, 1)
	s.drains = 4 * time.Second
	out, took := s.search(t, c)
	if took > c.Total+c.Total/20 {
		t.Errorf("the steps take %v of %v", took, c.Total)
	}
	if out.Known() || out.LowRPS == 0 || out.LowRPS > 20 || out.Needs <= 0 {
		t.Errorf("%+v", out)
	}
}

// A step is long enough for a request to be too slow in it.
func TestStepsOutlastTheLatency(t *testing.T) {
	c := config()
	c.Latency = 5 * time.Second
	for _, kind := range []Kind{KindBracket, KindStairs, KindOverload, KindRecover} {
		if got := c.Length(kind, 1000); got != 7500*time.Millisecond {
			t.Errorf("%s: %v, want 1.5 times the SLO's latency", kind, got)
		}
	}
	if got := c.Length(KindStairs, 10); got != c.MaxStep {
		t.Errorf("at 10/s: %v, want %v", got, c.MaxStep)
	}
}

func TestGuessSavesSteps(t *testing.T) {
	steps := func(guess float64) int {
		s, b, n := newSystem(700, 5), NewBracket(20, 1, 0), 0
		for ; ; n++ {
			rps, more := b.RPS()
			if !more {
				return n
			}
			if guess > 0 {
				b.Guess(guess)
			}
			b.Observe(s.load(Step{RPS: rps, Duration: time.Second}))
		}
	}
	if blind, guided := steps(0), steps(750); guided >= blind {
		t.Errorf("%d steps with a guess, %d without", guided, blind)
	}
}

// The staircase hovers where half of the steps hold.
func TestStaircaseHovers(t *testing.T) {
	stairs, s, sum, n := NewStaircase(300, 0), newSystem(800, 3), 0.0, 0
	for i := range 200 {
		if i >= 20 {
			sum, n = sum+math.Log(stairs.RPS()), n+1
		}
		stairs.Observe(s.load(Step{RPS: stairs.RPS(), Duration: 3 * time.Second}))
	}
	if mean := math.Exp(sum / float64(n)); math.Abs(mean/800-1) > 0.03 {
		t.Errorf("it hovers about %v, want 800", mean)
	}
}

func TestStaircaseSteps(t *testing.T) {
	s := NewStaircase(100, 120)
	logs := 0.0
	for i, test := range []struct {
		outcome record.Outcome
		moves   float64
	}{
		{record.Invalid, 0},
		{record.Held, coarseStep},
		{record.Failed, -fineStep}, {record.Invalid, 0}, {record.Failed, -fineStep}, {record.Held, fineStep},
	} {
		s.Observe(slo.Step{Verdict: record.Verdict{Outcome: test.outcome}})
		logs += test.moves
		if got := math.Log(s.RPS() / 100); math.Abs(got-logs) > 1e-9 {
			t.Errorf("after step %d: ln(rate) moved by %v, want %v", i+1, got, logs)
		}
	}
	for range 10 {
		s.Observe(slo.Step{Verdict: record.Verdict{Outcome: record.Held}})
	}
	if s.RPS() != 120 {
		t.Errorf("%v requests/s, at most 120 were allowed", s.RPS())
	}
	// A driver that has no more to give bounds it, and says nothing of the system.
	s.Observe(slo.Step{Verdict: record.Verdict{Outcome: record.Saturated}})
	s.Observe(slo.Step{Verdict: record.Verdict{Outcome: record.Held}})
	if want := 120 * math.Exp(-fineStep); !s.DriverLimited || math.Abs(s.RPS()-want) > 1e-9 {
		t.Errorf("%v requests/s where the driver ended at 120, want %v", s.RPS(), want)
	}
}
