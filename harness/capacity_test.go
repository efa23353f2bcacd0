package harness

import (
	"testing"
	"time"

	"headroom/harness/record"
	"headroom/harness/search"
	"headroom/scenarios"
)

// Machines without limits of their own share the host: together they can't use
// more than it has.
func TestBoundOfASharedHost(t *testing.T) {
	uses := []record.MachineUse{{QuotaCPUs: 2, CPUSeconds: 1}, {QuotaCPUs: 2, CPUSeconds: 1}, {QuotaCPUs: 1, External: true, CPUSeconds: 2}}
	for hostCPUs, want := range map[float64]float64{0: 200, 2: 50, 100: 200} {
		if got := throughputBound(uses, 100, hostCPUs); got != want {
			t.Errorf("on %v CPUs: %v, want %v", hostCPUs, got, want)
		}
	}
	if got := throughputBound(nil, 100, 2); got != 0 {
		t.Errorf("without machines: %v", got)
	}
}

// Two machines idle at 0.02 CPUs; a request costs 1 and 2 ms.
func TestBoundLeavesIdleUseOut(t *testing.T) {
	at := func(rps float64) *record.Trial {
		use := func(name string, ms float64) record.MachineUse {
			return record.MachineUse{Machine: name, QuotaCPUs: 1, WindowS: 2, CPUSeconds: 2 * (0.02 + rps*ms/1000)}
		}
		return &record.Trial{
			Measurement: record.Measurement{OfferedRPS: rps, Sent: int64(2 * rps)},
			Machines:    []record.MachineUse{use("a", 1), use("b", 2)},
		}
	}
	finder := boundFinder{}
	if got := finder.add(at(10)); got < 240 || got > 260 {
		t.Errorf("from one rate: %v, want 250", got)
	}
	if got := finder.add(at(100)); got < 489 || got > 491 {
		t.Errorf("from two rates: %v, want 490", got)
	}
}

func TestJudgeStep(t *testing.T) {
	slo, err := scenarios.ParseSLO("p99<100ms,errors<1%")
	if err != nil {
		t.Fatal(err)
	}
	trial := func(sent int, response, service time.Duration) record.Trial {
		m := record.Measurement{Planned: int64(sent), Sent: int64(sent), Succeeded: int64(sent), DurationS: 1}
		for range sent {
			m.Response.Record(response)
			m.ResponseSuccess.Record(response)
			m.Service.Record(service)
		}
		return record.Trial{Measurement: m}
	}
	const fast, slow = 10 * time.Millisecond, 300 * time.Millisecond
	for _, test := range []struct {
		name   string
		trial  record.Trial
		change func(*record.Trial)
		want   search.Verdict
	}{
		{"holds", trial(500, fast, fast), nil, search.Held},
		{"too few", trial(50, fast, fast), nil, search.Insufficient},
		{"fails", trial(500, slow, slow), nil, search.Failed},
		{"held although disturbed", trial(500, fast, fast), func(t *record.Trial) { t.Invalid, t.Measurement.InvalidReasons = []string{"late"}, []string{"late"} }, search.Held},
		{"spoiled by a restart", trial(500, fast, fast), func(t *record.Trial) { t.Invalid = []string{"machine app restarted"} }, search.Spoiled},
		{"the driver's own lag", trial(500, slow, fast), func(t *record.Trial) { t.Invalid = []string{"late"} }, search.Spoiled},
		{"slow from the send on, and late", trial(500, slow, slow), func(t *record.Trial) { t.Invalid = []string{"late"} }, search.Failed},
		{"saturated", trial(500, slow, slow), func(t *record.Trial) {
			t.Invalid, t.Measurement.Driver.Saturated = []string{"the driver used 99%"}, true
		}, search.Saturated},
		{"failed while the hypervisor took time", trial(500, slow, slow), func(t *record.Trial) {
			t.Invalid, t.Measurement.Driver.StolenShare = []string{"stolen"}, 0.05
		}, search.Spoiled},
		{"failed while it took much at once", trial(500, slow, slow), func(t *record.Trial) {
			t.Measurement.Driver.StolenShare, t.Measurement.Driver.StolenWorstSecond = 0.01, 0.15
		}, search.Spoiled},
		{"held while it took much at once", trial(500, fast, fast), func(t *record.Trial) {
			t.Measurement.Driver.StolenShare, t.Measurement.Driver.StolenWorstSecond = 0.01, 0.15
		}, search.Held},
		{"failed while it took little", trial(500, slow, slow), func(t *record.Trial) {
			t.Measurement.Driver.StolenShare, t.Measurement.Driver.StolenWorstSecond = 0.01, 0.05
		}, search.Failed},
		{"overloaded", trial(500, fast, fast), func(t *record.Trial) {
			t.Invalid, t.Measurement.Unsent, t.Measurement.Planned = []string{"unsent"}, 100, 600
		}, search.Failed},
	} {
		if test.change != nil {
			test.change(&test.trial)
		}
		if got, reason := JudgeStep(&test.trial, slo); got != test.want {
			t.Errorf("%s: %v (%s), want %v", test.name, got, reason, test.want)
		}
	}
}

func TestInFlightCapFollowsTheSLO(t *testing.T) {
	slo := scenarios.SLO{Conditions: []scenarios.SLOCondition{{Quantile: 0.99, Latency: 250 * time.Millisecond}}}
	for rps, want := range map[float64]int{1: minInFlight, 1000: 1000, 1e6: maxInFlight} {
		if got := inFlightCap(rps, slo); got != want {
			t.Errorf("at %v requests/s: %d, want %d", rps, got, want)
		}
	}
}
