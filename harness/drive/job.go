// SPDX-License-Identifier: Apache-2.0

// Package drive sends a schedule of requests to one system and measures the system: open
// loop, both latencies, every request accounted for.
//
// The work flows one way:
//
//  1. schedule says when request k is due, mix says what request k is; both are pure.
//  2. An engine sends the requests that are due, and hands every outcome to a
//     recorder: a vegeta.Result with its intended time. The engine is an event loop
//     of our own (loop.go), which speaks HTTP/1.1 and HTTP/2, plain and over TLS. The
//     other engine is vegeta's (engine_vegeta.go), for comparison.
//  3. Each loop has a recorder of its own, with counts and histograms. At the end
//     the recorders are merged into one record.Measurement.
//  4. If the job has oracles, watch.go reports requests and answers to them.
//  5. validity.go says whether the driver itself made the slice invalid.
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

// Job describes all of one slice. A job travels to the driver as JSON. The driver may run
// in this process, in a container, or elsewhere.
type Job struct {
	BaseURL  string        `json:"base_url"` // http://before-balancer:8080
	Arrivals string        `json:"arrivals"` // "poisson" or "constant"
	RateRPS  float64       `json:"rate_rps"` // 0: as fast as it goes, with Connections requests in flight
	Duration time.Duration `json:"duration_ns"`
	Warmup   time.Duration `json:"warmup_ns"` // same schedule and rate, sent before Duration, not recorded
	Seed     uint64        `json:"seed"`      // of arrivals, mix and keys

	Mix  []scenarios.Endpoint      `json:"mix,omitempty"`
	Keys map[string]scenarios.Keys `json:"keys,omitempty"` // by placeholder
	// Entries are further places to send requests to, by name. An endpoint's From
	// names its place. Endpoints without From go to BaseURL.
	Entries map[string]string `json:"entries,omitempty"`
	// Targets, in place of BaseURL, Mix and Keys, is a list of requests sent in
	// turn.
	Targets []vegeta.Target `json:"targets,omitempty"`

	Headers map[string]string `json:"headers,omitempty"`
	Timeout time.Duration     `json:"timeout_ns"` // of one request, from its actual send; 0: 30 s
	// Connections is the greatest number of open connections. With 0 the driver opens
	// a connection when all others are busy, up to the requests in flight and to what
	// this computer allows; at rate 0 the number is 64. A request waits when all
	// connections are busy and no other may be opened.
	Connections int   `json:"connections"`
	MaxInFlight int   `json:"max_in_flight"`  // due and not finished; requests due beyond it are unsent. 0: 10,000
	MaxBody     int64 `json:"max_body_bytes"` // bytes of a response's body read at most; more fails it. 0: 64 MiB
	// Protocol is ProtocolHTTP1, ProtocolHTTP2, or "" for what a server chooses
	// over TLS, and HTTP/1.1 without.
	Protocol string `json:"protocol,omitempty"`
	// Streams is the number of requests on one HTTP/2 connection at once. 0: 100, or
	// what the server allows; at rate 0 it is 1.
	Streams        int           `json:"streams,omitempty"`
	NewConnections bool          `json:"new_connections,omitempty"`  // each request has a connection of its own
	Redirects      int           `json:"redirects,omitempty"`        // followed in a row at most; each is a request of its own
	Requests       int           `json:"requests,omitempty"`         // to be recorded, in place of Duration; at rate 0 Duration still bounds them
	UnixSocket     string        `json:"unix_socket,omitempty"`      // path to connect to, whatever the URL's host
	ResolveEvery   time.Duration `json:"resolve_every_ns,omitempty"` // look names up again so often, and not only when connecting fails
	TLS            TLS           `json:"tls,omitzero"`
	Engine         string        `json:"engine,omitempty"` // "" for our own loops, or EngineVegeta
	// SLOLatency sets the validity limit of send lag, max(1 ms, 5% of it); 0
	// leaves the 1 ms.
	SLOLatency time.Duration `json:"slo_latency_ns"`
	// CountHeaders names response headers whose values are counted, e.g.
	// "X-Cache", into Measurement.Counts as "X-Cache: hit".
	CountHeaders []string `json:"count_headers,omitempty"`
	// Oracles names the checks that run with the load. A driver leaves out the checks
	// that it can't make.
	Oracles   []scenarios.OracleName `json:"oracles,omitempty"`
	RateLimit RateLimit              `json:"rate_limit,omitzero"` // what over_limit is held against
}

// TLS says whom to trust, and who the driver is.
type TLS struct {
	// SkipVerify accepts any certificate: a system under test often signs its own
	// certificate.
	SkipVerify bool   `json:"skip_verify,omitempty"`
	RootsPEM   []byte `json:"roots_pem,omitempty"`       // certificates to trust in place of the system's
	CertPEM    []byte `json:"certificate_pem,omitempty"` // the driver's own, with KeyPEM
	KeyPEM     []byte `json:"key_pem,omitempty"`
}

// What a Job's Protocol and Engine may be, besides "".
const (
	ProtocolHTTP1 = "http1"
	ProtocolHTTP2 = "http2"
	EngineVegeta  = "vegeta"
)

// RateLimit is what a rate limiter promises.
type RateLimit struct {
	Limit  int           `json:"limit"` // requests of one session in any window
	Window time.Duration `json:"window_ns"`
	// BehindCache says that a cache stands before the limiter. The limiter never sees
	// what the cache answers itself, with the header "X-Cache: hit".
	BehindCache bool `json:"behind_cache,omitempty"`
}

// What a Job's zero values mean.
const (
	DefaultTimeout           = 30 * time.Second
	DefaultClosedConnections = 64 // at rate 0
	DefaultMaxInFlight       = 10_000
	DefaultMaxBody           = 64 << 20
	DefaultStreams           = 100
)

// Limits of a Job.
const (
	MaxJobBytes    = 256 << 20
	maxRate        = 10_000_000 // requests per second
	maxDuration    = 7 * 24 * time.Hour
	maxTimeout     = 5 * time.Minute // half the histogram's range
	maxConnections = 100_000
	maxInFlight    = 10_000_000
	maxStreams     = 10_000
	maxRedirects   = 100
	maxRequests    = 1_000_000_000
	maxHeaders     = 16 // counted
	maxRateLimit   = 1_000_000
)

// ParseJob reads a Job from JSON, strictly: an unknown key, a number out of
// range, a mix that does not sum to 1 or a placeholder without keys is an
// error that names it.
func ParseJob(data []byte) (Job, error) {
	if len(data) > MaxJobBytes {
		return Job{}, fmt.Errorf("job: %d bytes are beyond the limit of %d", len(data), MaxJobBytes)
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
	if j.Connections == 0 && j.RateRPS == 0 {
		j.Connections = DefaultClosedConnections
	}
	if j.MaxInFlight == 0 {
		j.MaxInFlight = DefaultMaxInFlight
	}
	if j.MaxBody == 0 {
		j.MaxBody = DefaultMaxBody
	}
	return j
}

// streams is how many requests a connection carries at once, if its server
// allows them.
func (j *Job) streams(secure bool) int {
	switch {
	case !secure && j.Protocol != ProtocolHTTP2 || j.Protocol == ProtocolHTTP1 || j.NewConnections:
		return 1
	case j.Streams > 0:
		return j.Streams
	case j.RateRPS == 0:
		return 1
	}
	return DefaultStreams
}

// Check says what is wrong with the job, a FieldErrors for values out of range.
func (j Job) Check() error {
	j = j.withDefaults()
	_, err := j.compile()
	return err
}

// compile checks the whole job and returns its requests.
func (j *Job) compile() (*mix.Mix, error) {
	if err := errors.Join(j.checkLoad(), j.checkHeaders(), j.checkOracles(), j.checkTLS()); err != nil {
		return nil, err
	}
	header := http.Header{}
	for name, value := range j.Headers {
		header[name] = []string{value}
	}
	if j.NewConnections && j.Protocol != ProtocolHTTP2 {
		header["Connection"] = []string{"close"}
	}
	requests, err := j.requests(header)
	if err == nil && j.Redirects > 0 {
		requests = requests.WithRedirects()
	}
	return requests, err
}

func (j *Job) requests(header http.Header) (*mix.Mix, error) {
	if len(j.Targets) == 0 {
		requests, err := mix.NewFrom(j.BaseURL, j.Entries, header, j.Mix, j.Keys, j.Seed)
		if err == nil && j.Connections > 0 && len(requests.HostPorts()) > j.Connections {
			err = fmt.Errorf("connections is %d: each of %d entries needs one", j.Connections, len(requests.HostPorts()))
		}
		return requests, err
	}
	if j.BaseURL != "" || len(j.Entries) > 0 || len(j.Mix) > 0 || len(j.Keys) > 0 {
		return nil, errors.New("targets stand in place of base_url, mix and keys: give one or the other")
	}
	return mix.NewFromTargets(j.Targets, header)
}

// fitRequests sets Duration to what the job's number of requests takes. It returns the
// number of the first recorded request, if wantFirst is set.
func (j *Job) fitRequests(wantFirst bool) (first uint64, err error) {
	if j.RateRPS == 0 || j.Requests == 0 && !wantFirst {
		return 0, nil
	}
	s, err := schedule.New(j.Arrivals, j.RateRPS, j.Seed)
	if err != nil {
		return 0, err
	}
	for s.At(first) < j.Warmup {
		first++
	}
	if j.Requests == 0 {
		return first, nil
	}
	j.Duration = s.At(first+uint64(j.Requests)) - j.Warmup
	if j.Duration > maxDuration {
		return 0, fmt.Errorf("%d requests at %.3g a second take longer than %v", j.Requests, j.RateRPS, maxDuration)
	}
	return first, nil
}

// FieldErrors are the values of a job that are out of range.
type FieldErrors []FieldError

// FieldError is one value that is out of range.
type FieldError struct {
	Field        string // its name in JSON
	Value, Valid string
}

func (e FieldErrors) Error() string {
	lines := make([]string, len(e))
	for i, f := range e {
		lines[i] = fmt.Sprintf("%s is %s: it must be %s", f.Field, f.Value, f.Valid)
	}
	return strings.Join(lines, "\n")
}

func (j *Job) checkLoad() error {
	var errs FieldErrors
	within := func(name string, ok bool, value any, valid string) {
		if !ok {
			errs = append(errs, FieldError{name, fmt.Sprint(value), valid})
		}
	}
	upTo := func(name string, value, lowest, most int) {
		within(name, value >= lowest && value <= most, value, fmt.Sprintf("%d to %d", lowest, most))
	}
	among := func(name, value string, known ...string) {
		within(name, slices.Contains(known, value), fmt.Sprintf("%q", value), fmt.Sprintf("%q", known))
	}
	within("arrivals", j.Arrivals == schedule.Poisson || j.Arrivals == schedule.Constant, fmt.Sprintf("%q", j.Arrivals), `"poisson" or "constant"`)
	within("rate_rps", j.RateRPS >= 0 && j.RateRPS <= maxRate && !math.Signbit(j.RateRPS), j.RateRPS, fmt.Sprintf("above 0 and at most %d, or 0 for as fast as it goes", maxRate))
	within("duration_ns", j.Duration > 0 && j.Duration <= maxDuration || j.Duration == 0 && j.Requests > 0 && j.RateRPS > 0, j.Duration, fmt.Sprintf("above 0 and at most %v", maxDuration))
	within("warmup_ns", j.Warmup >= 0 && j.Warmup <= maxDuration, j.Warmup, fmt.Sprintf("0 to %v", maxDuration))
	within("timeout_ns", j.Timeout >= time.Millisecond && j.Timeout <= maxTimeout, j.Timeout, fmt.Sprintf("1ms to %v", maxTimeout))
	upTo("connections", j.Connections, 0, maxConnections)
	upTo("max_in_flight", j.MaxInFlight, 1, maxInFlight)
	within("max_body_bytes", j.MaxBody >= 1, j.MaxBody, "above 0")
	within("slo_latency_ns", j.SLOLatency >= 0, j.SLOLatency, "0 or more")
	upTo("streams", j.Streams, 0, maxStreams)
	upTo("redirects", j.Redirects, 0, maxRedirects)
	upTo("requests", j.Requests, 0, maxRequests)
	within("resolve_every_ns", j.ResolveEvery == 0 || j.ResolveEvery >= 100*time.Millisecond && j.ResolveEvery <= maxDuration, j.ResolveEvery, fmt.Sprintf("100ms to %v, or 0", maxDuration))
	among("protocol", j.Protocol, "", ProtocolHTTP1, ProtocolHTTP2)
	among("engine", j.Engine, "", EngineVegeta)
	if len(errs) > 0 {
		return errs
	}
	return nil
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
			return fmt.Errorf("oracles: %q is unknown: there are %q", name, scenarios.Oracles())
		}
	}
	limited := slices.Contains(j.Oracles, scenarios.OracleOverLimit)
	if limited && (j.RateLimit.Limit < 1 || j.RateLimit.Limit > maxRateLimit || j.RateLimit.Window <= 0 || j.RateLimit.Window > maxDuration) {
		return fmt.Errorf("rate_limit is %d in %v: for %s it must be 1 to %d requests in a window above 0",
			j.RateLimit.Limit, j.RateLimit.Window, scenarios.OracleOverLimit, maxRateLimit)
	}
	return nil
}

// lagLimit is the greatest lag of the driver itself: docs/measurement.md, "Validity of a
// slice".
func (j *Job) lagLimit() time.Duration { return max(minLagLimit, j.SLOLatency/20) }

const minLagLimit = time.Millisecond
