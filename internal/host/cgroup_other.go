// SPDX-License-Identifier: Apache-2.0

package host

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strings"
)

// CgroupIn finds the group of another process by what its folder's name holds, such
// as a container's id, in the cgroups that are mounted at root. The error says where
// there is none.
func CgroupIn(root fs.FS, name string) (Cgroup, error) {
	if name == "" {
		return Cgroup{}, errors.New("no name to find a cgroup by")
	}
	c := Cgroup{root: root}
	if c.isThere("cgroup.controllers") { // in the root of version 2 alone
		group, err := findGroup(root, ".", name)
		chain := []string{group}
		c.v2, c.cpu, c.cpuacct, c.memory = true, chain, chain, chain
		return c, err
	}
	cpu, errCPU := c.findV1(name, "cpu", "cpu,cpuacct", "cpuacct,cpu")
	cpuacct, errCPUacct := c.findV1(name, "cpuacct", "cpu,cpuacct", "cpuacct,cpu")
	memory, errMemory := c.findV1(name, "memory")
	c.cpu, c.cpuacct, c.memory = []string{cpu}, []string{cpuacct}, []string{memory}
	return c, errors.Join(errCPU, errCPUacct, errMemory)
}

// findV1 finds a group in the hierarchy of version 1 that is mounted under the first of
// these names that is there.
func (c Cgroup) findV1(name string, mounts ...string) (string, error) {
	for _, mount := range mounts {
		if c.isThere(mount) {
			return findGroup(c.root, mount, name)
		}
	}
	return "", fmt.Errorf("no cgroups of %s are mounted", mounts[0])
}

// mountUnit ends the name of systemd's group for a mount, which may hold the id of the
// container whose mount it is, and holds no process.
const mountUnit = ".mount"

// findGroup is the topmost folder below a mount whose name holds a name. The mount
// itself may be a symbolic link.
func findGroup(root fs.FS, mount, name string) (string, error) {
	below, err := fs.Sub(root, mount)
	if err != nil {
		return "", err
	}
	found := ""
	err = fs.WalkDir(below, ".", func(at string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil && at == ".":
			return err
		case err != nil:
			return fs.SkipDir // groups come and go
		case entry.IsDir() && strings.Contains(entry.Name(), name) && !strings.HasSuffix(entry.Name(), mountUnit):
			found = path.Join(mount, at)
			return fs.SkipAll
		}
		return nil
	})
	if err != nil {
		return "", err
	}
	if found == "" {
		return "", fmt.Errorf("no cgroup of %.12s below %s", name, path.Join("/", mount))
	}
	return found, nil
}
