package shop

import (
	"net/http"
	"runtime"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// burning lets every request to the API use so much CPU time for nothing before
// it is served. It is a planted difference: measuring has to find it.
func burning(d time.Duration, next http.Handler) http.Handler {
	if d == 0 {
		return next
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path, "/api/") {
			burn(d)
		}
		next.ServeHTTP(w, r)
	})
}

// burn spins until this thread has used d of CPU time: what others take from it
// meanwhile does not count.
func burn(d time.Duration) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	for began := threadCPU(); threadCPU()-began < d; {
	}
}

func threadCPU() time.Duration {
	var now unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_THREAD_CPUTIME_ID, &now); err != nil {
		return time.Duration(time.Now().UnixNano()) // then the clock on the wall has to do
	}
	return time.Duration(now.Nano())
}
