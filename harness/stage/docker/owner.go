// SPDX-License-Identifier: Apache-2.0

package docker

import (
	"maps"
	"strconv"

	"headroom/internal/child"
)

// Labels of everything that a run makes. The owner is the process that made
// it; a pid alone would not do, because pids are reused.
const (
	labelOurs     = "headroom" // "1"
	labelRun      = "headroom.run"
	labelInstance = "headroom.instance"
	labelPID      = "headroom.pid"
	labelPIDStart = "headroom.pid-start"
	labelPIDSpace = "headroom.pid-space"
	labelBoot     = "headroom.boot"
	labelHost     = "headroom.host"
	labelDataset  = "headroom.dataset" // the dataset's version; datasets have no owner
)

// labelsOf returns the labels of a thing that the owner makes for run.
func labelsOf(o child.Owner, runID string, more map[string]string) map[string]string {
	labels := map[string]string{
		labelOurs:     "1",
		labelRun:      runID,
		labelPID:      strconv.Itoa(o.PID),
		labelPIDStart: o.Start,
		labelPIDSpace: o.Namespace,
		labelBoot:     o.Boot,
		labelHost:     o.Host,
	}
	maps.Copy(labels, more)
	return labels
}

// ownerOf is the owner that the labels name. Labels without a pid name no owner,
// which is never dead.
func ownerOf(labels map[string]string) child.Owner {
	pid, _ := strconv.Atoi(labels[labelPID])
	return child.Owner{
		PID: pid, Start: labels[labelPIDStart], Namespace: labels[labelPIDSpace], Boot: labels[labelBoot], Host: labels[labelHost],
	}
}
