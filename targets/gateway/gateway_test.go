// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"

	"headroom/scenarios"
	"headroom/targets/machine/spec"
	"headroom/targets/valkeypool"
)

// service answers its name and what it was asked.
func service(t *testing.T, name string) *httptest.Server {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		w.Header().Set(correlationHeader, r.Header.Get(correlationHeader))
		w.Header().Set("X-Service", name)
		fmt.Fprintf(w, "%s %s %s %s", r.Method, r.RequestURI, r.Header.Get(sessionHeader), body)
	}))
	t.Cleanup(s.Close)
	return s
}

type door struct {
	http.Handler
	cache *miniredis.Miniredis
}

func newDoor(t *testing.T, limit int, upstreams ...string) door {
	t.Helper()
	server := miniredis.RunT(t)
	c := Config{Limiter: "sliding", Limit: limit, Window: time.Hour, Upstreams: upstreams}
	cache := valkeypool.Open(server.Addr(), 10*time.Second)
	log := slog.New(slog.NewJSONHandler(io.Discard, nil))
	p := newProxy(upstreams, log)
	t.Cleanup(func() {
		p.close()
		_ = cache.Close()
	})
	g := &gateway{limiter: newLimiter(cache, c), proxy: p, log: log, config: c}
	return door{g.routes(cache.Ping), server}
}

func (d door) do(method, target, body string, headers ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, target, strings.NewReader(body))
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	d.ServeHTTP(w, r)
	return w
}

func (d door) count(t *testing.T, name string) int64 {
	t.Helper()
	counts := map[string]int64{}
	if err := json.Unmarshal(d.do("GET", "/internal/counters", "").Body.Bytes(), &counts); err != nil {
		t.Fatal(err)
	}
	n, known := counts[name]
	if !known {
		t.Fatalf("no counter %s in %v", name, counts)
	}
	return n
}

func address(s *httptest.Server) string { return s.Listener.Addr().String() }

func TestPassesOn(t *testing.T) {
	d := newDoor(t, 10, address(service(t, "one")))
	got := d.do("POST", "/api/orders?user=1", "body", sessionHeader, "s1", correlationHeader, "mine")
	if got.Code != 200 || got.Body.String() != "POST /api/orders?user=1 s1 body" {
		t.Errorf("%d %s", got.Code, got.Body)
	}
	if ids := got.Header()[correlationHeader]; len(ids) != 1 || ids[0] != "mine" {
		t.Errorf("correlation ids %q, want the client's, once", ids)
	}
	for _, bad := range []string{"", "two words", strings.Repeat("x", maxWord+1)} {
		got := d.do("GET", "/assets/a.css", "", correlationHeader, bad)
		if ids := got.Header()[correlationHeader]; len(ids) != 1 || ids[0] == bad || ids[0] == "" {
			t.Errorf("correlation id %q becomes %q", bad, ids)
		}
	}
	if n := d.count(t, "sessions_created_total"); n != 1 {
		t.Errorf("%d sessions", n)
	}
}

func TestInsidesStayInside(t *testing.T) {
	d := newDoor(t, 10, address(service(t, "one")))
	for _, path := range []string{"/metrics", "/internal/audit", "/", "/apis", "/internal/../metrics"} {
		if got := d.do("GET", path, ""); got.Code == 200 || got.Header().Get("X-Service") != "" {
			t.Errorf("%s reaches the service: %d %s", path, got.Code, got.Body)
		}
	}
}

func TestLimitsSessionsOnly(t *testing.T) {
	d := newDoor(t, 2, address(service(t, "one")))
	for i, want := range []int{200, 200, 429, 429} {
		got := d.do("GET", "/api/feed", "", sessionHeader, "s1")
		if got.Code != want {
			t.Fatalf("request %d: %d, want %d", i+1, got.Code, want)
		}
		if want == 429 && (got.Header().Get("Retry-After") == "" || got.Header().Get(correlationHeader) == "" || !strings.Contains(got.Body.String(), `{"error":"more than 2 requests in 1h0m0s`)) {
			t.Errorf("%v %s", got.Header(), got.Body)
		}
		if anonymous := d.do("GET", "/api/feed", ""); anonymous.Code != 200 {
			t.Errorf("without a session: %d", anonymous.Code)
		}
	}
	if got := d.do("GET", "/api/feed", "", sessionHeader, "a b"); got.Code != 400 {
		t.Errorf("a session that is no word: %d", got.Code)
	}
	if r, l, e := d.count(t, "requests_total"), d.count(t, "limited_total"), d.count(t, "errors_total"); r != 9 || l != 2 || e != 0 {
		t.Errorf("%d requests, %d limited, %d errors", r, l, e)
	}
}

func TestTurnsRoundItsUpstreams(t *testing.T) {
	d := newDoor(t, 1, address(service(t, "one")), address(service(t, "two")))
	answered := map[string]int{}
	for range 10 {
		answered[d.do("GET", "/api/feed", "").Header().Get("X-Service")]++
	}
	if answered["one"] != 5 || answered["two"] != 5 {
		t.Errorf("answered %v", answered)
	}
}

func TestFailsOpenWithoutItsCache(t *testing.T) {
	d := newDoor(t, 1, address(service(t, "one")))
	d.cache.Close()
	for range 3 {
		if got := d.do("GET", "/api/feed", "", sessionHeader, "s1"); got.Code != 200 {
			t.Errorf("%d %s", got.Code, got.Body)
		}
	}
	if n := d.count(t, "limiter_errors_total"); n != 3 {
		t.Errorf("%d limiter errors", n)
	}
	if got := d.do("GET", "/health", ""); got.Code != 503 || !strings.Contains(got.Body.String(), `"cache"`) {
		t.Errorf("health %d %s", got.Code, got.Body)
	}
}

func TestUpstreamAway(t *testing.T) {
	gone := service(t, "gone")
	away := address(gone)
	gone.Close()
	d := newDoor(t, 1, away)
	if got := d.do("GET", "/api/feed", ""); got.Code != 502 || d.count(t, "errors_total") != 1 {
		t.Errorf("%d %s, %d errors", got.Code, got.Body, d.count(t, "errors_total"))
	}
	if got := d.do("GET", "/health", ""); got.Code != 503 || !strings.Contains(got.Body.String(), `"upstream"`) {
		t.Errorf("health %d %s", got.Code, got.Body)
	}
	half := newDoor(t, 1, away, address(service(t, "one")))
	if got := half.do("GET", "/health", ""); got.Code != 200 {
		t.Errorf("one of two is there: %d %s", got.Code, got.Body)
	}
}

func TestConfigFromProcess(t *testing.T) {
	p := spec.Process{Name: "g", Kind: "gateway", Port: 8081,
		Settings: map[string]string{"limiter": "fixed", "rate_limit": "7", "rate_window": "1m"},
		Links:    map[scenarios.Role][]string{"upstream": {"a:1", "b:2"}, "cache": {"c:3"}}}
	c, err := ConfigFromProcess(p)
	if err != nil || c.Listen != ":8081" || len(c.Upstreams) != 2 || c.Cache != "c:3" || c.Limiter != "fixed" || c.Limit != 7 || c.Window != time.Minute {
		t.Errorf("%+v, %v", c, err)
	}
	for name, value := range map[string]string{"limiter": "x", "rate_limit": "0", "rate_window": "1us"} {
		kept := p.Settings[name]
		p.Settings[name] = value
		if _, err := ConfigFromProcess(p); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s %q: %v", name, value, err)
		}
		p.Settings[name] = kept
	}
}
