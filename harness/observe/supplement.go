// SPDX-License-Identifier: Apache-2.0

package observe

import (
	"slices"

	"headroom/internal/maybe"
	"headroom/targets/machine/spec"
)

// Supplement fills in what a reading of a machine lacks by what somebody else counted of
// the machine at about the same moment: figures that both have stay as they were. A total
// is the same counter of the kernel, whoever reads it, so that a reading that was
// supplemented and one that was not make a difference.
func Supplement(c *spec.Counters, counted spec.Counters) {
	for _, figure := range []struct {
		into *maybe.Number
		from maybe.Number
	}{
		{&c.CPUSecondsTotal, counted.CPUSecondsTotal}, {&c.MemoryBytes, counted.MemoryBytes},
		{&c.ThrottledSTotal, counted.ThrottledSTotal}, {&c.PeriodsTotal, counted.PeriodsTotal}, {&c.ThrottledPeriods, counted.ThrottledPeriods},
		{&c.OOMKillsTotal, counted.OOMKillsTotal}, {&c.NetRxBytesTotal, counted.NetRxBytesTotal}, {&c.NetTxBytesTotal, counted.NetTxBytesTotal},
	} {
		if !figure.into.Known() {
			*figure.into = figure.from
		}
	}
	// A machine that is seen from outside has one process, which has used what the
	// machine has.
	if len(c.Processes) == 1 && !c.Processes[0].CPUSecondsTotal.Known() {
		c.Processes[0].CPUSecondsTotal = c.CPUSecondsTotal
	}
	// Why nobody has counted the network says more than that the reader could not.
	at := slices.Index(c.Unread, spec.NetworkOutside)
	switch network := c.NetRxBytesTotal.Known() && c.NetTxBytesTotal.Known(); {
	case at < 0:
		c.Unread = append(c.Unread, counted.Unread...)
	case network || len(counted.Unread) > 0:
		c.Unread = slices.Replace(c.Unread, at, at+1, counted.Unread...)
	}
}
