// SPDX-License-Identifier: Apache-2.0

package reports

import (
	"fmt"
	"strings"

	"headroom/reports/compare"
	"headroom/scenarios"
)

// Thresholds from which the sentence names a reason.
const (
	saturatedUtilisation   = 0.7  // of its CPU: bursts take the rest
	highThrottledShare     = 0.05 // share of CPU periods in which a machine was throttled
	highPoolWaitShare      = 0.1  // of the mean response time, spent waiting for a connection
	highStatementWaitShare = 0.3  // of the mean response time, spent in statements without CPU
	minMeanWaiting         = 0.5  // waiting in the mean of the readings
)

// bottleneckSentence names the machine that limits a variant, with the process and the
// reason, from what the machines did at the variant's capacity; "" when nothing was
// measured there. A machine whose CPU time is not known may be the bottleneck: then the
// sentence says so and names no machine.
func bottleneckSentence(s compare.Sample) string {
	demands := compare.Collapse(s.Demands())
	if len(demands) == 0 {
		return ""
	}
	top, unknown := demands[0], cpuNotKnown(demands)
	if !top.Utilisation.Known() {
		return unknown
	}
	text := fmt.Sprintf("%s: %s at %s requests/s%s, %s of CPU a request", top.Machine, usesText(top), compare.FormatRate(s.OfferedRPS()),
		partsText(top), millisText(top.CPUms))
	if top.Machines > 1 {
		text += " on each"
	}
	if top.ThrottledShare.OrNaN() > highThrottledShare {
		text += fmt.Sprintf(", stopped by its quota in %s of the periods", percentText(top.ThrottledShare))
	}
	free := top.Utilisation.OrNaN() < saturatedUtilisation
	switch {
	case unknown != "":
		text = unknown + "; the busiest of the others is " + text
	case free:
		text = "not CPU alone: the busiest machine is " + text
	}
	if free {
		for _, cause := range waitCauses(s) {
			text += "; " + cause
		}
	}
	if len(demands) > 1 && demands[1].Utilisation.Known() {
		text += fmt.Sprintf("; next %s with %s", machineName(demands[1]), percentText(demands[1].Utilisation))
	}
	return text
}

// cpuNotKnown says that no machine can be named, and which machines' CPU time is not
// known; "" where all are known.
func cpuNotKnown(demands []compare.Demand) string {
	machines := compare.CPUNotKnown(demands)
	if len(machines) == 0 {
		return ""
	}
	return "not known: CPU not known of " + strings.Join(machines, ", ")
}

// usesText is "PostgreSQL uses 92% of its 0.21 CPUs".
func usesText(d compare.Demand) string {
	who := ""
	if len(d.Processes) == 1 {
		who = d.Processes[0].Label + " uses "
	}
	if d.Machines > 1 {
		return fmt.Sprintf("%s%s of the %.2g CPUs of each of %d machines", who, percentText(d.Utilisation), d.QuotaCPUs, d.Machines)
	}
	return fmt.Sprintf("%s%s of its %.2g CPUs", who, percentText(d.Utilisation), d.QuotaCPUs)
}

// partsText shares a machine's use out among its processes, where it has
// several: " (PostgreSQL 60%, the shop 28%)".
func partsText(d compare.Demand) string {
	if len(d.Processes) < 2 {
		return ""
	}
	var parts []string
	for _, p := range d.Processes {
		parts = append(parts, p.Label+" "+percentText(p.Utilisation))
	}
	return " (" + strings.Join(parts, ", ") + ")"
}

// machineName is "database", or "app (mean of 5)".
func machineName(d compare.Demand) string {
	if d.Machines == 1 {
		return d.Machine
	}
	return fmt.Sprintf("%s (mean of %d)", d.Machine, d.Machines)
}

// waitCauses says what requests wait for that is not CPU: connections, locks,
// a turn in a queue.
func waitCauses(s compare.Sample) []string {
	var causes []string
	mean := s.MeanMS()
	if wait := s.PoolWaitMS(); wait > highPoolWaitShare*mean {
		causes = append(causes, fmt.Sprintf("a request waits %s ms for a database connection", compare.FormatNumber(wait)))
	}
	locks := s.Gauge(scenarios.MeaningLockWaiters)
	switch took, cpu, ok := s.Statements(); {
	case locks > minMeanWaiting:
		causes = append(causes, fmt.Sprintf("%s statements of %s wait for locks", compare.FormatNumber(locks), s.WhoCounts(scenarios.MeaningLockWaiters)))
	case ok && took-cpu > highStatementWaitShare*mean:
		causes = append(causes, fmt.Sprintf("a request's statements take %s ms in %s with %s ms of CPU: the rest is waiting, for locks, the disk or a turn",
			compare.FormatNumber(took), s.WhoCounts(scenarios.MeaningStatementTime), compare.FormatNumber(cpu)))
	}
	if queue := s.Gauge(scenarios.MeaningWaitingServer); queue > minMeanWaiting {
		causes = append(causes, fmt.Sprintf("%s requests queue in %s for a free server", compare.FormatNumber(queue), s.WhoCounts(scenarios.MeaningWaitingServer)))
	}
	return causes
}
