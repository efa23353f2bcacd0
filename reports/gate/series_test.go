package gate

import (
	"math"
	"strings"
	"testing"
	"time"

	"headroom/harness/record"
	"headroom/scenarios"
)

// gateRun is a gate of blocks in the order ABBAAB and its mirror image: after
// needs cost times before's CPU on the app, on a host whose speed differs from
// slice to slice.
func gateRun(blocks int, cost float64, change func(*record.Trial)) []record.Trial {
	var trials []record.Trial
	order := 0
	for block := 1; block <= blocks; block++ {
		for i := range 6 {
			v := scenarios.Variants()[[...]int{0, 1, 1, 0, 0, 1}[i]^(block%2)]
			order++
			const requests = 400
			host := 1 + 0.2*math.Sin(float64(order))
			cpu, latency := 0.001*requests*host, 10*time.Millisecond
			if v == scenarios.After {
				cpu *= cost
				latency = time.Duration(float64(latency) * 1.05)
			}
			t := record.Trial{Kind: record.KindSlice, RateName: record.RateGate, Variant: v, Block: block, Order: order}
			t.Measurement = record.Measurement{Planned: requests, Sent: requests, Succeeded: requests, BytesIn: 1000 * requests, DurationS: 2,
				Driver: record.DriverUse{CPUSeconds: 0.0002 * requests * host}}
			for range requests {
				t.Measurement.Response.Record(latency)
			}
			t.Machines = []record.MachineUse{
				{Machine: "app-1", Group: "app", CPUSeconds: cpu / 2}, {Machine: "app-2", Group: "app", CPUSeconds: cpu / 2},
				{Machine: "database", Group: "database", CPUSeconds: 0.002 * requests * host},
				{Machine: "mail", Group: "mail", External: true, CPUSeconds: 1},
			}
			if change != nil {
				change(&t)
			}
			trials = append(trials, t)
		}
	}
	return trials
}

func gateScenario(t *testing.T) *scenarios.Scenario {
	t.Helper()
	s, err := scenarios.LoadNamed("phase2")
	if err != nil {
		t.Fatal(err)
	}
	twin := *s
	twin.Before, twin.Gate = twin.After, []string{"app", "database"}
	return &twin
}

// The host's speed falls out of CPU ratios, copies are added up, and each block
// gives every side one pair of neighbours.
func TestTimedSeries(t *testing.T) {
	series := TimedSeries(gateRun(5, 1.1, nil), gateScenario(t))
	want := map[string]float64{"cpu app": math.Log(1.1), "cpu database": 0, "p50": math.Log(1.05)}
	if len(series) != len(want) {
		t.Fatalf("%d series", len(series))
	}
	for _, s := range series {
		if s.Missing != "" || len(s.D) != 5 || len(s.Null[0]) != 5 || len(s.Null[1]) != 5 {
			t.Errorf("%s: %q, %d blocks, null %d and %d", s.Key, s.Missing, len(s.D), len(s.Null[0]), len(s.Null[1]))
		}
		for _, d := range s.D {
			if math.Abs(d-want[s.Key]) > 0.001 {
				t.Errorf("%s: %v, want %v", s.Key, d, want[s.Key])
			}
		}
		for _, null := range append(s.Null[0], s.Null[1]...) {
			if math.Abs(null) > 0.001 {
				t.Errorf("%s: neighbours differ by %v", s.Key, null)
			}
		}
	}
	if timed := Decide(series); timed[0].Status != StatusRegression || timed[1].Status != StatusSame {
		t.Errorf("%+v", timed)
	}
}

// Where after's answers have another size the driver's work is not the same.
func TestDriverStaysInWhereBytesDiffer(t *testing.T) {
	series := TimedSeries(gateRun(5, 1, func(t *record.Trial) {
		if t.Variant == scenarios.After {
			t.Measurement.BytesIn *= 2
			t.Measurement.Driver.CPUSeconds *= 1.5
		}
	}), gateScenario(t))
	for _, s := range series {
		if s.Adjusted {
			t.Errorf("%s is adjusted", s.Key)
		}
	}
	// Raw, so the host's speed is in it: not off by the driver's 50%.
	if d := series[0].D[0]; math.Abs(d) > 0.2 {
		t.Errorf("D is %v", d)
	}
}

func TestTimedSeriesWithoutData(t *testing.T) {
	for name, test := range map[string]struct {
		change func(*record.Trial)
		says   string
	}{
		"invalid slices": {func(t *record.Trial) {
			if t.Block > 1 && t.Order%6 == 2 {
				t.Invalid = []string{"stolen"}
			}
		}, "4 of 5 blocks have an invalid slice, at most 3 may: block 2 has 2 valid slices of"},
		"no CPU": {func(t *record.Trial) { t.Machines = nil }, "no number"},
		"all errors": {func(t *record.Trial) {
			t.Measurement.Failed, t.Measurement.Succeeded = t.Measurement.Succeeded, 0
		}, "no number"},
	} {
		alike := func(t *record.Trial) {
			t.Measurement.Response = record.Histogram{}
			for range t.Measurement.Sent {
				t.Measurement.Response.Record(10 * time.Millisecond)
			}
			test.change(t)
		}
		timed := Decide(TimedSeries(gateRun(5, 1, alike), gateScenario(t)))
		r := NewResult(About{Scenario: gateScenario(t)}, nil, timed, nil, nil)
		if r.Verdict != NoVerdict || timed[0].Status != StatusAbsent || !strings.Contains(r.Sentence, test.says) {
			t.Errorf("%s: %s: %s", name, timed[0].Status, r.Sentence)
		}
	}
	if timed := Decide(TimedSeries(nil, gateScenario(t))); timed[0].Status != StatusAbsent {
		t.Errorf("nothing measured: %+v", timed[0])
	}
}

// A block that was spoiled is left out, and the others decide.
func TestSpoiltBlocksAreLeftOut(t *testing.T) {
	trials := gateRun(6, 1.2, func(t *record.Trial) {
		if t.Order == 8 {
			t.Invalid = []string{"stolen"}
		}
	})
	series := TimedSeries(trials, gateScenario(t))
	if timed := Decide(series); len(series[0].D) != 5 || timed[0].Status != StatusRegression {
		t.Errorf("%d blocks, %+v", len(series[0].D), timed[0])
	}
	if why := SpoiltBlocks(trials); len(why) != 1 || !strings.HasPrefix(why[0], "block 2 has 2 valid slices of ") {
		t.Errorf("left out: %q", why)
	}
}

func TestGated(t *testing.T) {
	s := gateScenario(t)
	if got := strings.Join(Gated(s), " "); got != "app database" {
		t.Errorf("named: %s", got)
	}
	s.Gate = nil
	if got := Gated(s); len(got) < 3 || strings.Contains(strings.Join(got, " "), "mail") {
		t.Errorf("all: %v", got)
	}
}

func TestUnfitMachineHasNoVerdict(t *testing.T) {
	counted := Compare(baseline(t), Counted(good(), requests), false)
	r := NewResult(About{Scenario: scenario(t), Unfit: "this machine stood still"}, counted, nil, nil, nil)
	if r.Verdict != NoVerdict || r.Sentence != "No verdict: this machine stood still." {
		t.Errorf("%s: %s", r.Verdict, r.Sentence)
	}
}

// The figures of the sentence agree with the long simulation's table.
func TestChance(t *testing.T) {
	for _, test := range []struct {
		slowdown, sd float64
		metrics      int
		want         float64
	}{{0.05, 0.025, 1, 0.20}, {0.10, 0.025, 1, 1}, {0.10, 0.044, 1, 0.91}, {0.20, 0.044, 3, 1}} {
		if got := Chance(test.slowdown, test.sd, test.metrics); math.Abs(got-test.want) > 0.04 {
			t.Errorf("%+v: %v", test, got)
		}
	}
}
