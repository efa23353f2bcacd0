// SPDX-License-Identifier: Apache-2.0

package shop

import (
	"context"
	"net/http"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
)

// laggingStore answers what a replica has, or a primary when the context asks
// for one. Writes reach the replica when a test says so.
type laggingStore struct {
	fakeStore
	primary map[string]string
	from    []string
}

func (s *laggingStore) read(ctx context.Context, k key) (page, error) {
	if readsPrimary(ctx) {
		s.from = append(s.from, "primary")
		return page{json: []byte(s.primary[k.String()])}, nil
	}
	s.from = append(s.from, "replica")
	return s.fakeStore.read(ctx, k)
}

func (s *laggingStore) updateUser(_ context.Context, id int64, edit UserEdit) (User, error) {
	s.primary[key{pageUser, id}.String()] = edit.Name
	return User{ID: id, Name: edit.Name}, nil
}

func (s *laggingStore) replay() {
	for name, text := range s.primary {
		s.pages[name] = text
	}
}

const ownWritesFor = time.Second

// newOwnWrites is a cache-aside over a lagging store, on a Valkey's stand-in;
// marked as with own_writes: primary, else as with replica.
func newOwnWrites(t *testing.T, marked bool) (*cacheAside, *laggingStore, *miniredis.Miniredis) {
	t.Helper()
	server := miniredis.RunT(t)
	v := openValkey(server.Addr())
	t.Cleanup(func() { _ = v.pool.Close() })
	store := &laggingStore{fakeStore: fakeStore{pages: map[string]string{"user:1": "old", "feed:0": "feed"}}, primary: map[string]string{"user:1": "old", "feed:0": "feed"}}
	plain := plainCache{v, time.Minute, true}
	c := &cacheAside{cache: plain, pages: store, store: store, log: quiet()}
	if marked {
		c.cache = markedCache{plain, ownWritesFor}
	}
	return c, store, server
}

func inSession(t *testing.T, id string) context.Context {
	t.Helper()
	ctx, err := withSession(t.Context(), http.Header{sessionHeader: []string{id}})
	if err != nil {
		t.Fatal(err)
	}
	return ctx
}

func rename(t *testing.T, ctx context.Context, c *cacheAside, name string) {
	t.Helper()
	if _, err := c.updateUser(ctx, 1, UserEdit{Name: name}); err != nil {
		t.Fatal(err)
	}
}

func wantRead(t *testing.T, ctx context.Context, c *cacheAside, wantCache, wantJSON string) {
	t.Helper()
	got, err := c.read(ctx, key{pageUser, 1})
	if err != nil || got.cache != wantCache || string(got.json) != wantJSON {
		t.Errorf("read = %q %q %v, want %s %q", got.cache, got.json, err, wantCache, wantJSON)
	}
}

func TestSessionReadsItsOwnWrite(t *testing.T) {
	c, store, server := newOwnWrites(t, true)
	writer, other := inSession(t, "7"), inSession(t, "8")
	wantRead(t, writer, c, "miss", "old")
	wantRead(t, writer, c, "hit", "old")
	rename(t, writer, c, "new")
	wantRead(t, writer, c, "pass", "new") // the replica still has "old"
	wantRead(t, other, c, "hit", "new")   // the pass refreshed the cache
	if got, err := c.read(writer, key{kind: pageFeed}); err != nil || got.cache != "pass" {
		t.Errorf("a page that the write does not know: %q, %v, want it past the cache", got.cache, err)
	}
	server.FastForward(ownWritesFor + time.Millisecond)
	store.replay()
	store.from = nil
	wantRead(t, writer, c, "hit", "new")
	server.Del("user:1")
	wantRead(t, writer, c, "miss", "new")
	if len(store.from) != 1 || store.from[0] != "replica" {
		t.Errorf("after own_writes_for, read from %v, want one read of a replica", store.from)
	}
	if c.passes.Load() != 2 || c.errors.Load() != 0 {
		t.Errorf("%d passes, %d errors, want 2 and 0", c.passes.Load(), c.errors.Load())
	}
}

// The trap: somebody else's miss, between the write and its arrival at the
// replica.
func TestLaggingReplicaDoesNotPoisonTheCache(t *testing.T) {
	for _, marked := range []bool{true, false} {
		c, store, server := newOwnWrites(t, marked)
		want := map[bool]string{true: "new", false: "old"}[marked] // read blindly, the trap closes
		rename(t, t.Context(), c, "new")
		wantRead(t, t.Context(), c, "miss", want)
		store.replay()
		server.FastForward(30 * time.Second)
		wantRead(t, t.Context(), c, "hit", want)
	}
}

// The race of cache-aside itself: read before a write, stored after it.
func TestSlowMissIsNotStored(t *testing.T) {
	for _, wroteBefore := range []bool{false, true} { // with a mark already there, too
		c, store, server := newOwnWrites(t, true)
		if wroteBefore {
			rename(t, t.Context(), c, "old")
		}
		c.pages = readerFunc(func(ctx context.Context, k key) (page, error) {
			old, err := store.read(ctx, k)
			rename(t, t.Context(), c, "new")
			return old, err
		})
		wantRead(t, t.Context(), c, "miss", "old")
		if server.Exists("user:1") {
			t.Error("a page read before the write was stored after it")
		}
		c.pages = store
		wantRead(t, t.Context(), c, "miss", "new")
		wantRead(t, t.Context(), c, "hit", "new")
	}
}

func TestPageThatTookTooLongIsNotStored(t *testing.T) {
	c, _, server := newOwnWrites(t, true)
	err := c.cache.keep(t.Context(), key{pageUser, 1}, looked{at: time.Now().Add(-ownWritesFor)}, []byte("old"))
	if err != nil || server.Exists("user:1") {
		t.Errorf("stored %v, %v", server.Exists("user:1"), err)
	}
}

func TestBlindReadsLeaveNoMarks(t *testing.T) {
	c, _, server := newOwnWrites(t, false)
	session := inSession(t, "7")
	rename(t, session, c, "new")
	wantRead(t, session, c, "miss", "old")
	if keys := server.Keys(); len(keys) != 1 || keys[0] != "user:1" {
		t.Errorf("keys %v, want the page alone", keys)
	}
	if ttl := server.TTL("user:1"); ttl != time.Minute {
		t.Errorf("TTL %v, want a minute", ttl)
	}
}

func TestSessionWithoutMarksReadsThePrimary(t *testing.T) {
	c, store, server := newOwnWrites(t, true)
	server.Close()
	rename(t, t.Context(), c, "new")
	wantRead(t, inSession(t, "7"), c, "miss", "new")
	wantRead(t, t.Context(), c, "miss", "old")
	if c.errors.Load() != 3 || len(store.from) != 2 {
		t.Errorf("%d errors, read from %v", c.errors.Load(), store.from)
	}
}

func TestSearchesOfASession(t *testing.T) {
	asked := ""
	under := searcherFunc(func(ctx context.Context, _ string) ([]Found, error) {
		asked = map[bool]string{true: "primary", false: "replica"}[readsPrimary(ctx)]
		return nil, nil
	})
	tests := []struct {
		session string
		wrote   bool
		err     error
		want    string
	}{
		{"", true, nil, "replica"},
		{"7", false, nil, "replica"},
		{"7", true, nil, "primary"},
		{"7", false, errBroken, "primary"},
	}
	for _, test := range tests {
		s := ownSearch{under, func(context.Context, int64) (bool, error) { return test.wrote, test.err }}
		ctx := t.Context()
		if test.session != "" {
			ctx = inSession(t, test.session)
		}
		if _, err := s.search(ctx, "w1"); err != nil || asked != test.want {
			t.Errorf("%+v: asked the %s, %v", test, asked, err)
		}
	}
}

type searcherFunc func(context.Context, string) ([]Found, error)

func (f searcherFunc) search(ctx context.Context, word string) ([]Found, error) { return f(ctx, word) }
