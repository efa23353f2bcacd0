// SPDX-License-Identifier: Apache-2.0

package host

import (
	"errors"
	"io/fs"
	"maps"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"headroom/internal/maybe"
)

func files(pairs ...string) fstest.MapFS {
	root := fstest.MapFS{}
	for i := 0; i < len(pairs); i += 2 {
		root[pairs[i]] = &fstest.MapFile{Data: []byte(pairs[i+1])}
	}
	return root
}

func TestQuotaAndThrottling(t *testing.T) {
	for _, test := range []struct {
		name      string
		root      fstest.MapFS
		quota     float64 // 0: none
		throttled time.Duration
		unread    bool // the throttled time is not known
	}{
		{name: "no cgroups", root: files(), unread: true},
		{name: "v2, a quota without a counter", root: files("proc/self/cgroup", "0::/\n", "sys/fs/cgroup/cpu.max", "50000 100000\n", "sys/fs/cgroup/cpu.stat", "usage_usec 5\n"),
			quota: 0.5, unread: true},
		{name: "v2, a level above has a quota without a counter", root: files("proc/self/cgroup", "0::/a\n",
			"sys/fs/cgroup/cpu.max", "50000 100000\n", "sys/fs/cgroup/a/cpu.stat", "throttled_usec 0\n"), quota: 0.5, unread: true},
		{name: "v2, neither a quota nor a counter", root: files("proc/self/cgroup", "0::/\n", "sys/fs/cgroup/cpu.stat", "usage_usec 5\n")},
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
		{
			name: "v1 in a container that runs containers: theirs are not above it",
			root: files("proc/self/cgroup", "2:cpu:/docker/abc\n",
				"sys/fs/cgroup/cpu/docker/cpu.cfs_quota_us", "1000\n", "sys/fs/cgroup/cpu/docker/cpu.cfs_period_us", "100000\n",
				"sys/fs/cgroup/cpu/docker/cpu.stat", "throttled_time 5000\n",
				"sys/fs/cgroup/cpu/cpu.stat", "throttled_time 3000\n"),
			throttled: 3 * time.Microsecond,
		},
		{
			name: "v1, mounted under the names in another order",
			root: files("proc/self/cgroup", "2:cpuacct,cpu:/\n",
				"sys/fs/cgroup/cpu,cpuacct/cpu.stat", "throttled_time 4000\n"),
			throttled: 4 * time.Microsecond,
		},
	} {
		c := findCgroup(test.root)
		quota, limited := c.QuotaCPUs()
		throttled, known := c.Throttled()
		if limited != (test.quota > 0) || quota != test.quota || throttled != test.throttled || known == test.unread {
			t.Errorf("%s: quota %v (%v), throttled %v (%v); want %v and %v (%v)", test.name, quota, limited, throttled, known, test.quota, test.throttled, !test.unread)
		}
	}
}

// below returns the files with their names below dir.
func below(dir string, of map[string]string) map[string]string {
	moved := map[string]string{}
	for name, text := range of {
		moved[dir+name] = text
	}
	return moved
}

func rootOf(parts ...map[string]string) fstest.MapFS {
	root := fstest.MapFS{}
	for _, part := range parts {
		for name, text := range part {
			root[name] = &fstest.MapFile{Data: []byte(text)}
		}
	}
	return root
}

var (
	cpu1Files = map[string]string{
		"cpu.stat": "nr_periods 200\nnr_throttled 50\nthrottled_time 2500000000\n",
	}
	cpuacct1Files = map[string]string{"cpuacct.usage": "1500000000\n"}
	memory1Files  = map[string]string{
		"memory.usage_in_bytes": "1000000\n",
		"memory.stat":           "cache 5\ninactive_file 1\ntotal_inactive_file 400000\n",
		"memory.oom_control":    "oom_kill_disable 0\nunder_oom 0\noom_kill 2\n",
	}
	group2Files = map[string]string{
		"cpu.stat":       "usage_usec 1500000\nuser_usec 1\nnr_periods 200\nnr_throttled 50\nthrottled_usec 2500000\n",
		"memory.current": "1000000\n",
		"memory.stat":    "anon 5\ninactive_file 400000\n",
		"memory.events":  "low 0\nhigh 0\nmax 9\noom 3\noom_kill 2\n",
	}
	// others are of groups that a reading must not take.
	others = map[string]string{
		"cpu.stat":      "nr_periods 1\nnr_throttled 1\nthrottled_time 1\nusage_usec 1\nthrottled_usec 1\n",
		"cpuacct.usage": "1\n", "memory.current": "1\n", "memory.usage_in_bytes": "1\n",
		"memory.stat":        "inactive_file 0\ntotal_inactive_file 0\n",
		"memory.oom_control": "oom_kill 1\n", "memory.events": "oom_kill 1\n",
	}
)

func placed(text string) map[string]string { return map[string]string{"proc/self/cgroup": text} }

// containers are what a container sees whose group is at the mount.
func containers() map[string]fstest.MapFS {
	const mount = "sys/fs/cgroup/"
	all1 := rootOf(below(mount+"cpu/", cpu1Files), below(mount+"cpuacct/", cpuacct1Files), below(mount+"memory/", memory1Files))
	with := func(root fstest.MapFS, places string) fstest.MapFS {
		root = maps.Clone(root)
		maps.Copy(root, rootOf(placed(places)))
		return root
	}
	return map[string]fstest.MapFS{
		"version 1":                             with(all1, "4:memory:/\n2:cpuacct:/\n1:cpu:/\n0::/\n"),
		"version 1, the path is the host's":     with(all1, "4:memory:/docker/abc\n2:cpuacct:/docker/abc\n1:cpu:/docker/abc\n"),
		"version 1, memory is in no line":       with(all1, "2:cpu,cpuacct:/docker/abc\n"),
		"version 2":                             with(rootOf(below(mount, group2Files)), "0::/\n"),
		"version 2, the path is the host's":     with(rootOf(below(mount, group2Files)), "0::/system.slice/docker-abc.scope\n"),
		"version 2, whose own place is unknown": rootOf(below(mount, group2Files)),
	}
}

// hosts are what a process sees whose group is below the mount.
func hosts() map[string]fstest.MapFS {
	const mount = "sys/fs/cgroup/"
	return map[string]fstest.MapFS{
		"version 1, each controller elsewhere": rootOf(
			placed("4:memory:/m/deep\n2:cpuacct:/a\n1:cpu:/\n0::/\n"),
			below(mount+"cpu/", cpu1Files), below(mount+"cpuacct/a/", cpuacct1Files), below(mount+"memory/m/deep/", memory1Files),
			below(mount+"cpuacct/", others), below(mount+"memory/", others), below(mount+"memory/m/", others)),
		"version 2, below the mount": rootOf(
			placed("0::/user.slice/mine\n"),
			below(mount+"user.slice/mine/", group2Files), below(mount+"user.slice/", others), below(mount, others)),
	}
}

func TestCgroupUsage(t *testing.T) {
	want := CgroupUsage{
		CPUSeconds: maybe.Of(1.5), ThrottledSeconds: maybe.Of(2.5), Periods: maybe.Of(200), ThrottledPeriods: maybe.Of(50),
		WorkingSetBytes: maybe.Of(600000), OOMKills: maybe.Of(2),
	}
	all := containers()
	maps.Copy(all, hosts())
	for name, root := range all {
		got, err := findCgroup(root).Usage()
		if err != nil || got != want {
			t.Errorf("%s: %+v, error %v; want %+v", name, got, err, want)
		}
	}
}

// Each file that is missing, and each that lacks its key, must be named.
func TestCgroupUsageNamesWhatIsMissing(t *testing.T) {
	for name, root := range containers() {
		for broken := range root {
			if broken == "proc/self/cgroup" {
				continue
			}
			for what, text := range map[string]string{"empty": "", "wrong": "unknown 1\n", "garbage": "a b c\n", "no number": "oom_kill x\n"} {
				changed := maps.Clone(root)
				changed[broken] = &fstest.MapFile{Data: []byte(text)}
				if _, err := findCgroup(changed).Usage(); err == nil || !strings.Contains(err.Error(), broken) {
					t.Errorf("%s: %s is %s: error is %v", name, broken, what, err)
				}
			}
			without := maps.Clone(root)
			delete(without, broken)
			_, err := findCgroup(without).Usage()
			if !errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), broken) {
				t.Errorf("%s: %s is not there: error is %v", name, broken, err)
			}
		}
	}
}

func TestMissingKeyIsNamed(t *testing.T) {
	root := rootOf(below("sys/fs/cgroup/", group2Files))
	root["sys/fs/cgroup/memory.events"] = &fstest.MapFile{Data: []byte("oom 3\n")}
	use, err := findCgroup(root).Usage()
	if err == nil || err.Error() != "sys/fs/cgroup/memory.events: no oom_kill" {
		t.Errorf("error is %v", err)
	}
	if use.CPUSeconds != maybe.Of(1.5) || use.OOMKills.Known() {
		t.Errorf("what can be read is lost, or what can't is a number: %+v", use)
	}
}

func TestNoCgroupIsAnError(t *testing.T) {
	if use, err := findCgroup(files()).Usage(); err == nil || use != (CgroupUsage{}) {
		t.Errorf("%+v is read of nothing, error %v", use, err)
	}
}

// usesOf are the figures of a use by name, in a map that a test can range over.
func usesOf(use CgroupUsage) map[string]maybe.Number {
	return map[string]maybe.Number{
		"CPU": use.CPUSeconds, "periods": use.Periods, "throttled periods": use.ThrottledPeriods,
		"throttled": use.ThrottledSeconds, "memory": use.WorkingSetBytes, "OOM kills": use.OOMKills,
	}
}

// A file that is missing takes its figures away, and no others.
func TestCgroupUsageWithoutAFile(t *testing.T) {
	const mount = "sys/fs/cgroup/"
	periods := []string{"periods", "throttled periods", "throttled"}
	for version, lost := range map[string]map[string][]string{
		"version 1": {
			mount + "cpu/cpu.stat": periods, mount + "cpuacct/cpuacct.usage": {"CPU"},
			mount + "memory/memory.usage_in_bytes": {"memory"}, mount + "memory/memory.stat": {"memory"},
			mount + "memory/memory.oom_control": {"OOM kills"},
		},
		"version 2": {
			mount + "cpu.stat": append([]string{"CPU"}, periods...), mount + "memory.current": {"memory"},
			mount + "memory.stat": {"memory"}, mount + "memory.events": {"OOM kills"},
		},
	} {
		for file, names := range lost {
			root := maps.Clone(containers()[version])
			if _, there := root[file]; !there {
				t.Fatalf("%s has no %s", version, file)
			}
			delete(root, file)
			use, err := findCgroup(root).Usage()
			if err == nil || !strings.Contains(err.Error(), file) {
				t.Errorf("%s without %s: error is %v", version, file, err)
			}
			for name, figure := range usesOf(use) {
				if figure.Known() == slices.Contains(names, name) {
					t.Errorf("%s without %s: %s is %v", version, file, name, figure)
				}
			}
		}
	}
}

// A counter that is 0 was read.
func TestCgroupUsageOfZero(t *testing.T) {
	root := rootOf(below("sys/fs/cgroup/", map[string]string{
		"cpu.stat":       "usage_usec 0\nnr_periods 0\nnr_throttled 0\nthrottled_usec 0\n",
		"memory.current": "0\n", "memory.stat": "inactive_file 0\n", "memory.events": "oom_kill 0\n",
	}))
	use, err := findCgroup(root).Usage()
	if err != nil {
		t.Fatal(err)
	}
	for name, figure := range usesOf(use) {
		if figure != maybe.Of(0) {
			t.Errorf("%s is %v, want 0", name, figure)
		}
	}
}
