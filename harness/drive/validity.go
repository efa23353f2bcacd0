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
	busiest    float64 // share of a core that the driver's busiest thread used
}

// saturated says that the driver had no more to give: what it saw at this rate
// must never be called the target's capacity.
func saturated(m *record.Measurement, d driverFacts) bool {
	return m.Driver.ThrottledS > 0 || d.busiest > maxCPUShare ||
		m.Driver.CPUSeconds > maxCPUShare*m.Driver.CPUs*d.window.Seconds()
}

// invalidReasons says in how many ways the driver itself spoiled the slice, so
// that its numbers must not be taken for the target's.
func invalidReasons(m *record.Measurement, d driverFacts) []string {
	var reasons []string
	fail := func(format string, args ...any) { reasons = append(reasons, fmt.Sprintf(format, args...)) }

	if p99 := m.DriverLag.Quantile(0.99); p99 > d.lagLimit {
		fail("the driver sent late: the p99 of its own lag is %v, beyond %v", p99.Round(time.Microsecond), d.lagLimit)
	}
	// One request is no share: below a thousand it alone would be over.
	if float64(d.late) > max(1, maxLateShare*float64(m.Sent)) {
		fail("the driver sent %d of %d requests (%.2f%%) more than %v late; %.1f%% is the limit",
			d.late, m.Sent, 100*float64(d.late)/float64(m.Sent), d.lagLimit, 100*maxLateShare)
	}
	if m.Unsent > 0 {
		fail("%d of %d requests (%.2f%%) were due and could not be sent: up to %d were in flight, the cap is %d",
			m.Unsent, m.Planned, 100*float64(m.Unsent)/float64(m.Planned), m.MaxInFlight, m.InFlightCap)
	}
	if m.Driver.ThrottledS > 0 {
		fail("the driver was throttled by its CPU quota for %.3f s", m.Driver.ThrottledS)
	}
	if m.Driver.StolenShare > record.MaxStolenShare {
		fail("the hypervisor took %.1f%% of the CPU time (at most %.0f%% is allowed)", m.Driver.StolenShare*100, record.MaxStolenShare*100)
	}
	share := m.Driver.CPUSeconds / (m.Driver.CPUs * d.window.Seconds())
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
