// SPDX-License-Identifier: Apache-2.0

package host

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"headroom/internal/maybe"
)

// writeTree makes a folder that stands in for /proc.
func writeTree(t testing.TB, files map[string]string) (root string) {
	t.Helper()
	root = t.TempDir()
	for name, text := range files {
		file := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return root
}

// statRest is a line of /proc/PID/stat from its fourth field on, the parent: 7,
// 11, 13 and 17 ticks of CPU time, started at tick 424242.
const statRest = " 1 42 42 0 -1 4194560 1500 300 0 0 7 11 13 17 20 0 1 0 424242 1000 50" +
	" 18446744073709551615 1 1 0 0 0 0 0 4096 81920 0 0 0 17 1 0 0 0 0 0 1 1 1 1 1 1 1 0"

func processOf(t testing.TB, stat string) (Process, error) {
	t.Helper()
	processes, err := readProcesses(writeTree(t, map[string]string{"42/stat": stat}))
	return processes[42], err
}

func TestProcessesAreRead(t *testing.T) {
	want := Process{Parent: 1, CPU: 480 * time.Millisecond, StartTicks: 424242}
	for text, state := range map[string]byte{
		"42 (postgres) S":    'S',
		"42 (a (b) c) R":     'R',
		"42 () ) Z 9 0 0) Z": 'Z',
		"42 (a b) (c) S":     'S',
		"42 ()) S":           'S',
	} {
		want.State = state
		if got, err := processOf(t, text+statRest+"\n"); err != nil || got != want {
			t.Errorf("%q is %+v, error %v; want %+v", text, got, err, want)
		}
	}
	for _, bad := range []string{
		"", "42", "42 postgres S 1", "42 (x)", ") 42 (", "42 (x) S 1 2 3", "42 (x) S x" + statRest, "42 (x) SS" + statRest,
		"42 (x) S" + strings.Replace(statRest, " 11 ", " eleven ", 1),
		"42 (x) S" + strings.Replace(statRest, " 424242 ", " then ", 1),
	} {
		if got, err := processOf(t, bad); err == nil || !strings.Contains(err.Error(), "process 42: stat") {
			t.Errorf("%q is %+v, error %v", bad, got, err)
		}
	}
}

func FuzzProcess(f *testing.F) {
	f.Add([]byte("42 (x) S" + statRest))
	f.Add([]byte(") ) )"))
	f.Add([]byte("42 (x)"))
	root := writeTree(f, map[string]string{"42/stat": ""})
	f.Fuzz(func(t *testing.T, text []byte) {
		if err := os.WriteFile(filepath.Join(root, "42", "stat"), text, 0o600); err != nil {
			t.Fatal(err)
		}
		processes, err := readProcesses(root)
		if _, there := processes[42]; there != (err == nil) {
			t.Errorf("%q: %+v, %v: neither a process nor an error alone", text, processes, err)
		}
	})
}

// What can't be opened has ended, or is hidden from us.
func TestProcessesWithoutTheirFileAreLeftOut(t *testing.T) {
	root := writeTree(t, map[string]string{"42/stat": "42 (x) S" + statRest, "43/statm": "", "self/stat": "", "44/stat/file": ""})
	processes, err := readProcesses(root)
	if _, there := processes[42]; err != nil || !there || len(processes) != 1 {
		t.Errorf("%+v, error %v", processes, err)
	}
	if _, err := readProcesses(filepath.Join(root, "none")); err == nil {
		t.Error("no error without a process table")
	}
}

func TestReadProcessesFindsThisProcess(t *testing.T) {
	processes, err := ReadProcesses()
	if err != nil {
		t.Fatal(err)
	}
	if got := processes[os.Getpid()]; got.Parent != os.Getppid() || got.State == 'Z' || got.StartTicks == 0 {
		t.Errorf("this process is %+v; its parent is %d", got, os.Getppid())
	}
}

func TestTree(t *testing.T) {
	processes := Processes{1: {}, 2: {Parent: 1}, 3: {Parent: 1}, 4: {Parent: 3}, 5: {Parent: 4}, 6: {Parent: 2}}
	for root, want := range map[int][]int{3: {3, 4, 5}, 2: {2, 6}, 5: {5}, 1: {1, 2, 3, 4, 5, 6}, 99: nil} {
		got := processes.Tree(root)
		slices.Sort(got)
		if !slices.Equal(got, want) {
			t.Errorf("the tree of %d is %v, want %v", root, got, want)
		}
	}
}

func TestTreeUseCountsSharedPagesOnce(t *testing.T) {
	root := writeTree(t, map[string]string{
		"10/statm": "900 100 60 0 0 0 0\n", "11/statm": "900 150 140 0 0 0 0\n", "12/statm": "900 90 80 0 0 0 0\n",
		"13/statm": "900 7 0 0 0 0 0\n",
	})
	processes := Processes{
		10: {Parent: 1, CPU: 500 * time.Millisecond}, 11: {Parent: 10, CPU: 250 * time.Millisecond},
		12: {Parent: 10, CPU: 750 * time.Millisecond}, 13: {Parent: 1, CPU: time.Hour},
		14: {Parent: 10}, // has ended meanwhile: there is no file
	}
	use, err := processes.treeUsage(root, 10)
	const wantPages = 40 + 10 + 10 + 140
	want := Usage{CPUSeconds: maybe.Of(1.5), ResidentBytes: maybe.Of(float64(wantPages * os.Getpagesize()))}
	if err != nil || use != want {
		t.Errorf("the tree uses %+v, error %v; want %+v", use, err, want)
	}
	if _, err := processes.treeUsage(root, 77); err == nil {
		t.Error("a process that is not there gives no error")
	}
}

func TestPagesThatCannotBeParsed(t *testing.T) {
	for _, bad := range []string{"5000 x", "5000", ""} {
		root := writeTree(t, map[string]string{"42/statm": bad})
		use, err := (Processes{42: {CPU: time.Second}}).treeUsage(root, 42)
		if err == nil || !strings.Contains(err.Error(), "process 42: statm") {
			t.Errorf("%q is %+v, error %v", bad, use, err)
		}
		if use != (Usage{CPUSeconds: maybe.Of(1)}) {
			t.Errorf("%q: %+v, want the CPU time and no memory", bad, use)
		}
	}
}

// Memory that can't be read is not known, CPU time of 0 is.
func TestPagesThatCannotBeRead(t *testing.T) {
	use, err := (Processes{42: {}}).treeUsage(t.TempDir(), 42)
	if !errors.Is(err, fs.ErrNotExist) || use != (Usage{CPUSeconds: maybe.Of(0)}) {
		t.Errorf("%+v, error %v; want 0 s of CPU and no memory", use, err)
	}
}

func TestStartTicks(t *testing.T) {
	root := writeTree(t, map[string]string{"77/stat": "77 (a b) (c) S" + statRest, "78/stat": "78 (sh) S 1 2"})
	if got, err := startTicks(root, 77); err != nil || got != 424242 {
		t.Errorf("%d, error %v", got, err)
	}
	if got, err := startTicks(root, 78); err == nil || errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a line that is cut gives %d, error %v", got, err)
	}
	if _, err := startTicks(root, 79); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a process that is not there: error %v", err)
	}
	if _, err := startTicks(filepath.Join(root, "none"), 77); err == nil || errors.Is(err, fs.ErrNotExist) {
		t.Errorf("without procfs the process looks gone: error %v", err)
	}
}

// The start of a process does not change while it runs, and is gone with it.
func TestStartTicksOfAChild(t *testing.T) {
	child := exec.CommandContext(t.Context(), "cat") // waits for the end of its stdin
	stdin, err := child.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	pid := child.Process.Pid
	first, errFirst := StartTicks(pid)
	second, errSecond := StartTicks(pid)
	stdin.Close()
	if err := child.Wait(); err != nil {
		t.Fatal(err)
	}
	if errFirst != nil || errSecond != nil || first != second || first == 0 {
		t.Errorf("started at %d, %v, then at %d, %v", first, errFirst, second, errSecond)
	}
	if ticks, err := StartTicks(pid); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("after its end: %d, error %v", ticks, err)
	}
}

// The kernel says ESRCH of a process that ends between open and read.
func TestAsGone(t *testing.T) {
	ended := fmt.Errorf("process 5: %w", &fs.PathError{Op: "read", Path: "/proc/5/stat", Err: unix.ESRCH})
	if !errors.Is(asNotExist(ended), fs.ErrNotExist) || !errors.Is(asNotExist(ended), unix.ESRCH) {
		t.Errorf("%v is not gone", ended)
	}
	if hidden := error(&fs.PathError{Op: "open", Err: unix.EACCES}); errors.Is(asNotExist(hidden), fs.ErrNotExist) || asNotExist(nil) != nil {
		t.Errorf("%v is gone", hidden)
	}
}

func TestEnvironment(t *testing.T) {
	for text, want := range map[string][]string{
		"A=1\x00B=2 3\x00C=\x00": {"A=1", "B=2 3", "C="},
		"A=1\x00B=2":             {"A=1", "B=2"}, // written over: the last byte is no zero
		"":                       nil,
	} {
		got, err := environment(writeTree(t, map[string]string{"42/environ": text}), 42)
		if err != nil || !slices.Equal(got, want) {
			t.Errorf("%q is %q, error %v; want %q", text, got, err, want)
		}
	}
	long := "LONG=" + strings.Repeat("x", 2<<20)
	got, err := environment(writeTree(t, map[string]string{"42/environ": long + "\x00LAST=1\x00"}), 42)
	if err != nil || len(got) != 2 || got[1] != "LAST=1" {
		t.Errorf("%d variables of two, error %v", len(got), err)
	}
	if _, err := environment(t.TempDir(), 42); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("of a process that is gone: error %v", err)
	}
	if own, err := Environment(os.Getpid()); err != nil || !slices.Contains(own, "PATH="+os.Getenv("PATH")) {
		t.Errorf("this process has %q, error %v", own, err)
	}
}

func TestPeakMemoryIsParsed(t *testing.T) {
	for status, want := range map[string]int64{
		"Name:\twrk\nVmPeak:\t  9999 kB\nVmHWM:\t    7004 kB\nVmRSS:\t    6000 kB\n": 7004 << 10,
		"Name:\twrk\nState:\tZ (zombie)\n":                                           0,
		"":                                                                           0,
	} {
		got, err := peakMemoryBytes(writeTree(t, map[string]string{"42/status": status}), 42)
		if got != want || (err == nil) != (want > 0) {
			t.Errorf("%q: %d bytes, error %v; want %d", status, got, err, want)
		}
	}
}

// A process's peak is its own, however large the program that started it.
func TestPeakMemory(t *testing.T) {
	own, err := OwnPeakMemoryBytes()
	if err != nil || own < 1<<20 || own > 1<<36 {
		t.Errorf("this process had %d bytes, error %v", own, err)
	}
	same, err := PeakMemoryBytes(os.Getpid())
	const slack = 1 << 20 // the kernel's counts of memory are not exact
	if err != nil || same < own-slack {
		t.Errorf("by its pid this process had %d bytes after %d, error %v", same, own, err)
	}
	child := exec.CommandContext(t.Context(), "true")
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	state := func() byte {
		processes, err := ReadProcesses()
		if err != nil {
			t.Fatal(err)
		}
		return processes[child.Process.Pid].State
	}
	for deadline := time.Now().Add(10 * time.Second); state() != 'Z'; {
		if time.Now().After(deadline) {
			t.Fatal("the child did not end")
		}
	}
	if bytes, err := PeakMemoryBytes(child.Process.Pid); err == nil {
		t.Errorf("a process that has ended had %d bytes, without an error", bytes)
	}
	if err := child.Wait(); err != nil {
		t.Fatal(err)
	}
	if _, err := PeakMemoryBytes(child.Process.Pid); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a process that is gone: error %v", err)
	}
}

func BenchmarkReadProcesses(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		if _, err := ReadProcesses(); err != nil {
			b.Fatal(err)
		}
	}
}
