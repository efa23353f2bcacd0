package drive

import (
	"os"
	"strconv"
	"strings"
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
		r.host = readHostTime()
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

// readHostTime reads the first line of /proc/stat, which is the host's in a
// container too. It is zero when it cannot be read.
func readHostTime() hostTime {
	data, err := os.ReadFile("/proc/stat")
	if err != nil {
		return hostTime{}
	}
	first, _, _ := strings.Cut(string(data), "\n")
	fields := strings.Fields(first)
	if len(fields) < 9 || fields[0] != "cpu" {
		return hostTime{}
	}
	var h hostTime
	for i, field := range fields[1:9] { // guest time is already within user's
		ticks, err := strconv.ParseFloat(field, 64)
		if err != nil {
			return hostTime{}
		}
		h.total += ticks
		if i == 7 {
			h.stolen = ticks
		}
	}
	return h
}
