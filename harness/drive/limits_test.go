// SPDX-License-Identifier: Apache-2.0

package drive

import (
	"strings"
	"testing"
)

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

// A client's kept connections don't count against its next job: a job that fitted once
// fits again.
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
