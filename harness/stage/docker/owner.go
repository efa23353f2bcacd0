package docker

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"strconv"
	"strings"
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
	o.pidSpace, _ = os.Readlink("/proc/self/ns/pid")
	if boot, err := os.ReadFile("/proc/sys/kernel/random/boot_id"); err == nil {
		o.boot = strings.TrimSpace(string(boot))
	}
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

// startTime returns field 22 of /proc/PID/stat: clock ticks from boot to the
// start of the process.
func startTime(pid int) (string, error) {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return "", err
	}
	return parseStartTime(stat)
}

// parseStartTime counts from the last ")", because the command's name, field
// 2, may hold blanks and brackets.
func parseStartTime(stat []byte) (string, error) {
	const fieldsAfterName = 20 // field 22 is the 20th after field 2
	_, rest, found := bytes.Cut(stat[max(bytes.LastIndexByte(stat, ')'), 0):], []byte(")"))
	fields := bytes.Fields(rest)
	if !found || len(fields) < fieldsAfterName {
		return "", fmt.Errorf("not a /proc/PID/stat line: %.100q", stat)
	}
	return string(fields[fieldsAfterName-1]), nil
}
