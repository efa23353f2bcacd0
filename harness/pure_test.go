// SPDX-License-Identifier: Apache-2.0

package harness

import (
	"errors"
	"math"
	"strings"
	"testing"
	"time"

	"headroom/harness/record"
	"headroom/harness/search"
	"headroom/internal/maybe"
	"headroom/scenarios"
)

func sloOf(t *testing.T, text string) scenarios.SLO {
	t.Helper()
	s, err := scenarios.ParseSLO(text)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// A step with so many requests may have three and a half bad ones: 350 for a p99, 70 for a
// p95. The strictest condition counts.
func TestSamplesOfAnSLO(t *testing.T) {
	for text, want := range map[string]int64{"p99<1s": 350, "p95<1s": 70, "p50<1s": 7, "p95<1s,p99<2s,p50<1s": 350, "errors<1%": 350, "errors<1%,p95<1s": 70} {
		if got := SLOSamples(sloOf(t, text)); got != want {
			t.Errorf("%s takes %d requests, want %d", text, got, want)
		}
	}
	plan := FullPlan().For(sloOf(t, "p95<3s,p50<100ms"))
	if plan.Search.Samples != 70 || plan.Search.Latency != 3*time.Second {
		t.Errorf("the search takes %d samples of %v", plan.Search.Samples, plan.Search.Latency)
	}
}

// A block's slices together have the samples of a step: three slices of 350.
func TestLengthOfASlice(t *testing.T) {
	plan := FullPlan()
	for rps, want := range map[float64]time.Duration{1000: 2 * time.Second, 350.0 / 6: 2 * time.Second, 350.0 / 9: 3 * time.Second, 10: 6 * time.Second} {
		if got := plan.slice(rps); (got - want).Abs() > time.Microsecond {
			t.Errorf("at %v/s a slice lasts %v, want %v", rps, got, want)
		}
	}
}

// A search's steps are shares of its time, and none longer than they have to be.
func TestSearchWithin(t *testing.T) {
	want := search.Config{
		StartRPS: 20, MinRPS: 1, MaxRPS: 700, MaxStep: 15300 * time.Millisecond, Bracket: 1400 * time.Millisecond, Stair: 3 * time.Second,
		Soak: 30 * time.Second, Recover: 4500 * time.Millisecond, Total: 90 * time.Second, Pause: drainPause,
	}
	if got := SearchWithin(90*time.Second, time.Minute, 700); got != want {
		t.Errorf("within 90 s: %+v, want %+v", got, want)
	}
	if got := SearchWithin(5*time.Minute, time.Minute, 0); got.Stair != 3*time.Second || got.Recover != 5*time.Second || got.Soak != time.Minute {
		t.Errorf("within five minutes: %+v", got)
	}
	if got := SearchWithin(60*time.Second, time.Minute, 0); got.Stair != 2*time.Second || got.Recover != 3*time.Second || got.Soak != 20*time.Second {
		t.Errorf("within a minute: %+v", got)
	}
	if plan := FullPlan().Soaking(0); plan.Search.Soak != 0 || plan.Search.Recover != 0 || plan.Curve != nil {
		t.Errorf("without a soak: %+v", plan)
	}
	if plan := FullPlan().Soaking(time.Second); plan.Search.Soak != time.Second || plan.Search.Recover == 0 || plan.Curve == nil {
		t.Errorf("with another soak: %+v", plan)
	}
}

// A step of a proof lasts as a step of a search at the rate that it begins with.
func TestLengthOfAProofsStep(t *testing.T) {
	c := &Conductor{Plan: FullPlan()}
	for _, test := range []struct {
		of   Proof
		want time.Duration
	}{
		{Proof{CapacityRPS: 1000, Scale: 1}, 3 * time.Second},
		{Proof{CapacityRPS: 100, Scale: 1}, 3500 * time.Millisecond}, // 350 requests
		{Proof{CapacityRPS: 200, Scale: 0.5}, 3500 * time.Millisecond},
		{Proof{CapacityRPS: 20, Scale: 0.5}, 6 * time.Second}, // at the longest
	} {
		if got := c.proofStep(test.of); got != test.want {
			t.Errorf("%+v: %v, want %v", test.of, got, test.want)
		}
	}
	c.Plan.Proof.Step = 8 * time.Second
	if got := c.proofStep(Proof{CapacityRPS: 1000, Scale: 1}); got != 8*time.Second {
		t.Errorf("a longer step: %v", got)
	}
}

// Two CPUs without the driver's 0.4 and the reserve of 0.1 are 1.5: 0.1 for each of
// the larger variant's 15. Of more, a fifth is the driver's.
func TestShare(t *testing.T) {
	machine := func(vcpu float64) scenarios.Machine { return scenarios.Machine{VCPU: vcpu} }
	s := &scenarios.Scenario{Name: "s", Before: scenarios.Topology{Machines: []scenarios.Machine{machine(5)}},
		After: scenarios.Topology{Machines: []scenarios.Machine{machine(10), machine(5)}}}
	for _, test := range []struct {
		host, driver, unit, before, after float64
	}{{2, 0.4, 0.1, 0.5, 1.5}, {10, 2, 7.9 / 15, 7.9 / 3, 7.9}, {100, 20, 1, 5, 15}} {
		got, err := Share(s, test.host)
		if err != nil || got.HostCPUs != test.host || got.ReserveCPUs != 0.1 || got.PeriodMicros != 10_000 {
			t.Fatalf("of %v: %+v, %v", test.host, got, err)
		}
		for name, pair := range map[string][2]float64{"driver": {got.DriverCPUs, test.driver}, "unit": {got.UnitCPUs, test.unit},
			"before": {got.VariantCPUs[scenarios.Before], test.before}, "after": {got.VariantCPUs[scenarios.After], test.after}} {
			if math.Abs(pair[0]-pair[1]) > 1e-9 {
				t.Errorf("of %v: %s %v, want %v", test.host, name, pair[0], pair[1])
			}
		}
	}
	for host, fits := range map[float64]bool{1.251: true, 1.249: false} { // 0.05 for each of 15
		if _, err := Share(s, host); (err == nil) != fits {
			t.Errorf("on %v CPUs: %v", host, err)
		}
	}
	external := scenarios.Machine{External: true}
	s.After.Machines = append(s.After.Machines, external) // it has its own 0.1
	got, err := Share(s, 2)
	if err != nil || math.Abs(got.UnitCPUs-1.4/15) > 1e-9 || math.Abs(got.VariantCPUs[scenarios.After]-1.5) > 1e-9 {
		t.Errorf("beside an external machine: %+v, %v", got, err)
	}
	free := SharesWithoutQuotas(3)
	if free.HostCPUs != 3 || free.UnitCPUs != 1 || free.DriverCPUs != 3 || free.VariantCPUs[scenarios.Before] != 3 || free.VariantCPUs[scenarios.After] != 3 || free.PeriodMicros != 0 {
		t.Errorf("without limits: %+v", free)
	}
}

// stepAt is a step of 10 s at a rate in which the machines used so many CPUs.
func stepAt(rps float64, cpus ...float64) *record.Trial {
	t := &record.Trial{Measurement: record.Measurement{OfferedRPS: rps, Sent: int64(10 * rps)}}
	for i, used := range cpus {
		t.Machines = append(t.Machines, record.MachineUse{Machine: string(rune('a' + i)), QuotaCPUs: 1, WindowS: 10, CPUSeconds: maybe.Of(10 * used)})
	}
	return t
}

// From 10 to 20 requests/s a machine of 1 CPU uses 0.1 CPUs more than 0.2: 10 ms each,
// and 0.1 when idle, which leaves 90. A demand that is not seen bounds nothing, and no
// bound is more than eight times the higher rate.
func TestMarginalBound(t *testing.T) {
	change := func(of *record.Trial, how func(*record.MachineUse)) *record.Trial {
		how(&of.Machines[0])
		return of
	}
	for _, test := range []struct {
		name      string
		low, high *record.Trial
		want      float64
	}{
		{"10 ms each", stepAt(10, 0.2), stepAt(20, 0.3), 90},
		{"the smaller of two", stepAt(10, 0.2, 0.2), stepAt(20, 0.3, 0.4), 50},
		{"hardly any", stepAt(10, 0.2), stepAt(20, 0.2001), 160},
		{"none", stepAt(10, 0.2), stepAt(20, 0.2), 160},
		{"less", stepAt(10, 0.2), stepAt(20, 0.1), 160},
		{"all is used when idle", stepAt(10, 1.5), stepAt(20, 1.6), 0},
		{"external", stepAt(10, 0.2), change(stepAt(20, 0.3), func(m *record.MachineUse) { m.External = true }), 160},
		{"not there before", change(stepAt(10, 0.2), func(m *record.MachineUse) { m.Machine = "other" }), stepAt(20, 0.3), 160},
		{"CPU not known", stepAt(10, 0.2), change(stepAt(20, 0.3), func(m *record.MachineUse) { m.CPUSeconds = maybe.Number{} }), 0},
		{"CPU not known before", change(stepAt(10, 0.2), func(m *record.MachineUse) { m.CPUSeconds = maybe.Number{} }), stepAt(20, 0.3), 0},
		{"no window", stepAt(10, 0.2), change(stepAt(20, 0.3), func(m *record.MachineUse) { m.WindowS = 0 }), 160},
		{"no window before", change(stepAt(10, 0.2), func(m *record.MachineUse) { m.WindowS = 0 }), stepAt(20, 0.3), 160},
	} {
		if got := marginalBound(test.low, test.high); math.Abs(got-test.want) > 1e-6 {
			t.Errorf("%s: %v, want %v", test.name, got, test.want)
		}
	}
	// Two rates tell of idle use when one is twice the other; no bound is taken back.
	finder := boundFinder{}
	for _, test := range []struct{ rps, cpus, want float64 }{{10, 0.2, 50}, {19, 0.29, 19 / 0.29}, {20, 0.3, 90}, {5, 0.5, 90}} {
		if got := finder.add(stepAt(test.rps, test.cpus)); math.Abs(got-test.want) > 1e-6 {
			t.Errorf("with %v/s: %v, want %v", test.rps, got, test.want)
		}
	}
	idle := []record.MachineUse{{QuotaCPUs: 1, CPUSeconds: maybe.Of(0)}, {QuotaCPUs: 1, CPUSeconds: maybe.Of(2)}}
	if got := throughputBound(idle, 10, 0); got != 5 {
		t.Errorf("a machine that used nothing bounds at %v", got)
	}
	if got := throughputBound(idle, 0, 0); got != 0 {
		t.Errorf("no answer bounds at %v", got)
	}
}

// By Little's law: twice the SLO's latency at the offered rate, or at twice what held.
func TestInFlightCapWithoutALatency(t *testing.T) {
	errorsOnly := sloOf(t, "errors<1%")
	if got := inFlightCap(100, 0, errorsOnly); got != 200 {
		t.Errorf("%d in flight, want those of two seconds", got)
	}
	if got := inFlightCap(100, 40, errorsOnly); got != 160 {
		t.Errorf("%d in flight where 40 held, want those of twice as many", got)
	}
}

// What ends a search because no rate can be the right one.
func TestUnusableTargets(t *testing.T) {
	failed := func(change func(*record.Measurement)) record.Measurement {
		m := record.Measurement{Sent: 10, Failed: 10, Errors: map[string]int64{"refused": 9, "timeout": 1}, ErrorTexts: map[string]string{"refused": "no"}}
		change(&m)
		return m
	}
	answers := func(succeeded int64, status map[string]int64) record.Measurement {
		return record.Measurement{Sent: 10, Succeeded: succeeded, Failed: 10 - succeeded, Status: status, Errors: map[string]int64{"status_4xx": 10 - succeeded}}
	}
	same := func(*record.Measurement) {}
	for _, test := range []struct {
		name   string
		m      record.Measurement
		before int
		want   string // "": it goes on
	}{
		{"nobody answers", failed(same), 1, "nobody answers: all 10 requests of the last step failed (refused: no)"},
		{"nobody answers the first step", failed(same), 0, ""},
		{"nothing was sent", failed(func(m *record.Measurement) { m.Sent = 0 }), 1, ""},
		{"one answer", failed(func(m *record.Measurement) { m.Succeeded = 1 }), 1, ""},
		{"timeouts", failed(func(m *record.Measurement) { m.Errors = map[string]int64{"timeout": 6, "refused": 4} }), 1, ""},
		{"as many timeouts as others", failed(func(m *record.Measurement) { m.Errors = map[string]int64{"timeout": 5, "refused": 5} }), 1, "nobody answers"},
		{"no ports", failed(func(m *record.Measurement) { m.Driver.Limit = record.LimitPorts }), 1, "the driver ran out of local ports: all 10"},
		{"no files", failed(func(m *record.Measurement) { m.Driver.Limit = record.LimitFiles }), 1, "the driver ran out of open files"},
		{"no CPU", failed(func(m *record.Measurement) { m.Driver.Limit = record.LimitCPU }), 1, "nobody answers"},
		{"wrong answers", answers(0, map[string]int64{"404": 10}), 1, "no answer was a correct one, all 10 of the last step were failures (status_4xx)"},
		{"redirects", answers(10, map[string]int64{"301": 9, "302": 1}), 0, "every answer was a redirect (301): give the URL"},
		{"a redirect fewer", answers(10, map[string]int64{"301": 9, "200": 1}), 0, ""},
		{"redirects that failed", answers(9, map[string]int64{"301": 10}), 0, ""},
	} {
		err := Capacity{StopIfUnusable: true}.unusable(&test.m, test.before)
		var unusable *UnusableTargetError
		if (err == nil) != (test.want == "") || err != nil && (!errors.As(err, &unusable) || !strings.HasPrefix(unusable.Reason, test.want)) {
			t.Errorf("%s: %v, want %q", test.name, err, test.want)
		}
		if err := (Capacity{}).unusable(&test.m, test.before); err != nil {
			t.Errorf("%s, and nobody asked: %v", test.name, err)
		}
	}
	if got := mostFrequent(map[string]int64{"b": 2, "a": 2, "c": 1}); got != "a" {
		t.Errorf("the most frequent is %q", got)
	}
	if got := mostFrequent(nil); got != "" {
		t.Errorf("of none it is %q", got)
	}
}
