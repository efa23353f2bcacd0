// SPDX-License-Identifier: Apache-2.0

package cache

import (
	"context"
	"math/rand/v2"
	"strconv"
	"time"

	"github.com/gomodule/redigo/redis"

	"headroom/targets/shop/store"
)

// mark is the name of a page's last write, "" when that is long ago.
type mark string

// Marked keeps Pages in Valkey and remembers, beside the pages, what was written
// lately, so that with replicas a session reads its own writes.
//
// Two traps lie behind a write when reads go to replicas. A read that comes
// sooner than the write has reached its replica shows the past: that one goes
// away by itself after the lag. But if that read was a cache's miss, it stores
// the past for a whole TTL, and everybody reads it: 50 ms of lag become five
// minutes. So a write leaves two kinds of marks in Valkey, which live for
// own_writes_for:
//
//   - session:<id>, the session that wrote. Its reads go past the cache to a
//     primary, for a write changes pages that it does not know by name (the
//     author in a cached post), and they refresh the cache.
//   - wrote:<page>, the name of the write, for each page that it knows. A miss
//     of anybody's that finds the mark reads a primary, and a page is stored
//     only if the page's mark is still the one that was seen before it was
//     read. So neither a lagging replica's page nor a slow miss's, read before
//     the write and stored after its delete, gets into the cache.
//
// The marks live in Valkey and not in the app, since a session's next request
// may come to another app. A look costs one round trip as before (MGET of page
// and marks), and so does a write's report.
//
// Gives: a session reads what it wrote; nobody's page is poisoned by a replica.
// Costs: a primary answers the session's reads for own_writes_for, and one miss
// a page and write. Not covered: a replica more than own_writes_for behind
// (where that is 1 s or more the router takes one out before, see lag.go of package
// postgres); marks lost with Valkey, or not written because it failed, counted in
// errors (without its marks, a session's reads go to a primary all the same); and a
// read by others of a page that the write does not know by name. Measured by
// scenario phase4, setting own_writes: primary. With own_writes: replica there is
// Plain, and reads are blind.
type Marked struct {
	Plain
	lasts time.Duration // own_writes_for
}

// NewMarked lets marks last so long after a write.
func NewMarked(plain Plain, lasts time.Duration) Marked { return Marked{plain, lasts} }

// Look implements Pages.
func (c Marked) Look(ctx context.Context, k store.Key) (Looked, error) {
	at := time.Now()
	name, session := k.String(), store.SessionOf(ctx)
	keys := []any{name, markName(name)}
	if session != 0 {
		keys = append(keys, sessionName(session))
	}
	values, err := redis.ByteSlices(c.server.do(ctx, "MGET", keys...))
	if err != nil {
		return Looked{Primary: session != 0}, err
	}
	l := Looked{JSON: values[0], version: mark(values[1]), at: at}
	l.Pass = session != 0 && values[2] != nil
	l.Primary = l.Pass || l.version != ""
	return l, nil
}

// keepUnlessWritten stores page KEYS[1] for ARGV[3] ms when its mark KEYS[2] is
// still ARGV[1].
var keepUnlessWritten = redis.NewScript(2, `
if (redis.call('GET', KEYS[2]) or '') ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
return 1`)

// Keep drops a page whose reading took so long that a mark could have come and
// gone meanwhile.
func (c Marked) Keep(ctx context.Context, k store.Key, after Looked, json []byte) error {
	if time.Since(after.at) > c.lasts/2 {
		return nil
	}
	conn, err := c.server.pool.GetContext(ctx)
	if err != nil {
		return err
	}
	defer conn.Close()
	name := k.String()
	_, err = keepUnlessWritten.Do(conn, name, markName(name), string(after.version), json, c.ttl.Milliseconds())
	return err
}

// Wrote sets the marks before it deletes the pages: in between, nobody can
// store an old one.
func (c Marked) Wrote(ctx context.Context, pages ...store.Key) error {
	write := strconv.FormatUint(rand.Uint64(), 36)
	var commands []redis.Args
	set := func(name string) {
		commands = append(commands, redis.Args{"SET", name, write, "PX", c.lasts.Milliseconds()})
	}
	for _, name := range names(pages) {
		set(markName(name))
	}
	if session := store.SessionOf(ctx); session != 0 {
		set(sessionName(session))
	}
	if c.deleteOnSave {
		commands = append(commands, redis.Args{"DEL"}.AddFlat(names(pages)))
	}
	return c.server.pipeline(ctx, commands...)
}

func (c Marked) wroteLately(ctx context.Context, session int64) (bool, error) {
	return redis.Bool(c.server.do(ctx, "EXISTS", sessionName(session)))
}

func markName(page string) string { return "wrote:" + page }

func sessionName(id int64) string { return "session:" + strconv.FormatInt(id, 10) }

// ownSearch sends the searches of a session that wrote lately to a primary.
// Searches are not cached, so it asks for the mark alone; not knowing it, it
// supposes one.
type ownSearch struct {
	store.Searcher
	wroteLately func(ctx context.Context, session int64) (bool, error)
}

// Searcher stands before another, for the sessions that wrote lately.
func (c Marked) Searcher(before store.Searcher) store.Searcher {
	return ownSearch{before, c.wroteLately}
}

func (s ownSearch) Search(ctx context.Context, word string) ([]store.Found, error) {
	if session := store.SessionOf(ctx); session != 0 {
		if wrote, err := s.wroteLately(ctx, session); wrote || err != nil {
			ctx = store.FromPrimary(ctx)
		}
	}
	return s.Searcher.Search(ctx, word)
}
