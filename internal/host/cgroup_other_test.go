// SPDX-License-Identifier: Apache-2.0

package host

import (
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"headroom/internal/maybe"
)

const containerID = "0123456789abcdef0123456789abcdef"

// Another container's group is found by its id, wherever the engine puts it.
func TestCgroupIn(t *testing.T) {
	v2 := files("cgroup.controllers", "cpu memory\n", "cpu.stat", "usage_usec 1\n")
	with := func(parts ...map[string]string) map[string]string {
		all := map[string]string{}
		for _, part := range parts {
			maps.Copy(all, part)
		}
		return all
	}
	v2Root := map[string]string{"cgroup.controllers": "cpu memory\n"}
	v1 := func(cpu, cpuacct, memory string) map[string]string {
		return with(below(cpu, cpu1Files), below(cpuacct, cpuacct1Files), below(memory, memory1Files))
	}
	const id = containerID
	for name, root := range map[string]map[string]string{
		"version 2, systemd":                       with(v2Root, below("system.slice/docker-"+id+".scope/", group2Files), below("system.slice/docker-fff.scope/", others)),
		"version 2, a group below it is not taken": with(v2Root, below("docker/"+id+"/", group2Files), below("docker/"+id+"/init-"+id+"/", others)),
		"version 2, the group of a mount is not taken": with(v2Root, below("system.slice/run-docker-"+id+"-rootfs.mount/", others),
			below("system.slice/z-docker-"+id+".scope/", group2Files)),
		"version 1": with(v1("cpu/docker/"+id+"/", "cpuacct/docker/"+id+"/", "memory/docker/"+id+"/"),
			below("cpu/", others), below("cpuacct/docker/", others), below("memory/docker/fff/", others)),
		"version 1, mounted together, deeper": v1("cpu,cpuacct/a/docker/"+id+"/", "cpu,cpuacct/a/docker/"+id+"/", "memory/a/docker/"+id+"/"),
	} {
		want := map[string]maybe.Number{"CPU": maybe.Of(1.5), "throttled": maybe.Of(2.5), "periods": maybe.Of(200),
			"throttled periods": maybe.Of(50), "memory": maybe.Of(600000), "OOM kills": maybe.Of(2)}
		c, err := CgroupIn(rootOf(root), id)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		use, err := c.Usage()
		if got := usesOf(use); err != nil || !maps.Equal(got, want) {
			t.Errorf("%s: %v, %v, want %v", name, got, err, want)
		}
	}
	if _, err := CgroupIn(v2, id); err == nil || !strings.Contains(err.Error(), "no cgroup of 0123456789ab below /") {
		t.Errorf("version 2 without the container: %v", err)
	}
	if _, err := CgroupIn(v2, ""); err == nil {
		t.Error("no name finds a group")
	}
}

// Each tree of version 1 that lacks the container is named.
func TestCgroupInNamesTheTree(t *testing.T) {
	root := rootOf(below("cpu/docker/"+containerID+"/", cpu1Files), below("cpuacct/", others))
	_, err := CgroupIn(root, containerID)
	if err == nil {
		t.Fatal("no error")
	}
	for _, want := range []string{"no cgroup of 0123456789ab below /cpuacct", "no cgroups of memory are mounted"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q lacks %q", err, want)
		}
	}
	if strings.Contains(err.Error(), "below /cpu\n") {
		t.Errorf("%q names the tree that has the container", err)
	}
}

// A tree of version 1 may be a symbolic link to the one that it is mounted with.
func TestCgroupInFollowsTheLinkOfATree(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{
		"cpu,cpuacct/docker/" + containerID + "/cpu.stat":         "nr_periods 200\nnr_throttled 50\nthrottled_time 2500000000\n",
		"cpu,cpuacct/docker/" + containerID + "/cpuacct.usage":    "1500000000\n",
		"memory/docker/" + containerID + "/memory.usage_in_bytes": "5\n",
		"memory/docker/" + containerID + "/memory.stat":           "total_inactive_file 0\n",
		"memory/docker/" + containerID + "/memory.oom_control":    "oom_kill 0\n",
	} {
		to := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(to, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, link := range []string{"cpu", "cpuacct"} {
		if err := os.Symlink("cpu,cpuacct", filepath.Join(dir, link)); err != nil {
			t.Fatal(err)
		}
	}
	c, err := CgroupIn(os.DirFS(dir), containerID)
	if err != nil {
		t.Fatal(err)
	}
	if use, err := c.Usage(); err != nil || use.CPUSeconds != maybe.Of(1.5) || use.WorkingSetBytes != maybe.Of(5) {
		t.Errorf("%+v, %v", use, err)
	}
}
