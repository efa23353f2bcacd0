// SPDX-License-Identifier: Apache-2.0

package drive

import (
	"context"
	"math"
	"testing"
	"time"

	"headroom/internal/host"
	"headroom/internal/maybe"
)

// The second in which the hypervisor took most is found, and the end of a slice
// that is no whole second is none.
func TestWorstSecond(t *testing.T) {
	var u usage
	for i, stolen := range []time.Duration{0, 2, 2, 42, 42} { // of 200 a second
		now := hostRead{at: time.Duration(i) * time.Second, cpu: host.CPUTime{Stolen: stolen, Total: 200 * time.Duration(i)}}
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
	if !u.ended || u.total.worstStolen != maybe.Of(0) {
		t.Errorf("ended %v, worst second %v", u.ended, u.total.worstStolen)
	}
}

// An unreadable host time makes only the figures that need it unknown. A difference from
// zero would be all the time since boot.
func TestStolenShareOfWhatCannotBeRead(t *testing.T) {
	for name, unread := range map[string][3]bool{"start": {true}, "the second between": {false, true}, "end": {false, false, true}, "nothing": {}} {
		reads := [3]hostRead{}
		for i := range reads {
			reads[i] = hostRead{at: time.Duration(i) * time.Second, unread: unread[i],
				cpu: host.CPUTime{Stolen: 20 * time.Duration(i), Total: 200 * time.Duration(i)}}
		}
		u := usage{second: reads[0]}
		u.nextSecond(reads[1])
		u.nextSecond(reads[2])
		if u.unreadSecond != (name != "nothing") {
			t.Errorf("%s is not read: a second is unread: %v", name, u.unreadSecond)
		}
		want := maybe.Of(0.1)
		if unread[0] || unread[2] {
			want = maybe.Number{}
		}
		if got := reads[2].stolenSince(reads[0]); got != want {
			t.Errorf("%s is not read: stolen %v, want %v", name, got, want)
		}
	}
}

// A slice that ended before its readings were taken has no figures of the driver.
func TestDriverUseWithoutAReading(t *testing.T) {
	if use := (reading{}).driverUse(); len(use.NotKnown()) != 5 {
		t.Errorf("only %q are not known", use.NotKnown())
	}
	zero := maybe.Of(0)
	known := reading{known: true, throttled: zero, peakBytes: maybe.Of(3 << 20), stolen: zero, worstStolen: zero}
	if use := known.driverUse(); len(use.NotKnown()) > 0 || use.CPUSeconds != zero || use.MaxRSSMB != maybe.Of(3) {
		t.Errorf("%+v", use)
	}
}

func TestNoBusyShareOfNoTime(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, known := BusyShare(ctx, time.Hour); known {
		t.Error("a share is known though nothing was waited for")
	}
}
