// SPDX-License-Identifier: Apache-2.0

package harness

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"headroom/harness/drive/mix"
	"headroom/harness/stage"
	"headroom/scenarios"
	"headroom/targets/machine/spec"
)

// maxSimulatedRequests bounds how many requests are simulated to fill a cache.
const maxSimulatedRequests = 400_000

// fillCaches puts into a fresh variant's caches what they would hold after long
// traffic. The hottest pages come first, until all pages are there or the plan's time
// is up. A cache with a TTL of minutes takes minutes to fill by itself, and meanwhile
// the system gets faster all the time. The traffic is the scenario's own. Its rate is
// the same for both variants: the rate at which the search of the weaker variant with
// a cache begins. That rate is rather low, so that caches are rather too empty than
// too full.
func (c *Conductor) fillCaches(ctx context.Context, v scenarios.Variant, s stage.System) error {
	if c.Plan.Fill == 0 {
		return nil
	}
	for _, cache := range cachesOf(c.Scenario.Topology(v)) {
		pages, err := c.steadyPages(ctx, v, s, cache)
		if err != nil {
			return cmp.Or(ctx.Err(), err)
		}
		c.Progress.Begin(fmt.Sprintf("fill %s's cache as long traffic at %.0f requests/s would: %d pages", v, c.fillRPS, len(pages)), min(c.Plan.Fill, 3*time.Second))
		if err := c.fillCache(ctx, s, cache, pages); err != nil {
			return cmp.Or(ctx.Err(), err) // an interruption first: clients word an interruption differently
		}
	}
	return nil
}

// cache is a cache, with the processes that use it.
type cache struct {
	name    string
	ttl     time.Duration
	deletes bool // a write removes its pages; else only the TTL removes pages
	users   []scenarios.PlacedProcess
}

// cachesOf returns the caches that can be filled, with the processes that fill them.
// Processes share a cache when they are linked to the same address.
func cachesOf(t scenarios.Topology) []*cache {
	found := map[string]*cache{}
	for _, at := range t.ProcessesSpeaking(scenarios.ProtocolFill) {
		ttl, err := time.ParseDuration(at.Process.Settings["cache_ttl"])
		targets := slices.Concat(at.Process.Targets(scenarios.RoleCache), at.Process.Targets(scenarios.RolePages))
		if err != nil || ttl <= 0 || len(targets) == 0 {
			continue
		}
		name := strings.Join(targets, ",")
		if found[name] == nil {
			found[name] = &cache{name: name, ttl: ttl, deletes: at.Process.Settings["cache_write"] == "delete"}
		}
		found[name].users = append(found[name].users, at)
	}
	var caches []*cache
	for _, name := range slices.Sorted(maps.Keys(found)) {
		caches = append(caches, found[name])
	}
	return caches
}

// cachedPage is a page that is in the cache after long traffic: the rest of its TTL,
// and how often the page was asked for.
type cachedPage struct {
	name   string
	leftMS int64
	asked  int
}

// steadyPages returns the pages of a cache after long traffic. The pages are the same
// in every block, so the application is asked once a run what its requests touch.
func (c *Conductor) steadyPages(ctx context.Context, v scenarios.Variant, s stage.System, of *cache) ([]cachedPage, error) {
	key := fmt.Sprint(v, of.name, c.fillRPS, c.counting, c.Seed)
	if pages, known := c.pages[key]; known {
		return pages, nil
	}
	requests, err := simulateTraffic(c.Scenario.Load, c.fillRPS, 2*of.ttl, c.Seed)
	if err != nil {
		return nil, err
	}
	touches, err := c.askCacheEffects(ctx, s, of, requests)
	if err != nil {
		return nil, err
	}
	pages := of.pagesAfter(touches)
	for i := range pages {
		if c.counting { // no page may expire during a count
			pages[i].leftMS = of.ttl.Milliseconds()
		}
	}
	if c.pages == nil {
		c.pages = map[string][]cachedPage{}
	}
	c.pages[key] = pages
	return pages, nil
}

// simulateTraffic returns the requests of a stretch of the scenario's traffic at a
// rate. There are maxSimulatedRequests at most, spread over the whole stretch.
func simulateTraffic(load scenarios.Load, rps float64, stretch time.Duration, seed uint64) ([]spec.Request, error) {
	const base = "http://entry"
	entries := map[string]string{}
	for _, e := range load.Mix {
		if e.From != "" {
			entries[e.From] = base
		}
	}
	drawn, err := mix.NewFrom(base, entries, nil, load.Mix, load.Keys, mixSeed(seed, 0x66696c6c)) // "fill"
	if err != nil {
		return nil, err
	}
	requests := make([]spec.Request, int(min(rps*stretch.Seconds(), maxSimulatedRequests)))
	for i := range requests {
		r := drawn.Target(uint64(i))
		requests[i] = spec.Request{Method: r.Method, Target: strings.TrimPrefix(r.URL, base), Body: string(r.Body)}
	}
	return requests, nil
}

// askCacheEffects asks the processes that use a cache what requests do to its pages, each
// different request once.
func (c *Conductor) askCacheEffects(ctx context.Context, s stage.System, of *cache, requests []spec.Request) ([]spec.CacheEffect, error) {
	place := map[spec.Request]int{}
	var different []spec.Request
	for _, r := range requests {
		if _, known := place[r]; !known {
			place[r] = len(different)
			different = append(different, r)
		}
	}
	c.Progress.Begin(fmt.Sprintf("ask what %d requests do to the pages of %s", len(different), of.name), time.Duration(len(different)/100_000+1)*time.Second)
	answers := make([]spec.CacheEffect, len(different))
	err := c.distribute(ctx, s, of, len(different), requestsPerQuestion(different), func(ctx context.Context, ask askFunc, from, till int) error {
		var some []spec.CacheEffect
		if err := ask(ctx, spec.CacheEffectPath, different[from:till], &some); err != nil {
			return err
		}
		if len(some) != till-from {
			return fmt.Errorf("of %d requests it told what %d touch", till-from, len(some))
		}
		copy(answers[from:till], some)
		return nil
	})
	if err != nil {
		return nil, err
	}
	all := make([]spec.CacheEffect, len(requests))
	for i, r := range requests {
		all[i] = answers[place[r]]
	}
	return all, nil
}

// maxQuestionBytes is well below what an agent relays. JSON within JSON makes most
// texts twice as long.
const maxQuestionBytes = 3 << 20

// requestsPerQuestion is how many requests fit into one question, by the longest request.
func requestsPerQuestion(requests []spec.Request) int {
	longest := 1
	for _, r := range requests {
		longest = max(longest, 2*(len(r.Method)+len(r.Target)+len(r.Body))+64)
	}
	return min(spec.MaxQuestion, max(1, maxQuestionBytes/longest))
}

// pagesAfter returns the pages in the cache after requests that take twice its TTL,
// hottest first. After one TTL the cache no longer changes on the whole.
func (of *cache) pagesAfter(touches []spec.CacheEffect) []cachedPage {
	type cacheEntry struct {
		till  time.Duration
		asked int
	}
	held, whole := map[string]cacheEntry{}, 2*of.ttl
	for i, touch := range touches {
		at := time.Duration(float64(whole) * float64(i) / float64(len(touches)))
		if touch.Reads != "" {
			page := held[touch.Reads]
			if page.asked++; page.till <= at {
				page.till = at + of.ttl
			}
			held[touch.Reads] = page
		}
		if !of.deletes {
			continue
		}
		for _, name := range touch.Invalidates {
			held[name] = cacheEntry{asked: held[name].asked}
		}
	}
	var pages []cachedPage
	for name, page := range held {
		if left := (page.till - whole).Milliseconds(); left > 0 {
			pages = append(pages, cachedPage{name, left, page.asked})
		}
	}
	slices.SortFunc(pages, func(a, b cachedPage) int {
		return cmp.Or(cmp.Compare(b.asked, a.asked), strings.Compare(a.name, b.name))
	})
	return pages
}

func (c *Conductor) auditor() Auditor {
	if c.Auditor == nil {
		return agents{}
	}
	return c.Auditor
}

// fillCache divides the pages among the processes that use the cache. Each process
// reads its pages from behind the cache and stores them.
func (c *Conductor) fillCache(ctx context.Context, s stage.System, into *cache, pages []cachedPage) error {
	enough := time.Now().Add(c.Plan.Fill)
	var filled atomic.Int64
	err := c.distribute(ctx, s, into, len(pages), spec.MaxQuestion, func(ctx context.Context, ask askFunc, from, till int) error {
		if !time.Now().Before(enough) {
			return nil
		}
		wanted := spec.FillPages{}
		for _, page := range pages[from:till] {
			wanted[page.name] = page.leftMS
		}
		var answer spec.Filled
		if err := ask(ctx, spec.FillPath, wanted, &answer); err != nil {
			return err
		}
		filled.Add(int64(answer.Filled))
		return nil
	})
	if err == nil && c.counting && time.Now().After(enough) {
		return fmt.Errorf("its cache was not full after %v: fill it as less traffic would", c.Plan.Fill)
	}
	if n := int(filled.Load()); err == nil && n < len(pages) {
		c.Progress.Note("%d of the cache's %d pages were filled in %v", n, len(pages), c.Plan.Fill)
	}
	return err
}

// askFunc asks one process a question, and reads the answer into a value.
type askFunc func(ctx context.Context, path string, question, into any) error

// distribute divides n items into questions of each items, and gives the questions in
// turns to the processes that use a cache. So the first items are asked for first, and
// every process has one question at a time.
func (c *Conductor) distribute(ctx context.Context, s stage.System, of *cache, n, each int, question func(ctx context.Context, ask askFunc, from, till int) error) error {
	machines := map[string]stage.Machine{}
	for _, m := range s.Machines() {
		machines[m.Name] = m
	}
	asks := make([]askFunc, len(of.users))
	for i, at := range of.users {
		machine, ok := machines[at.Machine.Name]
		if !ok {
			return errors.New("machine " + at.Machine.Name + " is not there")
		}
		asks[i] = c.askProcess(machine, at.Process.Name)
	}
	group, ctx := errgroup.WithContext(ctx)
	for i, ask := range asks {
		group.Go(func() error {
			for from := i * each; from < n; from += len(asks) * each {
				if err := question(ctx, ask, from, min(from+each, n)); err != nil {
					return err
				}
			}
			return nil
		})
	}
	return group.Wait()
}

// askAttempts is how often a process is asked the same question. The process's own
// connections to a cache or a database may time out once while all of them are new.
const askAttempts = 3

// askProcess returns the askFunc of a process of a machine.
func (c *Conductor) askProcess(machine stage.Machine, process string) askFunc {
	return func(ctx context.Context, path string, question, into any) error {
		var err error
		for range askAttempts {
			if err = c.auditor().Ask(ctx, machine.Agent, process, path, question, into); err == nil || ctx.Err() != nil {
				return err
			}
		}
		return err
	}
}
