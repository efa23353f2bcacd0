// SPDX-License-Identifier: Apache-2.0

package shop

import (
	"context"
	"errors"
	"time"

	"github.com/bradfitz/gomemcache/memcache"
)

// memcachedCache is a pageCache on memcached: a write deletes the page (setting
// cache_write: delete), or leaves it to its TTL (none).
//
// Gives: pages without the database, from a server that does nothing else, with
// several threads. Costs: a TTL is whole seconds; there are no marks, so with
// replicas reads are blind (own_writes: replica) and the parser refuses the other
// word; no sessions and no rates of a gateway. Measured by what is in the catalog
// with the link pages.
type memcachedCache struct {
	client       *memcache.Client
	ttl          time.Duration
	deleteOnSave bool
}

// openMemcached connects on first use. Every command is bounded by cacheTimeout.
func openMemcached(address string, ttl time.Duration, deleteOnSave bool) memcachedCache {
	client := memcache.New(address)
	client.Timeout, client.MaxIdleConns = cacheTimeout, valkeyConnections
	return memcachedCache{client, ttl, deleteOnSave}
}

func (c memcachedCache) look(_ context.Context, k key) (looked, error) {
	item, err := c.client.Get(k.String())
	if errors.Is(err, memcache.ErrCacheMiss) {
		return looked{}, nil
	}
	if err != nil {
		return looked{}, err
	}
	return looked{json: item.Value}, nil
}

func (c memcachedCache) keep(_ context.Context, k key, _ looked, json []byte) error {
	return c.client.Set(&memcache.Item{Key: k.String(), Value: json, Expiration: wholeSeconds(c.ttl)})
}

func (c memcachedCache) wrote(_ context.Context, pages ...key) error {
	if !c.deleteOnSave {
		return nil
	}
	var failed error
	for _, k := range pages {
		if err := c.client.Delete(k.String()); err != nil && !errors.Is(err, memcache.ErrCacheMiss) {
			failed = err
		}
	}
	return failed
}

// add keeps pages that are not there yet. Memcached takes one at a time.
func (c memcachedCache) add(_ context.Context, pages []pageToAdd) error {
	for _, p := range pages {
		err := c.client.Add(&memcache.Item{Key: p.key.String(), Value: p.json, Expiration: wholeSeconds(p.left)})
		if err != nil && !errors.Is(err, memcache.ErrNotStored) {
			return err
		}
	}
	return nil
}

func (c memcachedCache) ping(context.Context) error { return c.client.Ping() }

func (c memcachedCache) close() { _ = c.client.Close() }

// wholeSeconds is a TTL as memcached takes it: at least one second, since 0 is for
// ever. Beyond 30 days memcached would take it for a date; a cache_ttl is a day at
// most.
func wholeSeconds(ttl time.Duration) int32 {
	return int32(max(1, (ttl+time.Second-1)/time.Second))
}
