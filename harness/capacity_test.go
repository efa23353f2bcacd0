// SPDX-License-Identifier: Apache-2.0

package harness

import (
	"context"
	"fmt"
	"math"
	"testing"
	"time"

	"headroom/harness/record"
	"headroom/harness/search"
	"headroom/harness/slo"
	"headroom/internal/maybe"
	"headroom/scenarios"
)

// Machines without limits of their own share the host: together they can't use
// more than it has.
func TestBoundOfASharedHost(t *testing.T) {
	uses := []record.MachineUse{{QuotaCPUs: 2, CPUSeconds: maybe.Of(1)}, {QuotaCPUs: 2, CPUSeconds: maybe.Of(1)}, {QuotaCPUs: 1, External: true, CPUSeconds: maybe.Of(2)}}
	for hostCPUs, want := range map[float64]float64{0: 200, 2: 50, 100: 200} {
		if got := throughputBound(uses, 100, hostCPUs); got != want {
			t.Errorf("on %v CPUs: %v, want %v", hostCPUs, got, want)
		}
	}
	if got := throughputBound(nil, 100, 2); got != 0 {
		t.Errorf("without machines: %v", got)
	}
	uses[1].CPUSeconds = maybe.Number{}
	if got := throughputBound(uses, 100, 2); got != 0 {
		t.Errorf("a machine of which nothing is known leaves a bound of %v", got)
	}
	uses[1], uses[2].CPUSeconds = uses[0], maybe.Number{}
	if got := throughputBound(uses, 100, 0); got != 200 {
		t.Errorf("an external machine of which nothing is known bounds at %v, want 200", got)
	}
}

// Two machines idle at 0.02 CPUs; a request costs 1 and 2 ms.
func TestBoundLeavesIdleUseOut(t *testing.T) {
	at := func(rps float64) *record.Trial {
		use := func(name string, ms float64) record.MachineUse {
			return record.MachineUse{Machine: name, QuotaCPUs: 1, WindowS: 2, CPUSeconds: maybe.Of(2 * (0.02 + rps*ms/1000))}
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

// The cap follows the SLO, and what has held so far: a step that is far too much
// must not take long to drain.
func TestInFlightCap(t *testing.T) {
	s := scenarios.SLO{Conditions: []scenarios.SLOCondition{{Quantile: 0.99, Latency: 250 * time.Millisecond}}}
	for _, test := range []struct {
		rps, held float64
		want      int
	}{{1, 0, minInFlight}, {1000, 0, 500}, {1000, 900, 500}, {1000, 250, 250}, {1e6, 0, maxInFlight}} {
		if got := inFlightCap(test.rps, test.held, s); got != test.want {
			t.Errorf("at %v requests/s, %v held: %d, want %d", test.rps, test.held, got, test.want)
		}
	}
}

// The search and a reader of its trials say the same of the capacity: there is
// one rule for a step and one for a capacity.
func TestSearchAndTrialsAgree(t *testing.T) {
	s, err := scenarios.ParseSLO("p99<100ms,errors<1%")
	if err != nil {
		t.Fatal(err)
	}
	const capacity = 300
	config := FullPlan().For(s).Search
	config.Pause, config.Total = 0, 3*time.Minute
	var trials []record.Trial
	found, err := Capacity{SLO: s, Config: config,
		Drive: func(_ context.Context, step search.Step, _ int) (record.Trial, error) {
			m := record.Measurement{OfferedRPS: step.RPS, DurationS: step.Duration.Seconds(), Planned: int64(step.RPS * step.Duration.Seconds())}
			m.Sent, m.Succeeded = m.Planned, m.Planned
			slow := int64(float64(m.Planned) * 0.01 * math.Pow(step.RPS/capacity, 15))
			for i := range m.Planned {
				latency := 10 * time.Millisecond
				if i < slow {
					latency = time.Second
				}
				m.Response.Record(latency)
				m.ResponseSuccess.Record(latency)
				m.Service.Record(latency)
			}
			return record.Trial{Kind: record.KindProbe, Variant: scenarios.Before, Block: 1, RateName: scenarios.RateName(step.Kind), Measurement: m}, nil
		},
		OnStep: func(step CapacityStep) { trials = append(trials, step.Trial) },
	}.Search(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	out := found.Outcome().Capacity
	read := slo.CapacityOf(trials, scenarios.Before, s, true)
	if !out.Known() || math.Abs(out.PointRPS/capacity-1) > 0.05 {
		t.Errorf("found %+v, want about %d", out, capacity)
	}
	if fmt.Sprintf("%+v", read) != fmt.Sprintf("%+v", out) {
		t.Errorf("the search says\n%+v, a reader of its trials\n%+v", out, read)
	}
}
