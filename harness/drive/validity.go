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

// driverFacts is what validity rests on besides the measurement.
type driverFacts struct {
	late       int64 // requests that the driver sent later than lagLimit
	lagLimit   time.Duration
	window     time.Duration // in which the driver's use was read
	usageKnown bool
	busiest    float64       // share of a core that the driver's busiest thread used, but for spinning
	spun       time.Duration // CPU time that waited for due times: the driver could have used it
}

// worked is the CPU time in seconds that the driver needed, NaN when it is not
// known.
func (d driverFacts) worked(m *record.Measurement) float64 {
	return m.Driver.CPUSeconds.OrNaN() - d.spun.Seconds()
}

// limitOf names what of its own the driver ran out of, "" for nothing: what it
// saw then must never be called the target's capacity.
func limitOf(m *record.Measurement, d driverFacts) string {
	switch {
	case m.Errors[classNoPort] > 0:
		return record.LimitPorts
	case m.Errors[classNoFile] > 0:
		return record.LimitFiles
	case tooMany(m.Waited, m.Planned):
		return record.LimitConnections
	case m.Driver.ThrottledS.OrNaN() > 0 || d.busiest > maxCPUShare ||
		d.worked(m) > maxCPUShare*m.Driver.CPUs*d.window.Seconds():
		return record.LimitCPU
	}
	return ""
}

// tooMany says that n of all requests are more than may go wrong by the
// driver's doing. One request is no share: below a thousand it alone would be
// too many.
func tooMany(n, all int64) bool { return float64(n) > max(1, maxLateShare*float64(all)) }

// invalidReasons says in how many ways the driver itself spoiled the slice, so
// that its numbers must not be taken for the target's. Of a figure of the driver's
// that is not known nothing is said here, but for its CPU time: who shows the slice
// names what DriverUse.NotKnown lists.
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
	share := d.worked(m) / (m.Driver.CPUs * d.window.Seconds())
	switch {
	case !d.usageKnown && !m.Interrupted:
		fail("the driver's own use of the CPU is not known: whether it kept up cannot be said")
	case d.window > 0 && share > maxCPUShare:
		fail("the driver used %.0f%% of its %.3g CPUs; beyond %.0f%% its own speed shapes what it measures",
			100*share, m.Driver.CPUs, 100*maxCPUShare)
	case d.busiest > maxCPUShare:
		fail("the driver's busiest thread used %.0f%% of a core; beyond %.0f%% its own speed shapes what it measures",
			100*d.busiest, 100*maxCPUShare)
	}
	return reasons
}
