// SPDX-License-Identifier: Apache-2.0

package record

import "math"

// sampleRisk is the probability that the samples miss the slow requests beyond a
// quantile: docs/measurement.md, the sample rule.
const sampleRisk = 0.05

// SamplesNeeded is the smallest number of requests from which quantile q (0 < q < 1) is
// judged or printed: ceil(ln 0.05 / ln q), 299 for p99.
func SamplesNeeded(q float64) int64 {
	return int64(math.Ceil(math.Log(sampleRisk) / math.Log(q)))
}

// Overloaded says that requests were due and could not be sent, because the cap on
// requests in flight was reached. An invalid trial does not count as overloaded: its
// machine died, or the driver was disturbed.
func (t *Trial) Overloaded() bool {
	invalid := t.Verdict != nil && t.Verdict.Outcome == Invalid
	return t.Measurement.Unsent > 0 && !t.Measurement.Interrupted && !invalid
}

// Endpoint returns the measurement of the endpoint of that name.
func (m Measurement) Endpoint(name string) (EndpointMeasurement, bool) {
	for _, e := range m.Endpoints {
		if e.Name == name {
			return e, true
		}
	}
	return EndpointMeasurement{}, false
}
