// SPDX-License-Identifier: Apache-2.0

package host

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	"headroom/internal/maybe"
)

// cgroupMount is where every system mounts its cgroups.
const cgroupMount = "sys/fs/cgroup"

// Cgroup is the place of this process in the kernel's control groups, of
// version 1 or 2.
//
// A process has a chain of groups: its own, which is the first, and those above
// it. Each holds its limits against all that is below it. Version 1 has a chain
// for each controller, version 2 has one.
type Cgroup struct {
	root                 fs.FS
	v2                   bool
	cpu, cpuacct, memory []string // directories, from the process's own up to the mount
}

// OwnCgroup finds the cgroup of this process. Where there is none, the reading
// of it fails.
func OwnCgroup() Cgroup { return findCgroup(os.DirFS("/")) }

// findCgroup reads below root, which is the file system's root but in tests.
func findCgroup(root fs.FS) Cgroup {
	c := Cgroup{root: root}
	places := readPlaces(root)
	if _, found := places.of("cpu"); found {
		c.cpu = c.chainV1(places, "cpu", "cpu,cpuacct")
		c.cpuacct = c.chainV1(places, "cpuacct", "cpu,cpuacct")
		c.memory = c.chainV1(places, "memory")
		return c
	}
	own, _ := places.of("") // none: this process is at the mount
	chain := c.chain(cgroupMount, own.path)
	c.v2, c.cpu, c.cpuacct, c.memory = true, chain, chain, chain
	return c
}

// place is a line of /proc/self/cgroup: the group of a process in a hierarchy.
type place struct {
	controllers []string // one that is "" in version 2
	path        string
}

type places []place

// readPlaces skips what it can't read: without a line a controller's group is
// taken to be at the mount.
func readPlaces(root fs.FS) places {
	text, err := fs.ReadFile(root, "proc/self/cgroup")
	if err != nil {
		return nil
	}
	var all places
	for line := range strings.Lines(string(text)) {
		// hierarchy:controllers:path
		if fields := strings.SplitN(strings.TrimSpace(line), ":", 3); len(fields) == 3 {
			all = append(all, place{controllers: strings.Split(fields[1], ","), path: fields[2]})
		}
	}
	return all
}

func (p places) of(controller string) (place, bool) {
	i := slices.IndexFunc(p, func(one place) bool { return slices.Contains(one.controllers, controller) })
	if i < 0 {
		return place{}, false
	}
	return p[i], true
}

// chainV1 is the chain of a controller of version 1. Its hierarchy is mounted under
// the joined names of its controllers, under this controller's name, or under another
// name.
func (c Cgroup) chainV1(places places, controller string, others ...string) []string {
	own, _ := places.of(controller)
	for _, name := range append([]string{strings.Join(own.controllers, ","), controller}, others...) {
		if mount := path.Join(cgroupMount, name); name != "" && c.isThere(mount) {
			return c.chain(mount, own.path)
		}
	}
	return c.chain(path.Join(cgroupMount, controller), own.path)
}

// chain goes from a group up to the mount. Inside a container the path may be
// the host's, which is not there: the mount is the container's own group then,
// and no part of the path means anything.
func (c Cgroup) chain(mount, own string) []string {
	own = path.Clean("/" + own)
	if !c.isThere(path.Join(mount, own)) {
		own = "/"
	}
	var chain []string
	for ; own != "/"; own = path.Dir(own) {
		chain = append(chain, path.Join(mount, own))
	}
	return append(chain, mount)
}

func (c Cgroup) isThere(name string) bool {
	_, err := fs.Stat(c.root, name)
	return err == nil
}

// QuotaCPUs is the least quota of the chain, in CPUs; false when no group has
// one.
func (c Cgroup) QuotaCPUs() (cpus float64, limited bool) {
	for _, group := range c.cpu {
		quota, period := c.quota(group)
		if quota > 0 && period > 0 && (!limited || quota/period < cpus) {
			cpus, limited = quota/period, true
		}
	}
	return cpus, limited
}

// quota returns a group's quota and period, 0 where it has none.
func (c Cgroup) quota(group string) (quota, period float64) {
	if !c.v2 {
		quotaMicros, _ := c.readNumber(group, "cpu.cfs_quota_us") // -1: none
		periodMicros, _ := c.readNumber(group, "cpu.cfs_period_us")
		return float64(quotaMicros), float64(periodMicros)
	}
	text, err := fs.ReadFile(c.root, path.Join(group, "cpu.max"))
	fields := strings.Fields(string(text))
	if err != nil || len(fields) != 2 {
		return 0, 0
	}
	quota, errQuota := strconv.ParseFloat(fields[0], 64) // "max" is no number: no quota
	period, errPeriod := strconv.ParseFloat(fields[1], 64)
	if errQuota != nil || errPeriod != nil {
		return 0, 0
	}
	return quota, period
}

// Throttled is how long quotas have held this process back, added up over the chain:
// each group holds back what is below it. A group without a quota holds nothing back.
// The time is not known when a counter can't be read of a group that has a quota, or
// of the process's own group.
func (c Cgroup) Throttled() (total time.Duration, known bool) {
	for i, group := range c.cpu {
		counts, err := c.readCounts(group, "cpu.stat")
		nanos, found1 := counts["throttled_time"] // of version 1
		micros, found2 := counts["throttled_usec"]
		quota, period := c.quota(group)
		limited := quota > 0 && period > 0
		if !found1 && !found2 && (limited || i == 0 && err != nil) {
			return 0, false
		}
		total += time.Duration(nanos) + time.Duration(micros)*time.Microsecond
	}
	return total, true
}

// CgroupUsage is what a group and all below it have used since it was made. A
// figure that could not be read is not known.
type CgroupUsage struct {
	CPUSeconds       maybe.Number
	Periods          maybe.Number // of its CPU quota
	ThrottledPeriods maybe.Number // of these, the ones with a wait for the next
	ThrottledSeconds maybe.Number
	WorkingSetBytes  maybe.Number // memory less the file cache that is not in use
	OOMKills         maybe.Number
}

// Usage reads the process's own group. The error names each file that can't be read,
// and each missing key. The figures that need them are not known.
func (c Cgroup) Usage() (CgroupUsage, error) {
	if c.v2 {
		return c.usageV2()
	}
	return c.usageV1()
}

func (c Cgroup) usageV1() (CgroupUsage, error) {
	usage, errUsage := c.number(c.cpuacct[0], "cpuacct.usage")
	used, errUsed := c.number(c.memory[0], "memory.usage_in_bytes")
	cpu := c.open(c.cpu[0], "cpu.stat")
	memory := c.open(c.memory[0], "memory.stat")
	oom := c.open(c.memory[0], "memory.oom_control")
	use := CgroupUsage{
		CPUSeconds: seconds(usage, time.Nanosecond),
		Periods:    cpu.get("nr_periods"), ThrottledPeriods: cpu.get("nr_throttled"),
		ThrottledSeconds: seconds(cpu.get("throttled_time"), time.Nanosecond),
		WorkingSetBytes:  workingSet(used, memory.get("total_inactive_file")),
		OOMKills:         oom.get("oom_kill"),
	}
	return use, errors.Join(errUsage, cpu.err, errUsed, memory.err, oom.err)
}

func (c Cgroup) usageV2() (CgroupUsage, error) {
	used, errUsed := c.number(c.memory[0], "memory.current")
	cpu := c.open(c.cpu[0], "cpu.stat")
	memory := c.open(c.memory[0], "memory.stat")
	events := c.open(c.memory[0], "memory.events")
	use := CgroupUsage{
		CPUSeconds: seconds(cpu.get("usage_usec"), time.Microsecond),
		Periods:    cpu.get("nr_periods"), ThrottledPeriods: cpu.get("nr_throttled"),
		ThrottledSeconds: seconds(cpu.get("throttled_usec"), time.Microsecond),
		WorkingSetBytes:  workingSet(used, memory.get("inactive_file")),
		OOMKills:         events.get("oom_kill"),
	}
	return use, errors.Join(cpu.err, errUsed, memory.err, events.err)
}

// seconds turns a count of units of time into seconds.
func seconds(count maybe.Number, unit time.Duration) maybe.Number {
	units, known := count.Get()
	if !known {
		return maybe.Number{}
	}
	return maybe.Of((time.Duration(units) * unit).Seconds())
}

// workingSet is the memory in use less the file cache that is not.
func workingSet(usedBytes, inactiveBytes maybe.Number) maybe.Number {
	return maybe.Of(max(0, usedBytes.OrNaN()-inactiveBytes.OrNaN())) // NaN stays NaN
}

// counts is a file of counts that is being read; the first error sticks.
type counts struct {
	name   string
	values map[string]int64
	err    error
}

func (c Cgroup) open(group, file string) *counts {
	values, err := c.readCounts(group, file)
	return &counts{name: path.Join(group, file), values: values, err: err}
}

// get returns the value of key. A missing key is an error, and not known.
func (f *counts) get(key string) maybe.Number {
	value, found := f.values[key]
	if !found {
		if f.err == nil {
			f.err = fmt.Errorf("%s: no %s", f.name, key)
		}
		return maybe.Number{}
	}
	return maybe.Of(float64(value))
}

// number reads a file that holds one number, which is not known when there is an
// error.
func (c Cgroup) number(group, file string) (maybe.Number, error) {
	value, err := c.readNumber(group, file)
	if err != nil {
		return maybe.Number{}, err
	}
	return maybe.Of(float64(value)), nil
}

// readCounts reads "key value" lines, the form of every file of counts.
func (c Cgroup) readCounts(group, file string) (map[string]int64, error) {
	name := path.Join(group, file)
	text, err := fs.ReadFile(c.root, name)
	if err != nil {
		return nil, err
	}
	values := make(map[string]int64)
	for line := range strings.Lines(string(text)) {
		fields := strings.Fields(line)
		if len(fields) == 0 {
			continue
		}
		if len(fields) != 2 {
			return nil, fmt.Errorf("%s: line %q: not a key and a number", name, strings.TrimSpace(line))
		}
		value, err := strconv.ParseInt(fields[1], 10, 64)
		if err != nil {
			return nil, fmt.Errorf("%s: line %q: not a number", name, strings.TrimSpace(line))
		}
		values[fields[0]] = value
	}
	return values, nil
}

// readNumber reads a file that holds one number.
func (c Cgroup) readNumber(group, file string) (int64, error) {
	name := path.Join(group, file)
	text, err := fs.ReadFile(c.root, name)
	if err != nil {
		return 0, err
	}
	number, err := strconv.ParseInt(string(bytes.TrimSpace(text)), 10, 64)
	if err != nil {
		return 0, fmt.Errorf("%s: %q is not a number", name, bytes.TrimSpace(text))
	}
	return number, nil
}
