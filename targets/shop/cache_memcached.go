// SPDX-License-Identifier: Apache-2.0

package shop

import (
	"context"
	"errors"
	"net"
	"time"

	"github.com/bradfitz/gomemcache/memcache"
)

// memcachedCache is a pageCache on memcached: a write deletes the page (setting
// cache_write: delete), or leaves it to its TTL (none).
//
// Gives: pages without the database, from a server that does nothing else, with
// several threads. Costs: a TTL is whole seconds, by a clock that ticks once a second,
// so that cache_ttl must be whole seconds and at least two; there are no marks, so with
// replicas reads are blind (own_writes: replica) and the parser refuses the other
// word; no sessions and no rates of a gateway. Measured by what is in the catalog
// with the link pages.
type memcachedCache struct {
	client       *memcache.Client
	free         chan struct{} // a token for each command that may be under way
	ttl          time.Duration
	deleteOnSave bool
}

// openMemcached connects on first use. Every command is bounded by cacheTimeout,
// and there are as many at once as a shop has to a Valkey: who finds none free fails
// at once and goes to the database.
func openMemcached(address string, ttl time.Duration, deleteOnSave bool) memcachedCache {
	client := memcache.NewFromSelector(oneServer(address))
	client.Timeout, client.MaxIdleConns = cacheTimeout, cacheConnections
	return memcachedCache{client, make(chan struct{}, cacheConnections), ttl, deleteOnSave}
}

// oneServer is host:port of the only server. The client asks for the address of the
// host with each connection, so that a server which comes later or moves is found.
type oneServer string

// Network and String make it an address.
func (o oneServer) Network() string { return "tcp" }
func (o oneServer) String() string  { return string(o) }

// PickServer and Each make it the client's list of servers.
func (o oneServer) PickServer(string) (net.Addr, error)   { return o, nil }
func (o oneServer) Each(visit func(net.Addr) error) error { return visit(o) }

var errCacheBusy = errors.New("all connections to the cache are taken")

// do runs one command when there is a connection for it.
func (c memcachedCache) do(command func() error) error {
	select {
	case c.free <- struct{}{}:
		defer func() { <-c.free }()
		return command()
	default:
		return errCacheBusy
	}
}

func (c memcachedCache) look(_ context.Context, k key) (looked, error) {
	var item *memcache.Item
	err := c.do(func() (err error) {
		item, err = c.client.Get(k.String())
		return err
	})
	if errors.Is(err, memcache.ErrCacheMiss) {
		return looked{}, nil
	}
	if err != nil {
		return looked{}, err
	}
	return looked{json: item.Value}, nil
}

func (c memcachedCache) keep(_ context.Context, k key, _ looked, json []byte) error {
	return c.do(func() error {
		return c.client.Set(&memcache.Item{Key: k.String(), Value: json, Expiration: wholeSeconds(c.ttl)})
	})
}

func (c memcachedCache) wrote(_ context.Context, pages ...key) error {
	if !c.deleteOnSave {
		return nil
	}
	var failed error
	for _, k := range pages {
		err := c.do(func() error { return c.client.Delete(k.String()) })
		if err != nil && !errors.Is(err, memcache.ErrCacheMiss) {
			failed = err
		}
	}
	return failed
}

// add keeps pages that are not there yet. Memcached takes one at a time.
func (c memcachedCache) add(_ context.Context, pages []pageToAdd) error {
	for _, p := range pages {
		err := c.do(func() error {
			return c.client.Add(&memcache.Item{Key: p.key.String(), Value: p.json, Expiration: wholeSeconds(p.left)})
		})
		if err != nil && !errors.Is(err, memcache.ErrNotStored) {
			return err
		}
	}
	return nil
}

func (c memcachedCache) ping(context.Context) error { return c.client.Ping() }

func (c memcachedCache) close() { _ = c.client.Close() }

// wholeSeconds is a TTL as memcached takes it, rounded up: 0 would be for ever.
// Beyond 30 days memcached would take it for a date; a cache_ttl is a day at most.
func wholeSeconds(ttl time.Duration) int32 {
	return int32(max(1, (ttl+time.Second-1)/time.Second))
}
