// SPDX-License-Identifier: Apache-2.0

package gate

import (
	"encoding/json"
	"math"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"headroom/harness/record"
	"headroom/internal/maybe"
	"headroom/scenarios"
	"headroom/targets/kinds"
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
				Driver: record.DriverUse{CPUSeconds: maybe.Of(0.0002 * requests * host)}}
			for range requests {
				t.Measurement.Response.Record(latency)
			}
			t.Machines = []record.MachineUse{
				{Machine: "app-1", Group: "app", CPUSeconds: maybe.Of(cpu / 2)}, {Machine: "app-2", Group: "app", CPUSeconds: maybe.Of(cpu / 2)},
				{Machine: "database", Group: "database", CPUSeconds: maybe.Of(0.002 * requests * host)},
				{Machine: "mail", Group: "mail", External: true, CPUSeconds: maybe.Of(1)},
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
	s, err := scenarios.LoadNamed("phase2", kinds.Data())
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
	series := TimedSeries(gateRun(6, 1.1, nil), gateScenario(t))
	want := map[string]float64{"cpu app": math.Log(1.1), "cpu database": 0, "p50": math.Log(1.05)}
	if len(series) != len(want) {
		t.Fatalf("%d series", len(series))
	}
	for _, s := range series {
		if s.Missing != "" || len(s.D) != 6 || len(s.Null[0]) != 6 || len(s.Null[1]) != 6 {
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
	if timed := Decide(series, nil); timed[0].Status != StatusRegression || timed[1].Status != StatusSame {
		t.Errorf("%+v", timed)
	}
}

// A machine whose CPU time is not known in one slice leaves its group without a
// row's figure, and says why; the other rows are judged.
func TestCPUTimeThatIsNotKnown(t *testing.T) {
	series := TimedSeries(gateRun(5, 1, func(t *record.Trial) {
		if t.Order == 9 {
			t.Machines[1].CPUSeconds, t.Machines[1].Unread = maybe.Number{}, []string{"cgroup: cpu.stat: no usage_usec"}
		}
	}), gateScenario(t))
	const want = "the CPU time of machine app-2 is not known in trial 9"
	for _, timed := range Decide(series, nil) {
		lacks := timed.Key == "cpu app"
		if (timed.Status == StatusAbsent) != lacks {
			t.Errorf("%s is %s (%s)", timed.Key, timed.Status, timed.Why)
		}
		if lacks && (!strings.HasPrefix(timed.Why, want) || !strings.HasSuffix(timed.Why, ": cgroup: cpu.stat: no usage_usec") || timed.Ratio != 0 || timed.Blocks != nil) {
			t.Errorf("%+v, want %q", timed, want)
		}
	}
	if text, err := json.Marshal(Decide(series, nil)); err != nil || !strings.Contains(string(text), want) {
		t.Errorf("in JSON: %s, error %v", text, err)
	}
}

// Where after's answers have another size the driver's work is not the same.
func TestDriverStaysInWhereBytesDiffer(t *testing.T) {
	series := TimedSeries(gateRun(5, 1, func(t *record.Trial) {
		if t.Variant == scenarios.After {
			t.Measurement.BytesIn *= 2
			t.Measurement.Driver.CPUSeconds = t.Measurement.Driver.CPUSeconds.Times(1.5)
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

// A block whose answers differ a little more than the others' is measured as the others
// are, among the blocks that decide and behind them: the driver's CPU time is divided
// out of all blocks or of none.
func TestAdjustedIsDecidedOnce(t *testing.T) {
	for _, test := range []struct {
		name       string
		more, less int64 // answers of after, in percent of before's: of odd blocks, of even ones
		from       int   // the block from which on they differ
		want       bool
	}{
		{"now beyond, now within", 1015, 1000, 1, true},
		{"beyond in all", 1015, 1015, 1, false},
		{"beyond behind the first look", 1015, 1015, FirstLook + 1, true},
	} {
		series := TimedSeries(gateRun(8, 1.1, func(trial *record.Trial) {
			if trial.Variant == scenarios.After && trial.Block >= test.from {
				size := test.less
				if trial.Block%2 == 1 {
					size = test.more
				}
				trial.Measurement.BytesIn = size * trial.Measurement.Sent
			}
		}), gateScenario(t))
		cpu := series[0]
		if cpu.Adjusted != test.want {
			t.Errorf("%s: adjusted is %v", test.name, cpu.Adjusted)
		}
		exact := 0
		for _, d := range cpu.D {
			if math.Abs(d-math.Log(1.1)) < 1e-9 {
				exact++
			}
		}
		if test.want && exact != 8 || !test.want && exact > 0 {
			t.Errorf("%s: the host's speed fell out of %d of 8 blocks", test.name, exact)
		}
	}
}

// A side's first slice of a block is compared with its others, block by block.
func TestWarming(t *testing.T) {
	first := map[[2]string]bool{}
	series := Warming(gateRun(5, 1.3, func(trial *record.Trial) {
		id := [2]string{string(trial.Variant), string(rune('0' + trial.Block))}
		if !first[id] {
			first[id] = true
			for i := range trial.Machines[:2] { // those of app
				trial.Machines[i].CPUSeconds = trial.Machines[i].CPUSeconds.Times(1.04)
			}
		}
	}), gateScenario(t))
	for i, want := range []float64{1.04, 1, 1} {
		if ratio, low, high := series[i].Interval(); len(series[i].D) != 10 || math.Abs(ratio-want) > 1e-3 || low > ratio || high < ratio {
			t.Errorf("%s: %v (%v to %v) in %d", series[i].Key, ratio, low, high, len(series[i].D))
		}
	}
}

// Where a repeated slice stands between them, two slices are no neighbours; with
// too few neighbours there is no verdict.
func TestRepeatedSlicesAreNoNeighbours(t *testing.T) {
	order := 0
	series := TimedSeries(gateRun(4, 1, func(trial *record.Trial) {
		order++
		if order == 5 { // block 1's fourth and fifth slices are one side's
			order++
		}
		trial.Order = order
		trial.Measurement.Response = record.Histogram{}
		for range trial.Measurement.Sent {
			trial.Measurement.Response.Record(10 * time.Millisecond)
		}
	}), gateScenario(t))
	if short, whole := min(len(series[0].Null[0]), len(series[0].Null[1])), max(len(series[0].Null[0]), len(series[0].Null[1])); short != 3 || whole != 4 {
		t.Errorf("%d and %d pairs", short, whole)
	}
	timed := Decide(series, nil)
	if timed[0].Status != StatusOpen || !strings.HasPrefix(timed[0].Why, "too few neighbouring slices of ") || Finished(timed, 4) {
		t.Errorf("%+v", timed[0])
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
		timed := Decide(TimedSeries(gateRun(5, 1, alike), gateScenario(t)), nil)
		r := NewResult(About{Scenario: gateScenario(t)}, nil, timed, nil, nil)
		if r.Verdict != NoVerdict || timed[0].Status != StatusAbsent || !strings.Contains(r.Sentence, test.says) {
			t.Errorf("%s: %s: %s", name, timed[0].Status, r.Sentence)
		}
	}
	if timed := Decide(TimedSeries(nil, gateScenario(t)), nil); timed[0].Status != StatusAbsent {
		t.Errorf("nothing measured: %+v", timed[0])
	}
}

// An invalid block is left out, and the others decide.
func TestInvalidBlocksAreLeftOut(t *testing.T) {
	trials := gateRun(7, 1.2, func(t *record.Trial) {
		if t.Order == 8 {
			t.Invalid = []string{"stolen"}
		}
	})
	series := TimedSeries(trials, gateScenario(t))
	if timed := Decide(series, nil); len(series[0].D) != 6 || timed[0].Status != StatusRegression {
		t.Errorf("%d blocks, %+v", len(series[0].D), timed[0])
	}
	if why := InvalidBlocks(trials); len(why) != 1 || !strings.HasPrefix(why[0], "block 2 has 2 valid slices of ") {
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
	counted := Compare(baseline(t), Counted(known(), good(), requests), false)
	r := NewResult(About{Scenario: scenario(t), Unfit: "this machine stood still"}, counted, nil, nil, nil)
	if r.Verdict != NoVerdict || r.Sentence != "No verdict: this machine stood still." {
		t.Errorf("%s: %s", r.Verdict, r.Sentence)
	}
}

// The figures of the sentence agree with the long simulation's table.
func TestPower(t *testing.T) {
	for _, test := range []struct {
		slowdown, sd float64
		metrics      int
		want         float64
	}{{0.05, 0.025, 1, 0.25}, {0.05, 0.025, 3, 0.12}, {0.10, 0.025, 1, 1}, {0.10, 0.044, 1, 0.997}, {0.10, 0.044, 3, 0.99}, {0.20, 0.044, 3, 1}} {
		if got := Power(test.slowdown, test.sd, test.metrics); math.Abs(got-test.want) > 0.04 {
			t.Errorf("%+v: %v", test, got)
		}
	}
}

// Two figures are alike by a share of the larger, that share included.
func TestNearlyEqual(t *testing.T) {
	for _, test := range []struct {
		a, b, within float64
		want         bool
	}{{100, 90, 0.1, true}, {90, 100, 0.1, true}, {100, 89.9, 0.1, false}, {89.9, 100, 0.1, false}, {0, 0, 0.1, true}} {
		if got := nearlyEqual(test.a, test.b, test.within); got != test.want {
			t.Errorf("%v and %v are alike by %v: %v", test.a, test.b, test.within, got)
		}
	}
}

// The driver's CPU falls out only where both sides kept as many requests in flight,
// and where it is known of every slice.
func TestWhenTheDriverFallsOut(t *testing.T) {
	takes := func(ms float64) func(*record.Trial) {
		return func(trial *record.Trial) {
			if trial.Variant == scenarios.Before {
				return
			}
			trial.Measurement.Response = record.Histogram{}
			for range trial.Measurement.Sent {
				trial.Measurement.Response.Record(time.Duration(ms * float64(time.Millisecond)))
			}
		}
	}
	for name, test := range map[string]struct {
		change func(*record.Trial)
		want   bool
	}{
		"10.5% more in flight": {takes(11.05), true},
		"12% more in flight":   {takes(11.3), false}, // of the larger
		"one slice's driver is not known": {func(trial *record.Trial) {
			if trial.Order == 33 {
				trial.Measurement.Driver.CPUSeconds = maybe.Number{}
			}
		}, false},
		"one slice sent nothing": {func(trial *record.Trial) {
			if trial.Order == 33 {
				trial.Measurement.Sent = 0
			}
		}, false},
	} {
		if got := TimedSeries(gateRun(6, 1, test.change), gateScenario(t))[0].Adjusted; got != test.want {
			t.Errorf("%s: adjusted %v, want %v", name, got, test.want)
		}
	}
}

// Up to three blocks may be invalid; trials count by their order and not by their
// place, and only those of a gate.
func TestWhichSlicesCount(t *testing.T) {
	invalidate := func(most int) func(*record.Trial) {
		return func(trial *record.Trial) {
			if trial.Block <= most && trial.Order%6 == 1 {
				trial.Invalid = []string{"stolen"}
			}
		}
	}
	three, four := TimedSeries(gateRun(8, 1.1, invalidate(3)), gateScenario(t))[0], TimedSeries(gateRun(8, 1.1, invalidate(4)), gateScenario(t))[0]
	if three.Missing != "" || len(three.D) != 5 {
		t.Errorf("three of eight invalid: %q, %d blocks", three.Missing, len(three.D))
	}
	if !strings.HasPrefix(four.Missing, "4 of 8 blocks have an invalid slice, at most 3 may: block 1 has 2 valid slices of ") || len(four.D) != 0 {
		t.Errorf("four of eight invalid: %q", four.Missing)
	}
	trials := gateRun(4, 1.1, nil)
	want := TimedSeries(trials, gateScenario(t))
	other := trials[0]
	other.RateName, other.Machines = record.RateCommon, nil
	probe := trials[1]
	probe.Kind, probe.Machines = record.KindProbe, nil
	shuffled := append([]record.Trial{other, probe}, trials...)
	slices.Reverse(shuffled)
	if got := TimedSeries(shuffled, gateScenario(t)); !reflect.DeepEqual(got, want) {
		t.Errorf("%+v, want %+v", got[0], want[0])
	}
}

// CPU time is by success and less the driver's by request; a machine without a group
// is its own.
func TestLnRatio(t *testing.T) {
	of := func(succeeded, sent int64, cpu, driver float64) side {
		return sideOf([]record.Trial{{Measurement: record.Measurement{Succeeded: succeeded, Sent: sent, Driver: record.DriverUse{CPUSeconds: maybe.Of(driver)}},
			Machines: []record.MachineUse{{Machine: "app", CPUSeconds: maybe.Of(cpu)}, {Machine: "db-1", Group: "db", CPUSeconds: maybe.Of(1)}, {Machine: "db-2", Group: "db", CPUSeconds: maybe.Of(2)}}}})
	}
	before, after := of(100, 200, 5, 1), of(50, 100, 5, 1)
	near(t, "twice the CPU by success", lnRatio(before, after, "app", false), math.Log(2), 1e-12)
	near(t, "less twice the driver's by request", lnRatio(before, after, "app", true), 0, 1e-12)
	near(t, "copies add up", before.cpu["db"], 3, 1e-12)
	both := sideOf(append(before.slices, after.slices...))
	if both.succeeded != 150 || both.sent != 300 || both.driverCPU != 2 || both.cpu["app"] != 10 || len(both.slices) != 2 {
		t.Errorf("two slices are %+v", both)
	}
}

// What does not gate is shown over all blocks, where there are samples enough.
func TestShownOf(t *testing.T) {
	shown := ShownOf(gateRun(4, 1, nil))
	if len(shown) != 2 || shown[0].Label != "p95" || shown[1].Label != "p99" || shown[0].Unit != "ms" {
		t.Fatalf("%+v", shown)
	}
	near(t, "before", shown[0].Before, 10, 0.02)
	near(t, "after", shown[0].After, 10.5, 0.02)
	few := gateRun(1, 1, func(trial *record.Trial) {
		trial.Measurement.Planned = 60 // 180 in three slices: enough for p95 alone
		trial.Measurement.Response = record.Histogram{}
		for range 60 {
			trial.Measurement.Response.Record(10 * time.Millisecond)
		}
	})
	if shown = ShownOf(few); len(shown) != 1 || shown[0].Label != "p95" {
		t.Errorf("of 180 requests: %+v", shown)
	}
}

// A group gates by itself where both variants have it and somebody pays for it.
func TestGatedGroups(t *testing.T) {
	machine := func(group string, external bool) scenarios.Machine {
		return scenarios.Machine{Name: group, Group: group, External: external}
	}
	s := &scenarios.Scenario{
		Before: scenarios.Topology{Machines: []scenarios.Machine{machine("app", false), machine("app", false), machine("mail", true), machine("old", false), machine("bought", false)}},
		After:  scenarios.Topology{Machines: []scenarios.Machine{machine("app", false), machine("mail", true), machine("new", false), machine("bought", true)}},
	}
	if got := Gated(s); !slices.Equal(got, []string{"app"}) {
		t.Errorf("%v gate, want app alone", got)
	}
	if got := timedKeys(s); !slices.Equal(got, []string{"cpu app", "p50"}) {
		t.Errorf("the metrics are %v", got)
	}
}
