package machine

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"headroom/targets/machine/spec"
)

const cgroupRoot = "/sys/fs/cgroup"

// parseKeys reads "key value" lines, the form of every cgroup stat file.
func parseKeys(text []byte) (map[string]int64, error) {
	values := make(map[string]int64)
	for line := range strings.Lines(string(text)) {
		fields := strings.Fields(line)
		if len(fields) == 0 {
			continue
		}
		if len(fields) != 2 {
			return nil, fmt.Errorf("line %q: not a key and a number", strings.TrimSpace(line))
		}
		value, err := strconv.ParseInt(fields[1], 10, 64)
		if err != nil {
			return nil, fmt.Errorf("line %q: not a number", strings.TrimSpace(line))
		}
		values[fields[0]] = value
	}
	return values, nil
}

// statFile is a cgroup file being read; the first error sticks.
type statFile struct {
	path   string
	values map[string]int64
	err    error
}

func openStat(path string) *statFile {
	text, err := os.ReadFile(path)
	if err != nil {
		return &statFile{path: path, err: err}
	}
	values, err := parseKeys(text)
	if err != nil {
		err = fmt.Errorf("%s: %w", path, err)
	}
	return &statFile{path: path, values: values, err: err}
}

// get returns the value of key; a missing key is an error, never zero.
func (f *statFile) get(key string) int64 {
	value, found := f.values[key]
	if !found && f.err == nil {
		f.err = fmt.Errorf("%s: no %s", f.path, key)
	}
	return value
}

// readNumber reads a file that holds one number.
func readNumber(path string) (int64, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return 0, err
	}
	n, err := strconv.ParseInt(string(bytes.TrimSpace(text)), 10, 64)
	if err != nil {
		return 0, fmt.Errorf("%s: %q is not a number", path, bytes.TrimSpace(text))
	}
	return n, nil
}

// readCgroup fills in what the kernel says of the whole machine. root is where
// its cgroups are mounted, of version 1 or 2.
func readCgroup(root string, c *spec.Counters) error {
	if _, err := os.Stat(filepath.Join(root, "cgroup.controllers")); err == nil {
		return readCgroup2(root, c)
	}
	return readCgroup1(root, c)
}

func readCgroup1(root string, c *spec.Counters) error {
	usage, errUsage := readNumber(filepath.Join(root, "cpuacct/cpuacct.usage"))
	c.CPUSecondsTotal = float64(usage) / 1e9

	cpu := openStat(filepath.Join(root, "cpu/cpu.stat"))
	c.PeriodsTotal = cpu.get("nr_periods")
	c.ThrottledPeriods = cpu.get("nr_throttled")
	c.ThrottledSTotal = float64(cpu.get("throttled_time")) / 1e9

	used, errUsed := readNumber(filepath.Join(root, "memory/memory.usage_in_bytes"))
	memory := openStat(filepath.Join(root, "memory/memory.stat"))
	c.MemoryBytes = max(0, used-memory.get("total_inactive_file"))
	oom := openStat(filepath.Join(root, "memory/memory.oom_control"))
	c.OOMKillsTotal = oom.get("oom_kill")
	return errors.Join(errUsage, cpu.err, errUsed, memory.err, oom.err)
}

func readCgroup2(root string, c *spec.Counters) error {
	cpu := openStat(filepath.Join(root, "cpu.stat"))
	c.CPUSecondsTotal = float64(cpu.get("usage_usec")) / 1e6
	c.PeriodsTotal = cpu.get("nr_periods")
	c.ThrottledPeriods = cpu.get("nr_throttled")
	c.ThrottledSTotal = float64(cpu.get("throttled_usec")) / 1e6

	used, errUsed := readNumber(filepath.Join(root, "memory.current"))
	memory := openStat(filepath.Join(root, "memory.stat"))
	c.MemoryBytes = max(0, used-memory.get("inactive_file"))
	events := openStat(filepath.Join(root, "memory.events"))
	c.OOMKillsTotal = events.get("oom_kill")
	return errors.Join(cpu.err, errUsed, memory.err, events.err)
}
