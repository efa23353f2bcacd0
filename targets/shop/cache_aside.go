// SPDX-License-Identifier: Apache-2.0

package shop

import (
	"context"
	"log/slog"
	"sync/atomic"
	"time"
)

// pageCache is what cache-aside needs of a cache. Its errors say that the cache
// failed; a page that is not there is none.
type pageCache interface {
	look(ctx context.Context, k key) (looked, error)
	// keep stores the page that was found after look, unless that would be wrong.
	keep(ctx context.Context, k key, after looked, json []byte) error
	// wrote is told the pages that a write has made stale.
	wrote(ctx context.Context, pages ...key) error
}

// looked is what a cache says of one page. Its zero value is a plain miss.
type looked struct {
	json    []byte // nil: not there
	pass    bool   // the cache does not answer this reader
	primary bool   // only a primary can be trusted with this page now
	version mark   // of the page's last write, see markedCache
	at      time.Time
}

// cacheAside looks into the cache first, reads the database on a miss and
// keeps what it found for ttl. A write deletes the pages it knows to be stale.
//
// Gives: hot pages without the database. Costs: pages may be stale.
//   - A miss that read the database before a write, and stores after the
//     write's delete, leaves the old page there for a whole TTL. (markedCache
//     repairs that, see own_writes.go; plainCache is the pattern as it is
//     usually written.)
//   - A write deletes its own page only: a renamed author keeps the old name in
//     cached posts and in the cached feed until their TTL, or the next post.
//   - When the delete fails (cache away) the write still counts; the old page
//     lives until its TTL. Counted in errors.
//   - Many misses of one hot page at once all go to the database.
//
// A failing cache is never an error for the client: reads fall through to the
// database after at most cacheTimeout. Measured by scenario phase3; settings
// cache_ttl and cache_write (delete, or none: then only the TTL ends a page).
type cacheAside struct {
	cache pageCache
	pages reader
	store writer
	log   *slog.Logger

	hits, misses, passes, errors atomic.Int64 // a read that the cache failed is a miss and an error
}

func (c *cacheAside) read(ctx context.Context, k key) (page, error) {
	seen, failed := c.cache.look(ctx, k)
	outcome := "miss"
	switch {
	case failed != nil:
		c.failed("look", failed)
		c.misses.Add(1)
	case seen.pass:
		outcome = "pass"
		c.passes.Add(1)
	case seen.json != nil:
		c.hits.Add(1)
		return page{json: seen.json, cache: "hit"}, nil
	default:
		c.misses.Add(1)
	}
	reading := ctx
	if seen.primary {
		reading = fromPrimary(ctx)
	}
	found, err := c.pages.read(reading, k)
	if err != nil {
		return page{}, err
	}
	if failed == nil { // else the cache is away: do not wait for it twice
		if err := c.cache.keep(ctx, k, seen, found.json); err != nil {
			c.failed("keep", err)
		}
	}
	found.cache = outcome
	return found, nil
}

func (c *cacheAside) updateUser(ctx context.Context, id int64, edit UserEdit) (User, error) {
	user, err := c.store.updateUser(ctx, id, edit)
	if err == nil {
		c.invalidate(ctx, key{pageUser, id})
	}
	return user, err
}

func (c *cacheAside) createPost(ctx context.Context, post NewPost) (Post, error) {
	created, err := c.store.createPost(ctx, post)
	if err == nil {
		c.invalidate(ctx, key{kind: pageFeed}, key{pagePost, created.ID})
	}
	return created, err
}

func (c *cacheAside) createOrder(ctx context.Context, order NewOrder) (Order, error) {
	created, err := c.store.createOrder(ctx, order)
	if err == nil {
		c.invalidate(ctx, key{pageOrders, order.User})
	}
	return created, err
}

func (c *cacheAside) checkout(ctx context.Context, order NewOrder) (Order, string, error) {
	placed, email, err := c.store.checkout(ctx, order)
	if err == nil {
		c.invalidate(ctx, key{pageOrders, order.User})
	}
	return placed, email, err
}

func (c *cacheAside) gift(ctx context.Context, gift NewGift) ([2]Order, error) {
	placed, err := c.store.gift(ctx, gift)
	if err == nil {
		c.invalidate(ctx, key{pageOrders, gift.From}, key{pageOrders, gift.To})
	}
	return placed, err
}

// invalidate also runs when the client has gone: the write is done.
func (c *cacheAside) invalidate(ctx context.Context, pages ...key) {
	if err := c.cache.wrote(context.WithoutCancel(ctx), pages...); err != nil {
		c.failed("invalidate", err)
	}
}

// failed counts every failure and logs each power of two of them: an absent
// cache must not drown the log.
func (c *cacheAside) failed(operation string, err error) {
	if n := c.errors.Add(1); n&(n-1) == 0 {
		c.log.Warn("cache failed, the database answers", "operation", operation, "failures", n, "error", err)
	}
}
