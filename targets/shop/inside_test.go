// SPDX-License-Identifier: Apache-2.0

package shop

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"reflect"
	"slices"
	"strings"
	"testing"

	"headroom/targets/machine/spec"
	"headroom/targets/shop/shards"
)

func askTheInside(t *testing.T, h http.HandlerFunc, question any, into any) *httptest.ResponseRecorder {
	t.Helper()
	text, isText := question.(string)
	if !isText {
		data, err := json.Marshal(question)
		if err != nil {
			t.Fatal(err)
		}
		text = string(data)
	}
	w := httptest.NewRecorder()
	h(w, httptest.NewRequest(http.MethodPost, "/internal/question", strings.NewReader(text)))
	if w.Code == http.StatusOK {
		if err := json.Unmarshal(w.Body.Bytes(), into); err != nil {
			t.Fatal(err)
		}
	}
	return w
}

// Each request gets its answer at its own place, also one that touches nothing.
func TestServeCacheEffects(t *testing.T) {
	requests := []spec.Request{
		{Method: "GET", Target: "/api/users/7"}, {Method: "GET", Target: "/assets/1"}, {Method: "PUT", Target: "/api/users/7", Body: `{"name":"n"}`},
		{Method: "POST", Target: "/api/checkout", Body: `{"user":3,"item":"i"}`},
	}
	var got []spec.CacheEffect
	askTheInside(t, serveCacheEffects, requests, &got)
	want := []spec.CacheEffect{{Reads: "user:7"}, {}, {Invalidates: []string{"user:7"}}, {Invalidates: []string{"orders:3"}}}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

func TestServeHome(t *testing.T) {
	var got []int
	askTheInside(t, serveHome, spec.HomeQuestion{Table: "posts", Of: 4, Rows: []spec.Row{{ID: 11}, {ID: 12, Session: 5}}}, &got)
	if want := []int{shards.Hash(11, 4), shards.Hash(12, 4)}; !slices.Equal(got, want) {
		t.Errorf("posts are at home in %v, want %v", got, want)
	}
	askTheInside(t, serveHome, spec.HomeQuestion{Table: "orders", Of: 4, Rows: []spec.Row{{ID: 11, Session: 5}, {ID: 12}}}, &got)
	if want := []int{shards.Hash(5, 4), spec.NoHome}; !slices.Equal(got, want) {
		t.Errorf("orders are at home in %v, want %v", got, want)
	}
	askTheInside(t, serveHome, spec.HomeQuestion{Table: "users", Of: 4, Rows: []spec.Row{{ID: 1, Session: 1}}}, &got)
	if want := []int{spec.NoHome}; !slices.Equal(got, want) {
		t.Errorf("a user is at home in %v, want %v", got, want)
	}
}

func TestTheInsideRefuses(t *testing.T) {
	many := make([]spec.Request, spec.MaxQuestion+1)
	rows := make([]spec.Row, spec.MaxQuestion+1)
	for _, test := range []struct {
		name     string
		handler  http.HandlerFunc
		question any
		says     string
	}{
		{"no JSON", serveCacheEffects, "user:1", "is not JSON"},
		{"no JSON", serveHome, "user:1", "is not JSON"},
		{"too many requests", serveCacheEffects, many, "at most 2000"},
		{"too many rows", serveHome, spec.HomeQuestion{Table: "posts", Of: 2, Rows: rows}, "at most 2000"},
		{"no database", serveHome, spec.HomeQuestion{Table: "posts"}, "want at most 2000 rows and a database"},
		{"too long", serveCacheEffects, `[{"method":"` + strings.Repeat("x", spec.MaxQuestionBytes) + `"}]`, "of at most 4 MiB"},
	} {
		if w := askTheInside(t, test.handler, test.question, nil); w.Code != http.StatusBadRequest || !strings.Contains(w.Body.String(), test.says) {
			t.Errorf("%s: %d %.200s; want 400 and %q", test.name, w.Code, w.Body, test.says)
		}
	}
}
