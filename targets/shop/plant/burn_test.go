// SPDX-License-Identifier: Apache-2.0

package plant

import (
	"net/http"
	"net/http/httptest"
	"testing"
	"time"
)

// Requests to the API burn the planted share of what a request uses by itself,
// also when that changes, and what watches the shop burns nothing.
func TestBurning(t *testing.T) {
	const own = time.Millisecond // CPU time of a request
	var clock time.Duration
	b := newBurner(0.1)
	b.process = func() time.Duration { return clock }
	request := func() time.Duration {
		due := b.due()
		b.add(due)
		clock += due + own
		return due
	}
	for i := 1; i < weighEvery; i++ {
		if due := request(); due != 0 {
			t.Fatalf("request %d burns %v, and nothing is known yet", i, due)
		}
	}
	for range 10 * weighEvery {
		request()
	}
	if due := request(); due < 98*time.Microsecond || due > 100*time.Microsecond {
		t.Errorf("a request burns %v, a tenth of %v is planted", due, own)
	}
}

func TestBurningSparesWhatWatches(t *testing.T) {
	b := newBurner(1)
	served := 0
	h := burning(b, http.HandlerFunc(func(http.ResponseWriter, *http.Request) { served++ }))
	for _, path := range []string{"/api/feed", "/health"} {
		h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, path, nil))
	}
	if served != 2 || b.served != 1 {
		t.Errorf("%d requests were served, %d of them burnt; want 2 and 1", served, b.served)
	}
}

// Burning uses as much CPU time as it says.
func TestBurn(t *testing.T) {
	const d = 20 * time.Millisecond
	before := newBurner(0).process()
	if used := burn(d); used < d {
		t.Errorf("%v were burnt, %v are due", used, d)
	}
	if used := newBurner(0).process() - before; used < d {
		t.Errorf("the process used %v, %v were burnt", used, d)
	}
}
