// SPDX-License-Identifier: Apache-2.0

package harness

import "time"

// stallGap is how long a busy loop may miss before it counts as stalled: a
// time slice that another process got on a quiet machine is shorter.
const stallGap = 5 * time.Millisecond

// StalledShare keeps one core busy for d and returns the share of that time
// in which it was not running, 0 to 1: taken by other work, or by a
// hypervisor that throttles without saying so in its steal counter. On a
// machine that is fit to measure it is close to 0.
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
