package docker

import (
	"errors"
	"io/fs"
	"maps"
	"os"
	"strconv"

	"headroom/internal/host"
)

// Labels of everything that a run makes. The owner is the process that made
// it; a pid alone would not do, because pids are reused.
const (
	labelOurs     = "headroom" // "1"
	labelRun      = "headroom.run"
	labelInstance = "headroom.instance"
	labelPID      = "headroom.pid"
	labelPIDStart = "headroom.pid-start" // field 22 of /proc/PID/stat
	labelPIDSpace = "headroom.pid-space" // the pid namespace
	labelBoot     = "headroom.boot"
	labelHost     = "headroom.host"
	labelDataset  = "headroom.dataset" // the dataset's version; datasets have no owner
)

// owner identifies a process beyond the reuse of its pid. Fields that the
// system does not tell are empty, and such an owner is never called dead.
type owner struct {
	pid      int
	pidStart string
	pidSpace string
	boot     string
	host     string
}

// self returns this process as an owner.
func self() owner {
	o := owner{pid: os.Getpid()}
	o.pidStart, _ = startTime(o.pid)
	o.pidSpace, _ = host.PIDNamespace()
	o.boot, _ = host.BootID()
	o.host, _ = os.Hostname()
	return o
}

// labels returns the labels of a thing that o makes for run.
func (o owner) labels(runID string, more map[string]string) map[string]string {
	labels := map[string]string{
		labelOurs:     "1",
		labelRun:      runID,
		labelPID:      strconv.Itoa(o.pid),
		labelPIDStart: o.pidStart,
		labelPIDSpace: o.pidSpace,
		labelBoot:     o.boot,
		labelHost:     o.host,
	}
	maps.Copy(labels, more)
	return labels
}

// ownerIsDead says whether the labels name an owner that is provably dead, as
// me, on this machine, can prove it: it ran here before the last boot, or it
// ran since, in my pid namespace, and its pid is gone or another process's
// now. started returns a pid's start time and fs.ErrNotExist for no such
// process.
func ownerIsDead(labels map[string]string, me owner, started func(pid int) (string, error)) bool {
	pid, err := strconv.Atoi(labels[labelPID])
	if err != nil || pid <= 0 || labels[labelBoot] == "" || labels[labelPIDStart] == "" || labels[labelPIDSpace] == "" {
		return false
	}
	if labels[labelBoot] != me.boot {
		return me.boot != "" && me.host != "" && labels[labelHost] == me.host
	}
	if labels[labelPIDSpace] != me.pidSpace {
		return false
	}
	now, err := started(pid)
	if err != nil {
		return errors.Is(err, fs.ErrNotExist)
	}
	return now != labels[labelPIDStart]
}

// startTime returns the start of a process as labelPIDStart has it.
func startTime(pid int) (string, error) {
	ticks, err := host.StartTicks(pid)
	if err != nil {
		return "", err
	}
	return strconv.FormatUint(ticks, 10), nil
}
