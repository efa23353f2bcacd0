// SPDX-License-Identifier: Apache-2.0

package shop

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"headroom/targets/program"
	"headroom/targets/shop/email"
	"headroom/targets/shop/postgres"
	"headroom/targets/shop/shards"
	"headroom/targets/shop/store"
)

func TestRoutes(t *testing.T) {
	tests := []struct {
		name, method, target, body string
		status                     int
		holds                      string
	}{
		{"user", "GET", "/api/users/42", "", 200, `"id":42,`},
		{"no such user", "GET", "/api/users/43", "", 404, "not found"},
		{"user that is no number", "GET", "/api/users/x", "", 400, "whole number"},
		{"user below 1", "GET", "/api/users/0", "", 400, "whole number"},
		{"edit", "PUT", "/api/users/42", `{"name":"Ada","bio":"b"}`, 200, `"version":2`},
		{"edit without name", "PUT", "/api/users/42", `{"bio":"b"}`, 400, "name"},
		{"edit that is no JSON", "PUT", "/api/users/42", `name=Ada`, 400, "JSON"},
		{"edit beyond the limit", "PUT", "/api/users/42", `{"name":"` + strings.Repeat("a", bodyLimit) + `"}`, 400, "too large"},
		{"feed", "GET", "/api/feed", "", 200, `"author"`},
		{"post", "GET", "/api/posts/5", "", 200, `"id":5,`},
		{"new post", "POST", "/api/posts", `{"author":1,"title":"T","body":"B"}`, 201, `"id":7,`},
		{"new post of nobody", "POST", "/api/posts", `{"title":"T"}`, 400, "author"},
		{"orders", "GET", "/api/orders?user=42", "", 200, `"orders"`},
		{"orders of nobody", "GET", "/api/orders", "", 400, "whole number"},
		{"new order", "POST", "/api/orders", `{"user":42,"item":"i","amount_cents":5}`, 201, `"id":9,`},
		{"order of nothing", "POST", "/api/orders", `{"user":42}`, 400, "item"},
		{"checkout", "POST", "/api/checkout", `{"user":42,"item":"i","amount_cents":5}`, 201, `"id":9,`},
		{"gift", "POST", "/api/gifts", `{"from":42,"to":43,"item":"i","amount_cents":5}`, 201, `"user":43,`},
		{"gift to oneself", "POST", "/api/gifts", `{"from":42,"to":42,"item":"i","amount_cents":5}`, 400, "two users"},
		{"search", "GET", "/api/search?q=w7", "", 200, `"q":"w7"`},
		{"search for nothing", "GET", "/api/search", "", 400, "word"},
		{"asset", "GET", "/assets/17", "", 200, "/* asset 17 */"},
		{"asset with a bad name", "GET", "/assets/a%20b", "", 400, "asset"},
		{"other method", "DELETE", "/api/feed", "", 405, ""},
		{"other path", "GET", "/api/none", "", 404, ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			s := newTestShop()
			s.store.Pages = map[string]string{"user:42": `{"id":42,"name":"x"}`, "post:5": `{"id":5,"title":"x"}`,
				"feed:0": `{"posts":[{"author":{}}]}`, "orders:42": `{"orders":[]}`}
			got := s.do(t, test.method, test.target, test.body)
			if got.Code != test.status || !strings.Contains(got.Body.String(), test.holds) {
				t.Errorf("%s %s = %d %.200s, want %d with %q", test.method, test.target, got.Code, got.Body, test.status, test.holds)
			}
		})
	}
}

func TestCheckout(t *testing.T) {
	const body = `{"user":42,"item":"item-3","amount_cents":1999}`
	t.Run("confirms to the buyer", func(t *testing.T) {
		s := newTestShop()
		s.do(t, "POST", "/api/checkout", body)
		if len(s.mail.sent) != 1 || s.mail.sent[0].To != "buyer@shop.example" || s.mail.sent[0].Order != 9 {
			t.Errorf("sent %+v, want one e-mail to the buyer of order 9", s.mail.sent)
		}
	})
	t.Run("writes nothing when the queue is full", func(t *testing.T) {
		s := newTestShop()
		s.mail.refuse = email.ErrBusy
		if got := s.do(t, "POST", "/api/checkout", body); got.Code != http.StatusServiceUnavailable || len(s.store.Orders) != 0 {
			t.Errorf("status %d and %d orders, want 503 and none", got.Code, len(s.store.Orders))
		}
	})
	t.Run("gives its place back when there is no order", func(t *testing.T) {
		s := newTestShop()
		s.store.Err = store.ErrNotFound
		if got := s.do(t, "POST", "/api/checkout", body); got.Code != http.StatusNotFound || s.mail.withdrawn != 1 || len(s.mail.sent) != 0 {
			t.Errorf("status %d, withdrawn %d, sent %d, want 404, 1, 0", got.Code, s.mail.withdrawn, len(s.mail.sent))
		}
	})
	t.Run("says that the confirmation failed", func(t *testing.T) {
		s := newTestShop()
		s.mail.fail = email.ErrProvider
		if got := s.do(t, "POST", "/api/checkout", body); got.Code != http.StatusBadGateway || len(s.store.Orders) != 1 {
			t.Errorf("status %d and %d orders, want 502 and 1", got.Code, len(s.store.Orders))
		}
	})
}

func TestMetricsCountTheRealStatus(t *testing.T) {
	s := newTestShop()
	s.do(t, "GET", "/api/users/1", "")
	s.store.Err = errBroken
	s.do(t, "GET", "/api/users/1", "")
	s.do(t, "GET", "/assets/1", "")
	text := s.do(t, "GET", "/metrics", "").Body.String()
	for _, line := range []string{
		`http_requests_total{method="GET",route="/api/users/{id}",status="404"} 1`,
		`http_requests_total{method="GET",route="/api/users/{id}",status="500"} 1`,
		`http_requests_total{method="GET",route="/assets/{name}",status="200"} 1`,
		`http_request_duration_seconds_count{method="GET",route="/api/users/{id}"} 2`,
	} {
		if !strings.Contains(text, line) {
			t.Errorf("metrics lack %s", line)
		}
	}
	if !strings.Contains(s.do(t, "GET", "/internal/counters", "").Body.String(), `"requests_total":3`) {
		t.Error("counters do not say 3 requests")
	}
	var own map[string]float64
	if err := json.Unmarshal(s.do(t, "GET", "/internal/counters", "").Body.Bytes(), &own); err != nil || own["allocations_total"] < 1 {
		t.Errorf("allocations: %v, %v", own["allocations_total"], err)
	}
	if strings.Count(s.log.String(), "\n") != 1 || !strings.Contains(s.log.String(), errBroken.Error()) {
		t.Errorf("log is %q, want one line, for the 500", s.log)
	}
}

func TestCorrelationID(t *testing.T) {
	s := newTestShop()
	for given, keep := range map[string]bool{"abc-123": true, "": false, "two words": false, strings.Repeat("x", 65): false} {
		got := s.do(t, "GET", "/assets/1", "", "X-Correlation-ID", given).Header().Get("X-Correlation-ID")
		if got == "" || (got == given) != keep {
			t.Errorf("given %q, got %q, want it kept: %v", given, got, keep)
		}
	}
}

func TestAssetsAreCacheable(t *testing.T) {
	s := newTestShop()
	first := s.do(t, "GET", "/assets/17", "")
	if first.Body.Len() != assetBytes || !strings.Contains(first.Header().Get("Cache-Control"), "immutable") {
		t.Fatalf("%d bytes, Cache-Control %q", first.Body.Len(), first.Header().Get("Cache-Control"))
	}
	if again := s.do(t, "GET", "/assets/17", ""); again.Body.String() != first.Body.String() {
		t.Error("the same asset has other bytes the second time")
	}
	if known := s.do(t, "GET", "/assets/17", "", "If-None-Match", first.Header().Get("ETag")); known.Code != http.StatusNotModified || known.Body.Len() != 0 {
		t.Errorf("with a known ETag: %d and %d bytes, want 304 and none", known.Code, known.Body.Len())
	}
}

func TestWhoMayKeepAnAnswer(t *testing.T) {
	const public, private = "public, max-age=2", "private, no-store"
	s := newTestShop()
	s.store.Pages = map[string]string{"user:42": `{}`, "post:5": `{}`, "feed:0": `{}`, "orders:42": `{}`}
	for request, want := range map[string]string{
		"GET /api/feed": public, "GET /api/posts/5": public, "GET /api/search?q=w7": public,
		"GET /assets/17":    "public, max-age=31536000, immutable",
		"GET /api/users/42": private, "GET /api/orders?user=42": private,
		"GET /api/posts/6": private, "GET /api/search?q=": private, // errors
		"GET /health": private,
	} {
		method, target, _ := strings.Cut(request, " ")
		if got := s.do(t, method, target, "").Header().Get("Cache-Control"); got != want {
			t.Errorf("%s: Cache-Control %q, want %q", request, got, want)
		}
	}
	if got := s.do(t, "POST", "/api/posts", `{"author":1,"title":"T","body":"B"}`).Header().Get("Cache-Control"); got != private {
		t.Errorf("a write: Cache-Control %q, want %q", got, private)
	}
}

func TestSessionHeader(t *testing.T) {
	s := newTestShop()
	s.store.Pages["user:42"] = `{}`
	for given, want := range map[string]int{"": 200, "42": 200, "0": 400, "-1": 400, "x": 400, "99999999999999999999": 400} {
		if got := s.do(t, "GET", "/api/users/42", "", sessionHeader, given); got.Code != want {
			t.Errorf("session %q: %d, want %d", given, got.Code, want)
		}
	}
}

// What a request says of its session is what the stores are told.
func TestSessionOfARequest(t *testing.T) {
	for given, want := range map[string]int64{"": 0, "42": 42} {
		ctx, err := withSession(t.Context(), http.Header{sessionHeader: []string{given}})
		if got := store.SessionOf(ctx); err != nil || got != want {
			t.Errorf("session %q: %d, %v, want %d", given, got, err, want)
		}
	}
}

func TestErrorsOfShards(t *testing.T) {
	tests := []struct {
		err    error
		status int
		holds  string
	}{
		{shards.AcrossError{First: 1, Second: 2, On: 0, Other: 3}, 409, `"error":"users 1 and 2 live on shards 0 and 3: one transaction cannot span them"`},
		{shards.IncompleteError{Shard: 2, Err: errBroken}, 503, "shard 2 did not answer"},
		{shards.IncompleteError{Shard: 2, Err: store.ErrNotFound}, 404, "not found"},
		{fmt.Errorf("shard 1: %w", store.ErrNotFound), 404, "not found"},
		{fmt.Errorf("shard 1: %w", errBroken), 500, "internal error"},
		{shards.IncompleteError{Shard: 2, Err: context.Canceled}, statusClientGone, "client gone"},
	}
	for _, test := range tests {
		s := newTestShop()
		s.store.Err = test.err
		got := s.do(t, "POST", "/api/gifts", `{"from":1,"to":2,"item":"i","amount_cents":5}`)
		if got.Code != test.status || !strings.Contains(got.Body.String(), test.holds) {
			t.Errorf("%v: %d %s, want %d with %s", test.err, got.Code, got.Body, test.status, test.holds)
		}
	}
}

func TestHealthNamesWhatIsAway(t *testing.T) {
	up := func(context.Context) error { return nil }
	down := func(context.Context) error { return errBroken }
	lesser := func(context.Context) error { return postgres.Degraded{Why: errBroken} }
	tests := []struct {
		name            string
		database, cache func(context.Context) error
		status          int
		holds, lacks    string
	}{
		{"all there", up, up, 200, "healthy", "away"},
		{"database away", down, up, 503, `"database"`, `"cache"`},
		{"cache away", up, down, 503, `"cache"`, `"database"`},
		{"replica away", lesser, up, 200, `"healthy","degraded":{"database":"broken for the test"}`, "away"},
		{"replica and cache away", lesser, down, 503, `"away":{"cache":"broken for the test"},"degraded":{"database"`, "healthy"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			s := newTestShop(program.Dependency{Name: "database", Ping: test.database}, program.Dependency{Name: "cache", Ping: test.cache})
			got := s.do(t, "GET", "/health", "")
			if text := got.Body.String(); got.Code != test.status || !strings.Contains(text, test.holds) || strings.Contains(text, test.lacks) {
				t.Errorf("%d %s, want %d with %s and without %s", got.Code, text, test.status, test.holds, test.lacks)
			}
		})
	}
}
