// SPDX-License-Identifier: Apache-2.0

package cache

import (
	"context"
	"errors"
	"net"
	"time"

	"github.com/bradfitz/gomemcache/memcache"

	"headroom/targets/shop/store"
)

// Memcached keeps Pages in memcached: a write deletes the page (setting cache_write:
// delete), or leaves it to its TTL (none).
//
// Gives: pages without the database, from a server that does nothing else, with
// several threads. Costs: a TTL is whole seconds, by a clock that ticks once a second,
// so that cache_ttl must be whole seconds and at least two; there are no marks, so with
// replicas reads are blind (own_writes: replica) and the parser refuses the other
// word; no sessions and no rates of a gateway. Measured by what is in the catalog
// with the link pages.
type Memcached struct {
	client       *memcache.Client
	free         chan struct{} // a token for each command that may be under way
	ttl          time.Duration
	deleteOnSave bool
}

// OpenMemcached connects on first use. Every command is bounded by timeout,
// and there are as many at once as a shop has to a Valkey: who finds none free fails
// at once and goes to the database.
func OpenMemcached(address string, ttl time.Duration, deleteOnSave bool) Memcached {
	client := memcache.NewFromSelector(oneServer(address))
	client.Timeout, client.MaxIdleConns = timeout, connections
	return Memcached{client, make(chan struct{}, connections), ttl, deleteOnSave}
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

var errBusy = errors.New("all connections to the cache are taken")

// do runs one command when there is a connection for it.
func (c Memcached) do(command func() error) error {
	select {
	case c.free <- struct{}{}:
		defer func() { <-c.free }()
		return command()
	default:
		return errBusy
	}
}

// Look implements Pages.
func (c Memcached) Look(_ context.Context, k store.Key) (Looked, error) {
	var item *memcache.Item
	err := c.do(func() (err error) {
		item, err = c.client.Get(k.String())
		return err
	})
	if errors.Is(err, memcache.ErrCacheMiss) {
		return Looked{}, nil
	}
	if err != nil {
		return Looked{}, err
	}
	return Looked{JSON: item.Value}, nil
}

// Keep implements Pages.
func (c Memcached) Keep(_ context.Context, k store.Key, _ Looked, json []byte) error {
	return c.do(func() error {
		return c.client.Set(&memcache.Item{Key: k.String(), Value: json, Expiration: wholeSeconds(c.ttl)})
	})
}

// Wrote implements Pages.
func (c Memcached) Wrote(_ context.Context, pages ...store.Key) error {
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
func (c Memcached) add(_ context.Context, pages []pageToAdd) error {
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

// Ping says whether memcached answers.
func (c Memcached) Ping(context.Context) error { return c.client.Ping() }

// Close lets go of all connections.
func (c Memcached) Close() { _ = c.client.Close() }

// wholeSeconds is a TTL as memcached takes it, rounded up: 0 would be for ever.
// Beyond 30 days memcached would take it for a date; a cache_ttl is a day at most.
func wholeSeconds(ttl time.Duration) int32 {
	return int32(max(1, (ttl+time.Second-1)/time.Second))
}
