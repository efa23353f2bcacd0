// SPDX-License-Identifier: Apache-2.0

package host

import (
	"errors"
	"fmt"
	"math"
	"os/exec"
	"strings"
	"testing"
	"time"
)

const statText = `cpu  10 20 30 4000 500 6 7 80 9 1
cpu0 4 8 12 2000 200 2 3 40 9 0
cpu1 6 12 18 2000 300 4 4 40 0 1
intr 12345 1 0 3
ctxt 99
btime 1700000000
processes 1234
procs_running 1
procs_blocked 0
softirq 10 1 2 0 4 0 0 3 0 0 0
`

func TestCPUTime(t *testing.T) {
	root := writeTree(t, map[string]string{"stat": statText})
	ticks := func(n time.Duration) time.Duration { return n * 10 * time.Millisecond }
	all, err := readCPUTime(root, "cpu")
	if want := (CPUTime{Stolen: ticks(80), Idle: ticks(4500), Total: ticks(4653)}); err != nil || all != want {
		t.Errorf("all cores: %+v, error %v; want %+v: guests are within the users", all, err, want)
	}
	one, err := readCPUTime(root, "cpu1")
	if want := (CPUTime{Stolen: ticks(40), Idle: ticks(2300), Total: ticks(2384)}); err != nil || one != want {
		t.Errorf("core 1: %+v, error %v; want %+v", one, err, want)
	}
	if got, err := readCPUTime(root, "cpu2"); err == nil || !strings.Contains(err.Error(), `stat: no line "cpu2"`) {
		t.Errorf("core 2: %+v, error %v", got, err)
	}
}

// A host that has been up for long is read to the tick, also when its cores have
// more time together than a Duration holds.
func TestCPUTimeIsExact(t *testing.T) {
	const early = "cpu  123456789012 1 1 987654321098 333333333333 0 0 77777777777 0 0\n"
	const later = "cpu  123456789013 1 1 987654321099 333333333333 0 0 77777777777 0 0\n"
	before, errBefore := readCPUTime(writeTree(t, map[string]string{"stat": early}), "cpu")
	after, errAfter := readCPUTime(writeTree(t, map[string]string{"stat": later}), "cpu")
	want := CPUTime{Idle: tick, Total: 2 * tick}
	if got := after.Since(before); errBefore != nil || errAfter != nil || got != want {
		t.Errorf("%+v passed, want %+v; errors %v and %v", got, want, errBefore, errAfter)
	}
}

func TestCPUTimeThatCannotBeRead(t *testing.T) {
	for name, text := range map[string]string{
		"empty": "", "without CPUs": "ctxt 99\n", "a core alone": "cpu0 4 8 12 2000 200 2 3 40 9 0\n",
		"no numbers": "cpu  a b c d e f g h i j\n", "too few": "cpu  10 20 30 4000 500 6 7\n",
	} {
		if got, err := readCPUTime(writeTree(t, map[string]string{"stat": text}), "cpu"); err == nil || !strings.Contains(err.Error(), "/stat: ") {
			t.Errorf("%s: %+v, error %v", name, got, err)
		}
	}
	if _, err := readCPUTime(t.TempDir(), "cpu"); err == nil {
		t.Error("no error without a file")
	}
}

// The busy share is what is not idle, of all cores, stolen time included.
func TestShares(t *testing.T) {
	started := CPUTime{Stolen: 5, Idle: 100, Total: 200}
	for name, test := range map[string]struct {
		now          CPUTime
		busy, stolen float64
	}{
		"idle":                  {CPUTime{Stolen: 5, Idle: 300, Total: 400}, 0, 0},
		"one of two cores":      {CPUTime{Stolen: 5, Idle: 200, Total: 400}, 0.5, 0},
		"stolen is not for us":  {CPUTime{Stolen: 55, Idle: 250, Total: 400}, 0.25, 0.25},
		"both cores are in use": {CPUTime{Stolen: 5, Idle: 100, Total: 400}, 1, 0},
		"no time has passed":    {started, 0, 0},
		"no reading":            {CPUTime{}, 0, 0},
	} {
		took := test.now.Since(started)
		if busy, stolen := took.BusyShare(), took.StolenShare(); math.Abs(busy-test.busy) > 1e-9 || math.Abs(stolen-test.stolen) > 1e-9 {
			t.Errorf("%s: %v busy and %v stolen, want %v and %v", name, busy, stolen, test.busy, test.stolen)
		}
	}
}

func TestNetworkBytes(t *testing.T) {
	const head = `Inter-|   Receive                                                |  Transmit
 face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls carrier compressed
`
	const text = head + `    lo: 9999999    500    0    0    0     0          0         0  9999999    500    0    0    0     0       0          0
  eth0: 1000       10    0    0    0     0          0         0     2000     20    0    0    0     0       0          0
  eth1:30 1 0 0 0 0 0 0 40 1 0 0 0 0 0 0
`
	received, sent, err := networkBytes(writeTree(t, map[string]string{"net/dev": text}))
	if err != nil || received != 1030 || sent != 2040 {
		t.Errorf("%d received, %d sent, error %v", received, sent, err)
	}
	for _, bad := range []string{"eth0: 1 2 3", "eth0: x 1 0 0 0 0 0 0 40", "eth0: x 1 0 0 0 0 0 0 40 1 0 0 0 0 0 0", "eth0 1"} {
		_, _, err := networkBytes(writeTree(t, map[string]string{"net/dev": head + bad + "\n"}))
		if err == nil || !strings.Contains(err.Error(), "net/dev: ") {
			t.Errorf("%q: error is %v", bad, err)
		}
	}
}

// The loopback alone tells nothing of the traffic between machines, and an
// interface without traffic tells 0.
func TestNetworkBytesWithoutAnInterface(t *testing.T) {
	const head = "Inter-|   Receive                                                |  Transmit\n" +
		" face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls carrier compressed\n"
	_, _, err := networkBytes(writeTree(t, map[string]string{"net/dev": head + "    lo: 9 1 0 0 0 0 0 0 9 1 0 0 0 0 0 0\n"}))
	if !errors.Is(err, ErrNoInterface) || !strings.Contains(err.Error(), "net/dev: ") {
		t.Errorf("error is %v", err)
	}
	received, sent, err := networkBytes(writeTree(t, map[string]string{"net/dev": head + "  eth0: 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0\n"}))
	if err != nil || received != 0 || sent != 0 {
		t.Errorf("%d received, %d sent, error %v; want 0 and 0", received, sent, err)
	}
}

func TestMemoryBytes(t *testing.T) {
	for text, want := range map[string]int64{
		"MemTotal:       16384 kB\nMemFree:  1 kB\n": 16 << 20, "MemFree: 1 kB\n": 0, "MemTotal:\n": 0, "": 0,
	} {
		got, err := memoryBytes(writeTree(t, map[string]string{"meminfo": text}))
		if got != want || (err == nil) != (want > 0) {
			t.Errorf("%q: %d bytes, error %v; want %d", text, got, err, want)
		}
	}
}

// What there is of every host that runs these tests.
func TestThisHost(t *testing.T) {
	texts := map[string]func() (string, error){"kernel": KernelRelease, "boot id": BootID, "pid namespace": PIDNamespace}
	for name, read := range texts {
		text, err := read()
		again, errAgain := read()
		if err != nil || errAgain != nil || text == "" || text != again || strings.TrimSpace(text) != text {
			t.Errorf("%s: %q, %v, then %q, %v", name, text, err, again, errAgain)
		}
	}
	if namespace, _ := PIDNamespace(); !strings.HasPrefix(namespace, "pid:[") {
		t.Errorf("the pid namespace is %q", namespace)
	}
	if memory, err := MemoryBytes(); err != nil || memory < 1<<26 {
		t.Errorf("%d bytes of memory, error %v", memory, err)
	}
	if all, err := ReadCPUTime(); err != nil || all.Total <= 0 || all.Total < all.Idle+all.Stolen {
		t.Errorf("CPU time is %+v, error %v", all, err)
	}
	if _, _, err := NetworkBytes(); err != nil && !errors.Is(err, ErrNoInterface) {
		t.Errorf("network: %v", err)
	}
	if out, err := exec.CommandContext(t.Context(), "uname", "-r").Output(); err == nil {
		if kernel, _ := KernelRelease(); kernel != strings.TrimSpace(string(out)) {
			t.Errorf("the kernel is %q, uname says %q", kernel, out)
		}
	}
}

func TestCPUModel(t *testing.T) {
	model, err := CPUModel()
	if (err == nil) != (model != "") {
		t.Errorf("the model is %q, error %v", model, err)
	}
	if got, err := cpuModel(writeTree(t, map[string]string{"cpuinfo": "processor\t: 0\n\n"})); err == nil {
		t.Errorf("%q is the model of a core that has none", got)
	}
	if got, err := cpuModel(writeTree(t, map[string]string{"cpuinfo": ""})); err == nil {
		t.Errorf("%q is the model of no core", got)
	}
}

func TestMonotonicNanos(t *testing.T) {
	first, errFirst := MonotonicNanos()
	second, errSecond := MonotonicNanos()
	if errFirst != nil || errSecond != nil || first <= 0 || second < first {
		t.Errorf("%d, %v, then %d, %v", first, errFirst, second, errSecond)
	}
}

func BenchmarkReadCPUTime(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		if _, err := ReadCPUTime(); err != nil {
			b.Fatal(err)
		}
	}
}

// The driver reads this in the thread that sends, on hosts with many cores too.
func BenchmarkReadCPUTimeOfManyCores(b *testing.B) {
	for _, cores := range []int{2, 32, 128} {
		var text strings.Builder
		text.WriteString("cpu  123456789 20000 3098765 400098765 50012 601 712345 8012 0 0\n")
		for i := range cores {
			fmt.Fprintf(&text, "cpu%d 1234567 200 30987 4000987 500 6 7123 80 0 0\n", i)
		}
		text.WriteString("intr 1234567890" + strings.Repeat(" 0", 1000) + "\nctxt 99\nbtime 1700000000\nprocesses 1234\nprocs_running 1\nprocs_blocked 0\nsoftirq 10 1 2 0 4 0 0 3 0 0 0\n")
		root := writeTree(b, map[string]string{"stat": text.String()})
		b.Run(fmt.Sprint(cores), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := readCPUTime(root, "cpu"); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkCgroupUsage(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		c := OwnCgroup()
		_, _ = c.Usage()
		_, _ = c.Throttled()
	}
}
