// SPDX-License-Identifier: Apache-2.0

package cache

import (
	"context"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"

	"headroom/targets/shop/store"
	"headroom/targets/shop/storetest"
)

// laggingStore answers what a replica has, or a primary when the context asks
// for one. Writes reach the replica when a test says so.
type laggingStore struct {
	storetest.Fake
	primary map[string]string
	from    []string
}

func (s *laggingStore) Read(ctx context.Context, k store.Key) (store.Page, error) {
	if store.ReadsPrimary(ctx) {
		s.from = append(s.from, "primary")
		return store.Page{JSON: []byte(s.primary[k.String()])}, nil
	}
	s.from = append(s.from, "replica")
	return s.Fake.Read(ctx, k)
}

func (s *laggingStore) UpdateUser(_ context.Context, id int64, edit store.UserEdit) (store.User, error) {
	s.primary[store.Key{Kind: store.PageUser, ID: id}.String()] = edit.Name
	return store.User{ID: id, Name: edit.Name}, nil
}

func (s *laggingStore) replay() {
	for name, text := range s.primary {
		s.Pages[name] = text
	}
}

const ownWritesFor = time.Second

// newOwnWrites is a cache-aside over a lagging store, on a Valkey's stand-in;
// marked as with own_writes: primary, else as with replica.
func newOwnWrites(t *testing.T, marked bool) (*Aside, *laggingStore, *miniredis.Miniredis) {
	t.Helper()
	server := miniredis.RunT(t)
	v := OpenValkey(server.Addr())
	t.Cleanup(v.Close)
	db := &laggingStore{Fake: storetest.Fake{Pages: map[string]string{"user:1": "old", "feed:0": "feed"}}, primary: map[string]string{"user:1": "old", "feed:0": "feed"}}
	plain := NewPlain(v, time.Minute, true)
	c := NewAside(plain, db, db, quiet)
	if marked {
		c.cache = NewMarked(plain, ownWritesFor)
	}
	return c, db, server
}

func rename(t *testing.T, ctx context.Context, c *Aside, name string) {
	t.Helper()
	if _, err := c.UpdateUser(ctx, 1, store.UserEdit{Name: name}); err != nil {
		t.Fatal(err)
	}
}

func wantRead(t *testing.T, ctx context.Context, c *Aside, wantCache, wantJSON string) {
	t.Helper()
	got, err := c.Read(ctx, store.Key{Kind: store.PageUser, ID: 1})
	if err != nil || got.Cache != wantCache || string(got.JSON) != wantJSON {
		t.Errorf("read = %q %q %v, want %s %q", got.Cache, got.JSON, err, wantCache, wantJSON)
	}
}

func TestSessionReadsItsOwnWrite(t *testing.T) {
	c, db, server := newOwnWrites(t, true)
	writer, other := store.WithSession(t.Context(), 7), store.WithSession(t.Context(), 8)
	wantRead(t, writer, c, "miss", "old")
	wantRead(t, writer, c, "hit", "old")
	rename(t, writer, c, "new")
	wantRead(t, writer, c, "pass", "new") // the replica still has "old"
	wantRead(t, other, c, "hit", "new")   // the pass refreshed the cache
	if got, err := c.Read(writer, store.Key{Kind: store.PageFeed}); err != nil || got.Cache != "pass" {
		t.Errorf("a page that the write does not know: %q, %v, want it past the cache", got.Cache, err)
	}
	server.FastForward(ownWritesFor + time.Millisecond)
	db.replay()
	db.from = nil
	wantRead(t, writer, c, "hit", "new")
	server.Del("user:1")
	wantRead(t, writer, c, "miss", "new")
	if len(db.from) != 1 || db.from[0] != "replica" {
		t.Errorf("after own_writes_for, read from %v, want one read of a replica", db.from)
	}
	if c.passes.Load() != 2 || c.errors.Load() != 0 {
		t.Errorf("%d passes, %d errors, want 2 and 0", c.passes.Load(), c.errors.Load())
	}
}

// The trap: somebody else's miss, between the write and its arrival at the
// replica.
func TestLaggingReplicaDoesNotPoisonTheCache(t *testing.T) {
	for _, marked := range []bool{true, false} {
		c, db, server := newOwnWrites(t, marked)
		want := map[bool]string{true: "new", false: "old"}[marked] // read blindly, the trap closes
		rename(t, t.Context(), c, "new")
		wantRead(t, t.Context(), c, "miss", want)
		db.replay()
		server.FastForward(30 * time.Second)
		wantRead(t, t.Context(), c, "hit", want)
	}
}

// The race of cache-aside itself: read before a write, stored after it.
func TestSlowMissIsNotStored(t *testing.T) {
	for _, wroteBefore := range []bool{false, true} { // with a mark already there, too
		c, db, server := newOwnWrites(t, true)
		if wroteBefore {
			rename(t, t.Context(), c, "old")
		}
		c.pages = readerFunc(func(ctx context.Context, k store.Key) (store.Page, error) {
			old, err := db.Read(ctx, k)
			rename(t, t.Context(), c, "new")
			return old, err
		})
		wantRead(t, t.Context(), c, "miss", "old")
		if server.Exists("user:1") {
			t.Error("a page read before the write was stored after it")
		}
		c.pages = db
		wantRead(t, t.Context(), c, "miss", "new")
		wantRead(t, t.Context(), c, "hit", "new")
	}
}

func TestPageThatTookTooLongIsNotStored(t *testing.T) {
	c, _, server := newOwnWrites(t, true)
	err := c.cache.Keep(t.Context(), store.Key{Kind: store.PageUser, ID: 1}, Looked{at: time.Now().Add(-ownWritesFor)}, []byte("old"))
	if err != nil || server.Exists("user:1") {
		t.Errorf("stored %v, %v", server.Exists("user:1"), err)
	}
}

func TestBlindReadsLeaveNoMarks(t *testing.T) {
	c, _, server := newOwnWrites(t, false)
	session := store.WithSession(t.Context(), 7)
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
	c, db, server := newOwnWrites(t, true)
	server.Close()
	rename(t, t.Context(), c, "new")
	wantRead(t, store.WithSession(t.Context(), 7), c, "miss", "new")
	wantRead(t, t.Context(), c, "miss", "old")
	if c.errors.Load() != 3 || len(db.from) != 2 {
		t.Errorf("%d errors, read from %v", c.errors.Load(), db.from)
	}
}

func TestSearchesOfASession(t *testing.T) {
	asked := ""
	under := searcherFunc(func(ctx context.Context, _ string) ([]store.Found, error) {
		asked = map[bool]string{true: "primary", false: "replica"}[store.ReadsPrimary(ctx)]
		return nil, nil
	})
	tests := []struct {
		session int64
		wrote   bool
		err     error
		want    string
	}{
		{0, true, nil, "replica"},
		{7, false, nil, "replica"},
		{7, true, nil, "primary"},
		{7, false, errBroken, "primary"},
	}
	for _, test := range tests {
		s := ownSearch{under, func(context.Context, int64) (bool, error) { return test.wrote, test.err }}
		ctx := t.Context()
		if test.session != 0 {
			ctx = store.WithSession(ctx, test.session)
		}
		if _, err := s.Search(ctx, "w1"); err != nil || asked != test.want {
			t.Errorf("%+v: asked the %s, %v", test, asked, err)
		}
	}
}

type searcherFunc func(context.Context, string) ([]store.Found, error)

func (f searcherFunc) Search(ctx context.Context, word string) ([]store.Found, error) {
	return f(ctx, word)
}
