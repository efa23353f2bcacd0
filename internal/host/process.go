// SPDX-License-Identifier: Apache-2.0

package host

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/procfs"
	"golang.org/x/sys/unix"

	"headroom/internal/maybe"
)

// Process is a process at one moment.
type Process struct {
	Parent     int
	State      byte          // a letter of proc(5): Z has ended, and its parent has not asked how
	CPU        time.Duration // user and system time, the reaped children's included
	StartTicks uint64        // from boot to its start: pids are used again, a pid and its start are not
}

// Processes is the process table at one moment, by pid.
type Processes map[int]Process

// ReadProcesses reads the process table. A process that ends meanwhile is left
// out.
func ReadProcesses() (Processes, error) { return readProcesses(procRoot) }

func readProcesses(root string) (Processes, error) {
	listed, err := read(root, procfs.FS.AllProcs)
	if err != nil {
		return nil, err
	}
	processes := make(Processes, len(listed))
	for _, p := range listed {
		process, err := readProcess(p)
		if unreadable(err) {
			continue
		}
		if err != nil {
			return nil, err
		}
		processes[p.PID] = process
	}
	return processes, nil
}

func readProcess(p procfs.Proc) (Process, error) {
	stat, err := parsed(p.Stat)
	if err == nil && len(stat.State) != 1 {
		err = fmt.Errorf("%q is no state", stat.State)
	}
	if err != nil {
		return Process{}, fmt.Errorf("process %d: stat: %w", p.PID, err)
	}
	ticks := int64(stat.UTime) + int64(stat.STime) + int64(stat.CUTime) + int64(stat.CSTime)
	return Process{
		Parent: stat.PPID, State: stat.State[0], CPU: time.Duration(ticks) * tick, StartTicks: stat.Starttime,
	}, nil
}

// unreadable says that a file could not be read, most often because its process
// has ended. Text that could not be parsed is another error.
func unreadable(err error) bool {
	var failed *fs.PathError
	return errors.As(err, &failed)
}

// Tree returns root and all its descendants; none when root is not there.
func (p Processes) Tree(root int) []int {
	if _, there := p[root]; !there {
		return nil
	}
	children := make(map[int][]int)
	for pid, process := range p {
		children[process.Parent] = append(children[process.Parent], pid)
	}
	members := []int{root}
	for i := 0; i < len(members); i++ {
		members = append(members, children[members[i]]...)
	}
	return members
}

// Usage is what a tree of processes uses. A figure that could not be read is not
// known.
type Usage struct {
	CPUSeconds    maybe.Number
	ResidentBytes maybe.Number
}

// TreeUsage sums the tree of root. Memory that its members share, such as
// PostgreSQL's buffers, counts once: the private pages of each member, and the
// shared pages of the member that maps most. When the memory can't be read, the
// error says why and the CPU time is returned all the same.
func (p Processes) TreeUsage(root int) (Usage, error) { return p.treeUsage(procRoot, root) }

func (p Processes) treeUsage(mount string, root int) (Usage, error) {
	members := p.Tree(root)
	if len(members) == 0 {
		return Usage{}, fmt.Errorf("process %d is not there", root)
	}
	var cpu time.Duration
	for _, pid := range members {
		cpu += p[pid].CPU
	}
	use := Usage{CPUSeconds: maybe.Of(cpu.Seconds())}
	resident, err := residentBytes(mount, members)
	if err == nil {
		use.ResidentBytes = maybe.Of(float64(resident))
	}
	return use, err
}

// residentBytes is the memory of the members together. The first member is the root;
// residentBytes fails when the root's memory can't be read.
func residentBytes(mount string, members []int) (int64, error) {
	proc, err := procfs.NewFS(mount)
	if err != nil {
		return 0, err
	}
	var private, shared int64
	for i, pid := range members {
		memory, err := readPages(proc, pid)
		if i > 0 && unreadable(err) {
			continue // it has ended meanwhile
		}
		if err != nil {
			return 0, err
		}
		private += int64(memory.Resident) - int64(memory.Shared)
		shared = max(shared, int64(memory.Shared))
	}
	return (private + shared) * int64(os.Getpagesize()), nil
}

func readPages(proc procfs.FS, pid int) (procfs.ProcStatm, error) {
	process, err := proc.Proc(pid)
	if err != nil {
		return procfs.ProcStatm{}, err
	}
	memory, err := parsed(process.Statm)
	if err != nil {
		return procfs.ProcStatm{}, fmt.Errorf("process %d: statm: %w", pid, err)
	}
	return memory, nil
}

// StartTicks is the start of a process, in the kernel's ticks since boot. For a
// process that is gone the error is fs.ErrNotExist.
func StartTicks(pid int) (uint64, error) { return startTicks(procRoot, pid) }

func startTicks(root string, pid int) (uint64, error) {
	proc, err := procfs.NewFS(root)
	if err != nil {
		// Not wrapped: a host without procfs must not look like one without the process.
		return 0, fmt.Errorf("process %d: %v", pid, err)
	}
	listed, err := proc.Proc(pid)
	if err != nil {
		return 0, err
	}
	process, err := readProcess(listed)
	return process.StartTicks, asNotExist(err)
}

// asNotExist turns the error of a process that ended while its file was read into
// fs.ErrNotExist.
func asNotExist(err error) error {
	if errors.Is(err, unix.ESRCH) {
		return fmt.Errorf("%w: %w", fs.ErrNotExist, err)
	}
	return err
}

// Environment returns the variables that a process was started with, as NAME=value.
// The environment of another user's process can't be read.
//
// The library's reader is not used: it drops a last variable without a zero byte at
// its end, and everything beyond the first MiB.
func Environment(pid int) ([]string, error) { return environment(procRoot, pid) }

func environment(root string, pid int) ([]string, error) {
	text, err := os.ReadFile(filepath.Join(root, strconv.Itoa(pid), "environ"))
	if err != nil {
		return nil, asNotExist(err)
	}
	variables := strings.TrimRight(string(text), "\x00")
	if variables == "" {
		return nil, nil
	}
	return strings.Split(variables, "\x00"), nil
}

// PeakMemoryBytes is the most memory that a process had resident since its exec.
// The figure of getrusage is inherited over exec, from whoever started it.
func PeakMemoryBytes(pid int) (int64, error) { return peakMemoryBytes(procRoot, pid) }

func peakMemoryBytes(root string, pid int) (int64, error) {
	proc, err := procfs.NewFS(root)
	if err != nil {
		return 0, err
	}
	process, err := proc.Proc(pid)
	if err != nil {
		return 0, err
	}
	return peakMemory(process)
}

// OwnPeakMemoryBytes is the PeakMemoryBytes of this process.
func OwnPeakMemoryBytes() (int64, error) {
	self, err := procfs.Self()
	if err != nil {
		return 0, err
	}
	return peakMemory(self)
}

func peakMemory(p procfs.Proc) (int64, error) {
	status, err := parsed(p.NewStatus)
	if err == nil && status.VmHWM == 0 {
		err = errors.New("no VmHWM, as of a process that has ended")
	}
	if err != nil {
		return 0, fmt.Errorf("process %d: status: %w", p.PID, err)
	}
	return int64(status.VmHWM), nil
}
