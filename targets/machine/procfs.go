package machine

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

const (
	procRoot = "/proc"
	// ticksPerSecond is USER_HZ, the unit of the times in /proc/<pid>/stat: 100
	// on every Linux architecture that we run on.
	ticksPerSecond = 100
)

// proc is one line of /proc/<pid>/stat.
type proc struct {
	ppid  int
	state byte
	ticks int64 // user and system time, its reaped children's included
}

// parseStat reads /proc/<pid>/stat. The name, in parentheses, may hold
// anything, so fields are counted from the last closing one (proc(5)).
func parseStat(text []byte) (proc, error) {
	end := bytes.LastIndexByte(text, ')')
	if end < 0 {
		return proc{}, fmt.Errorf("stat %.40q: no process name", text)
	}
	fields := strings.Fields(string(text[end+1:])) // fields[0] is field 3 of proc(5)
	const ppid, utime, cstime = 1, 11, 14
	if len(fields) <= cstime || len(fields[0]) != 1 {
		return proc{}, fmt.Errorf("stat %.40q: too few fields", text)
	}
	p := proc{state: fields[0][0]}
	var err error
	if p.ppid, err = strconv.Atoi(fields[ppid]); err != nil {
		return proc{}, fmt.Errorf("stat: parent: %w", err)
	}
	for _, field := range fields[utime : cstime+1] {
		ticks, err := strconv.ParseInt(field, 10, 64)
		if err != nil {
			return proc{}, fmt.Errorf("stat: times: %w", err)
		}
		p.ticks += ticks
	}
	return p, nil
}

// readProcs reads every process that is there. One that ends meanwhile is
// left out.
func readProcs(root string) (map[int]proc, error) {
	dir, err := os.Open(root)
	if err != nil {
		return nil, err
	}
	defer dir.Close()
	names, err := dir.Readdirnames(-1)
	if err != nil {
		return nil, err
	}
	procs := make(map[int]proc)
	for _, name := range names {
		pid, err := strconv.Atoi(name)
		if err != nil {
			continue
		}
		text, err := os.ReadFile(filepath.Join(root, name, "stat"))
		if err != nil {
			continue
		}
		p, err := parseStat(text)
		if err != nil {
			return nil, err
		}
		procs[pid] = p
	}
	return procs, nil
}

// tree returns root and all its descendants among procs.
func tree(procs map[int]proc, root int) []int {
	if _, there := procs[root]; !there {
		return nil
	}
	children := make(map[int][]int)
	for pid, p := range procs {
		children[p.ppid] = append(children[p.ppid], pid)
	}
	members := []int{root}
	for i := 0; i < len(members); i++ {
		members = append(members, children[members[i]]...)
	}
	return members
}

// parseStatm reads /proc/<pid>/statm: resident pages, and those of them that
// are shared with files or other processes.
func parseStatm(text []byte) (resident, shared int64, err error) {
	if _, err = fmt.Sscan(string(text), new(int64), &resident, &shared); err != nil {
		return 0, 0, fmt.Errorf("statm %.40q: %w", text, err)
	}
	return resident, shared, nil
}

// treeUsage sums a process tree. Memory that its members share, such as
// PostgreSQL's buffers, counts once: the private pages of each, and the shared
// ones of the member that maps most.
func treeUsage(root string, procs map[int]proc, pid int) (cpuSeconds float64, rssBytes int64, err error) {
	members := tree(procs, pid)
	if len(members) == 0 {
		return 0, 0, fmt.Errorf("process %d is not there", pid)
	}
	var ticks, private, shared int64
	for _, member := range members {
		ticks += procs[member].ticks
		text, err := os.ReadFile(filepath.Join(root, strconv.Itoa(member), "statm"))
		if err != nil {
			continue // it has ended meanwhile
		}
		r, s, err := parseStatm(text)
		if err != nil {
			return 0, 0, err
		}
		private += r - s
		shared = max(shared, s)
	}
	return float64(ticks) / ticksPerSecond, (private + shared) * int64(os.Getpagesize()), nil
}

// parseNetDev sums the bytes of all eth interfaces in /proc/net/dev: the
// loopback is not traffic between machines.
func parseNetDev(text []byte) (rx, tx int64, err error) {
	for line := range strings.Lines(string(text)) {
		name, rest, found := strings.Cut(strings.TrimSpace(line), ":")
		if !found || !strings.HasPrefix(name, "eth") {
			continue
		}
		fields := strings.Fields(rest)
		const rxBytes, txBytes = 0, 8
		if len(fields) <= txBytes {
			return 0, 0, fmt.Errorf("net/dev: %s: too few fields", name)
		}
		r, errR := strconv.ParseInt(fields[rxBytes], 10, 64)
		t, errT := strconv.ParseInt(fields[txBytes], 10, 64)
		if errR != nil || errT != nil {
			return 0, 0, fmt.Errorf("net/dev: %s: not numbers: %q and %q", name, fields[rxBytes], fields[txBytes])
		}
		rx, tx = rx+r, tx+t
	}
	return rx, tx, nil
}
