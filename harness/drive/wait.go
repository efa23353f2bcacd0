// SPDX-License-Identifier: Apache-2.0

package drive

import (
	"context"
	"time"

	"golang.org/x/sys/unix"
)

// sleep returns true after d, or false when ctx ends before.
func sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// waitUntil returns when at has passed since the epoch, or when ctx ends. The
// runtime's timers keep to a millisecond; the last two are left to the
// kernel's, which keep to some 60 µs.
func waitUntil(ctx context.Context, epoch time.Time, at time.Duration) {
	const coarse = 2 * time.Millisecond
	if left := at - time.Since(epoch); left > coarse && !sleep(ctx, left-coarse) {
		return
	}
	for {
		left := at - time.Since(epoch)
		if left <= 0 {
			return
		}
		pause := unix.NsecToTimespec(int64(left))
		// A signal ends it early: the loop looks again.
		_ = unix.Nanosleep(&pause, nil)
	}
}
