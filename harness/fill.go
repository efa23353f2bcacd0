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
	"headroom/targets/shop/fill"
)

const (
	// fillChunk is how many pages are asked for at once: an agent relays a
	// question for 10 s at most.
	fillChunk = 2000
	// mostPlayed bounds how many requests are played forward.
	mostPlayed = 400_000
)

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
		pages, err := cache.playForward(c.Scenario.Load, c.fillRPS, c.Seed)
		if err != nil {
			return err
		}
		for i := range pages {
			if c.counting { // none may leave while it is counted
				pages[i].leftMS = cache.ttl.Milliseconds()
			}
		}
		c.Progress.Begin(fmt.Sprintf("fill %s's cache as long traffic at %.0f requests/s would: %d pages", v, c.fillRPS, len(pages)), min(c.Plan.Fill, 3*time.Second))
		if err := c.fillCache(ctx, s, cache, pages); err != nil {
			return cmp.Or(ctx.Err(), err) // an interruption first: a client's words for it vary
		}
	}
	return nil
}

// cache is one that shops use, and which they are.
type cache struct {
	ttl     time.Duration
	deletes bool // a write takes its pages out; else only the TTL does
	shops   []scenarios.Placed
}

// cachesOf are a topology's caches.
func cachesOf(t scenarios.Topology) []*cache {
	found := map[string]*cache{}
	for _, at := range t.Speaking(scenarios.ProtocolFill) {
		ttl, err := time.ParseDuration(at.Process.Settings["cache_ttl"])
		if err != nil || ttl <= 0 || !at.Process.Linked(scenarios.RoleCache) {
			continue
		}
		name := strings.Join(at.Process.Targets(scenarios.RoleCache), ",")
		if found[name] == nil {
			found[name] = &cache{ttl: ttl, deletes: at.Process.Settings["cache_write"] == "delete"}
		}
		found[name].shops = append(found[name].shops, at)
	}
	var caches []*cache
	for _, name := range slices.Sorted(maps.Keys(found)) {
		caches = append(caches, found[name])
	}
	return caches
}

// cachedPage is a page in the cache, how long it stays, and how often it was
// asked for.
type cachedPage struct {
	name   string
	leftMS int64
	asked  int
}

// playForward plays two TTLs of the traffic without sending it, and returns what
// the cache holds at the end, the most asked for first. Edges that
// may stand before the shop are left out: they keep pages for seconds.
func (c *cache) playForward(load scenarios.Load, rps float64, seed uint64) ([]cachedPage, error) {
	const base = "http://shop"
	entries := map[string]string{}
	for _, e := range load.Mix {
		if e.From != "" {
			entries[e.From] = base
		}
	}
	requests, err := mix.NewFrom(base, entries, nil, load.Mix, load.Keys, mixSeed(seed, 0x66696c6c)) // "fill"
	if err != nil {
		return nil, err
	}
	type kept struct {
		till  time.Duration
		asked int
	}
	held, whole := map[string]kept{}, 2*c.ttl
	n := min(int(rps*whole.Seconds()), mostPlayed)
	for i := range n {
		at := time.Duration(float64(whole) * float64(i) / float64(n))
		request := requests.Target(uint64(i))
		reads, stale := fill.Touched(request.Method, strings.TrimPrefix(request.URL, base), request.Body)
		if reads != "" {
			page := held[reads]
			if page.asked++; page.till <= at {
				page.till = at + c.ttl
			}
			held[reads] = page
		}
		if !c.deletes {
			continue
		}
		for _, name := range stale {
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
	return pages, nil
}

// auditor is who asks the machines.
func (c *Conductor) auditor() Auditor {
	if c.Auditor == nil {
		return agents{}
	}
	return c.Auditor
}

// fillCache lets all shops of a cache fill it, each with its part.
func (c *Conductor) fillCache(ctx context.Context, s stage.System, into *cache, pages []cachedPage) error {
	auditor := c.auditor()
	agentsOf := map[string]stage.Machine{}
	for _, m := range s.Machines() {
		agentsOf[m.Name] = m
	}
	enough := time.Now().Add(c.Plan.Fill)
	var filled atomic.Int64
	group, ctx := errgroup.WithContext(ctx)
	for i, shop := range into.shops {
		machine, ok := agentsOf[shop.Machine.Name]
		if !ok {
			return errors.New("machine " + shop.Machine.Name + " is not there")
		}
		group.Go(func() error {
			for first := i * fillChunk; first < len(pages) && time.Now().Before(enough); first += len(into.shops) * fillChunk {
				wanted := fill.Pages{}
				for _, page := range pages[first:min(first+fillChunk, len(pages))] {
					wanted[page.name] = page.leftMS
				}
				n, err := fillPages(ctx, auditor, machine, shop.Process.Name, wanted)
				if err != nil {
					return err
				}
				filled.Add(n)
			}
			return nil
		})
	}
	err := group.Wait()
	if err == nil && c.counting && time.Now().After(enough) {
		return fmt.Errorf("its cache was not full after %v: fill it as less traffic would", c.Plan.Fill)
	}
	if n := int(filled.Load()); err == nil && n < len(pages) {
		c.Progress.Note("%d of the cache's %d pages were filled in %v", n, len(pages), c.Plan.Fill)
	}
	return err
}

// fillAttempts bounds how often a shop is asked for the same pages. On a busy
// computer its first connection to the cache may time out; to ask again does no
// harm.
const fillAttempts = 3

func fillPages(ctx context.Context, auditor Auditor, machine stage.Machine, process string, wanted fill.Pages) (filled int64, err error) {
	for range fillAttempts {
		var answer fill.Answer
		if err = auditor.Ask(ctx, machine.Agent, process, fill.Path, wanted, &answer); err == nil || ctx.Err() != nil {
			return int64(answer.Filled), err
		}
	}
	return 0, err
}
