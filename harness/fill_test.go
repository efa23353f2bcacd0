// SPDX-License-Identifier: Apache-2.0

package harness

import (
	"context"
	"encoding/json"
	"errors"
	"math"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"headroom/harness/observe"
	"headroom/harness/stage"
	"headroom/scenarios"
	"headroom/targets/kinds"
	"headroom/targets/machine/spec"
	"headroom/targets/shop/fill"
)

func phase3(t *testing.T) *scenarios.Scenario {
	t.Helper()
	s, err := scenarios.LoadNamed("phase3", kinds.Data())
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// expectedPages is what a cache holds after long traffic, by the shop's own cache effects.
func expectedPages(of *cache, load scenarios.Load, rps float64, seed uint64) ([]cachedPage, error) {
	requests, err := simulateTraffic(load, rps, 2*of.ttl, seed)
	if err != nil {
		return nil, err
	}
	return of.pagesAfter(effectsOf(requests)), nil
}

func effectsOf(requests []spec.Request) []spec.CacheEffect {
	touches := make([]spec.CacheEffect, len(requests))
	for i, r := range requests {
		touches[i].Reads, touches[i].Invalidates = fill.CacheEffects(r.Method, r.Target, []byte(r.Body))
	}
	return touches
}

// A page with r requests a second that no write deletes is in a cache with TTL T for the
// share rT / (1 + rT) of the time: the next request comes 1/r after the page left.
func TestSimulatedTrafficGivesTheSteadyState(t *testing.T) {
	const users, rps = 2000, 100
	const ttl = 20 * time.Second
	load := scenarios.Load{
		Keys: map[string]scenarios.Keys{"user": {Distribution: "zipf", Exponent: 0.99, Count: users}},
		Mix:  []scenarios.Endpoint{{Name: "GET /api/users/{user}", Method: "GET", Path: "/api/users/{user}", Weight: 1}},
	}
	norm := 0.0
	for rank := 1; rank <= users; rank++ {
		norm += math.Pow(float64(rank), -0.99)
	}
	want := 0.0
	for rank := 1; rank <= users; rank++ {
		asked := rps * ttl.Seconds() * math.Pow(float64(rank), -0.99) / norm
		want += asked / (1 + asked)
	}
	got := 0.0
	const seeds = 20
	for seed := range uint64(seeds) {
		pages, err := expectedPages(&cache{ttl: ttl, deletes: true}, load, rps, seed)
		if err != nil {
			t.Fatal(err)
		}
		got += float64(len(pages)) / seeds
		for i, page := range pages {
			if page.leftMS < 1 || page.leftMS > ttl.Milliseconds() {
				t.Errorf("%s is kept for %d ms of %v", page.name, page.leftMS, ttl)
			}
			if i > 0 && page.asked > pages[i-1].asked {
				t.Errorf("%s comes before %s, which is asked for more", pages[i-1].name, page.name)
			}
		}
	}
	if math.Abs(got/want-1) > 0.03 {
		t.Errorf("%.0f pages are in the cache, theory says %.0f", got, want)
	}
}

// A written page leaves the cache until it is read again, if writes delete pages.
func TestSimulatedTrafficDropsWhatIsWritten(t *testing.T) {
	load := scenarios.Load{
		Keys: map[string]scenarios.Keys{"user": {Distribution: "uniform", Count: 1000}},
		Mix: []scenarios.Endpoint{
			{Name: "GET /api/users/{user}", Method: "GET", Path: "/api/users/{user}", Weight: 0.5},
			{Name: "PUT /api/users/{user}", Method: "PUT", Path: "/api/users/{user}", Body: `{"name":"n"}`, Weight: 0.5},
		},
	}
	for deletes, want := range map[bool]int{true: 500, false: 1000} { // the last request of half of them was a write
		pages, err := expectedPages(&cache{ttl: time.Hour, deletes: deletes}, load, 10, 1)
		if n := len(pages); err != nil || n < want-70 || n > want+70 {
			t.Errorf("writes delete pages: %v; %d of 1000 are in the cache, %v; want some %d", deletes, n, err, want)
		}
	}
}

func TestSimulatedTrafficIsBounded(t *testing.T) {
	load := phase3(t).Load
	begun := time.Now()
	pages, err := expectedPages(&cache{ttl: time.Hour}, load, 1e9, 1)
	if err != nil || len(pages) == 0 || len(pages) > maxSimulatedRequests {
		t.Errorf("%d pages, %v, after %v", len(pages), err, time.Since(begun))
	}
}

func TestCachesOf(t *testing.T) {
	s := phase3(t)
	if caches := cachesOf(s.Before); len(caches) != 0 {
		t.Errorf("before has %d caches", len(caches))
	}
	caches := cachesOf(s.After)
	if len(caches) != 1 || caches[0].ttl != 5*time.Minute || !caches[0].deletes || len(caches[0].users) != 5 {
		t.Errorf("after: %+v; want one cache of 5m with five shops", caches)
	}
}

// filledAuditor keeps what shops are asked to fill.
type filledAuditor struct {
	Auditor
	mu    sync.Mutex
	pages map[string]int
	by    map[string]int // pages by machine
	asked map[spec.Request]int
	err   error
	takes time.Duration // to fill
	short bool          // it tells too few touches
}

func (f *filledAuditor) Ask(_ context.Context, target observe.Target, _, path string, body, into any) error {
	if path == spec.CacheEffectPath {
		return f.touch(body.([]spec.Request), into.(*[]spec.CacheEffect))
	}
	time.Sleep(f.takes)
	f.mu.Lock()
	defer f.mu.Unlock()
	if path != spec.FillPath {
		return errors.New("asked for " + path)
	}
	for name := range body.(spec.FillPages) {
		f.pages[name]++
		f.by[target.Machine]++
	}
	text, err := json.Marshal(spec.Filled{Filled: len(body.(spec.FillPages))})
	if err != nil {
		return err
	}
	return errors.Join(f.err, json.Unmarshal(text, into))
}

func (f *filledAuditor) touch(requests []spec.Request, into *[]spec.CacheEffect) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.asked == nil {
		f.asked = map[spec.Request]int{}
	}
	for _, r := range requests {
		f.asked[r]++
	}
	*into = effectsOf(requests)
	if f.short {
		*into = (*into)[1:]
	}
	return nil
}

func fillAfter(t *testing.T, auditor *filledAuditor, within time.Duration, machines ...string) (*Conductor, error) {
	t.Helper()
	auditor.pages, auditor.by = map[string]int{}, map[string]int{}
	system := &standing{}
	for _, name := range machines {
		system.machines = append(system.machines, stage.Machine{Name: name, Agent: observe.Target{Machine: name}})
	}
	c := &Conductor{Scenario: phase3(t), Plan: Plan{Fill: within}, Auditor: auditor, Progress: silent{},
		fillRPS: 350}
	return c, c.fillCaches(t.Context(), scenarios.After, system)
}

// standing is a system with machines and nothing else.
type standing struct {
	*fakeSystem
	machines []stage.Machine
}

func (s *standing) Machines() []stage.Machine { return s.machines }

func TestFillCachesAsksEveryShopForItsPart(t *testing.T) {
	auditor := &filledAuditor{}
	c, err := fillAfter(t, auditor, time.Minute, "app-1", "app-2", "app-3", "app-4", "app-5")
	if err != nil {
		t.Fatal(err)
	}
	want, err := expectedPages(cachesOf(c.Scenario.After)[0], c.Scenario.Load, 350, c.Seed)
	if err != nil {
		t.Fatal(err)
	}
	if len(auditor.pages) != len(want) || len(auditor.by) != 5 {
		t.Errorf("%d pages of %d were filled, by %d shops of 5", len(auditor.pages), len(want), len(auditor.by))
	}
	for name, times := range auditor.pages {
		if times != 1 {
			t.Errorf("%s was filled %d times", name, times)
		}
	}
}

// What requests touch is asked once a run and once for each different request: the
// next block's cache is filled without a question.
func TestTouchesAreAskedOnce(t *testing.T) {
	auditor := &filledAuditor{}
	machines := []string{"app-1", "app-2", "app-3", "app-4", "app-5"}
	c, err := fillAfter(t, auditor, time.Minute, machines...)
	if err != nil {
		t.Fatal(err)
	}
	for r, times := range auditor.asked {
		if times != 1 {
			t.Fatalf("%+v was asked for %d times", r, times)
		}
	}
	first, filled := len(auditor.asked), len(auditor.pages)
	auditor.asked, auditor.pages = nil, map[string]int{}
	system := &standing{}
	for _, name := range machines {
		system.machines = append(system.machines, stage.Machine{Name: name, Agent: observe.Target{Machine: name}})
	}
	if err := c.fillCaches(t.Context(), scenarios.After, system); err != nil {
		t.Fatal(err)
	}
	if first == 0 || auditor.asked != nil || len(auditor.pages) != filled {
		t.Errorf("%d requests were asked for, then %d; %d pages were filled, then %d", first, len(auditor.asked), filled, len(auditor.pages))
	}
}

func TestTouchesOfTooFewAreRefused(t *testing.T) {
	_, err := fillAfter(t, &filledAuditor{short: true}, time.Minute, "app-1", "app-2", "app-3", "app-4", "app-5")
	if err == nil || !strings.Contains(err.Error(), "of 2000 requests it told what 1999 touch") {
		t.Errorf("got %v", err)
	}
}

// On a clock of its own: two questions a shop fit into the time.
func TestFillCachesEndsInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		auditor := &filledAuditor{takes: 20 * time.Millisecond}
		if _, err := fillAfter(t, auditor, 30*time.Millisecond, "app-1", "app-2", "app-3", "app-4", "app-5"); err != nil {
			t.Fatal(err)
		}
		if n := len(auditor.pages); n != 2*5*spec.MaxQuestion {
			t.Errorf("%d pages were filled, want two turns of five shops", n)
		}
	})
}

func TestFillCachesFails(t *testing.T) {
	full := []string{"app-1", "app-2", "app-3", "app-4", "app-5"}
	broken := errors.New("broken for the test")
	if _, err := fillAfter(t, &filledAuditor{err: broken}, time.Minute, full...); !errors.Is(err, broken) {
		t.Errorf("got %v, want the shop's error", err)
	}
	if _, err := fillAfter(t, &filledAuditor{}, time.Minute, full[1:]...); err == nil {
		t.Error("a shop that is not there was not missed")
	}
}

// A run that is interrupted while a cache is filled says so, whatever error the shop's
// client returns.
func TestFillCachesInterrupted(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	c := &Conductor{Scenario: phase3(t), Plan: Plan{Fill: time.Minute}, Progress: silent{}, fillRPS: 350,
		Auditor: &filledAuditor{pages: map[string]int{}, by: map[string]int{}, err: errors.New("interrupt signal received")}}
	system := &standing{}
	for _, name := range []string{"app-1", "app-2", "app-3", "app-4", "app-5"} {
		system.machines = append(system.machines, stage.Machine{Name: name})
	}
	if err := c.fillCaches(ctx, scenarios.After, system); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want the interruption", err)
	}
}

// Both variants' caches are filled for one rate, the weaker one's: else the
// stronger would be compared with a fuller cache. A variant without a cache has
// no say, and the rate stays the same in later blocks.
func TestCachesAreFilledForOneRate(t *testing.T) {
	for scenario, want := range map[string]float64{"phase3": 280, "phase4": 70} { // before has none, and has one
		s, err := scenarios.LoadNamed(scenario, kinds.Data())
		if err != nil {
			t.Fatal(err)
		}
		fake := &fakeStage{t: t, capacity: map[scenarios.Variant]float64{scenarios.Before: 200, scenarios.After: 800}, running: map[*fakeSystem]bool{}}
		c := &Conductor{Scenario: s, Plan: Plan{StartWarmup: 4 * time.Second}, Stage: fake, Progress: silent{}}
		for block := 1; block <= 2; block++ {
			running := map[scenarios.Variant]stage.System{}
			for _, v := range scenarios.Variants() {
				if running[v], err = c.start(t.Context(), v, block); err != nil {
					t.Fatal(err)
				}
			}
			if err := c.makeReady(t.Context(), block, running); err != nil {
				t.Fatal(err)
			}
			if math.Abs(c.fillRPS-want) > 1e-9 {
				t.Errorf("%s, block %d: caches are filled for %v requests/s, want %v", scenario, block, c.fillRPS, want)
			}
			fake.capacity[scenarios.Before], fake.capacity[scenarios.After] = 400, 1600
		}
	}
}

// stumbling fails so often before it answers.
type stumbling struct {
	Auditor
	failures, asked int
}

func (s *stumbling) Ask(_ context.Context, _ observe.Target, _, _ string, body, into any) error {
	if s.asked++; s.asked <= s.failures {
		return errors.New("lookup after-cache: i/o timeout")
	}
	*into.(*spec.Filled) = spec.Filled{Filled: len(body.(spec.FillPages))}
	return nil
}

// A shop whose connection to the cache times out once is asked again, not for ever.
func TestFillAsksAgain(t *testing.T) {
	for _, test := range []struct {
		failures, asked int
		filled          int64
		fails           bool
	}{{0, 1, 2, false}, {2, 3, 2, false}, {9, askAttempts, 0, true}} {
		auditor := &stumbling{failures: test.failures}
		c := &Conductor{Auditor: auditor}
		var answer spec.Filled
		err := c.askProcess(stage.Machine{}, "shop")(t.Context(), spec.FillPath, spec.FillPages{"a": 1, "b": 2}, &answer)
		if filled := int64(answer.Filled); filled != test.filled || auditor.asked != test.asked || (err != nil) != test.fails {
			t.Errorf("%d failures: %d pages, asked %d times, %v; want %+v", test.failures, filled, auditor.asked, err, test)
		}
	}
}

// A question is never longer than an agent relays, however long its requests are.
func TestQuestionsFit(t *testing.T) {
	for length, want := range map[int]int{0: spec.MaxQuestion, 100: spec.MaxQuestion, 10_000: 156, 10 << 20: 1} {
		r := spec.Request{Body: strings.Repeat("x", length)}
		if got := requestsPerQuestion([]spec.Request{{}, r, {}}); got != want {
			t.Errorf("requests of %d bytes: %d in one question, want %d", length, got, want)
		}
	}
	if got := requestsPerQuestion(nil); got != spec.MaxQuestion {
		t.Errorf("of none: %d", got)
	}
}
