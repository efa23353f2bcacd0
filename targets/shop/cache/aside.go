// SPDX-License-Identifier: Apache-2.0

// Package cache keeps the shop's pages, so that hot ones are read without the
// database. Aside is the pattern, cache-aside. What the pattern needs of a cache is
// Pages, and there are three: Plain and Marked on Valkey, Memcached on memcached.
// Filler fills a cache before a measurement, which is no part of the pattern.
package cache

import (
	"context"
	"log/slog"
	"sync/atomic"
	"time"

	"headroom/targets/shop/store"
)

// Pages is what cache-aside needs of a cache. Its errors say that the cache
// failed; a page that is not there is none.
type Pages interface {
	// Look asks for a page.
	Look(ctx context.Context, k store.Key) (Looked, error)
	// Keep stores the page that was found after Look, unless that would be wrong.
	Keep(ctx context.Context, k store.Key, after Looked, json []byte) error
	// Wrote is told the pages that a write has made stale.
	Wrote(ctx context.Context, pages ...store.Key) error
}

// Looked is what a cache says of one page. Its zero value is a plain miss.
type Looked struct {
	JSON    []byte // nil: not there
	Pass    bool   // the cache does not answer this reader
	Primary bool   // only a primary can be trusted with this page now
	version mark   // of the page's last write, see Marked
	at      time.Time
}

// Aside looks into the cache first, reads the database on a miss and keeps what it
// found for ttl. A write deletes the pages it knows to be stale.
//
// Gives: hot pages without the database. Costs: pages may be stale.
//   - A miss that read the database before a write, and stores after the
//     write's delete, leaves the old page there for a whole TTL. (Marked
//     repairs that, see own_writes.go; Plain is the pattern as it is
//     usually written.)
//   - A write deletes its own page only: a renamed author keeps the old name in
//     cached posts and in the cached feed until their TTL, or the next post.
//   - When the delete fails (cache away) the write still counts; the old page
//     lives until its TTL. Counted in errors.
//   - Many misses of one hot page at once all go to the database.
//
// A failing cache is never an error for the client: reads fall through to the
// database after at most 100 ms (timeout). Measured by scenario phase3; settings
// cache_ttl and cache_write (delete, or none: then only the TTL ends a page).
type Aside struct {
	cache Pages
	pages store.Reader
	store store.Writer
	log   *slog.Logger

	hits, misses, passes, errors atomic.Int64 // see Counts
}

// NewAside stands before reader and writer, which know nothing of the cache.
func NewAside(cache Pages, reader store.Reader, writer store.Writer, log *slog.Logger) *Aside {
	return &Aside{cache: cache, pages: reader, store: writer, log: log}
}

// Counts is how reads went so far, and how often the cache failed. A read that the
// cache failed is a miss and an error.
type Counts struct{ Hits, Misses, Passes, Errors int64 }

// Counts is what was counted so far.
func (c *Aside) Counts() Counts {
	return Counts{Hits: c.hits.Load(), Misses: c.misses.Load(), Passes: c.passes.Load(), Errors: c.errors.Load()}
}

// Read implements store.Reader.
func (c *Aside) Read(ctx context.Context, k store.Key) (store.Page, error) {
	seen, failed := c.cache.Look(ctx, k)
	outcome := "miss"
	switch {
	case failed != nil:
		c.failed("look", failed)
		c.misses.Add(1)
	case seen.Pass:
		outcome = "pass"
		c.passes.Add(1)
	case seen.JSON != nil:
		c.hits.Add(1)
		return store.Page{JSON: seen.JSON, Cache: "hit"}, nil
	default:
		c.misses.Add(1)
	}
	reading := ctx
	if seen.Primary {
		reading = store.FromPrimary(ctx)
	}
	found, err := c.pages.Read(reading, k)
	if err != nil {
		return store.Page{}, err
	}
	if failed == nil { // else the cache is away: do not wait for it twice
		if err := c.cache.Keep(ctx, k, seen, found.JSON); err != nil {
			c.failed("keep", err)
		}
	}
	found.Cache = outcome
	return found, nil
}

// UpdateUser implements store.Editor.
func (c *Aside) UpdateUser(ctx context.Context, id int64, edit store.UserEdit) (store.User, error) {
	user, err := c.store.UpdateUser(ctx, id, edit)
	if err == nil {
		c.invalidate(ctx, store.Key{Kind: store.PageUser, ID: id})
	}
	return user, err
}

// CreatePost implements store.Editor.
func (c *Aside) CreatePost(ctx context.Context, post store.NewPost) (store.Post, error) {
	created, err := c.store.CreatePost(ctx, post)
	if err == nil {
		c.invalidate(ctx, store.Key{Kind: store.PageFeed}, store.Key{Kind: store.PagePost, ID: created.ID})
	}
	return created, err
}

// CreateOrder implements store.Seller.
func (c *Aside) CreateOrder(ctx context.Context, order store.NewOrder) (store.Order, error) {
	created, err := c.store.CreateOrder(ctx, order)
	if err == nil {
		c.invalidate(ctx, store.Key{Kind: store.PageOrders, ID: order.User})
	}
	return created, err
}

// Checkout implements store.Seller.
func (c *Aside) Checkout(ctx context.Context, order store.NewOrder) (store.Order, string, error) {
	placed, email, err := c.store.Checkout(ctx, order)
	if err == nil {
		c.invalidate(ctx, store.Key{Kind: store.PageOrders, ID: order.User})
	}
	return placed, email, err
}

// Gift implements store.Seller.
func (c *Aside) Gift(ctx context.Context, gift store.NewGift) ([2]store.Order, error) {
	placed, err := c.store.Gift(ctx, gift)
	if err == nil {
		c.invalidate(ctx, store.Key{Kind: store.PageOrders, ID: gift.From}, store.Key{Kind: store.PageOrders, ID: gift.To})
	}
	return placed, err
}

// invalidate also runs when the client has gone: the write is done.
func (c *Aside) invalidate(ctx context.Context, pages ...store.Key) {
	if err := c.cache.Wrote(context.WithoutCancel(ctx), pages...); err != nil {
		c.failed("invalidate", err)
	}
}

// failed counts every failure and logs each power of two of them: an absent
// cache must not drown the log.
func (c *Aside) failed(operation string, err error) {
	if n := c.errors.Add(1); n&(n-1) == 0 {
		c.log.Warn("cache failed, the database answers", "operation", operation, "failures", n, "error", err)
	}
}
