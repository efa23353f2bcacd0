// SPDX-License-Identifier: Apache-2.0

package child

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strconv"
	"syscall"

	"headroom/internal/host"
)

// Owner identifies a process beyond the reuse of its pid, for what outlives the
// process. Fields that the system does not tell are empty, and such an owner is
// never called dead.
type Owner struct {
	PID       int
	Start     string // ticks from boot to the start of the process
	Namespace string // of pids
	Boot      string
	Host      string
}

// CurrentOwner is this process as an owner.
func CurrentOwner() Owner {
	o := Owner{PID: os.Getpid()}
	o.Start, _ = StartOf(o.PID)
	o.Namespace, _ = host.PIDNamespace()
	o.Boot, _ = host.BootID()
	o.Host, _ = os.Hostname()
	return o
}

// StartOf is a process's start as Owner has it. The error is fs.ErrNotExist when
// there is no such process. A process that procfs hides from this user (hidepid)
// is there all the same.
func StartOf(pid int) (string, error) {
	ticks, err := host.StartTicks(pid)
	if errors.Is(err, fs.ErrNotExist) && !errors.Is(syscall.Kill(pid, 0), syscall.ESRCH) {
		return "", fmt.Errorf("process %d is hidden from this user", pid)
	}
	if err != nil {
		return "", err
	}
	return strconv.FormatUint(ticks, 10), nil
}

// IsDead says whether this process, me, can prove that the owner is dead. That is so
// when the owner ran on this host before the last boot. It is also so when the owner
// ran since, in this process's pid namespace, and its pid is gone or another
// process's. In tests startOf is not StartOf.
func (o Owner) IsDead(me Owner, startOf func(pid int) (string, error)) bool {
	if o.PID <= 0 || o.Boot == "" || o.Start == "" || o.Namespace == "" {
		return false
	}
	if o.Boot != me.Boot {
		return me.Boot != "" && me.Host != "" && o.Host == me.Host
	}
	if o.Namespace != me.Namespace {
		return false
	}
	now, err := startOf(o.PID)
	if err != nil {
		return errors.Is(err, fs.ErrNotExist)
	}
	return now != o.Start
}
