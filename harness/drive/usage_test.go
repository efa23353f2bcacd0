package drive

import (
	"context"
	"math"
	"testing"
	"time"
)

// The second in which the hypervisor took most is found, and the end of a slice
// that is no whole second is none.
func TestWorstSecond(t *testing.T) {
	var u usage
	for i, stolen := range []float64{0, 2, 2, 42, 42} { // ticks of 200 a second
		now := hostRead{time.Duration(i) * time.Second, hostTime{stolen: stolen, total: 200 * float64(i)}}
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

// The busy share is what is not idle, of all cores, stolen time included.
func TestBusyShare(t *testing.T) {
	started := hostTime{stolen: 5, idle: 100, total: 200}
	for name, test := range map[string]struct {
		now  hostTime
		want float64
	}{
		"idle":                  {hostTime{stolen: 5, idle: 300, total: 400}, 0},
		"one of two cores":      {hostTime{stolen: 5, idle: 200, total: 400}, 0.5},
		"stolen is not for us":  {hostTime{stolen: 55, idle: 250, total: 400}, 0.25},
		"both cores are in use": {hostTime{stolen: 5, idle: 100, total: 400}, 1},
	} {
		if got := test.now.since(started).busyShare(); math.Abs(got-test.want) > 1e-9 {
			t.Errorf("%s: %v, want %v", name, got, test.want)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, known := BusyShare(ctx, time.Hour); known {
		t.Error("a share is known though nothing was waited for")
	}
}
