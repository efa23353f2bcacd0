// SPDX-License-Identifier: Apache-2.0

package drive

import (
	"context"
	"time"

	"golang.org/x/sys/unix"

	"headroom/internal/host"
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
	at  time.Duration
	cpu host.CPUTime
}

// reading is what had been used at one moment.
type reading struct {
	at        time.Duration // since the epoch
	thread    time.Duration // CPU time of the calling thread
	process   time.Duration // CPU time of the process
	throttled time.Duration
	peakBytes int64 // the most memory that was resident
	host      host.CPUTime
	known     bool // whether it was taken: an interrupted slice may have none

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
	share := next.cpu.Since(u.second.cpu).StolenShare()
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
		peakBytes: last.peakBytes, known: last.known,
		host: last.host.Since(u.start.host), worstStolen: u.worstStolen,
	}
}

// readUsage reads what the calling thread and, if asked for, the process have
// used. What can't be read is zero.
func readUsage(now time.Duration, wholeProcess bool) reading {
	r := reading{at: now, known: true}
	r.thread = cpuTime(unix.RUSAGE_THREAD)
	if wholeProcess {
		r.process = cpuTime(unix.RUSAGE_SELF)
		r.peakBytes, _ = host.OwnPeakMemoryBytes()
		r.throttled = host.OwnCgroup().Throttled()
		r.host = readHostTime()
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

// readHostTime is zero when the kernel does not say.
func readHostTime() host.CPUTime {
	t, _ := host.ReadCPUTime()
	return t
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
	start := readHostTime()
	sleep(ctx, d)
	took := readHostTime().Since(start)
	return took.BusyShare(), took.Total > 0 && ctx.Err() == nil
}
