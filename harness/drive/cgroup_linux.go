package drive

import (
	"io/fs"
	"os"
	"path"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// usableCPUs is how many CPUs this process may use: its cgroups' quota, or
// the cores it may run on, whichever is less.
func usableCPUs() float64 {
	cpus := float64(unixCores())
	if quota, ok := cpuController(os.DirFS("/")).quotaCPUs(); ok {
		cpus = min(cpus, quota)
	}
	return cpus
}

func unixCores() int {
	var set unix.CPUSet
	if err := unix.SchedGetaffinity(0, &set); err != nil {
		return 1
	}
	return max(set.Count(), 1)
}

// throttledTime is how long this process's cgroups have been held back by
// their quota, 0 where there are none.
func throttledTime() time.Duration {
	return cpuController(os.DirFS("/")).throttled()
}

// controller is a process's place in the cgroup hierarchy that limits CPU.
type controller struct {
	root  fs.FS
	mount string // of the hierarchy
	dir   string // the process's directory under it
	v2    bool
}

// cpuController finds the calling process's controller below root, which is
// the file system's root but in tests.
func cpuController(root fs.FS) controller {
	c := controller{root: root, mount: "sys/fs/cgroup", v2: true}
	own, err := fs.ReadFile(root, "proc/self/cgroup")
	if err != nil {
		return c
	}
	for _, line := range strings.Split(strings.TrimSpace(string(own)), "\n") {
		// hierarchy:controllers:path; v2 has no controllers here.
		fields := strings.SplitN(line, ":", 3)
		if len(fields) != 3 {
			continue
		}
		for _, name := range strings.Split(fields[1], ",") {
			if name == "cpu" {
				c.mount, c.dir, c.v2 = c.v1Mount(fields[1]), fields[2], false
				return c
			}
		}
		if fields[1] == "" {
			c.dir = fields[2]
		}
	}
	return c
}

// v1Mount is where the hierarchy of these controllers is mounted.
func (c controller) v1Mount(controllers string) string {
	for _, name := range []string{controllers, "cpu,cpuacct", "cpu"} {
		if _, err := fs.Stat(c.root, "sys/fs/cgroup/"+name+"/cpu.stat"); err == nil {
			return "sys/fs/cgroup/" + name
		}
	}
	return "sys/fs/cgroup/cpu"
}

// levels are the directories from the process's own up to the mount. Inside a
// container the path may be the host's, and not exist: the mount itself is
// the container's then.
func (c controller) levels() []string {
	var dirs []string
	for dir := path.Clean("/" + c.dir); ; dir = path.Dir(dir) {
		full := path.Join(c.mount, dir)
		if _, err := fs.Stat(c.root, full); err == nil {
			dirs = append(dirs, full)
		}
		if dir == "/" {
			return dirs
		}
	}
}

// quotaCPUs is the least quota of all levels.
func (c controller) quotaCPUs() (cpus float64, ok bool) {
	for _, dir := range c.levels() {
		quota, period := c.quota(dir)
		if quota > 0 && period > 0 && (!ok || quota/period < cpus) {
			cpus, ok = quota/period, true
		}
	}
	return cpus, ok
}

// quota returns a level's quota and period, 0 where it has none.
func (c controller) quota(dir string) (quota, period float64) {
	if !c.v2 {
		return c.number(dir + "/cpu.cfs_quota_us"), c.number(dir + "/cpu.cfs_period_us")
	}
	data, err := fs.ReadFile(c.root, dir+"/cpu.max")
	fields := strings.Fields(string(data))
	if err != nil || len(fields) != 2 {
		return 0, 0
	}
	return parseNumber(fields[0]), parseNumber(fields[1]) // "max" is no number: no quota
}

// throttled adds up all levels: each holds back what is below it.
func (c controller) throttled() time.Duration {
	var total time.Duration
	for _, dir := range c.levels() {
		data, err := fs.ReadFile(c.root, dir+"/cpu.stat")
		if err != nil {
			continue
		}
		for _, line := range strings.Split(string(data), "\n") {
			key, value, _ := strings.Cut(line, " ")
			switch key {
			case "throttled_time": // v1
				total += time.Duration(parseNumber(value))
			case "throttled_usec": // v2
				total += time.Duration(parseNumber(value)) * time.Microsecond
			}
		}
	}
	return total
}

func (c controller) number(name string) float64 {
	data, err := fs.ReadFile(c.root, name)
	if err != nil {
		return 0
	}
	return parseNumber(strings.TrimSpace(string(data)))
}

func parseNumber(text string) float64 {
	n, err := strconv.ParseFloat(text, 64)
	if err != nil {
		return 0
	}
	return n
}
