package drive

import (
	"time"

	"golang.org/x/sys/unix"
)

// readUsage reads what the calling thread and, if asked for, the process have
// used.
func readUsage(now time.Duration, wholeProcess bool) reading {
	r := reading{at: now, known: true}
	r.thread, _ = cpuTime(unix.RUSAGE_THREAD)
	if wholeProcess {
		r.process, r.maxRSSKB = cpuTime(unix.RUSAGE_SELF)
		r.throttled = throttledTime()
	}
	return r
}

// cpuTime returns the CPU time and the peak memory of a thread or process.
func cpuTime(who int) (cpu time.Duration, maxRSSKB int64) {
	var r unix.Rusage
	if err := unix.Getrusage(who, &r); err != nil {
		return 0, 0 // cannot be: who is one of two constants
	}
	return time.Duration(r.Utime.Nano() + r.Stime.Nano()), r.Maxrss
}
