// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"time"

	"headroom/harness"
	"headroom/harness/drive"
)

const (
	// maxStalledShare is where a machine is plainly not fit to measure on.
	maxStalledShare = 0.1
	// maxBusyShare of all cores may be used by others in an idle second.
	maxBusyShare = 0.1
	// idleTries is for how many seconds: what was just stopped may still be at work.
	idleTries = 3
)

// warnOfStalls checks for a moment how fit the machine is. By now no other measurement
// runs here.
func warnOfStalls(progress *progress) {
	if why := stalls(); why != "" {
		progress.Note("warning: %s; slices will come out invalid", why)
	}
}

// unfit says why this machine cannot be timed on now: it stands still, or others
// use it. "" says that it may be fit.
func unfit(ctx context.Context) string {
	if why := stalls(); why != "" {
		return why
	}
	least := 1.0
	for range idleTries {
		busy, known := drive.BusyShare(ctx, time.Second)
		if !known || busy <= maxBusyShare {
			return ""
		}
		least = min(least, busy)
	}
	return fmt.Sprintf("other programs used %.0f%% of this machine's CPU in %d seconds in which headroom did nothing", 100*least, idleTries)
}

func stalls() string {
	stalled := harness.StalledShare(time.Second)
	if stalled <= maxStalledShare {
		return ""
	}
	return fmt.Sprintf("this machine stood still for %.0f%% of the last second: other work, or a hypervisor that throttles it", 100*stalled)
}
