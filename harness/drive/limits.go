// SPDX-License-Identifier: Apache-2.0

package drive

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// limits are what the system lets one process open.
type limits struct {
	files, openFiles    uint64
	portFirst, portLast int
}

// ownFiles is how many files the driver opens besides its connections (pollers, a
// resolver, a log), with some to spare.
const ownFiles = 64

// connectionCap is how many connections the job may have open at once, to so many
// addresses. It is an error, before any load, when the job asks for more connections than
// this computer allows. A job that asks for no number gets as many as this computer
// allows, up to its requests in flight. The kept connections of an earlier job do not
// count: they are used again, or closed before.
func connectionCap(job *Job, entries, addresses, kept int) (int, error) {
	l, err := readLimits()
	if err != nil {
		return 0, err
	}
	l.openFiles -= min(l.openFiles, uint64(kept))
	if job.UnixSocket != "" {
		l.portFirst, l.portLast = 1, maxConnections // it has no ports
	}
	if job.Connections > 0 {
		return job.Connections, l.check(job.Connections, addresses)
	}
	files := max(int64(l.files)-int64(l.openFiles)-ownFiles, 0)
	ports := int64(max(l.portLast-l.portFirst+1, 0)) * int64(addresses)
	connections := int(min(files, ports, int64(job.MaxInFlight), maxConnections))
	if connections < entries {
		return 0, l.check(entries, addresses)
	}
	return connections, nil
}

// readLimits reads the limits that hold for this process.
func readLimits() (limits, error) {
	var l limits
	var files unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &files); err != nil {
		return l, fmt.Errorf("read the limit of open files: %w", err)
	}
	l.files = files.Cur
	open, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		return l, fmt.Errorf("count open files: %w", err)
	}
	l.openFiles = uint64(len(open))
	ports, err := os.ReadFile("/proc/sys/net/ipv4/ip_local_port_range")
	if err != nil {
		return l, fmt.Errorf("read the range of local ports: %w", err)
	}
	if _, err := fmt.Sscan(string(ports), &l.portFirst, &l.portLast); err != nil {
		return l, fmt.Errorf("read the range of local ports from %q: %w", ports, err)
	}
	return l, nil
}

// check says before the load whether so many connections to so many addresses fit within
// the limits.
func (l limits) check(connections, addresses int) error {
	if need := uint64(connections) + l.openFiles + ownFiles; need > l.files {
		return fmt.Errorf("%d connections need %d open files, the limit is %d: raise it with `ulimit -n %d`, or plan fewer connections",
			connections, need, l.files, need)
	}
	// A local port serves every remote address anew.
	ports := max(l.portLast-l.portFirst+1, 0)
	perAddress := (connections + addresses - 1) / addresses
	if perAddress > ports {
		return fmt.Errorf("%d connections to one address need as many local ports, there are %d (%d to %d): widen net.ipv4.ip_local_port_range, or plan fewer connections",
			perAddress, ports, l.portFirst, l.portLast)
	}
	return nil
}
