// SPDX-License-Identifier: Apache-2.0

package harness

import "time"

// stallGap is how long a busy loop may be interrupted before the gap counts as a
// stall. On a quiet machine another process gets shorter time slices than this.
const stallGap = 5 * time.Millisecond

// StalledShare keeps one core busy for d. It returns the share of d in which the
// busy loop did not run, 0 to 1. Other work took that time, or a hypervisor that does
// not report its throttling as steal time. On a machine that is fit to measure the
// share is close to 0.
func StalledShare(d time.Duration) float64 {
	begun := time.Now()
	last, lost := begun, time.Duration(0)
	for last.Sub(begun) < d {
		now := time.Now()
		if gap := now.Sub(last); gap > stallGap {
			lost += gap
		}
		last = now
	}
	return lost.Seconds() / last.Sub(begun).Seconds()
}
