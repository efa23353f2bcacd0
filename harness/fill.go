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

// mostPlayed bounds how many requests are played forward.
const mostPlayed = 400_000

// fillCaches puts into a fresh variant's caches what they would hold after long
// traffic, hottest pages first, until all are there or the plan's time is up. A
// cache with a TTL of minutes takes minutes to fill by itself, in which the
// system gets faster all the time. The traffic is the scenario's own, at the rate
// at which the search of the weaker variant with a cache begins: the same for
// both, and rather low, so that caches are rather too empty than too full.
func (c *Conductor) fillCaches(ctx context.Context, v scenarios.Variant, s stage.System) error {
	if c.Plan.Fill == 0 {
		return nil
	}
	for _, cache := range cachesOf(c.Scenario.Topology(v)) {
		pages, err := c.played(ctx, v, s, cache)
		if err != nil {
			return cmp.Or(ctx.Err(), err)
		}
		c.Progress.Begin(fmt.Sprintf("fill %s's cache as long traffic at %.0f requests/s would: %d pages", v, c.fillRPS, len(pages)), min(c.Plan.Fill, 3*time.Second))
		if err := c.fillCache(ctx, s, cache, pages); err != nil {
			return cmp.Or(ctx.Err(), err) // an interruption first: a client's words for it vary
		}
	}
	return nil
}

// cache is one that processes use, and which they are.
type cache struct {
	name    string
	ttl     time.Duration
	deletes bool // a write takes its pages out; else only the TTL does
	users   []scenarios.Placed
}

// cachesOf are the caches that can be filled and what fills them, by the
// address that the processes are linked to.
func cachesOf(t scenarios.Topology) []*cache {
	found := map[string]*cache{}
	for _, at := range t.Speaking(scenarios.ProtocolFill) {
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

// cachedPage is a page that is in the cache after long traffic, for how long it
// still is, and how often it was asked for.
type cachedPage struct {
	name   string
	leftMS int64
	asked  int
}

// played are the pages of a cache after long traffic. They are the same in every
// block: the application is asked what its requests touch once a run.
func (c *Conductor) played(ctx context.Context, v scenarios.Variant, s stage.System, of *cache) ([]cachedPage, error) {
	key := fmt.Sprint(v, of.name, c.fillRPS, c.counting, c.Seed)
	if pages, known := c.pages[key]; known {
		return pages, nil
	}
	requests, err := forward(c.Scenario.Load, c.fillRPS, 2*of.ttl, c.Seed)
	if err != nil {
		return nil, err
	}
	touches, err := c.touches(ctx, s, of, requests)
	if err != nil {
		return nil, err
	}
	pages := of.after(touches)
	for i := range pages {
		if c.counting { // none may leave while it is counted
			pages[i].leftMS = of.ttl.Milliseconds()
		}
	}
	if c.pages == nil {
		c.pages = map[string][]cachedPage{}
	}
	c.pages[key] = pages
	return pages, nil
}

// forward are the requests that a stretch of the scenario's traffic holds at a
// rate, at most mostPlayed: they are spread over the whole stretch then.
func forward(load scenarios.Load, rps float64, stretch time.Duration, seed uint64) ([]spec.Request, error) {
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
	requests := make([]spec.Request, int(min(rps*stretch.Seconds(), mostPlayed)))
	for i := range requests {
		r := drawn.Target(uint64(i))
		requests[i] = spec.Request{Method: r.Method, Target: strings.TrimPrefix(r.URL, base), Body: string(r.Body)}
	}
	return requests, nil
}

// touches asks the processes that use a cache what requests do to its pages, each
// different request once.
func (c *Conductor) touches(ctx context.Context, s stage.System, of *cache, requests []spec.Request) ([]spec.Touch, error) {
	place := map[spec.Request]int{}
	var different []spec.Request
	for _, r := range requests {
		if _, known := place[r]; !known {
			place[r] = len(different)
			different = append(different, r)
		}
	}
	c.Progress.Begin(fmt.Sprintf("ask what %d requests do to the pages of %s", len(different), of.name), time.Duration(len(different)/100_000+1)*time.Second)
	answers := make([]spec.Touch, len(different))
	err := c.shareOut(ctx, s, of, len(different), fitting(different), func(ctx context.Context, ask asking, from, till int) error {
		var some []spec.Touch
		if err := ask(ctx, spec.TouchPath, different[from:till], &some); err != nil {
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
	all := make([]spec.Touch, len(requests))
	for i, r := range requests {
		all[i] = answers[place[r]]
	}
	return all, nil
}

// mostQuestionBytes is well below what an agent relays. JSON within JSON makes a text
// longer: twice as long, for most.
const mostQuestionBytes = 3 << 20

// fitting is how many of the requests go into one question, for the longest of them.
func fitting(requests []spec.Request) int {
	longest := 1
	for _, r := range requests {
		longest = max(longest, 2*(len(r.Method)+len(r.Target)+len(r.Body))+64)
	}
	return min(spec.MaxQuestion, max(1, mostQuestionBytes/longest))
}

// after are the pages that are in the cache after requests that touch these pages
// and take twice its TTL, hottest first: after one TTL the cache is as it stays.
func (of *cache) after(touches []spec.Touch) []cachedPage {
	type kept struct {
		till  time.Duration
		asked int
	}
	held, whole := map[string]kept{}, 2*of.ttl
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
		for _, name := range touch.Ends {
			held[name] = kept{asked: held[name].asked}
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

// fillCache shares the pages out over the processes that use the cache: each reads
// its part from behind the cache and stores it.
func (c *Conductor) fillCache(ctx context.Context, s stage.System, into *cache, pages []cachedPage) error {
	enough := time.Now().Add(c.Plan.Fill)
	var filled atomic.Int64
	err := c.shareOut(ctx, s, into, len(pages), spec.MaxQuestion, func(ctx context.Context, ask asking, from, till int) error {
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

// asking puts a question to one process and reads the answer into a value.
type asking func(ctx context.Context, path string, question, into any) error

// shareOut divides n things into questions of so many each and hands them to the
// processes that use a cache in turns, so that the first things are asked for first
// and every process has one question at a time.
func (c *Conductor) shareOut(ctx context.Context, s stage.System, of *cache, n, each int, question func(ctx context.Context, ask asking, from, till int) error) error {
	machines := map[string]stage.Machine{}
	for _, m := range s.Machines() {
		machines[m.Name] = m
	}
	asks := make([]asking, len(of.users))
	for i, at := range of.users {
		machine, ok := machines[at.Machine.Name]
		if !ok {
			return errors.New("machine " + at.Machine.Name + " is not there")
		}
		asks[i] = c.askingOf(machine, at.Process.Name)
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

// askAttempts is how often a process is asked the same: its own connections, to a
// cache or a database, may time out once while all of them are new.
const askAttempts = 3

// askingOf puts questions to a process of a machine.
func (c *Conductor) askingOf(machine stage.Machine, process string) asking {
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
