// SPDX-License-Identifier: Apache-2.0

package shop

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"headroom/targets/program"
	"headroom/targets/shop/email"
	"headroom/targets/shop/storetest"
)

var (
	errBroken = errors.New("broken for the test")
	quiet     = slog.New(slog.DiscardHandler)
)

// fakeConfirmer keeps what it is told.
type fakeConfirmer struct {
	refuse, fail error
	sent         []email.Message
	withdrawn    int
}

func (f *fakeConfirmer) Admit() error { return f.refuse }
func (f *fakeConfirmer) Withdraw()    { f.withdrawn++ }
func (f *fakeConfirmer) Confirm(_ context.Context, e email.Message) error {
	f.sent = append(f.sent, e)
	return f.fail
}

// testShop is a shop on fakes.
type testShop struct {
	store   *storetest.Fake
	mail    *fakeConfirmer
	metrics *metrics
	handler http.Handler
	log     *strings.Builder
}

func newTestShop(dependencies ...program.Dependency) *testShop {
	s := &testShop{store: &storetest.Fake{Pages: map[string]string{}}, mail: &fakeConfirmer{}, metrics: newMetrics(), log: &strings.Builder{}}
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
