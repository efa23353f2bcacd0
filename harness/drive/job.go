// Package drive sends a schedule of requests at one system and measures it:
// open loop, both latencies, every request accounted for.
//
// The work flows one way:
//
//  1. schedule says when request k is due, mix says what it is; both are pure.
//  2. An engine sends what is due and hands every outcome, a vegeta.Result
//     with its intended time, to a recorder. Plain HTTP goes through an event
//     loop of our own (loop.go); TLS and HTTP/2 through net/http (pool.go).
//  3. Each loop has a recorder of its own, counts and histograms; at the end
//     they are merged into one record.Measurement.
//  4. With oracles in the job, watch.go tells them what goes out and what
//     comes back.
//  5. validity.go says whether the driver itself spoiled the slice.
package drive

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"slices"
	"strings"
	"time"

	vegeta "github.com/tsenart/vegeta/v12/lib"
	"golang.org/x/net/http/httpguts"

	"headroom/harness/drive/mix"
	"headroom/harness/drive/schedule"
	"headroom/scenarios"
)

// Job is all that one slice needs. It is JSON on its way into a driver, which
// may run in this process, in a container, or elsewhere.
type Job struct {
	BaseURL  string        `json:"base_url"` // http://before-balancer:8080
	Arrivals string        `json:"arrivals"` // "poisson" or "constant"
	RateRPS  float64       `json:"rate_rps"` // 0: as fast as it goes, with Connections requests in flight
	Duration time.Duration `json:"duration_ns"`
	Warmup   time.Duration `json:"warmup_ns"` // same schedule and rate, sent before Duration, not recorded
	Seed     uint64        `json:"seed"`      // of arrivals, mix and keys

	Mix  []scenarios.Endpoint      `json:"mix,omitempty"`
	Keys map[string]scenarios.Keys `json:"keys,omitempty"` // by placeholder
	// Entries are further places that requests are sent to, by name: an
	// endpoint's From says which. The others go to BaseURL.
	Entries map[string]string `json:"entries,omitempty"`
	// Targets, in place of BaseURL, Mix and Keys, is a list of requests sent in
	// turn.
	Targets []vegeta.Target `json:"targets,omitempty"`

	Headers     map[string]string `json:"headers,omitempty"`
	Timeout     time.Duration     `json:"timeout_ns"`     // of one request, from its actual send; 0: 30 s
	Connections int               `json:"connections"`    // kept open at most; 0: 64. What is due while all are busy waits for one
	MaxInFlight int               `json:"max_in_flight"`  // due and not finished; requests due beyond it are unsent. 0: 10,000
	MaxBody     int64             `json:"max_body_bytes"` // bytes of a response's body read at most; more fails it. 0: 64 MiB
	// SLOLatency sets the validity limit of send lag, max(1 ms, 5% of it); 0
	// leaves the 1 ms.
	SLOLatency time.Duration `json:"slo_latency_ns"`
	// CountHeaders names response headers whose values are counted, e.g.
	// "X-Cache", into Measurement.Counts as "X-Cache: hit".
	CountHeaders []string `json:"count_headers,omitempty"`
	// Oracles are the checks, by their names in scenarios, that run with the
	// load; those that a driver can't make are left out.
	Oracles   []string  `json:"oracles,omitempty"`
	RateLimit RateLimit `json:"rate_limit,omitzero"` // what over_limit is held against
	// TLSSkipVerify accepts any certificate: a system under test often has one
	// that it signed itself.
	TLSSkipVerify bool `json:"tls_skip_verify,omitempty"`
}

// RateLimit is what a rate limiter promises.
type RateLimit struct {
	Limit  int           `json:"limit"` // requests of one session in any window
	Window time.Duration `json:"window_ns"`
	// BehindCache says that a cache stands before the limiter: what it answers
	// itself, with the header "X-Cache: hit", the limiter never saw.
	BehindCache bool `json:"behind_cache,omitempty"`
}

// What a Job's zero values mean.
const (
	DefaultTimeout     = 30 * time.Second
	DefaultConnections = 64
	DefaultMaxInFlight = 10_000
	DefaultMaxBody     = 64 << 20
)

// Limits of a Job.
const (
	maxJobBytes    = 256 << 20
	maxRate        = 10_000_000 // requests per second
	maxDuration    = 7 * 24 * time.Hour
	maxTimeout     = 5 * time.Minute // half the histogram's range
	maxConnections = 100_000
	maxInFlight    = 10_000_000
	maxHeaders     = 16 // counted
	maxRateLimit   = 1_000_000
)

// ParseJob reads a Job from JSON, strictly: an unknown key, a number out of
// range, a mix that does not sum to 1 or a placeholder without keys is an
// error that names it.
func ParseJob(data []byte) (Job, error) {
	if len(data) > maxJobBytes {
		return Job{}, fmt.Errorf("job: %d bytes are beyond the limit of %d", len(data), maxJobBytes)
	}
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.DisallowUnknownFields()
	var job Job
	if err := decoder.Decode(&job); err != nil {
		return Job{}, fmt.Errorf("job: %w", err)
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return Job{}, errors.New("job: there is text after its end")
	}
	job = job.withDefaults()
	if _, err := job.compile(); err != nil {
		return Job{}, fmt.Errorf("job: %w", err)
	}
	return job, nil
}

func (j Job) withDefaults() Job {
	if j.Timeout == 0 {
		j.Timeout = DefaultTimeout
	}
	if j.Connections == 0 {
		j.Connections = DefaultConnections
	}
	if j.MaxInFlight == 0 {
		j.MaxInFlight = DefaultMaxInFlight
	}
	if j.MaxBody == 0 {
		j.MaxBody = DefaultMaxBody
	}
	return j
}

// compile checks the whole job and returns its requests.
func (j *Job) compile() (*mix.Mix, error) {
	if err := errors.Join(j.checkLoad(), j.checkHeaders(), j.checkOracles()); err != nil {
		return nil, err
	}
	header := http.Header{}
	for name, value := range j.Headers {
		header[name] = []string{value}
	}
	if len(j.Targets) == 0 {
		requests, err := mix.NewFrom(j.BaseURL, j.Entries, header, j.Mix, j.Keys, j.Seed)
		if err == nil && len(requests.HostPorts()) > j.Connections {
			err = fmt.Errorf("connections is %d: each of %d entries needs one", j.Connections, len(requests.HostPorts()))
		}
		return requests, err
	}
	if j.BaseURL != "" || len(j.Entries) > 0 || len(j.Mix) > 0 || len(j.Keys) > 0 {
		return nil, errors.New("targets stand in place of base_url, mix and keys: give one or the other")
	}
	return mix.NewFromTargets(j.Targets, header)
}

func (j *Job) checkLoad() error {
	var errs []error
	within := func(name string, ok bool, value, valid any) {
		if !ok {
			errs = append(errs, fmt.Errorf("%s is %v: it must be %v", name, value, valid))
		}
	}
	within("arrivals", j.Arrivals == schedule.Poisson || j.Arrivals == schedule.Constant, fmt.Sprintf("%q", j.Arrivals), `"poisson" or "constant"`)
	within("rate_rps", j.RateRPS >= 0 && j.RateRPS <= maxRate && !math.Signbit(j.RateRPS), j.RateRPS, fmt.Sprintf("above 0 and at most %d, or 0 for as fast as it goes", maxRate))
	within("duration_ns", j.Duration > 0 && j.Duration <= maxDuration, j.Duration, fmt.Sprintf("above 0 and at most %v", maxDuration))
	within("warmup_ns", j.Warmup >= 0 && j.Warmup <= maxDuration, j.Warmup, fmt.Sprintf("0 to %v", maxDuration))
	within("timeout_ns", j.Timeout >= time.Millisecond && j.Timeout <= maxTimeout, j.Timeout, fmt.Sprintf("1ms to %v", maxTimeout))
	within("connections", j.Connections >= 1 && j.Connections <= maxConnections, j.Connections, fmt.Sprintf("1 to %d", maxConnections))
	within("max_in_flight", j.MaxInFlight >= 1 && j.MaxInFlight <= maxInFlight, j.MaxInFlight, fmt.Sprintf("1 to %d", maxInFlight))
	within("max_body_bytes", j.MaxBody >= 1, j.MaxBody, "above 0")
	within("slo_latency_ns", j.SLOLatency >= 0, j.SLOLatency, "0 or more")
	return errors.Join(errs...)
}

func (j *Job) checkHeaders() error {
	if len(j.CountHeaders) > maxHeaders {
		return fmt.Errorf("count_headers names %d headers: at most %d can be counted", len(j.CountHeaders), maxHeaders)
	}
	seen := map[string]bool{}
	for _, name := range j.CountHeaders {
		if !httpguts.ValidHeaderFieldName(name) || seen[strings.ToLower(name)] {
			return fmt.Errorf("count_headers: %q is not the name of a header, or stands twice", name)
		}
		seen[strings.ToLower(name)] = true
	}
	return nil
}

func (j *Job) checkOracles() error {
	for _, name := range j.Oracles {
		if !slices.Contains(scenarios.Oracles(), name) {
			return fmt.Errorf("oracles: %q is unknown: there are %s", name, strings.Join(scenarios.Oracles(), ", "))
		}
	}
	limited := slices.Contains(j.Oracles, scenarios.OracleOverLimit)
	if limited && (j.RateLimit.Limit < 1 || j.RateLimit.Limit > maxRateLimit || j.RateLimit.Window <= 0 || j.RateLimit.Window > maxDuration) {
		return fmt.Errorf("rate_limit is %d in %v: for %s it must be 1 to %d requests in a window above 0",
			j.RateLimit.Limit, j.RateLimit.Window, scenarios.OracleOverLimit, maxRateLimit)
	}
	return nil
}

// lagLimit is how late the driver itself may send: docs/measurement.md,
// "Validity of a slice".
func (j *Job) lagLimit() time.Duration { return max(minLagLimit, j.SLOLatency/20) }

const minLagLimit = time.Millisecond
