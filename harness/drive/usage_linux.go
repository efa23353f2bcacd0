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
	r.thread = cpuTime(unix.RUSAGE_THREAD)
	if wholeProcess {
		r.process = cpuTime(unix.RUSAGE_SELF)
		r.maxRSSKB = peakMemoryKB()
		r.throttled = throttledTime()
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

// peakMemoryKB is the most memory that this process had resident, 0 when that
// is not known. rusage's figure is inherited over exec, from whoever started us.
func peakMemoryKB() int64 {
	data, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0
	}
	_, after, _ := strings.Cut(string(data), "VmHWM:")
	number, _, _ := strings.Cut(strings.TrimSpace(after), " ")
	kb, _ := strconv.ParseInt(number, 10, 64)
	return kb
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
		switch i {
		case 3, 4:
			h.idle += ticks
		case 7:
			h.stolen = ticks
		}
	}
	return h
}
