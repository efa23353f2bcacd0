// SPDX-License-Identifier: Apache-2.0

package harness

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"headroom/harness/drive"
	"headroom/harness/observe"
	"headroom/harness/record"
	"headroom/harness/slo"
	"headroom/harness/stage"
	"headroom/internal/maybe"
	"headroom/scenarios"
	"headroom/targets/kinds"
	"headroom/targets/machine/spec"
)

// fakeStage runs systems of known capacity: below it every response takes
// 10 ms, above it 2 s. Each has one machine of 1 CPU, and a request costs
// 1/capacity of a CPU second.
type fakeStage struct {
	bare
	t         *testing.T
	capacity  map[scenarios.Variant]float64
	onDrive   func(n int) // called before the n-th drive
	disturbed func(job drive.Job) bool
	oracles   []scenarios.OracleName // of the scenario

	mu      sync.Mutex
	running map[*fakeSystem]bool
	drives  []drive.Job
	started []scenarios.Variant
	limits  []int // how many drives there had been when a system was limited
}

type fakeSystem struct {
	stage   *fakeStage
	variant scenarios.Variant
	server  *httptest.Server

	mu     sync.Mutex
	cpu    float64
	hits   float64
	deaths []stage.Death
}

func (s *fakeStage) Start(_ context.Context, r stage.Request) (stage.System, error) {
	v := r.Variant
	system := &fakeSystem{stage: s, variant: v}
	system.server = httptest.NewServer(http.HandlerFunc(system.observe))
	s.mu.Lock()
	defer s.mu.Unlock()
	s.running[system] = true
	s.started = append(s.started, v)
	return system, nil
}

func (f *fakeSystem) observe(w http.ResponseWriter, _ *http.Request) {
	f.mu.Lock()
	defer f.mu.Unlock()
	w.Header().Set(spec.NonceHeader, "nonce")
	_ = json.NewEncoder(w).Encode(spec.Counters{
		Machine: "server", MonotonicNano: time.Now().UnixNano(), CPUSecondsTotal: maybe.Of(f.cpu),
		Processes: []spec.ProcessCounters{{Name: "valkey", Kind: "valkey", Counts: map[string]float64{"hits_total": f.hits, "misses_total": 0}}},
	})
}

func (f *fakeSystem) SetCPUQuotas(context.Context) error {
	f.stage.mu.Lock()
	defer f.stage.mu.Unlock()
	f.stage.limits = append(f.stage.limits, len(f.stage.drives))
	return nil
}

func (f *fakeSystem) Resize(context.Context, string, float64) error {
	return errors.New("not by this test")
}

func (f *fakeSystem) EntryURL(string) string { return string(f.variant) }

func (f *fakeSystem) Deaths() []stage.Death {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.deaths
}

func (f *fakeSystem) Machines() []stage.Machine {
	return []stage.Machine{{Name: "server", Group: "server", QuotaCPUs: 1,
		Agent: observe.Target{Machine: "server", AgentURL: f.server.URL, Nonce: "nonce"}}}
}

func (f *fakeSystem) Close(context.Context) error {
	f.server.Close()
	f.stage.mu.Lock()
	defer f.stage.mu.Unlock()
	delete(f.stage.running, f)
	return nil
}

func (s *fakeStage) Exec(ctx context.Context, stdin []byte, _ ...string) ([]byte, error) {
	return execJob(ctx, stdin, s.Drive)
}

func (s *fakeStage) Drive(ctx context.Context, job drive.Job) (record.Measurement, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.drives = append(s.drives, job)
	if s.onDrive != nil {
		s.onDrive(len(s.drives))
	}
	variant := scenarios.Variant(job.BaseURL)
	n := int64(job.RateRPS * job.Duration.Seconds())
	if job.RateRPS == 0 { // as fast as it goes
		n = int64(s.capacity[variant] * job.Duration.Seconds())
	}
	m := record.Measurement{OfferedRPS: job.RateRPS, DurationS: job.Duration.Seconds(), Planned: n, Sent: n, Succeeded: n, Seed: job.Seed}
	latency := 10 * time.Millisecond
	if job.RateRPS > s.capacity[variant] {
		latency = 2 * time.Second
	}
	for range n {
		m.Response.Record(latency)
		m.ResponseSuccess.Record(latency)
		m.Service.Record(latency)
	}
	for f := range s.running {
		if f.variant == variant {
			f.mu.Lock()
			f.cpu += float64(n) / s.capacity[variant]
			f.hits += float64(n)
			f.mu.Unlock()
		}
	}
	if slices.Contains(job.Oracles, scenarios.OracleStale) {
		m.Oracles = []record.Oracle{{Name: scenarios.OracleStale, Checked: n}}
		m.Created = map[string][]record.Created{"orders": {{ID: 1}}}
	}
	m.Interrupted = ctx.Err() != nil
	if s.disturbed != nil && s.disturbed(job) {
		m.InvalidReasons = []string{"the driver sent late"}
	}
	return m, nil
}

type silent struct{}

func (silent) Begin(string, time.Duration) {}
func (silent) Note(string, ...any)         {}

// conduct runs phase 3 on the fake stage and reads back its trials.
func conduct(t *testing.T, ctx context.Context, stage *fakeStage) (*record.Log, error) {
	t.Helper()
	s := phase3(t)
	s.Oracles = stage.oracles
	stage.t, stage.running = t, map[*fakeSystem]bool{}
	dir := t.TempDir()
	writer, err := record.Create(dir, record.Run{ID: "test", Scenario: *s})
	if err != nil {
		t.Fatal(err)
	}
	plan := FullPlan()
	plan.Search.Pause, plan.Fill = 0, 0 // there is no shop behind it
	conductor := &Conductor{Scenario: s, Plan: plan, Seed: 7, Stage: stage, Writer: writer, Progress: silent{}}
	runErr := conductor.Run(ctx)
	if err := writer.Finish(record.End{}); err != nil {
		t.Fatal(err)
	}
	if len(stage.running) != 0 {
		t.Errorf("%d systems were left running", len(stage.running))
	}
	log, err := record.ReadFile(dir)
	if err != nil {
		t.Fatal(err)
	}
	return log, runErr
}

func TestRunMeasuresBothVariantsAlike(t *testing.T) {
	stage := &fakeStage{capacity: map[scenarios.Variant]float64{scenarios.Before: 200, scenarios.After: 500}}
	log, err := conduct(t, t.Context(), stage)
	if err != nil {
		t.Fatal(err)
	}
	seeds := map[scenarios.Variant][]uint64{}
	orders, steps := map[int]string{}, map[scenarios.RateName]int{}
	common, slices, probes := 0.0, 0, map[uint64]bool{}
	for _, trial := range log.Trials {
		if trial.Kind != record.KindSlice {
			if probes[trial.Measurement.Seed] {
				t.Errorf("probe %d has the keys of an earlier one: they are in the cache", trial.Order)
			}
			probes[trial.Measurement.Seed] = true
			steps[trial.RateName]++
			continue
		}
		slices++
		common = trial.Measurement.OfferedRPS
		orders[trial.Block] += map[scenarios.Variant]string{scenarios.Before: "a", scenarios.After: "b"}[trial.Variant]
		seeds[trial.Variant] = append(seeds[trial.Variant], trial.Measurement.Seed)
		if !(trial.Machines[0].CPUSeconds.OrNaN() > 0) {
			t.Errorf("trial %d saw no CPU", trial.Order)
		}
	}
	if slices != 5*3*2 {
		t.Errorf("%d slices, want 5 blocks x 3 of each variant", slices)
	}
	seen := map[uint64]bool{}
	for i, seed := range seeds[scenarios.Before] {
		if seeds[scenarios.After][i] != seed || seed == 0 {
			t.Errorf("slice %d: the variants' schedules differ", i)
		}
		if seen[seed] {
			t.Errorf("slice %d shares a schedule with an earlier one", i)
		}
		seen[seed] = true
	}
	mirror := map[string]string{"abbaab": "baabba", "baabba": "abbaab"}
	for block := 1; block < 5; block++ {
		if mirror[orders[block]] == "" || orders[block+1] != mirror[orders[block]] {
			t.Errorf("block %d has the order %s, the next one %s: want ABBAAB and its mirror image by turns", block, orders[block], orders[block+1])
		}
	}
	if low, high := 0.8*200*0.88, 0.8*200*1.07; common < low || common > high {
		t.Errorf("common rate %v, want about 160", common)
	}
	if len(stage.started) != 2*5 {
		t.Errorf("%d starts, want both variants for each of 5 blocks", len(stage.started))
	}
	if steps[record.RateStairs] != 2*2+5*4*2 || steps[record.RateSoak] < 2 || steps[record.RateRecover] != 2 {
		t.Errorf("steps by kind: %v", steps)
	}
	for v, want := range map[scenarios.Variant]float64{scenarios.Before: 200, scenarios.After: 500} {
		c := slo.CapacityOf(log.Trials, v, log.Run.Scenario.SLO, true)
		if soak, ok := c.Confirmed(); c.LowRPS > want || c.HighRPS < want || !ok || soak.RPS > want {
			t.Errorf("%s carries %v: found %+v", v, want, c)
		}
	}
}

// An invalid slice is measured again, a bounded number of times, and stays on file. A
// repetition has other arrivals and keys, because the keys of the first slice are in the
// caches.
func TestInvalidSlicesAreRepeated(t *testing.T) {
	stage := &fakeStage{
		capacity: map[scenarios.Variant]float64{scenarios.Before: 200, scenarios.After: 500},
		disturbed: func(job drive.Job) bool {
			return job.Duration == FullPlan().Slice && job.BaseURL == string(scenarios.Before)
		},
	}
	log, err := conduct(t, t.Context(), stage)
	if err != nil {
		t.Fatal(err)
	}
	bySeed := map[uint64]int{}
	slices := 0
	for _, trial := range log.Trials {
		if trial.Kind == record.KindSlice {
			slices++
			bySeed[trial.Measurement.Seed]++
		}
	}
	if want := 5*3*2 + FullPlan().Repeats; slices != want {
		t.Errorf("%d slices, want %d", slices, want)
	}
	for seed, times := range bySeed {
		if times > 2 {
			t.Errorf("schedule %d was driven %d times: once for each variant is right", seed, times)
		}
	}
}

func TestInterruptKeepsFinishedTrials(t *testing.T) {
	const at = 12 // behind warming up
	ctx, cancel := context.WithCancel(t.Context())
	stage := &fakeStage{
		capacity: map[scenarios.Variant]float64{scenarios.Before: 200, scenarios.After: 500},
		onDrive: func(n int) {
			if n == at {
				cancel()
			}
		},
	}
	log, err := conduct(t, ctx, stage)
	if !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	if len(stage.drives) != at {
		t.Errorf("%d drives after the interrupt at %d", len(stage.drives), at)
	}
	if len(log.Trials) == 0 {
		t.Error("the finished trials are lost")
	}
	for i, trial := range log.Trials {
		if trial.Measurement.Interrupted && trial.Valid() {
			t.Errorf("trial %d was interrupted and counts as valid", i+1)
		}
	}
}

func TestRunSaysWhenNothingHolds(t *testing.T) {
	stage := &fakeStage{capacity: map[scenarios.Variant]float64{scenarios.Before: 0.5, scenarios.After: 500}}
	log, err := conduct(t, t.Context(), stage)
	if err == nil || !strings.Contains(err.Error(), "did not hold the SLO") {
		t.Errorf("got %v", err)
	}
	if len(log.Trials) == 0 {
		t.Error("the probe that failed is not on file")
	}
}

func TestShareFitsTheHost(t *testing.T) {
	for _, name := range scenarios.Names() {
		s, err := scenarios.LoadNamed(name, kinds.Data())
		if err != nil {
			t.Fatal(err)
		}
		for _, host := range []float64{2, 4, 16, 64} {
			shares, err := Share(s, host)
			if err != nil {
				t.Errorf("%s on %v CPUs: %v", name, host, err)
				continue
			}
			for v, cpus := range shares.VariantCPUs {
				if sum := cpus + shares.DriverCPUs + shares.ReserveCPUs; sum > host+1e-9 {
					t.Errorf("%s %s on %v CPUs: the quotas sum to %v", name, v, host, sum)
				}
			}
		}
		if _, err := Share(s, 0.6); err == nil {
			t.Errorf("%s on 0.6 CPUs was accepted", name)
		}
	}
}
