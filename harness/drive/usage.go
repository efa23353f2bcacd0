// SPDX-License-Identifier: Apache-2.0

package drive

import (
	"context"
	"time"

	"golang.org/x/sys/unix"

	"headroom/harness/record"
	"headroom/internal/host"
	"headroom/internal/maybe"
)

// usage is what the driver used between the start and the end of the slice.
type usage struct {
	wholeProcess bool // read the process's usage too: one loop of a run does
	began, ended bool
	start, total reading
	second       hostRead // the start of the second under way
	worstStolen  float64  // so far
	unreadSecond bool     // a second's end or start could not be read
}

// hostRead is the host's CPU time at one moment.
type hostRead struct {
	at     time.Duration
	cpu    host.CPUTime
	unread bool // the kernel did not say
}

// reading is what had been used at one moment.
type reading struct {
	at        time.Duration // since the epoch
	thread    time.Duration // CPU time of the calling thread
	process   time.Duration // CPU time of the process
	throttled maybe.Number  // seconds
	peakBytes maybe.Number  // the most memory that was resident
	host      hostRead
	known     bool // whether it was taken: an interrupted slice may have none

	// In a difference: the share of the time that the hypervisor took, in all and of
	// the worst second.
	stolen, worstStolen maybe.Number
}

// follow takes the readings when now passes from and till. One thread alone must call
// it.
func (u *usage) follow(now, from, till time.Duration) {
	if !u.began && now >= from {
		u.began, u.start = true, readUsage(now, u.wholeProcess)
		u.second = u.start.host
	}
	if u.wholeProcess && u.began && !u.ended && now-u.second.at >= time.Second {
		u.nextSecond(readHostTime(now))
	}
	if now >= till {
		u.finish(now)
	}
}

// nextSecond ends a second. The worst second matters, because stolen time does more harm
// at once than spread out. The incomplete last second does not count.
func (u *usage) nextSecond(next hostRead) {
	share, known := next.stolenSince(u.second).Get()
	u.worstStolen, u.unreadSecond = max(u.worstStolen, share), u.unreadSecond || !known
	u.second = next
}

// stolenSince is the share of the time since start that the hypervisor took.
func (r hostRead) stolenSince(start hostRead) maybe.Number {
	if r.unread || start.unread {
		return maybe.Number{}
	}
	return maybe.Of(r.cpu.Since(start.cpu).StolenShare())
}

// finish takes the last reading, once, if the first reading was taken.
func (u *usage) finish(now time.Duration) {
	if !u.began || u.ended {
		return
	}
	u.ended = true
	last := readUsage(now, u.wholeProcess)
	u.total = reading{
		at: last.at - u.start.at, thread: last.thread - u.start.thread,
		process: last.process - u.start.process, throttled: maybe.Of(last.throttled.OrNaN() - u.start.throttled.OrNaN()),
		peakBytes: last.peakBytes, known: last.known, stolen: last.host.stolenSince(u.start.host),
	}
	if u.total.stolen.Known() && !u.unreadSecond {
		u.total.worstStolen = maybe.Of(u.worstStolen)
	}
}

// driverUse turns a difference of readings into the driver's use.
func (r reading) driverUse() record.DriverUse {
	use := record.DriverUse{
		CPUs: usableCPUs(), MaxRSSMB: r.peakBytes.Times(1.0 / (1 << 20)),
		ThrottledS: r.throttled, StolenShare: r.stolen, StolenWorstSecond: r.worstStolen,
	}
	if r.known {
		use.CPUSeconds = maybe.Of(r.process.Seconds())
	}
	return use
}

// readUsage reads what the calling thread and, if asked for, the process have
// used. What can't be read is not known.
func readUsage(now time.Duration, wholeProcess bool) reading {
	r := reading{at: now, known: true}
	r.thread = cpuTime(unix.RUSAGE_THREAD)
	if wholeProcess {
		r.process = cpuTime(unix.RUSAGE_SELF)
		if peak, err := host.OwnPeakMemoryBytes(); err == nil {
			r.peakBytes = maybe.Of(float64(peak))
		}
		if throttled, known := host.OwnCgroup().Throttled(); known {
			r.throttled = maybe.Of(throttled.Seconds())
		}
		r.host = readHostTime(now)
	}
	return r
}

// cpuTime returns the CPU time of a thread or process.
func cpuTime(who int) time.Duration {
	var r unix.Rusage
	if err := unix.Getrusage(who, &r); err != nil {
		return 0 // cannot be: who is one of two constants
	}
	return time.Duration(r.Utime.Nano() + r.Stime.Nano())
}

// readHostTime reads the host's CPU time, if the kernel says it.
func readHostTime(now time.Duration) hostRead {
	t, err := host.ReadCPUTime()
	return hostRead{at: now, cpu: t, unread: err != nil}
}

// usableCPUs is how many CPUs this process may use: its cgroups' quota, or the
// cores it may run on, whichever is less.
func usableCPUs() float64 {
	cpus := float64(usableCores())
	if quota, limited := host.OwnCgroup().QuotaCPUs(); limited {
		cpus = min(cpus, quota)
	}
	return cpus
}

func usableCores() int {
	var set unix.CPUSet
	if err := unix.SchedGetaffinity(0, &set); err != nil {
		return 1
	}
	return max(set.Count(), 1)
}

// BusyShare waits for d and returns the share of all cores' time that was used
// or stolen meanwhile, 0 to 1. The share is not known where the kernel does not
// say, and when ctx ends first.
func BusyShare(ctx context.Context, d time.Duration) (share float64, known bool) {
	start := readHostTime(0)
	sleep(ctx, d)
	end := readHostTime(d)
	took := end.cpu.Since(start.cpu)
	return took.BusyShare(), !start.unread && !end.unread && took.Total > 0 && ctx.Err() == nil
}
