// SPDX-License-Identifier: Apache-2.0

// Package host reads what the kernel tells about this computer and its processes. No
// other package takes measurements from procfs and cgroups.
//
//   - process.go reads the process table: trees of processes and their use.
//   - cgroup.go reads the cgroup of this process, in version 1 or 2, and
//     cgroup_other.go finds the cgroup of another process.
//   - host.go reads the rest: the host's CPU time, its name and its size.
//
// github.com/prometheus/procfs parses procfs. Code that parses by hand says why. That
// library reads no counters of cgroups, so cgroup.go does. A file that can't be read
// gives an error that names the file, never a zero.
package host

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/procfs"
	"golang.org/x/sys/unix"
)

// procRoot is where procfs is mounted. Tests read other folders.
const procRoot = "/proc"

// tick is the unit of the CPU times in procfs. The kernel's USER_HZ is 100 on
// every architecture that Go supports.
const tick = time.Second / 100

// read reads a file of the procfs that is mounted at root.
func read[T any](root string, file func(procfs.FS) (T, error)) (value T, err error) {
	proc, err := procfs.NewFS(root)
	if err != nil {
		return value, err
	}
	return parsed(func() (T, error) { return file(proc) })
}

// parsed turns a panic of the library into an error: the library indexes the
// fields of a line without counting them.
func parsed[T any](file func() (T, error)) (value T, err error) {
	defer func() {
		switch reason := recover().(type) {
		case nil:
		case runtime.Error:
			err = fmt.Errorf("not in the kernel's form: %w", reason)
		default:
			panic(reason)
		}
	}()
	return file()
}

// CPUTime is CPU time since boot, of all cores or of one. Only the difference of
// two readings says something.
type CPUTime struct {
	Stolen time.Duration // taken by the hypervisor
	Idle   time.Duration // the waiting for disks included
	Total  time.Duration // Stolen and Idle included
}

// Since is the time from start to t.
func (t CPUTime) Since(start CPUTime) CPUTime {
	return CPUTime{Stolen: t.Stolen - start.Stolen, Idle: t.Idle - start.Idle, Total: t.Total - start.Total}
}

// BusyShare is the share of a difference that was used or stolen, 0 of no time.
func (t CPUTime) BusyShare() float64 { return share(t.Total-t.Idle, t.Total) }

// StolenShare is the share of a difference that was stolen, 0 of no time.
func (t CPUTime) StolenShare() float64 { return share(t.Stolen, t.Total) }

func share(part, whole time.Duration) float64 {
	if whole <= 0 {
		return 0
	}
	return float64(part) / float64(whole)
}

// ReadCPUTime reads the CPU time of all cores. A container reads its host's.
func ReadCPUTime() (CPUTime, error) { return readCPUTime(procRoot, "cpu") }

// ReadCoreTime reads the CPU time of one core.
func ReadCoreTime(core int) (CPUTime, error) {
	return readCPUTime(procRoot, "cpu"+strconv.Itoa(core))
}

// readCPUTime reads the named line of /proc/stat.
//
// The library is not used: it parses the lines of all cores and interrupts, which
// takes 1.3 ms with 128 cores. The driver reads this line every second in the
// thread that sends.
func readCPUTime(root, name string) (CPUTime, error) {
	text, err := os.ReadFile(root + "/stat")
	if err != nil {
		return CPUTime{}, err
	}
	for line := range bytes.Lines(text) {
		times, found := bytes.CutPrefix(line, []byte(name+" "))
		if !found {
			continue
		}
		t, err := parseCPUTime(string(times))
		if err != nil {
			return CPUTime{}, fmt.Errorf("%s/stat: line %q: %w", root, bytes.TrimSpace(line), err)
		}
		return t, nil
	}
	return CPUTime{}, fmt.Errorf("%s/stat: no line %q", root, name)
}

// parseCPUTime leaves the last two times out: guests' times are part of the users'
// times.
func parseCPUTime(text string) (CPUTime, error) {
	const idle, waiting, stolen, guest = 3, 4, 7, 8
	fields := strings.Fields(text)
	if len(fields) < guest {
		return CPUTime{}, errors.New("too few times")
	}
	var t CPUTime
	for i, field := range fields[:guest] {
		ticks, err := strconv.ParseInt(field, 10, 64)
		if err != nil {
			return CPUTime{}, err
		}
		took := time.Duration(ticks) * tick
		t.Total += took
		switch i {
		case idle, waiting:
			t.Idle += took
		case stolen:
			t.Stolen = took
		}
	}
	return t, nil
}

// ErrNoInterface says that a process's network has no eth interface to read.
var ErrNoInterface = errors.New("no eth interface")

// NetworkBytes is what the eth interfaces of this process's network have
// received and sent. The loopback is no traffic between machines. Without an eth
// interface the error is ErrNoInterface.
func NetworkBytes() (received, sent int64, err error) { return networkBytes(procRoot) }

func networkBytes(root string) (received, sent int64, err error) {
	interfaces, err := read(root, procfs.FS.NetDev)
	if err != nil {
		return 0, 0, fmt.Errorf("%s/net/dev: %w", root, err)
	}
	found := false
	for name, line := range interfaces {
		if strings.HasPrefix(name, "eth") {
			found = true
			received += int64(line.RxBytes)
			sent += int64(line.TxBytes)
		}
	}
	if !found {
		return 0, 0, fmt.Errorf("%s/net/dev: %w", root, ErrNoInterface)
	}
	return received, sent, nil
}

// CPUModel is the name of the first core's model.
func CPUModel() (string, error) { return cpuModel(procRoot) }

func cpuModel(root string) (string, error) {
	cores, err := read(root, procfs.FS.CPUInfo)
	if err == nil && (len(cores) == 0 || cores[0].ModelName == "") {
		err = errors.New("no model name")
	}
	if err != nil {
		return "", fmt.Errorf("%s/cpuinfo: %w", root, err)
	}
	return strings.TrimSpace(cores[0].ModelName), nil
}

// MemoryBytes is how much memory the host has.
func MemoryBytes() (int64, error) { return memoryBytes(procRoot) }

func memoryBytes(root string) (int64, error) {
	memory, err := read(root, procfs.FS.Meminfo)
	if err == nil && memory.MemTotalBytes == nil {
		err = errors.New("no MemTotal")
	}
	if err != nil {
		return 0, fmt.Errorf("%s/meminfo: %w", root, err)
	}
	return int64(*memory.MemTotalBytes), nil
}

// KernelRelease is the kernel's release, as `uname -r` prints it.
func KernelRelease() (string, error) {
	var name unix.Utsname
	if err := unix.Uname(&name); err != nil {
		return "", fmt.Errorf("uname: %w", err)
	}
	return unix.ByteSliceToString(name.Release[:]), nil
}

// BootID changes with every boot of the host.
func BootID() (string, error) {
	text, err := os.ReadFile(procRoot + "/sys/kernel/random/boot_id")
	return strings.TrimSpace(string(text)), err
}

// PIDNamespace names the namespace in which the pids of this process count.
func PIDNamespace() (string, error) { return os.Readlink(procRoot + "/self/ns/pid") }

// MonotonicNanos reads the clock that all processes of a host share, and that
// nobody sets.
func MonotonicNanos() (int64, error) {
	var now unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &now); err != nil {
		return 0, fmt.Errorf("monotonic clock: %w", err)
	}
	return now.Nano(), nil
}
