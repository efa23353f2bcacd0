// SPDX-License-Identifier: Apache-2.0

package observe

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"headroom/harness/record"
	"headroom/internal/maybe"
	"headroom/targets/machine/spec"
)

// totalSuffix marks a counter; every other key is a gauge.
const totalSuffix = "_total"

// Use returns what one machine used between two readings, and every reason why the
// figures must not be trusted. Reasons are a restart, an OOM kill, a counter that ran
// backwards, and a kind's counters that could not be read. A figure that one reading
// lacks is not known. That is no reason: the use's Unread says why, and readers of the
// record warn of unknown figures.
//
// quotaCPUs and memoryLimitBytes are what the machine may use; group and external come
// from the topology. After a restart nothing can be subtracted: no figure is known, and
// the reason says so.
func Use(before, after spec.Counters, quotaCPUs float64, memoryLimitBytes int64, group string, external bool) (record.MachineUse, []string) {
	use := record.MachineUse{
		Machine:          after.Machine,
		Group:            group,
		External:         external,
		QuotaCPUs:        quotaCPUs,
		MemoryBytes:      after.MemoryBytes,
		MemoryLimitBytes: memoryLimitBytes,
		Unread:           unread(before, after),
	}
	if before.StartedUnixNano != after.StartedUnixNano {
		at := time.Unix(0, after.StartedUnixNano).UTC().Format(time.RFC3339)
		return use, []string{fmt.Sprintf("machine %s restarted at %s", after.Machine, at)}
	}
	d := &differ{machine: after.Machine, unreadBefore: before.Unread, unreadAfter: after.Unread}
	use.WindowS = time.Duration(difference(d, "monotonic_ns", before.MonotonicNano, after.MonotonicNano)).Seconds()
	if use.WindowS == 0 {
		d.reason("the two readings have no time between them")
	}
	use.CPUSeconds = d.between("cpu_s", before.CPUSecondsTotal, after.CPUSecondsTotal)
	use.ThrottledS = d.between("throttled_s", before.ThrottledSTotal, after.ThrottledSTotal)
	use.ThrottledPeriods = d.between("throttled_periods", before.ThrottledPeriods, after.ThrottledPeriods)
	use.Periods = d.between("periods", before.PeriodsTotal, after.PeriodsTotal)
	use.NetRxBytes = d.between("net_rx_bytes", before.NetRxBytesTotal, after.NetRxBytesTotal)
	use.NetTxBytes = d.between("net_tx_bytes", before.NetTxBytesTotal, after.NetTxBytesTotal)
	use.OOMKills = d.between("oom_kills", before.OOMKillsTotal, after.OOMKillsTotal)
	if kills, _ := use.OOMKills.Get(); kills > 0 {
		d.reason("%.0f of its processes OOM-killed before %s", kills, time.Unix(0, after.AtUnixNano).UTC().Format(time.RFC3339))
	}
	use.Processes = d.processes(before.Processes, after.Processes)
	for _, failed := range after.Errors {
		d.reason("could not read %s", failed)
	}
	return use, d.reasons
}

// unread returns both readings' reasons why figures are not known, each once.
func unread(before, after spec.Counters) []string {
	var reasons []string
	for _, reason := range slices.Concat(before.Unread, after.Unread) {
		if !slices.Contains(reasons, reason) {
			reasons = append(reasons, reason)
		}
	}
	return reasons
}

// differ subtracts readings and keeps the reasons against them.
type differ struct {
	machine                   string
	unreadBefore, unreadAfter []string // what each reading lacks, and why
	reasons                   []string
}

func (d *differ) reason(format string, args ...any) {
	d.reasons = append(d.reasons, "machine "+d.machine+": "+fmt.Sprintf(format, args...))
}

// difference returns after - before of a counter, or 0 and a reason when the
// counter ran backwards.
func difference[N int64 | float64](d *differ, name string, before, after N) N {
	if after < before {
		d.reason("counter %s went backwards, from %v to %v", name, maybe.Of(float64(before)), maybe.Of(float64(after)))
		return 0
	}
	return after - before
}

// between is the difference of a counter that both readings have, and otherwise not
// known. A counter that ran backwards gives 0 and a reason.
func (d *differ) between(name string, before, after maybe.Number) maybe.Number {
	first, known1 := before.Get()
	last, known2 := after.Get()
	if !known1 || !known2 {
		return maybe.Number{}
	}
	return maybe.Of(difference(d, name, first, last))
}

func (d *differ) processes(before, after []spec.ProcessCounters) []record.ProcessUse {
	earlier := make(map[string]spec.ProcessCounters, len(before))
	for _, p := range before {
		earlier[p.Name] = p
	}
	uses := make([]record.ProcessUse, 0, len(after))
	for _, p := range after {
		first, found := earlier[p.Name]
		delete(earlier, p.Name)
		if !found {
			d.reason("process %s was not there at the first reading", p.Name)
			first = p
		}
		uses = append(uses, record.ProcessUse{
			Name:       p.Name,
			Kind:       p.Kind,
			CPUSeconds: d.between(p.Name+" cpu_s", first.CPUSecondsTotal, p.CPUSecondsTotal),
			RSSBytes:   p.RSSBytes,
			Counts:     d.counts(p.Name, first.Counts, p.Counts),
		})
	}
	for _, p := range before {
		if _, gone := earlier[p.Name]; gone {
			d.reason("process %s is gone at the second reading", p.Name)
		}
	}
	return uses
}

// counts subtracts the counters, which end in _total, and takes gauges from the last
// reading. A counter that only one reading has gets no number: a guess of zero would
// count the whole past as this slice's. That is a reason against the slice, unless the
// other reading says why it lacks some of the process's counters. Some programs show a
// counter only after its first event, and a busy program may not answer in time.
func (d *differ) counts(process string, before, after map[string]float64) map[string]float64 {
	counts := make(map[string]float64, len(after))
	for _, key := range sortedKeys(after) {
		name, isTotal := strings.CutSuffix(key, totalSuffix)
		if !isTotal {
			counts[key] = after[key]
			continue
		}
		first, found := before[key]
		if !found {
			if !saysWhy(d.unreadBefore, process) {
				d.reason("%s %s was not there at the first reading", process, key)
			}
			continue
		}
		counts[name] = difference(d, process+" "+name, first, after[key])
	}
	for _, key := range sortedKeys(before) {
		if _, found := after[key]; !found && strings.HasSuffix(key, totalSuffix) && !saysWhy(d.unreadAfter, process) {
			d.reason("%s %s is gone at the second reading", process, key)
		}
	}
	return counts
}

// saysWhy says whether a reading gives a reason why it lacks a figure of the process.
func saysWhy(unread []string, process string) bool {
	return slices.ContainsFunc(unread, func(reason string) bool { return strings.HasPrefix(reason, process+": ") })
}

// ReplaceGauges replaces the gauges of use, which come from the last reading, by the
// gauges of a reading under load.
func ReplaceGauges(use *record.MachineUse, loaded spec.Counters) {
	for _, p := range loaded.Processes {
		i := slices.IndexFunc(use.Processes, func(have record.ProcessUse) bool { return have.Name == p.Name })
		if i < 0 {
			continue
		}
		for key, value := range p.Counts {
			if _, known := use.Processes[i].Counts[key]; known && !strings.HasSuffix(key, totalSuffix) {
				use.Processes[i].Counts[key] = value
			}
		}
	}
}

func sortedKeys(counts map[string]float64) []string {
	return slices.Sorted(maps.Keys(counts))
}
