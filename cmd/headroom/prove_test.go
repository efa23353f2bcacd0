// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"encoding/json"
	"io"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"headroom/harness"
	"headroom/harness/drive"
	"headroom/harness/record"
	"headroom/harness/stage"
	"headroom/internal/maybe"
	"headroom/internal/racetest"
	"headroom/reports/compare"
	"headroom/scenarios"
	"headroom/targets/kinds"
)

// scattering is a stage whose system's capacity is that of its slowest group,
// and strays from one step to the next; it drifts too.
type scattering struct {
	random *rand.Rand
	groups map[string]float64 // capacity of each
	sizes  map[string]float64
	drift  float64
	closed bool
}

func (s *scattering) Start(context.Context, stage.Request) (stage.System, error) { return s, nil }
func (s *scattering) Describe(context.Context, *record.Environment) error        { return nil }
func (s *scattering) Deaths() []stage.Death                                      { return nil }
func (s *scattering) SetCPUQuotas(context.Context) error                         { return nil }
func (s *scattering) EntryURL(string) string                                     { return "http://after" }
func (s *scattering) Machines() []stage.Machine                                  { return nil }
func (s *scattering) Close(context.Context) error                                { s.closed = true; return nil }
func (s *scattering) Resize(_ context.Context, group string, factor float64) error {
	s.sizes[group] = factor
	return nil
}

func (s *scattering) Exec(_ context.Context, stdin []byte, _ ...string) ([]byte, error) {
	var job drive.Job
	if err := json.Unmarshal(stdin, &job); err != nil {
		return nil, err
	}
	s.drift += 0.002 * s.random.NormFloat64()
	capacity := math.Inf(1)
	for group, alone := range s.groups {
		capacity = min(capacity, alone*s.sizes[group])
	}
	latency := 10 * time.Millisecond
	switch {
	case s.random.Float64() < 0.015: // by chance
		latency = time.Second
	case s.random.Float64() < 0.015:
	case job.RateRPS > capacity*math.Exp(s.drift+0.05*s.random.NormFloat64()):
		latency = time.Second
	}
	return json.Marshal(steady(job.RateRPS, latency))
}

// steady is a step whose requests all took so long. Without a rate it is one as
// fast as it goes, of a second.
func steady(rps float64, latency time.Duration) record.Measurement {
	const n = 400
	seconds := 1.0
	if rps > 0 {
		seconds = n / rps
	}
	m := record.Measurement{OfferedRPS: rps, DurationS: seconds, Planned: n, Sent: n, Succeeded: n}
	for range n {
		m.Response.Record(latency)
		m.ResponseSuccess.Record(latency)
		m.Service.Record(latency)
	}
	return m
}

// proofOn writes down that the database is the busiest at 500 requests/s, and
// proves it on a stage whose groups have these capacities.
func proofOn(t *testing.T, seed uint64, groups map[string]float64) *compare.Proof {
	t.Helper()
	s, err := scenarios.LoadNamed("phase3", kinds.Data())
	if err != nil {
		t.Fatal(err)
	}
	shares, err := harness.Share(s, 2)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	writer, err := record.Create(dir, record.Run{ID: "test", Scenario: *s, Shares: shares, Prove: scenarios.After})
	if err != nil {
		t.Fatal(err)
	}
	use := func(name string, quota, share float64) record.MachineUse {
		return record.MachineUse{Machine: name, Group: name, WindowS: 1, QuotaCPUs: quota, CPUSeconds: maybe.Of(quota * share)}
	}
	confirmed := record.Trial{Kind: record.KindProbe, Variant: scenarios.After, RateName: record.RateStairs, Measurement: steady(500, time.Millisecond),
		Machines: []record.MachineUse{use("app", 0.5, 0.6), use("database", 0.4, 0.9), use("balancer", 0.1, 0.3)}}
	if err := writer.WriteTrial(confirmed); err != nil {
		t.Fatal(err)
	}
	plan := harness.FullPlan()
	plan.Fill = 0 // there is no shop behind it
	plan.Search.Pause, plan.Warmup = 0, 0
	stage := &scattering{random: rand.New(rand.NewPCG(seed, 1)), groups: groups, sizes: map[string]float64{}}
	conductor := &harness.Conductor{Scenario: s, Plan: plan, Seed: seed, Stage: stage, Writer: writer, Progress: newProgress(io.Discard)}
	if err := prove(t.Context(), dir, conductor, scenarios.After); err != nil {
		t.Fatal(err)
	}
	if !stage.closed {
		t.Error("the system was left running")
	}
	if err := writer.Finish(record.End{}); err != nil {
		t.Fatal(err)
	}
	log, err := record.ReadFile(dir)
	if err != nil {
		t.Fatal(err)
	}
	if named, other := "database", "balancer"; !slices.ContainsFunc(log.Trials, func(t record.Trial) bool { return t.Resize != nil && t.Resize.Group == named }) ||
		!slices.ContainsFunc(log.Trials, func(t record.Trial) bool { return t.Resize != nil && t.Resize.Group == other }) {
		t.Fatalf("%d trials, none with %s or none with %s larger", len(log.Trials), named, other)
	}
	return compare.JudgeProof(log.Run, log.Trials, scenarios.After)
}

// With steps that scatter as real ones do, a bottleneck is mostly proved, and
// what is none never.
func TestProofsOfScatteringSystems(t *testing.T) {
	racetest.SkipSimulation(t)
	const times = 8
	for _, test := range []struct {
		name    string
		groups  map[string]float64
		atLeast int
		atMost  int
	}{
		{"the bottleneck", map[string]float64{"database": 500, "app": 900, "balancer": 2000}, times * 3 / 4, times},
		{"another machine", map[string]float64{"database": 900, "app": 500, "balancer": 2000}, 0, 0},
		{"the one that should not matter", map[string]float64{"database": 900, "app": 900, "balancer": 500}, 0, 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			proved := 0
			for seed := range uint64(times) {
				p := proofOn(t, seed, test.groups)
				if p == nil {
					t.Fatal("no proof although one was asked for")
				}
				if p.Proved {
					proved++
				}
				t.Logf("seed %d: proved %v, database %.2fx, balancer %.2fx; %s", seed, p.Proved, p.NamedEffect.Ratio, p.OtherEffect.Ratio, p.Reason)
			}
			if proved < test.atLeast || proved > test.atMost {
				t.Errorf("%d of %d proved, want %d to %d", proved, times, test.atLeast, test.atMost)
			}
		})
	}
}
