// SPDX-License-Identifier: Apache-2.0

package slo

import (
	"cmp"

	"headroom/harness/record"
	"headroom/scenarios"
)

// countAll counts for every condition of the SLO; unknown is why a condition could not
// be counted, in part or as a whole.
func countAll(t *record.Trial, s scenarios.SLO) (counts []record.Count, unknown string) {
	oracles := t.Oracles
	if len(oracles) == 0 {
		oracles = t.Measurement.Oracles
	}
	for _, c := range s.Conditions {
		switch k, ok := count(t.Measurement, c); {
		case c.Oracle != "":
			k, why := countOracle(oracles, c)
			counts, unknown = append(counts, k), cmp.Or(unknown, why)
		case ok:
			counts = append(counts, k)
		default:
			unknown = cmp.Or(unknown, c.String()+": no request was sent")
		}
	}
	return counts, unknown
}

// count counts the requests that broke a condition; false when none was sent.
// A latency condition counts every planned request that was not answered
// correctly within the limit: slow, failed or unsent. An error condition counts
// failed and unsent ones.
func count(m record.Measurement, c scenarios.SLOCondition) (record.Count, bool) {
	out := record.Count{Condition: c.String(), Of: m.Planned, Bad: m.Failed + m.Unsent, Allowed: c.ErrorShare}
	slow := m.Planned - (m.ResponseSuccess.Count() - m.ResponseSuccess.CountAbove(c.Latency))
	if c.Endpoint != "" {
		e, ok := m.Endpoint(c.Endpoint)
		if !ok || e.Sent == 0 {
			return record.Count{}, false
		}
		// Failures have no histogram of their own here, so a slow failure counts
		// twice: rather too strict than too lenient.
		out.Of, out.Bad = e.Sent, e.Failed
		slow = min(out.Of, e.Sent-e.Response.Count()+e.Response.CountAbove(c.Latency)+e.Failed)
	}
	if c.Quantile > 0 {
		out.Bad, out.Allowed = slow, 1-c.Quantile
	}
	if out.Of > 0 {
		out.Burst = burstOf(m, c)
	}
	return out, out.Of > 0
}

// countOracle counts an oracle's violations, in all its scopes. An unknown check never
// counts as held. A violation counts, whatever else is unknown.
func countOracle(oracles []record.Oracle, c scenarios.SLOCondition) (out record.Count, unknown string) {
	out = record.Count{Condition: c.String(), Allowed: c.ViolationShare}
	for _, o := range oracles {
		if o.Name == c.Oracle {
			out.Of += o.Checked
			out.Bad += o.Violations
			unknown = cmp.Or(unknown, o.Unknown)
		}
	}
	if out.Of == 0 {
		unknown = cmp.Or(unknown, "it was not measured")
	}
	if unknown != "" {
		unknown = string(c.Oracle) + ": " + unknown
	}
	return out, unknown
}

// backlog is the largest growth of any queue. The queues are the requests in flight, as
// the timeline reads them at the end of each second, and the system's own queues.
func backlog(t *record.Trial, s scenarios.SLO) float64 {
	m := t.Measurement
	var inFlight, put []int64
	sum := int64(0)
	for i, second := range m.Timeline {
		if float64(i+1) > m.DurationS+0.01 {
			break // it was read when the step was over
		}
		sum += second.Sent
		inFlight, put = append(inFlight, second.InFlight), append(put, sum)
	}
	// By Little's law this many requests in flight mean a response time of a quarter
	// of the SLO's latency. Below that a queue only fluctuates.
	floor := m.OfferedRPS * s.LoosestLatency().Seconds() / 4
	largest := Growth(inFlight, put, floor)
	for _, q := range t.Queues {
		largest = max(largest, Growth(q.Depth, q.Put, minBacklogJobs))
	}
	return largest
}

// minBacklogJobs is how many jobs may be in a queue of the system's own at any time.
const minBacklogJobs = 20

// Growth is how much a queue grew from the second third of its readings to the last
// third, as a share of what was put into it meanwhile. It is 0 when the last third is
// at or below the floor.
func Growth(depth, put []int64, floor float64) float64 {
	n := min(len(depth), len(put))
	third := n / 3
	if third == 0 {
		return 0
	}
	earlier, later := mean(depth[n-2*third:n-third]), mean(depth[n-third:n])
	added := mean(put[n-third:n]) - mean(put[n-2*third:n-third])
	if later <= floor || added <= 0 {
		return 0
	}
	return (later - earlier) / added
}

func mean(values []int64) float64 {
	sum := 0.0
	for _, v := range values {
		sum += float64(v)
	}
	return sum / float64(len(values))
}
