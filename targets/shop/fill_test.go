// SPDX-License-Identifier: Apache-2.0

package shop

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"

	"headroom/targets/machine/spec"
	"headroom/targets/shop/fill"
)

func newFiller(t *testing.T, store reader) (*filler, *miniredis.Miniredis) {
	t.Helper()
	server := miniredis.RunT(t)
	v := openValkey(server.Addr())
	t.Cleanup(func() { _ = v.pool.Close() })
	return &filler{v, store, 3}, server
}

func askToFill(f *filler, body string) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	f.ServeHTTP(w, httptest.NewRequest(http.MethodPost, spec.FillPath, strings.NewReader(body)))
	return w
}

// More pages than one batch holds: each is there afterwards, as the database has
// it, for as long as was asked.
func TestFill(t *testing.T) {
	store := &fakeStore{pages: map[string]string{}}
	wanted := spec.FillPages{"user:9999": 500} // no such user
	for id := range 3*fillBatch + 7 {
		name := fmt.Sprintf("post:%d", id+1)
		store.pages[name], wanted[name] = "text of "+name, int64(1000+id)
	}
	f, server := newFiller(t, store)
	if err := server.Set("post:1", "newer"); err != nil {
		t.Fatal(err)
	}
	body, err := json.Marshal(wanted)
	if err != nil {
		t.Fatal(err)
	}
	w := askToFill(f, string(body))
	var answer spec.Filled
	if err := json.Unmarshal(w.Body.Bytes(), &answer); err != nil || w.Code != http.StatusOK || answer.Filled != len(wanted)-1 {
		t.Fatalf("%d %s, %v; want %d filled", w.Code, w.Body, err, len(wanted)-1)
	}
	for name, text := range store.pages {
		got, err := server.Get(name)
		if name == "post:1" {
			text = "newer" // what the cache holds is not overwritten
		} else if ttl := server.TTL(name); ttl != time.Duration(wanted[name])*time.Millisecond {
			t.Errorf("%s is kept for %v, want %d ms", name, ttl, wanted[name])
		}
		if err != nil || got != text {
			t.Errorf("%s is %q, %v; want %q", name, got, err, text)
		}
	}
	if server.Exists("user:9999") {
		t.Error("a page that does not exist is in the cache")
	}
}

// A replica may lag behind what was written a moment ago.
func TestFillReadsPrimaries(t *testing.T) {
	store := &laggingStore{fakeStore: fakeStore{pages: map[string]string{"user:1": "old"}}, primary: map[string]string{"user:1": "new"}}
	f, server := newFiller(t, store)
	if w := askToFill(f, `{"user:1":1000}`); w.Code != http.StatusOK {
		t.Fatalf("%d %s", w.Code, w.Body)
	}
	if got, err := server.Get("user:1"); got != "new" || err != nil {
		t.Errorf("the cache holds %q, %v; want the primary's", got, err)
	}
}

func TestFillRefuses(t *testing.T) {
	broken := &fakeStore{err: errBroken}
	for _, test := range []struct {
		name, body string
		store      reader
		status     int
		says       string
	}{
		{"not JSON", "user:1", &fakeStore{}, http.StatusBadRequest, "want names of pages"},
		{"no page", `{"session:1":5}`, &fakeStore{}, http.StatusInternalServerError, `"session:1" is the name of no page`},
		{"no id", `{"user:x":5}`, &fakeStore{}, http.StatusInternalServerError, `"user:x" is the name of no page`},
		{"database away", `{"user:1":5}`, broken, http.StatusInternalServerError, "read user:1"},
	} {
		f, _ := newFiller(t, test.store)
		if w := askToFill(f, test.body); w.Code != test.status || !strings.Contains(w.Body.String(), test.says) {
			t.Errorf("%s: %d %s; want %d and %q", test.name, w.Code, w.Body, test.status, test.says)
		}
	}
}

func TestFillSaysWhenTheCacheIsAway(t *testing.T) {
	f, server := newFiller(t, &fakeStore{pages: map[string]string{"user:1": "one"}})
	server.Close()
	if w := askToFill(f, `{"user:1":1000}`); w.Code != http.StatusInternalServerError {
		t.Errorf("%d %s, want an error", w.Code, w.Body)
	}
}

// recordedCache is always empty, and keeps the names of what it is asked for
// and told.
type recordedCache struct{ looked, stale []string }

func (c *recordedCache) look(_ context.Context, k key) (looked, error) {
	c.looked = append(c.looked, k.String())
	return looked{}, nil
}

func (c *recordedCache) keep(context.Context, key, looked, []byte) error { return nil }

func (c *recordedCache) wrote(_ context.Context, pages ...key) error {
	c.stale = append(c.stale, names(pages)...)
	return nil
}

// What fill.Touched says of a request is what the shop does with its cache. The
// page of a new post is left out: nobody can have asked for it.
func TestTouchedIsWhatTheShopDoes(t *testing.T) {
	const created = "post:7" // by fakeStore
	for _, request := range [][3]string{
		{"GET", "/api/users/42"}, {"GET", "/api/posts/5"}, {"GET", "/api/feed"}, {"GET", "/api/orders?user=42"},
		{"GET", "/api/search?q=w7"}, {"GET", "/assets/17"},
		{"PUT", "/api/users/42", `{"name":"Ada","bio":"b"}`},
		{"POST", "/api/posts", `{"author":1,"title":"T","body":"B"}`},
		{"POST", "/api/orders", `{"user":42,"item":"i","amount_cents":5}`},
		{"POST", "/api/checkout", `{"user":42,"item":"i","amount_cents":5}`},
		{"POST", "/api/gifts", `{"from":42,"to":43,"item":"i","amount_cents":5}`},
	} {
		method, target, body := request[0], request[1], request[2]
		cache, m := &recordedCache{}, newMetrics()
		store := &fakeStore{pages: map[string]string{"user:42": "{}", "post:5": "{}", "feed:0": "{}", "orders:42": "{}"}}
		aside := &cacheAside{cache: cache, pages: store, store: store, log: quiet()}
		a := &api{reader: aside, writer: aside, searcher: store, confirmer: &fakeConfirmer{}}
		w := httptest.NewRecorder()
		routes(a, m, counters(m), nil, quiet()).ServeHTTP(w, httptest.NewRequest(method, target, strings.NewReader(body)))
		if w.Code >= 300 {
			t.Errorf("%s %s: %d %s", method, target, w.Code, w.Body)
		}
		stale := slices.DeleteFunc(cache.stale, func(name string) bool { return name == created })
		reads, wantStale := fill.Touched(method, target, []byte(body))
		if strings.Join(cache.looked, " ") != reads || !slices.Equal(stale, wantStale) {
			t.Errorf("%s %s: the shop looks for %v and makes %v stale; fill.Touched says %q and %v", method, target, cache.looked, stale, reads, wantStale)
		}
	}
}
