package shop

import (
	"net/http"
	"net/http/httptest"
	"runtime"
	"testing"
	"time"
)

// Requests to the API use the planted CPU time; what watches the shop does not.
func TestBurning(t *testing.T) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	const planted = 20 * time.Millisecond
	served := 0
	h := burning(planted, http.HandlerFunc(func(http.ResponseWriter, *http.Request) { served++ }))
	used := func(path string) time.Duration {
		before := threadCPU()
		h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, path, nil))
		return threadCPU() - before
	}
	if got := used("/api/feed"); got < planted {
		t.Errorf("a request used %v of CPU, %v are planted", got, planted)
	}
	if got := used("/health"); got >= planted {
		t.Errorf("the health check used %v of CPU", got)
	}
	if served != 2 {
		t.Errorf("%d requests were served, want 2", served)
	}
}
