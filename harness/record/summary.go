// SPDX-License-Identifier: Apache-2.0

package record

import "math"

// Summary is a Measurement as one flat JSON object, for scripts and people.
// Durations are in the unit that their name ends in.
type Summary struct {
	Arrivals    string  `json:"arrivals"`     // "poisson", "constant", or "closed" when the next request waits for an answer
	OfferedRPS  float64 `json:"offered_rps"`  // 0 when closed: nothing was offered, the answers set the pace
	AchievedRPS float64 `json:"achieved_rps"` // correct answers that came within the slice, per second
	DurationS   float64 `json:"duration_s"`
	WarmupS     float64 `json:"warmup_s"`
	Seed        uint64  `json:"seed"`

	Planned   int64            `json:"planned"` // = sent + unsent
	Sent      int64            `json:"sent"`    // = succeeded + failed
	Succeeded int64            `json:"succeeded"`
	Failed    int64            `json:"failed"`
	Unsent    int64            `json:"unsent"`
	Clipped   int64            `json:"clipped"`
	Retried   int64            `json:"retried"` // sent a second time, on another connection
	Waited    int64            `json:"waited"`  // for a connection, while all that may be open were busy
	Errors    map[string]int64 `json:"errors"`  // by class
	// ErrorTexts are the words of the first failure of each class.
	ErrorTexts map[string]string `json:"error_texts"`
	Status     map[string]int64  `json:"status"` // by code
	BytesIn    int64             `json:"bytes_in"`
	BytesOut   int64             `json:"bytes_out"`

	ResponseMS        Latency `json:"response_ms"` // from the intended send, of all requests sent
	ResponseSuccessMS Latency `json:"response_success_ms"`
	ServiceMS         Latency `json:"service_ms"`  // from the actual send
	SendLagUS         Lag     `json:"send_lag_us"` // actual less intended send, the wait for a connection included
	DriverLagUS       Lag     `json:"driver_lag_us"`

	Endpoints []EndpointSummary `json:"endpoints"` // apart by target, where there are several

	Protocol    string      `json:"protocol"` // "HTTP/2 over TLS 1.3"
	Connections Connections `json:"connections"`
	MaxInFlight int64       `json:"max_in_flight"`
	InFlightCap int         `json:"in_flight_cap"`
	Driver      DriverUse   `json:"driver"`

	Valid          bool     `json:"valid"`
	InvalidReasons []string `json:"invalid_reasons"`
	Interrupted    bool     `json:"interrupted"`
	Beside         string   `json:"beside"` // why this measurement did not wait for others on this machine; "": it waited
}

// EndpointSummary is one target's share of a Summary.
type EndpointSummary struct {
	Name       string  `json:"name"`
	Sent       int64   `json:"sent"`
	Succeeded  int64   `json:"succeeded"`
	Failed     int64   `json:"failed"`
	ResponseMS Latency `json:"response_ms"`
}

// Latency is a distribution in milliseconds. A percentile without enough samples is
// null (SamplesNeeded). Without any sample all fields are null.
type Latency struct {
	Samples int64    `json:"samples"`
	Mean    *float64 `json:"mean"`
	P50     *float64 `json:"p50"`
	P75     *float64 `json:"p75"`
	P90     *float64 `json:"p90"`
	P95     *float64 `json:"p95"`
	P99     *float64 `json:"p99"`
	P999    *float64 `json:"p999"`
	Max     *float64 `json:"max"`
}

// Lag is a distribution in microseconds, null like Latency's.
type Lag struct {
	P50 *float64 `json:"p50"`
	P99 *float64 `json:"p99"`
	Max *float64 `json:"max"`
}

// ArrivalsClosed labels a measurement without a schedule.
const ArrivalsClosed = "closed"

// Summarise condenses m.
func Summarise(m Measurement) Summary {
	s := Summary{
		Arrivals: m.Arrivals, OfferedRPS: m.OfferedRPS, AchievedRPS: m.AchievedRPS,
		DurationS: m.DurationS, WarmupS: m.WarmupS, Seed: m.Seed,
		Planned: m.Planned, Sent: m.Sent, Succeeded: m.Succeeded, Failed: m.Failed, Unsent: m.Unsent, Clipped: m.Clipped,
		Retried: m.Retried, Waited: m.Waited, Errors: nonNil(m.Errors), ErrorTexts: nonNil(m.ErrorTexts), Status: nonNil(m.Status), BytesIn: m.BytesIn, BytesOut: m.BytesOut,
		ResponseMS: latencyOf(m.Response), ResponseSuccessMS: latencyOf(m.ResponseSuccess), ServiceMS: latencyOf(m.Service),
		SendLagUS: lagOf(m.SendLag), DriverLagUS: lagOf(m.DriverLag),
		Endpoints: []EndpointSummary{}, Protocol: m.Protocol, Connections: m.Connections,
		MaxInFlight: m.MaxInFlight, InFlightCap: m.InFlightCap, Driver: m.Driver,
		Valid:          len(m.InvalidReasons) == 0 && !m.Interrupted,
		InvalidReasons: append([]string{}, m.InvalidReasons...), Interrupted: m.Interrupted,
	}
	for _, e := range m.Endpoints {
		s.Endpoints = append(s.Endpoints, EndpointSummary{e.Name, e.Sent, e.Succeeded, e.Failed, latencyOf(e.Response)})
	}
	if m.OfferedRPS == 0 {
		s.Arrivals = ArrivalsClosed
	}
	if m.Interrupted {
		s.InvalidReasons = append(s.InvalidReasons, "interrupted")
	}
	return s
}

// nonNil makes an empty object of a missing one.
func nonNil[V any](m map[string]V) map[string]V {
	if m == nil {
		return map[string]V{}
	}
	return m
}

func latencyOf(h Histogram) Latency {
	l := Latency{Samples: h.Count()}
	if l.Samples == 0 {
		return l
	}
	at := func(q float64) *float64 { return quantileIn(h, q, 1e6) }
	l.Mean, l.Max = nanosIn(float64(h.Mean()), 1e6), nanosIn(float64(h.Max()), 1e6)
	l.P50, l.P75, l.P90, l.P95, l.P99, l.P999 = at(0.5), at(0.75), at(0.9), at(0.95), at(0.99), at(0.999)
	return l
}

func lagOf(h Histogram) Lag {
	if h.Count() == 0 {
		return Lag{}
	}
	return Lag{P50: quantileIn(h, 0.5, 1e3), P99: quantileIn(h, 0.99, 1e3), Max: nanosIn(float64(h.Max()), 1e3)}
}

// quantileIn returns the quantile in units of nanos, nil when there are too
// few samples for it.
func quantileIn(h Histogram, q, nanos float64) *float64 {
	if h.Count() < SamplesNeeded(q) {
		return nil
	}
	return nanosIn(float64(h.Quantile(q)), nanos)
}

// nanosIn converts, with no more digits than a nanosecond.
func nanosIn(value, nanos float64) *float64 {
	v := math.Round(value) / nanos
	return &v
}
