// SPDX-License-Identifier: Apache-2.0

package shop

import (
	"context"
	"testing"
)

func newTestCache() (*cacheAside, *fakeCache, *fakeStore) {
	cache := &fakeCache{values: map[string][]byte{}}
	store := &fakeStore{pages: map[string]string{"user:1": "one", "feed:0": "feed", "orders:1": "orders", "orders:2": "theirs"}}
	return &cacheAside{cache: cache, pages: store, store: store, log: quiet()}, cache, store
}

func mustRead(t *testing.T, c *cacheAside, k key, wantCache, wantJSON string) {
	t.Helper()
	got, err := c.read(t.Context(), k)
	if err != nil || got.cache != wantCache || string(got.json) != wantJSON {
		t.Errorf("read %s = %q %q %v, want %s %q", k, got.cache, got.json, err, wantCache, wantJSON)
	}
}

func TestCacheAsideMissThenHit(t *testing.T) {
	c, cache, store := newTestCache()
	mustRead(t, c, key{pageUser, 1}, "miss", "one")
	mustRead(t, c, key{pageUser, 1}, "hit", "one")
	if store.reads != 1 || c.hits.Load() != 1 || c.misses.Load() != 1 {
		t.Errorf("%d reads, %d hits, %d misses", store.reads, c.hits.Load(), c.misses.Load())
	}
	if _, err := c.read(t.Context(), key{pageUser, 2}); err != errNotFound {
		t.Errorf("absent user: %v, want errNotFound", err)
	}
	if _, kept := cache.values["user:2"]; kept {
		t.Error("the absence of a user was cached")
	}
}

func TestCacheAsideDeletesOnWrite(t *testing.T) {
	writes := map[key]func(context.Context, *cacheAside) error{
		{pageOrders, 2}: func(ctx context.Context, c *cacheAside) error {
			_, err := c.gift(ctx, NewGift{From: 1, To: 2})
			return err
		},
		{pageUser, 1}: func(ctx context.Context, c *cacheAside) error {
			_, err := c.updateUser(ctx, 1, UserEdit{Name: "n"})
			return err
		},
		{kind: pageFeed}: func(ctx context.Context, c *cacheAside) error {
			_, err := c.createPost(ctx, NewPost{Author: 1, Title: "t"})
			return err
		},
		{pageOrders, 1}: func(ctx context.Context, c *cacheAside) error {
			_, _, err := c.checkout(ctx, NewOrder{User: 1})
			return err
		},
	}
	for k, write := range writes {
		c, cache, store := newTestCache()
		mustRead(t, c, k, "miss", store.pages[k.String()])
		if err := write(t.Context(), c); err != nil {
			t.Fatal(err)
		}
		if _, kept := cache.values[k.String()]; kept {
			t.Errorf("%s is still cached after its write", k)
		}
	}
}

func TestCacheAsideKeepsPageWhenWriteFails(t *testing.T) {
	c, cache, store := newTestCache()
	mustRead(t, c, key{pageOrders, 1}, "miss", "orders")
	store.err = errBroken
	if _, err := c.createOrder(t.Context(), NewOrder{User: 1}); err != errBroken {
		t.Fatalf("error %v, want the store's", err)
	}
	if _, kept := cache.values["orders:1"]; !kept {
		t.Error("a failed write deleted the page")
	}
}

func TestCacheAwayFallsThrough(t *testing.T) {
	c, cache, store := newTestCache()
	cache.err = errBroken
	mustRead(t, c, key{pageUser, 1}, "miss", "one")
	mustRead(t, c, key{pageUser, 1}, "miss", "one")
	if _, err := c.updateUser(t.Context(), 1, UserEdit{Name: "n"}); err != nil {
		t.Errorf("write with the cache away: %v, want none", err)
	}
	if store.reads != 2 || c.errors.Load() != 3 || c.misses.Load() != 2 {
		t.Errorf("%d reads, %d errors, %d misses, want 2, 3, 2", store.reads, c.errors.Load(), c.misses.Load())
	}
}

// The race that the pattern's file warns of: kept as a test so that a repair
// must change the words too.
func TestSlowMissStoresStalePage(t *testing.T) {
	c, _, store := newTestCache()
	c.pages = readerFunc(func(ctx context.Context, k key) (page, error) {
		old, err := store.read(ctx, k)
		store.pages["user:1"] = "edited"
		if _, err := c.updateUser(ctx, 1, UserEdit{Name: "n"}); err != nil {
			t.Fatal(err)
		}
		return old, err
	})
	mustRead(t, c, key{pageUser, 1}, "miss", "one")
	mustRead(t, c, key{pageUser, 1}, "hit", "one")
}

type readerFunc func(context.Context, key) (page, error)

func (f readerFunc) read(ctx context.Context, k key) (page, error) { return f(ctx, k) }
