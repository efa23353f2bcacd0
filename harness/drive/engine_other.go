//go:build !linux

package drive

import (
	"context"
	"runtime"
	"time"

	"headroom/harness/drive/mix"
)

// sendLoops has no event loop on this system; vegeta takes its place.
func (c *Client) sendLoops(ctx context.Context, job *Job, requests *mix.Mix, watch *watcher) (result, error) {
	return sendVegeta(ctx, job, requests, watch, c.Results)
}

// kept is empty: vegeta keeps its own connections, for one job.
type kept struct{}

func (kept) close() {}

// connectionCap has no limits to read on this system.
func connectionCap(job *Job, _, _, _ int) (int, error) {
	if job.Connections > 0 {
		return job.Connections, nil
	}
	const modest = 1000
	return min(job.MaxInFlight, modest), nil
}

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
