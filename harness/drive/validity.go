// SPDX-License-Identifier: Apache-2.0

package drive

import (
	"fmt"
	"time"

	"headroom/harness/record"
)

// Limits of docs/measurement.md, "Validity of a slice".
const (
	maxLateShare = 0.001
	maxCPUShare  = 0.7
)

// driverFacts holds what decides validity besides the measurement.
type driverFacts struct {
	late         int64 // requests that the driver sent later than lagLimit
	lagLimit     time.Duration
	window       time.Duration // in which the driver's use was read
	usageKnown   bool
	busiestShare float64       // share of a core that the driver's busiest thread used, without spinning
	spinTime     time.Duration // CPU time of busy waiting for due times: the driver could have used it
}

// neededCPUSeconds is the CPU time that the driver needed, without spinning; NaN when not
// known.
func (d driverFacts) neededCPUSeconds(m *record.Measurement) float64 {
	return m.Driver.CPUSeconds.OrNaN() - d.spinTime.Seconds()
}

// exhaustedResource names the driver's own resource that ran out, "" for none. A rate
// that the driver could not send must never be called the target's capacity.
func exhaustedResource(m *record.Measurement, d driverFacts) string {
	switch {
	case m.Errors[classNoPort] > 0:
		return record.LimitPorts
	case m.Errors[classNoFile] > 0:
		return record.LimitFiles
	case tooMany(m.Waited, m.Planned):
		return record.LimitConnections
	case m.Driver.ThrottledS.OrNaN() > 0 || d.busiestShare > maxCPUShare ||
		d.neededCPUSeconds(m) > maxCPUShare*m.Driver.CPUs*d.window.Seconds():
		return record.LimitCPU
	}
	return ""
}

// tooMany says that the driver failed for more than the tolerated share of requests. A
// single request is tolerated: below a thousand requests it would exceed the share.
func tooMany(n, all int64) bool { return float64(n) > max(1, maxLateShare*float64(all)) }

// invalidReasons lists the ways in which the driver itself disturbed the slice. The
// numbers of such a slice must not be taken for the target's. Of the driver's unknown
// figures only its CPU time is a reason here; DriverUse.NotKnown lists the others, and
// the pages name them.
func invalidReasons(m *record.Measurement, d driverFacts) []string {
	var reasons []string
	fail := func(format string, args ...any) { reasons = append(reasons, fmt.Sprintf(format, args...)) }

	if p99 := m.DriverLag.Quantile(0.99); p99 > d.lagLimit {
		fail("the driver sent late: the p99 of its own lag is %v, beyond %v", p99.Round(time.Microsecond), d.lagLimit)
	}
	if tooMany(d.late, m.Sent) {
		fail("the driver sent %d of %d requests (%.3f%%) more than %v late; at most %.1f%% may be",
			d.late, m.Sent, 100*float64(d.late)/float64(m.Sent), d.lagLimit, 100*maxLateShare)
	}
	if tooMany(m.Waited, m.Planned) {
		fail("%d of %d requests (%.2f%%) waited for one of the driver's %d connections: give it more with --connections, or leave that out",
			m.Waited, m.Planned, 100*float64(m.Waited)/float64(m.Planned), m.Connections.Cap)
	}
	if n := m.Errors[classNoPort]; n > 0 {
		fail("%d requests found no free local port for their connection (net.ipv4.ip_local_port_range): that is this computer's limit, not the target's", n)
	}
	if n := m.Errors[classNoFile]; n > 0 {
		fail("%d requests found no free file descriptor for their connection (ulimit -n): that is this computer's limit, not the target's", n)
	}
	if m.Planned == 0 && !m.Interrupted {
		fail("no request was due: the rate is too low for so short a run")
	}
	if throttled, _ := m.Driver.ThrottledS.Get(); throttled > 0 {
		fail("the driver was throttled by its CPU quota for %.3f s", throttled)
	}
	if stolen, _ := m.Driver.StolenShare.Get(); stolen > record.MaxStolenShare {
		fail("the hypervisor took %.1f%% of the CPU time (at most %.0f%% is allowed)", stolen*100, record.MaxStolenShare*100)
	}
	share := d.neededCPUSeconds(m) / (m.Driver.CPUs * d.window.Seconds())
	switch {
	case !d.usageKnown && !m.Interrupted:
		fail("the driver's own use of the CPU is not known: whether it kept up cannot be said")
	case d.window > 0 && share > maxCPUShare:
		fail("the driver used %.0f%% of its %.3g CPUs; beyond %.0f%% its own speed shapes what it measures",
			100*share, m.Driver.CPUs, 100*maxCPUShare)
	case d.busiestShare > maxCPUShare:
		fail("the driver's busiest thread used %.0f%% of a core; beyond %.0f%% its own speed shapes what it measures",
			100*d.busiestShare, 100*maxCPUShare)
	}
	return reasons
}
