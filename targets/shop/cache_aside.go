package shop

import (
	"context"
	"errors"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/gomodule/redigo/redis"
)

// cacheTimeout bounds every word with the cache: a cache that is slower than
// this is no help.
const cacheTimeout = 100 * time.Millisecond

// bytesCache is what cache-aside needs of Valkey. get returns errCacheMiss
// when the key is not there.
type bytesCache interface {
	get(ctx context.Context, key string) ([]byte, error)
	set(ctx context.Context, key string, value []byte, ttl time.Duration) error
	del(ctx context.Context, keys ...string) error
}

var errCacheMiss = errors.New("not in the cache")

// cacheAside looks into the cache first, reads the database on a miss and
// keeps what it found for ttl. A write deletes the pages it knows to be stale.
//
// Gives: hot pages without the database. Costs: pages may be stale.
//   - A miss that read the database before a write, and stores after the
//     write's delete, leaves the old page there for a whole TTL.
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
	cache        bytesCache
	pages        reader
	store        writer
	ttl          time.Duration
	deleteOnSave bool
	log          *slog.Logger

	hits, misses, errors atomic.Int64 // a read that the cache failed is a miss and an error
}

func (c *cacheAside) read(ctx context.Context, k key) (page, error) {
	name := k.String()
	cached, err := c.cache.get(ctx, name)
	if err == nil {
		c.hits.Add(1)
		return page{json: cached, cache: "hit"}, nil
	}
	c.misses.Add(1)
	missed := errors.Is(err, errCacheMiss)
	if !missed {
		c.failed("get", err)
	}
	found, err := c.pages.read(ctx, k)
	if err != nil {
		return page{}, err
	}
	if missed { // else the cache is away: do not wait for it twice
		if err := c.cache.set(ctx, name, found.json, c.ttl); err != nil {
			c.failed("set", err)
		}
	}
	found.cache = "miss"
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
		c.invalidate(ctx, key{kind: pageFeed})
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

// invalidate also runs when the client has gone: the write is done.
func (c *cacheAside) invalidate(ctx context.Context, k key) {
	if !c.deleteOnSave {
		return
	}
	if err := c.cache.del(context.WithoutCancel(ctx), k.String()); err != nil {
		c.failed("delete", err)
	}
}

// failed counts every failure and logs each power of two of them: an absent
// cache must not drown the log.
func (c *cacheAside) failed(operation string, err error) {
	if n := c.errors.Add(1); n&(n-1) == 0 {
		c.log.Warn("cache failed, the database answers", "operation", operation, "failures", n, "error", err)
	}
}

// valkey is a bytesCache on a Valkey server.
type valkey struct{ pool *redis.Pool }

// valkeyConnections is how many one shop holds at most; who finds none free
// fails at once and goes to the database.
const valkeyConnections = 64

// openValkey connects on first use. Every command is bounded by the
// connection's own timeouts, which cost less than a deadline for each.
func openValkey(address string) valkey {
	return valkey{&redis.Pool{
		MaxIdle:   valkeyConnections,
		MaxActive: valkeyConnections,
		DialContext: func(ctx context.Context) (redis.Conn, error) {
			return redis.DialContext(ctx, "tcp", address,
				redis.DialConnectTimeout(cacheTimeout), redis.DialReadTimeout(cacheTimeout), redis.DialWriteTimeout(cacheTimeout))
		},
	}}
}

func (v valkey) do(ctx context.Context, command string, args ...any) (any, error) {
	conn, err := v.pool.GetContext(ctx)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	return conn.Do(command, args...)
}

func (v valkey) get(ctx context.Context, key string) ([]byte, error) {
	value, err := redis.Bytes(v.do(ctx, "GET", key))
	if errors.Is(err, redis.ErrNil) {
		return nil, errCacheMiss
	}
	return value, err
}

func (v valkey) set(ctx context.Context, key string, value []byte, ttl time.Duration) error {
	_, err := v.do(ctx, "SET", key, value, "PX", ttl.Milliseconds())
	return err
}

func (v valkey) del(ctx context.Context, keys ...string) error {
	_, err := v.do(ctx, "DEL", redis.Args{}.AddFlat(keys)...)
	return err
}

func (v valkey) ping(ctx context.Context) error {
	_, err := v.do(ctx, "PING")
	return err
}
