// SPDX-License-Identifier: Apache-2.0

package shop

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"headroom/targets/shop/store"
	"headroom/targets/shop/storetest"
)

func TestPurgeAfterAPost(t *testing.T) {
	asked := make(chan string, 100)
	edge := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { asked <- r.Method + " " + r.URL.Path }))
	defer edge.Close()
	p := newPurges(quiet, strings.TrimPrefix(edge.URL, "http://"))
	db := &storetest.Fake{}
	w := purging{db, p.feed}
	for i, test := range []struct {
		err  error
		post bool
		due  int
	}{{nil, true, 1}, {nil, false, 0}, {errBroken, true, 0}} {
		db.Err = test.err
		if test.post {
			_, _ = w.CreatePost(t.Context(), store.NewPost{Author: 1})
		} else {
			_, _ = w.CreateOrder(t.Context(), store.NewOrder{User: 1})
		}
		if len(p.edges[0].due) != test.due {
			t.Errorf("write %d: %d purges due, want %d: a post that was written purges, nothing else", i, len(p.edges[0].due), test.due)
		}
		if test.due > 0 {
			<-p.edges[0].due
			p.send(t.Context(), p.edges[0].address)
		}
	}
	if got := <-asked; got != "PURGE /api/feed" || p.done.Load() != 1 || p.failures.Load() != 0 {
		t.Errorf("edge was asked %q; %d purges, %d failures, want 1 and 0", got, p.done.Load(), p.failures.Load())
	}
}

// An edge that is slow holds up no write and loses no purge.
func TestSlowEdge(t *testing.T) {
	began, finish := make(chan struct{}, 100), make(chan struct{})
	edge := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		began <- struct{}{}
		<-finish
		w.WriteHeader(http.StatusForbidden)
	}))
	defer edge.Close()
	p := newPurges(quiet, strings.TrimPrefix(edge.URL, "http://"))
	stop := inBackground(t.Context(), p.run)
	p.feed()
	<-began
	for range 1000 { // during the first purge: one more serves them all
		p.feed()
	}
	close(finish)
	<-began
	stop()
	if p.done.Load() != 2 || p.failures.Load() != 2 {
		t.Errorf("%d purges, %d failures, want 2 and 2", p.done.Load(), p.failures.Load())
	}
}

func TestPurgesEndWithTheirContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	p := newPurges(quiet, "127.0.0.1:1", "127.0.0.1:2")
	stop := inBackground(ctx, p.run)
	cancel()
	stop()
	p.feed()
	p.feed() // nobody takes them, and nobody waits
	if p.done.Load() != 0 {
		t.Errorf("%d purges after the end", p.done.Load())
	}
}
