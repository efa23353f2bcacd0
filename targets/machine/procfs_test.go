package machine

import (
	"os"
	"slices"
	"strings"
	"testing"
)

func TestParseStat(t *testing.T) {
	const rest = " 1 42 42 0 -1 4194560 1500 300 0 0 7 11 13 17 20 0 1 0 100 1000 50"
	tests := []struct {
		text string
		want proc
	}{
		{"42 (postgres) S" + rest, proc{ppid: 1, state: 'S', ticks: 48}},
		{"42 (a (b) c) R" + rest + "\n", proc{ppid: 1, state: 'R', ticks: 48}},
		{"42 () ) Z 9 0 0) Z" + rest, proc{ppid: 1, state: 'Z', ticks: 48}},
	}
	for _, tt := range tests {
		got, err := parseStat([]byte(tt.text))
		if err != nil || got != tt.want {
			t.Errorf("parseStat(%q) = %+v, %v; want %+v", tt.text, got, err, tt.want)
		}
	}
	for _, bad := range []string{"", "42 postgres S 1", "42 (x) S 1 2 3", "42 (x) S x" + rest,
		"42 (x) S" + strings.Replace(rest, " 11 ", " eleven ", 1)} {
		if got, err := parseStat([]byte(bad)); err == nil {
			t.Errorf("parseStat(%q) = %+v without an error", bad, got)
		}
	}
}

func FuzzParseStat(f *testing.F) {
	f.Add([]byte("42 (x) S 1 42 42 0 -1 4194560 1500 300 0 0 7 11 13 17 20"))
	f.Add([]byte(") ) )"))
	f.Fuzz(func(t *testing.T, text []byte) {
		p, err := parseStat(text)
		if (err == nil) != (p.state != 0) {
			t.Errorf("%q: %+v, %v: neither a process nor an error alone", text, p, err)
		}
	})
}

func TestTree(t *testing.T) {
	procs := map[int]proc{1: {}, 2: {ppid: 1}, 3: {ppid: 1}, 4: {ppid: 3}, 5: {ppid: 4}, 6: {ppid: 2}}
	for root, want := range map[int][]int{3: {3, 4, 5}, 2: {2, 6}, 5: {5}, 1: {1, 2, 3, 4, 5, 6}, 99: nil} {
		got := tree(procs, root)
		slices.Sort(got)
		if !slices.Equal(got, want) {
			t.Errorf("tree(%d) = %v, want %v", root, got, want)
		}
	}
}

func TestParseStatm(t *testing.T) {
	resident, shared, err := parseStatm([]byte("5000 1200 800 10 0 400 0\n"))
	if err != nil || resident != 1200 || shared != 800 {
		t.Errorf("got %d, %d, %v", resident, shared, err)
	}
	if _, _, err := parseStatm([]byte("5000 x")); err == nil {
		t.Error("no error")
	}
}

func TestTreeUsageCountsSharedPagesOnce(t *testing.T) {
	root := t.TempDir()
	for pid, statm := range map[string]string{"10": "900 100 60", "11": "900 150 140", "12": "900 90 80"} {
		if err := os.Mkdir(root+"/"+pid, 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(root+"/"+pid+"/statm", []byte(statm+" 0 0 0 0"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	procs := map[int]proc{10: {ppid: 1, ticks: 50}, 11: {ppid: 10, ticks: 25}, 12: {ppid: 10, ticks: 75}, 13: {ppid: 1, ticks: 999}}
	cpu, rss, err := treeUsage(root, procs, 10)
	wantPages := int64(40 + 10 + 10 + 140)
	if err != nil || cpu != 1.5 || rss != wantPages*int64(os.Getpagesize()) {
		t.Errorf("got %v s, %d bytes, %v", cpu, rss, err)
	}
	if _, _, err := treeUsage(root, procs, 77); err == nil {
		t.Error("a process that is not there gives no error")
	}
}

func TestReadProcsFindsThisProcess(t *testing.T) {
	procs, err := readProcs(procRoot)
	if err != nil {
		t.Fatal(err)
	}
	if got := procs[os.Getpid()]; got.ppid != os.Getppid() {
		t.Errorf("this process's parent is %d, want %d", got.ppid, os.Getppid())
	}
}

func TestParseNetDev(t *testing.T) {
	const text = `Inter-|   Receive                                                |  Transmit
 face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls carrier compressed
    lo: 9999999    500    0    0    0     0          0         0  9999999    500    0    0    0     0       0          0
  eth0: 1000       10    0    0    0     0          0         0     2000     20    0    0    0     0       0          0
  eth1:30 1 0 0 0 0 0 0 40 1 0 0 0 0 0 0
`
	rx, tx, err := parseNetDev([]byte(text))
	if err != nil || rx != 1030 || tx != 2040 {
		t.Errorf("got %d, %d, %v", rx, tx, err)
	}
	for _, bad := range []string{"eth0: 1 2 3", "eth0: x 1 0 0 0 0 0 0 40"} {
		if _, _, err := parseNetDev([]byte(bad)); err == nil {
			t.Errorf("%q gives no error", bad)
		}
	}
}
