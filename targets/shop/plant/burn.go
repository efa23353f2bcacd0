// SPDX-License-Identifier: Apache-2.0

package plant

import (
	"net/http"
	"runtime"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// burner makes every request use a share more CPU time than requests use in this
// process, whatever machine that runs on. It is a planted difference: measuring
// has to find it.
type burner struct {
	share   float64
	process func() time.Duration // CPU time of this process so far

	mu     sync.Mutex
	began  time.Duration // of the process's CPU time, at the first request
	burnt  time.Duration
	served int
	each   time.Duration // what a request burns now
}

// weighEvery so many requests the burner asks anew what a request uses: asking
// costs a microsecond.
const weighEvery = 50

func newBurner(share float64) *burner {
	return &burner{share: share, process: func() time.Duration { return cpuClock(unix.CLOCK_PROCESS_CPUTIME_ID) }}
}

// Burn lets each request to the API burn CPU time before next serves it: so large a
// share of what requests use by themselves.
func Burn(share float64, next http.Handler) http.Handler { return burning(newBurner(share), next) }

// burning lets requests to the API burn before they are served.
func burning(b *burner, next http.Handler) http.Handler {
	if b.share == 0 {
		return next
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path, "/api/") {
			b.add(burn(b.due()))
		}
		next.ServeHTTP(w, r)
	})
}

// due is what the next request burns: nothing as long as too few were served to
// know what one uses.
func (b *burner) due() time.Duration {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.served == 0 {
		b.began = b.process()
	}
	if b.served++; b.served%weighEvery == 0 {
		used := b.process() - b.began - b.burnt
		b.each = max(0, time.Duration(b.share*float64(used)/float64(b.served)))
	}
	return b.each
}

func (b *burner) add(d time.Duration) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.burnt += d
}

// burn spins until this thread has used d of CPU time, and returns what it used:
// what others take from it meanwhile does not count.
func burn(d time.Duration) time.Duration {
	if d == 0 {
		return 0
	}
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	began := threadCPU()
	for {
		if used := threadCPU() - began; used >= d {
			return used
		}
	}
}

func threadCPU() time.Duration { return cpuClock(unix.CLOCK_THREAD_CPUTIME_ID) }

func cpuClock(id int32) time.Duration {
	var now unix.Timespec
	if err := unix.ClockGettime(id, &now); err != nil {
		return time.Duration(time.Now().UnixNano()) // then the clock on the wall has to do
	}
	return time.Duration(now.Nano())
}
