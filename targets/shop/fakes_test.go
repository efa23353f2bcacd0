// SPDX-License-Identifier: Apache-2.0

package shop

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
)

var errBroken = errors.New("broken for the test")

// fakeStore is a reader, writer and searcher over what a test puts in.
type fakeStore struct {
	mu     sync.Mutex
	pages  map[string]string // by key.String()
	reads  int
	err    error // answered by everything when set
	orders []NewOrder
	edits  []UserEdit
}

func (f *fakeStore) read(_ context.Context, k key) (page, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.reads++
	if f.err != nil {
		return page{}, f.err
	}
	text, ok := f.pages[k.String()]
	if !ok {
		return page{}, errNotFound
	}
	return page{json: []byte(text)}, nil
}

func (f *fakeStore) updateUser(_ context.Context, id int64, edit UserEdit) (User, error) {
	f.edits = append(f.edits, edit)
	return User{ID: id, Name: edit.Name, Bio: edit.Bio, Version: 2}, f.err
}

func (f *fakeStore) createPost(_ context.Context, p NewPost) (Post, error) {
	return Post{ID: 7, Title: p.Title, Author: Author{ID: p.Author}}, f.err
}

func (f *fakeStore) createOrder(_ context.Context, o NewOrder) (Order, error) {
	f.orders = append(f.orders, o)
	return Order{ID: 9, User: o.User, Item: o.Item}, f.err
}

func (f *fakeStore) checkout(ctx context.Context, o NewOrder) (Order, string, error) {
	placed, err := f.createOrder(ctx, o)
	return placed, "buyer@shop.example", err
}

func (f *fakeStore) search(_ context.Context, word string) ([]Found, error) {
	return []Found{{ID: 3, Title: "Amber anchor " + word}}, f.err
}

// fakeConfirmer keeps what it is told.
type fakeConfirmer struct {
	refuse, fail error
	sent         []email
	withdrawn    int
}

func (f *fakeConfirmer) admit() error { return f.refuse }
func (f *fakeConfirmer) withdraw()    { f.withdrawn++ }
func (f *fakeConfirmer) confirm(_ context.Context, e email) error {
	f.sent = append(f.sent, e)
	return f.fail
}

func (f *fakeStore) gift(ctx context.Context, g NewGift) ([2]Order, error) {
	return [2]Order{{ID: 10, User: g.From}, {ID: 11, User: g.To}}, f.err
}

// fakeCache is a pageCache in a map.
type fakeCache struct {
	values map[string][]byte
	err    error
}

func (f *fakeCache) look(_ context.Context, k key) (looked, error) {
	return looked{json: f.values[k.String()]}, f.err
}

func (f *fakeCache) keep(_ context.Context, k key, _ looked, json []byte) error {
	if f.err == nil {
		f.values[k.String()] = json
	}
	return f.err
}

func (f *fakeCache) wrote(_ context.Context, pages ...key) error {
	for _, k := range pages {
		delete(f.values, k.String())
	}
	return f.err
}

func quiet() *slog.Logger { return slog.New(slog.NewJSONHandler(io.Discard, nil)) }

// testShop is a shop on fakes.
type testShop struct {
	store   *fakeStore
	mail    *fakeConfirmer
	metrics *metrics
	handler http.Handler
	log     *strings.Builder
}

func newTestShop(dependencies ...dependency) *testShop {
	s := &testShop{store: &fakeStore{pages: map[string]string{}}, mail: &fakeConfirmer{}, metrics: newMetrics(), log: &strings.Builder{}}
	a := &api{reader: s.store, writer: s.store, searcher: s.store, confirmer: s.mail}
	own := counters(s.metrics)
	own.register(s.metrics.registry)
	s.handler = routes(a, s.metrics, own, dependencies, slog.New(slog.NewJSONHandler(s.log, nil)))
	return s
}

func (s *testShop) do(t *testing.T, method, target, body string, headers ...string) *httptest.ResponseRecorder {
	t.Helper()
	request := httptest.NewRequest(method, target, strings.NewReader(body))
	for i := 0; i+1 < len(headers); i += 2 {
		request.Header.Set(headers[i], headers[i+1])
	}
	recorder := httptest.NewRecorder()
	s.handler.ServeHTTP(recorder, request)
	return recorder
}
