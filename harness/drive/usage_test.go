// SPDX-License-Identifier: Apache-2.0

package drive

import (
	"context"
	"math"
	"testing"
	"time"

	"headroom/internal/host"
)

// The second in which the hypervisor took most is found, and the end of a slice
// that is no whole second is none.
func TestWorstSecond(t *testing.T) {
	var u usage
	for i, stolen := range []time.Duration{0, 2, 2, 42, 42} { // of 200 a second
		now := hostRead{time.Duration(i) * time.Second, host.CPUTime{Stolen: stolen, Total: 200 * time.Duration(i)}}
		if i == 0 {
			u.second = now
			continue
		}
		u.nextSecond(now)
	}
	if math.Abs(u.worstStolen-0.2) > 1e-9 {
		t.Errorf("the worst second lost %v, want 0.2", u.worstStolen)
	}
}

// A slice of less than a second has no second.
func TestNoWorstSecondOfAMoment(t *testing.T) {
	u := usage{wholeProcess: true}
	for _, at := range []time.Duration{0, 400 * time.Millisecond, 900 * time.Millisecond} {
		u.follow(at, 0, 800*time.Millisecond)
	}
	if !u.ended || u.total.worstStolen != 0 {
		t.Errorf("ended %v, worst second %v", u.ended, u.total.worstStolen)
	}
}

func TestNoBusyShareOfNoTime(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, known := BusyShare(ctx, time.Hour); known {
		t.Error("a share is known though nothing was waited for")
	}
}
