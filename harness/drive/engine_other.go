//go:build !linux

package drive

import (
	"context"
	"runtime"
	"time"

	"headroom/harness/drive/mix"
)

// sendLoops has no event loop on this system; net/http takes its place.
func sendLoops(ctx context.Context, job *Job, requests *mix.Mix, watch *watcher) (result, error) {
	return sendPool(ctx, job, requests, watch)
}

// checkLimits has no limits to read on this system.
func checkLimits(*Job, int) error { return nil }

func usableCPUs() float64 { return float64(runtime.NumCPU()) }

// readUsage knows the time alone on this system, and says so.
func readUsage(now time.Duration, _ bool) reading { return reading{at: now} }

func readHostTime() hostTime { return hostTime{} }

// waitUntil returns when at has passed since the epoch, or when ctx ends.
func waitUntil(ctx context.Context, epoch time.Time, at time.Duration) {
	if left := at - time.Since(epoch); left > 0 {
		sleep(ctx, left)
	}
}
