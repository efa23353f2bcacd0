// SPDX-License-Identifier: Apache-2.0

package cache

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"

	"headroom/targets/machine/spec"
	"headroom/targets/shop/store"
	"headroom/targets/shop/storetest"
)

func newFiller(t *testing.T, behind store.Reader) (*Filler, *miniredis.Miniredis) {
	t.Helper()
	server := miniredis.RunT(t)
	v := OpenValkey(server.Addr())
	t.Cleanup(v.Close)
	return v.Filler(behind, 3), server
}

func askToFill(f *Filler, body string) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	f.ServeHTTP(w, httptest.NewRequest(http.MethodPost, spec.FillPath, strings.NewReader(body)))
	return w
}

// More pages than one batch holds: each is there afterwards, as the database has
// it, for as long as was asked.
func TestFill(t *testing.T) {
	db := &storetest.Fake{Pages: map[string]string{}}
	wanted := spec.FillPages{"user:9999": 500} // no such user
	for id := range 3*fillBatch + 7 {
		name := fmt.Sprintf("post:%d", id+1)
		db.Pages[name], wanted[name] = "text of "+name, int64(1000+id)
	}
	f, server := newFiller(t, db)
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
	for name, text := range db.Pages {
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
	db := &laggingStore{Fake: storetest.Fake{Pages: map[string]string{"user:1": "old"}}, primary: map[string]string{"user:1": "new"}}
	f, server := newFiller(t, db)
	if w := askToFill(f, `{"user:1":1000}`); w.Code != http.StatusOK {
		t.Fatalf("%d %s", w.Code, w.Body)
	}
	if got, err := server.Get("user:1"); got != "new" || err != nil {
		t.Errorf("the cache holds %q, %v; want the primary's", got, err)
	}
}

func TestFillRefuses(t *testing.T) {
	broken := &storetest.Fake{Err: errBroken}
	for _, test := range []struct {
		name, body string
		store      store.Reader
		status     int
		says       string
	}{
		{"not JSON", "user:1", &storetest.Fake{}, http.StatusBadRequest, "want names of pages"},
		{"no page", `{"session:1":5}`, &storetest.Fake{}, http.StatusInternalServerError, `"session:1" is the name of no page`},
		{"no id", `{"user:x":5}`, &storetest.Fake{}, http.StatusInternalServerError, `"user:x" is the name of no page`},
		{"database away", `{"user:1":5}`, broken, http.StatusInternalServerError, "read user:1"},
	} {
		f, _ := newFiller(t, test.store)
		if w := askToFill(f, test.body); w.Code != test.status || !strings.Contains(w.Body.String(), test.says) {
			t.Errorf("%s: %d %s; want %d and %q", test.name, w.Code, w.Body, test.status, test.says)
		}
	}
}

func TestFillSaysWhenTheCacheIsAway(t *testing.T) {
	f, server := newFiller(t, &storetest.Fake{Pages: map[string]string{"user:1": "one"}})
	server.Close()
	if w := askToFill(f, `{"user:1":1000}`); w.Code != http.StatusInternalServerError {
		t.Errorf("%d %s, want an error", w.Code, w.Body)
	}
}
