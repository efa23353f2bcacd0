// SPDX-License-Identifier: Apache-2.0

package record

import "math"

// sampleRisk is the chance that so few samples hide what they are to show:
// docs/measurement.md, the sample rule.
const sampleRisk = 0.05

// SamplesNeeded is the smallest number of requests with which quantile q
// (0 < q < 1) can be shown to hold, or is worth printing: ceil(ln 0.05 / ln q),
// 299 for p99.
func SamplesNeeded(q float64) int64 {
	return int64(math.Ceil(math.Log(sampleRisk) / math.Log(q)))
}

// Overloaded says that requests were due and could not be sent, because as
// many as the cap allows were still unanswered. A spoiled trial says nothing of
// that: its machine died, or the driver was disturbed.
func (t *Trial) Overloaded() bool {
	spoiled := t.Verdict != nil && t.Verdict.Outcome == Spoiled
	return t.Measurement.Unsent > 0 && !t.Measurement.Interrupted && !spoiled
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
