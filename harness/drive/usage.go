package drive

import (
	"context"
	"time"
)

// usage is what the driver used between the start and the end of the slice.
type usage struct {
	wholeProcess bool // read the process's usage too: one loop of a run does
	began, ended bool
	start, total reading
	second       hostRead // the start of the second under way
	worstStolen  float64  // so far
}

// hostRead is the host's CPU time at one moment.
type hostRead struct {
	at   time.Duration
	host hostTime
}

// reading is what had been used at one moment.
type reading struct {
	at        time.Duration // since the epoch
	thread    time.Duration // CPU time of the calling thread
	process   time.Duration // CPU time of the process
	throttled time.Duration
	maxRSSKB  int64
	host      hostTime
	known     bool // whether this system tells anything but the time

	worstStolen float64 // of a difference: the largest share that the hypervisor took of one second
}

// follow takes the readings as now passes from and till. It must be called by
// one thread.
func (u *usage) follow(now, from, till time.Duration) {
	if !u.began && now >= from {
		u.began, u.start = true, readUsage(now, u.wholeProcess)
		u.second = hostRead{now, u.start.host}
	}
	if u.wholeProcess && u.began && !u.ended && now-u.second.at >= time.Second {
		u.nextSecond(hostRead{now, readHostTime()})
	}
	if now >= till {
		u.finish(now)
	}
}

// nextSecond ends a second: what the hypervisor takes at once does more harm
// than the same spread out. The rest of a slice is no second.
func (u *usage) nextSecond(next hostRead) {
	share := next.host.since(u.second.host).stolenShare()
	u.worstStolen, u.second = max(u.worstStolen, share), next
}

// finish takes the last reading, if the first was taken and it was not.
func (u *usage) finish(now time.Duration) {
	if !u.began || u.ended {
		return
	}
	u.ended = true
	last := readUsage(now, u.wholeProcess)
	u.total = reading{
		at: last.at - u.start.at, thread: last.thread - u.start.thread,
		process: last.process - u.start.process, throttled: last.throttled - u.start.throttled,
		maxRSSKB: last.maxRSSKB, known: last.known,
		host: last.host.since(u.start.host), worstStolen: u.worstStolen,
	}
}

// hostTime is CPU time of all the host's cores, in the kernel's ticks.
type hostTime struct {
	stolen float64 // by the hypervisor
	idle   float64 // also while a disk was waited for
	total  float64
}

func (h hostTime) since(start hostTime) hostTime {
	return hostTime{stolen: h.stolen - start.stolen, idle: h.idle - start.idle, total: h.total - start.total}
}

func (h hostTime) busyShare() float64 { return 1 - h.idle/max(h.total, 1) }

func (h hostTime) stolenShare() float64 { return h.stolen / max(h.total, 1) }

// BusyShare waits for d and returns the share of all cores' time that was used
// or stolen meanwhile, 0 to 1. The share is not known where the kernel does not
// say, and when ctx ends first.
func BusyShare(ctx context.Context, d time.Duration) (share float64, known bool) {
	start := readHostTime()
	sleep(ctx, d)
	took := readHostTime().since(start)
	return took.busyShare(), took.total > 0 && ctx.Err() == nil
}
