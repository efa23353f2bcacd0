package drive

import (
	"strings"
	"testing"
	"testing/fstest"
	"time"
)

func files(pairs ...string) fstest.MapFS {
	root := fstest.MapFS{}
	for i := 0; i < len(pairs); i += 2 {
		root[pairs[i]] = &fstest.MapFile{Data: []byte(pairs[i+1])}
	}
	return root
}

func TestCPUController(t *testing.T) {
	for _, test := range []struct {
		name      string
		root      fstest.MapFS
		quota     float64 // 0: none
		throttled time.Duration
	}{
		{name: "no cgroups", root: files()},
		{name: "v2, no quota", root: files("proc/self/cgroup", "0::/\n", "sys/fs/cgroup/cpu.max", "max 100000\n", "sys/fs/cgroup/cpu.stat", "usage_usec 5\nthrottled_usec 0\n")},
		{
			name: "v2, the least of two levels",
			root: files("proc/self/cgroup", "0::/a/b\n",
				"sys/fs/cgroup/a/cpu.max", "50000 100000\n", "sys/fs/cgroup/a/cpu.stat", "throttled_usec 1500\n",
				"sys/fs/cgroup/a/b/cpu.max", "200000 100000\n", "sys/fs/cgroup/a/b/cpu.stat", "nr_throttled 1\nthrottled_usec 500\n"),
			quota: 0.5, throttled: 2 * time.Millisecond,
		},
		{
			name: "v1",
			root: files("proc/self/cgroup", "4:cpu,cpuacct:/x\n1:name=systemd:/\n0::/\n",
				"sys/fs/cgroup/cpu,cpuacct/cpu.stat", "throttled_time 0\n",
				"sys/fs/cgroup/cpu,cpuacct/x/cpu.cfs_quota_us", "15000\n", "sys/fs/cgroup/cpu,cpuacct/x/cpu.cfs_period_us", "10000\n",
				"sys/fs/cgroup/cpu,cpuacct/x/cpu.stat", "nr_periods 9\nnr_throttled 2\nthrottled_time 7000000\n"),
			quota: 1.5, throttled: 7 * time.Millisecond,
		},
		{
			name: "v1 in a container: the path is the host's",
			root: files("proc/self/cgroup", "2:cpu:/docker/abc\n",
				"sys/fs/cgroup/cpu/cpu.cfs_quota_us", "-1\n", "sys/fs/cgroup/cpu/cpu.cfs_period_us", "100000\n",
				"sys/fs/cgroup/cpu/cpu.stat", "throttled_time 3000\n"),
			throttled: 3 * time.Microsecond,
		},
	} {
		c := cpuController(test.root)
		quota, ok := c.quotaCPUs()
		if ok != (test.quota > 0) || quota != test.quota || c.throttled() != test.throttled {
			t.Errorf("%s: quota %v (%v), throttled %v; want %v and %v", test.name, quota, ok, c.throttled(), test.quota, test.throttled)
		}
	}
}

func TestThisProcessHasCPUs(t *testing.T) {
	if cpus := usableCPUs(); cpus <= 0 || cpus > 4096 {
		t.Errorf("this process may use %v CPUs", cpus)
	}
}

func TestLimitsAreCheckedBeforeTheLoad(t *testing.T) {
	l := limits{files: 1024, openFiles: 10, portFirst: 32768, portLast: 60999}
	for _, test := range []struct {
		limits                 limits
		connections, addresses int
		says                   string
	}{
		{l, 900, 1, ""},
		{l, 1000, 1, "ulimit -n 1074"},
		{limits{files: 1 << 20, portFirst: 32768, portLast: 33767}, 1000, 1, ""},
		{limits{files: 1 << 20, portFirst: 32768, portLast: 33767}, 1001, 1, "ip_local_port_range"},
		{limits{files: 1 << 20, portFirst: 32768, portLast: 33767}, 2000, 2, ""},
	} {
		err := test.limits.check(test.connections, test.addresses)
		if (err == nil) != (test.says == "") || err != nil && !strings.Contains(err.Error(), test.says) {
			t.Errorf("%d connections within %+v: error %v, want %q", test.connections, test.limits, err, test.says)
		}
	}
	read, err := readLimits()
	if err != nil || read.files == 0 || read.portLast <= read.portFirst || read.openFiles == 0 {
		t.Errorf("read %+v, error %v", read, err)
	}
}

// More connections than ports there are: Drive says so and sends nothing.
func TestDriveSaysWhenPortsAreTooFew(t *testing.T) {
	job := testJob()
	job.Connections = maxConnections
	if _, err := Drive(t.Context(), job); err == nil || !strings.Contains(err.Error(), "100000 connections") {
		t.Errorf("error %v", err)
	}
}

// What a client keeps open is no other's: a job that fitted once fits again.
func TestKeptConnectionsAreNotCountedTwice(t *testing.T) {
	l, err := readLimits()
	if err != nil {
		t.Fatal(err)
	}
	job := testJob()
	job.Connections, job.MaxInFlight = 0, maxInFlight
	all, err := connectionCap(&job, 1, 1000, 0)
	if err != nil {
		t.Fatal(err)
	}
	if l.files > maxConnections+l.openFiles+ownFiles {
		t.Skipf("%d files may be open: more than any job has connections", l.files)
	}
	if kept, err := connectionCap(&job, 1, 1000, 5); err != nil || kept != all+5 {
		t.Errorf("%d connections, with 5 of the open files kept from before %d, error %v", all, kept, err)
	}
}
