// SPDX-License-Identifier: Apache-2.0

package shop

import (
	"context"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"headroom/targets/shop/cache"
	"headroom/targets/shop/fill"
	"headroom/targets/shop/store"
	"headroom/targets/shop/storetest"
)

// recordedCache is always empty, and keeps the names of what it is asked for
// and told.
type recordedCache struct{ looked, stale []string }

func (c *recordedCache) Look(_ context.Context, k store.Key) (cache.Looked, error) {
	c.looked = append(c.looked, k.String())
	return cache.Looked{}, nil
}

func (c *recordedCache) Keep(context.Context, store.Key, cache.Looked, []byte) error { return nil }

func (c *recordedCache) Wrote(_ context.Context, pages ...store.Key) error {
	for _, k := range pages {
		c.stale = append(c.stale, k.String())
	}
	return nil
}

// What fill.CacheEffects says of a request is what the shop does with its cache. The
// page of a new post is left out: nobody can have asked for it.
func TestCacheEffectsAreWhatTheShopDoes(t *testing.T) {
	const created = "post:7" // by storetest.Fake
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
		recorded, m := &recordedCache{}, newMetrics()
		db := &storetest.Fake{Pages: map[string]string{"user:42": "{}", "post:5": "{}", "feed:0": "{}", "orders:42": "{}"}}
		aside := cache.NewAside(recorded, db, db, quiet)
		a := &api{reader: aside, writer: aside, searcher: db, confirmer: &fakeConfirmer{}}
		w := httptest.NewRecorder()
		routes(a, m, counters(m), nil, quiet).ServeHTTP(w, httptest.NewRequest(method, target, strings.NewReader(body)))
		if w.Code >= 300 {
			t.Errorf("%s %s: %d %s", method, target, w.Code, w.Body)
		}
		stale := slices.DeleteFunc(recorded.stale, func(name string) bool { return name == created })
		reads, wantStale := fill.CacheEffects(method, target, []byte(body))
		if strings.Join(recorded.looked, " ") != reads || !slices.Equal(stale, wantStale) {
			t.Errorf("%s %s: the shop looks for %v and makes %v stale; fill.CacheEffects says %q and %v", method, target, recorded.looked, stale, reads, wantStale)
		}
	}
}
