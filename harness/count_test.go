// SPDX-License-Identifier: Apache-2.0

package harness

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"headroom/harness/drive"
	"headroom/harness/observe"
	"headroom/harness/record"
	"headroom/harness/stage"
	"headroom/scenarios"
	"headroom/targets/kinds"
	"headroom/targets/machine/spec"
)

// countStage runs systems whose database answers each request with one statement
// of the endpoint's name, and counts who was asked to settle.
type countStage struct {
	bare
	t        *testing.T
	scenario *scenarios.Scenario
	onDrive  func(job drive.Job) error

	mu      sync.Mutex
	calls   map[string]float64 // by statement
	settled int
	busy    int      // how many settles are refused first, for mails under way
	steps   []string // what was done, in its order, each once in a row
	filled  []int64  // for how many ms each page is kept
	drives  []drive.Job
	closed  int
}

type countSystem struct {
	stage    *countStage
	machines []stage.Machine
	servers  []*httptest.Server
}

func (s *countStage) Start(_ context.Context, r stage.Request) (stage.System, error) {
	system := &countSystem{stage: s}
	for _, m := range r.Topology.Machines {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, request *http.Request) {
			w.Header().Set(spec.NonceHeader, "n")
			s.answer(w, request, m)
		}))
		system.servers = append(system.servers, server)
		system.machines = append(system.machines, stage.Machine{Name: m.Name, Group: m.Group, Agent: observe.Target{Machine: m.Name, AgentURL: server.URL, Nonce: "n"}})
	}
	return system, nil
}

func (s *countStage) answer(w http.ResponseWriter, r *http.Request, m scenarios.Machine) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch r.URL.Path {
	case "/observe":
		c := spec.Counters{Machine: m.Name, MonotonicNano: time.Now().UnixNano()}
		for _, p := range m.Processes {
			c.Processes = append(c.Processes, spec.ProcessCounters{Name: p.Name, Kind: p.Kind})
		}
		_ = json.NewEncoder(w).Encode(c)
	case spec.QuiescePath:
		s.step("quiet")
	case spec.WorkPath:
		work := []spec.Work{}
		if m.Name == "database" {
			for text, n := range s.calls {
				work = append(work, spec.Work{Process: "postgres", Of: spec.WorkStatement, Name: text, Counts: map[string]float64{"calls": n}})
			}
		}
		_ = json.NewEncoder(w).Encode(work)
	case spec.AskPath:
		var q spec.Question
		if err := json.NewDecoder(r.Body).Decode(&q); err != nil {
			s.t.Error(err)
		}
		s.asked(w, q)
	default:
		http.NotFound(w, r)
	}
}

func (s *countStage) asked(w http.ResponseWriter, q spec.Question) {
	if q.Path == spec.SettlePath {
		if s.busy > 0 {
			s.busy--
			http.Error(w, "3 confirmations are still under way: ask again", http.StatusServiceUnavailable)
			return
		}
		s.step("settle")
		s.settled++
		_ = json.NewEncoder(w).Encode(map[string]int{"settled": 2})
		return
	}
	if q.Path == spec.CacheEffectPath {
		var requests []spec.Request
		if err := json.Unmarshal(q.Body, &requests); err != nil {
			s.t.Error(err)
		}
		_ = json.NewEncoder(w).Encode(effectsOf(requests))
		return
	}
	var pages spec.FillPages
	if err := json.Unmarshal(q.Body, &pages); err != nil || q.Path != spec.FillPath {
		s.t.Errorf("asked for %s: %v", q.Path, err)
	}
	s.step("fill")
	for _, ms := range pages {
		s.filled = append(s.filled, ms)
	}
	_ = json.NewEncoder(w).Encode(spec.Filled{Filled: len(pages)})
}

func (s *countStage) step(what string) {
	if n := len(s.steps); n == 0 || s.steps[n-1] != what {
		s.steps = append(s.steps, what)
	}
}

func (s *countStage) Exec(ctx context.Context, stdin []byte, _ ...string) ([]byte, error) {
	return execJob(ctx, stdin, s.Drive)
}

func (s *countStage) Drive(_ context.Context, job drive.Job) (record.Measurement, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.drives = append(s.drives, job)
	s.step(fmt.Sprintf("%d of %d by %d", job.Requests, len(job.Mix), job.Connections))
	if s.onDrive != nil {
		if err := s.onDrive(job); err != nil {
			return record.Measurement{}, err
		}
	}
	if err := job.Check(); err != nil {
		s.t.Errorf("%v", err)
	}
	n := int64(job.Requests)
	s.calls[job.Mix[0].Name] += float64(n)
	m := record.Measurement{Planned: n, Sent: n, Succeeded: n, DurationS: 1}
	for range n {
		m.Response.Record(time.Millisecond)
		m.ResponseSuccess.Record(time.Millisecond)
	}
	return m, nil
}

func (s *countSystem) SetCPUQuotas(context.Context) error {
	s.stage.t.Error("a counted system was limited")
	return nil
}

func (s *countSystem) Resize(context.Context, string, float64) error { return nil }
func (s *countSystem) EntryURL(string) string                        { return "http://entry" }
func (s *countSystem) Machines() []stage.Machine                     { return s.machines }
func (s *countSystem) Deaths() []stage.Death                         { return nil }
func (s *countSystem) Close(context.Context) error {
	for _, server := range s.servers {
		server.Close()
	}
	s.stage.mu.Lock()
	defer s.stage.mu.Unlock()
	s.stage.closed++
	return nil
}

// kept keeps trials in memory.
type kept struct{ trials []record.Trial }

func (k *kept) WriteRestart(r record.Restart) error {
	r.Void(k.trials)
	return nil
}

func (k *kept) WriteTrial(t record.Trial) error {
	k.trials = append(k.trials, t)
	return t.Check()
}

func countOn(t *testing.T, onDrive func(drive.Job) error) (*countStage, []record.Trial, error) {
	t.Helper()
	s := phase3(t)
	stage := &countStage{t: t, scenario: s, onDrive: onDrive, calls: map[string]float64{}, busy: readAttempts - 1}
	writer := &kept{}
	c := &Conductor{Scenario: s, Seed: 1, Stage: stage, Writer: writer, Progress: silent{}, idle: time.Millisecond}
	err := c.Count(t.Context(), CountPlan{FillRPS: 10, Requests: 7, Run: 1})
	return stage, writer.trials, err
}

// Each endpoint is asked alone, one request at a time, and its trial has the counts of
// that time. Caches are filled for their whole TTL.
func TestCount(t *testing.T) {
	stage, trials, err := countOn(t, nil)
	if err != nil {
		t.Fatal(err)
	}
	mix := stage.scenario.Load.Mix
	if len(trials) != 2*(len(mix)+1+countReadings) || stage.closed != 2 {
		t.Fatalf("%d trials of %d endpoints, %d systems closed", len(trials), len(mix), stage.closed)
	}
	seen := map[string]bool{}
	for _, trial := range trials {
		if trial.RateName == record.RateIdle {
			if len(workOf(trial)) > 0 || trial.Measurement.Sent > 0 {
				t.Errorf("idle: %+v", trial)
			}
			seen[string(trial.Variant)+string(trial.RateName)] = true
			continue
		}
		seen[string(trial.Variant)+string(trial.RateName)] = true
		work := workOf(trial)
		if trial.Kind != record.KindCount || !trial.Valid() || len(work) != 1 || work[0].Name != string(trial.RateName) || work[0].Counts["calls"] != 7 {
			t.Errorf("%s %s: %+v, %v", trial.Variant, trial.RateName, work, trial.Invalid)
		}
	}
	if len(seen) != len(trials)-2*countReadings { // idle has one name
		t.Errorf("%d different endpoints in %d trials", len(seen), len(trials))
	}
	for _, job := range stage.drives {
		if len(job.Mix) == 1 && (job.RateRPS != 0 || job.Connections != 1 || job.Requests != 7 || len(job.Oracles) != 0) {
			t.Errorf("a job counts with %+v", job)
		}
	}
	if at := slices.IndexFunc(trials, func(t record.Trial) bool { return strings.HasPrefix(string(t.RateName), "P") }); at < 7+countReadings {
		t.Errorf("writes begin with trial %d: reads come first", at)
	}
	if len(stage.filled) == 0 || slices.Min(stage.filled) != 5*time.Minute.Milliseconds() {
		t.Errorf("%d pages are filled", len(stage.filled))
	}
	if want := 5 * (2*len(trials) + 2*countTurns); stage.settled != want { // five shops, before and behind each, and in each variant's warm-up
		t.Errorf("shops settled %d times, want %d", stage.settled, want)
	}
}

// A variant is first warmed by writes, one in flight, and by reads, many in flight. Then
// its cache is filled. Then all requests are sent again as in the count, while the pools'
// order turns.
func TestCountWarmsInOrder(t *testing.T) {
	stage, _, err := countOn(t, nil)
	if err != nil {
		t.Fatal(err)
	}
	turn := []string{"settle", "quiet", "60 of 3 by 1", "120 of 6 by 1"}
	turns := slices.Concat(turn, turn, []string{"240 of 6 by 1", "quiet", "settle"}) // and all reads once more
	warm := []string{"quiet", "60 of 3 by 1", "240 of 6 by 16"}
	var count []string
	for endpoint := range 9 {
		if endpoint >= 6 { // it writes
			count = append(count, "quiet", "settle")
		}
		count = append(count, "7 of 1 by 1", "settle")
	}
	want := slices.Concat(warm, turns, count, warm, []string{"fill"}, turns, count) // before has no cache
	if !slices.Equal(stage.steps, want) {
		t.Errorf("the steps were %q, want %q", stage.steps, want)
	}
	for i, job := range stage.drives {
		writing := 0
		for _, e := range job.Mix {
			if writes(e) {
				writing++
			}
		}
		if first := i % (len(stage.drives) / 2); first == 0 && writing != 3 || first == 1 && writing != 0 {
			t.Errorf("job %d has %d endpoints that write", i, writing)
		}
	}
}

// The own-writes marks of the warm-up end before the cache reaches its final state.
func TestCountWaitsForMarks(t *testing.T) {
	for text, want := range map[string]time.Duration{"1s": 1250 * time.Millisecond, "8s": 10 * time.Second, "1h0m0s": maxOwnWritesWindow} {
		s, err := scenarios.LoadNamed("phase4", kinds.Data())
		if err != nil {
			t.Fatal(err)
		}
		for _, at := range s.After.ProcessesWithSetting("own_writes_for") {
			at.Process.Settings["own_writes_for"] = text
		}
		c := &Conductor{Scenario: s}
		if got := c.ownWritesWindow(scenarios.After); got != want {
			t.Errorf("marks of %s: %v, want %v", text, got, want)
		}
		if got := c.ownWritesWindow(scenarios.Before); got != 0 {
			t.Errorf("without replicas: %v", got)
		}
	}
}

// Mails that are under way for longer than a question may take are waited for; a
// shop that never settles ends the count.
func TestCountWaitsForMails(t *testing.T) {
	s := phase3(t)
	stage := &countStage{t: t, scenario: s, calls: map[string]float64{}, busy: 1 << 30}
	c := &Conductor{Scenario: s, Seed: 1, Stage: stage, Writer: &kept{}, Progress: silent{}, idle: time.Millisecond}
	err := c.Count(t.Context(), CountPlan{FillRPS: 10, Requests: 7, Run: 1})
	if err == nil || !strings.Contains(err.Error(), "confirmations are still under way") || 1<<30-stage.busy != readAttempts {
		t.Errorf("%v after %d questions", err, 1<<30-stage.busy)
	}
}

func workOf(t record.Trial) []record.Work {
	var work []record.Work
	for _, m := range t.Machines {
		for _, p := range m.Processes {
			work = append(work, p.Work...)
		}
	}
	return work
}

// The same seed asks for the same keys in both variants and in every run.
func TestCountAsksTheSame(t *testing.T) {
	stage, _, err := countOn(t, nil)
	if err != nil {
		t.Fatal(err)
	}
	half := len(stage.drives) / 2
	seen := map[uint64]int{}
	for i, before := range stage.drives[:half] {
		after := stage.drives[half+i]
		if before.Seed != after.Seed || before.Requests != after.Requests || before.Mix[0].Name != after.Mix[0].Name {
			t.Errorf("job %d asks before for %d of %s with seed %d, and after for %d of %s with seed %d", i,
				before.Requests, before.Mix[0].Name, before.Seed, after.Requests, after.Mix[0].Name, after.Seed)
		}
		seen[before.Seed]++
	}
	if repeated := half - len(seen); repeated != countTurns+1 { // the warm-up's reads, which are sent twice
		t.Errorf("%d of %d jobs ask with the seed of another", repeated, half)
	}
}

func TestCountStopsWhatItStarted(t *testing.T) {
	broken := errors.New("the driver died")
	stage, trials, err := countOn(t, func(job drive.Job) error {
		if len(job.Mix) == 1 {
			return broken
		}
		return nil
	})
	if !errors.Is(err, broken) || !strings.Contains(err.Error(), "count before: GET /api/feed") || stage.closed != 2 || len(trials) != 1+countReadings {
		t.Errorf("%v, %d closed, %d trials", err, stage.closed, len(trials))
	}
}

// Behind a connection pool a database's counters can't be brought up to date.
func TestCountRefusesAPoolOfConnections(t *testing.T) {
	s, err := scenarios.LoadNamed("pgbouncer", kinds.Data())
	if err != nil {
		t.Fatal(err)
	}
	c := &Conductor{Scenario: s, Progress: silent{}}
	if err := c.Count(t.Context(), CountPlan{Requests: 7, Run: 1}); err == nil || !strings.Contains(err.Error(), "count after: pool/pgbouncer stands before the database") {
		t.Errorf("got %v", err)
	}
}

// quietServer is an agent that is not quiet so often before it is.
func quietServer(t *testing.T, loud int32) (stage.Machine, *atomic.Int32) {
	t.Helper()
	asked := &atomic.Int32{}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if asked.Add(1) <= loud {
			http.Error(w, "replicas have not told yet", http.StatusServiceUnavailable)
		}
	}))
	t.Cleanup(server.Close)
	return stage.Machine{Name: "m", Agent: observe.Target{Machine: "m", AgentURL: server.URL}}, asked
}

// All machines are asked in each round, until all are quiet in one; what never is
// ends the count.
func TestQuieten(t *testing.T) {
	first, firstAsked := quietServer(t, 0)
	second, secondAsked := quietServer(t, 2)
	if err := quiesce(t.Context(), []stage.Machine{first, second}); err != nil {
		t.Fatal(err)
	}
	if firstAsked.Load() != 3 || secondAsked.Load() != 3 {
		t.Errorf("asked %d and %d times, want both in each of three rounds", firstAsked.Load(), secondAsked.Load())
	}
	never, _ := quietServer(t, 1<<30)
	if err := quiesce(t.Context(), []stage.Machine{first, never}); err == nil || !strings.Contains(err.Error(), "machine m is not quiet") || !strings.Contains(err.Error(), "have not told yet") {
		t.Errorf("got %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := quiesce(ctx, []stage.Machine{never}); !errors.Is(err, context.Canceled) {
		t.Errorf("interrupted: %v", err)
	}
}
