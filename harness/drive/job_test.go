// SPDX-License-Identifier: Apache-2.0

package drive

import (
	"encoding/json"
	"math"
	"reflect"
	"strings"
	"testing"
	"time"

	vegeta "github.com/tsenart/vegeta/v12/lib"

	"headroom/scenarios"
)

// testJob is a complete, valid job.
func testJob() Job {
	return Job{
		BaseURL: "http://127.0.0.1:8080", Arrivals: "poisson", RateRPS: 100, Duration: time.Second, Seed: 1,
		Mix:     []scenarios.Endpoint{{Name: "GET /{user}", Method: "GET", Path: "/{user}", Weight: 1}},
		Keys:    map[string]scenarios.Keys{"user": {Distribution: "zipf", Exponent: 0.99, Count: 10}},
		Timeout: time.Second, Connections: 8, MaxInFlight: 64, MaxBody: 1 << 20,
	}
}

func encode(t testing.TB, job Job) []byte {
	t.Helper()
	data, err := json.Marshal(job)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func TestParseJobReadsWhatWasWritten(t *testing.T) {
	targets := testJob()
	targets.BaseURL, targets.Mix, targets.Keys = "", nil, nil
	targets.Targets = []vegeta.Target{{Method: "POST", URL: "http://127.0.0.1:1/", Body: []byte("x"), Header: map[string][]string{"A": {"b"}}}}
	for _, job := range []Job{testJob(), targets} {
		got, err := ParseJob(encode(t, job))
		if err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(got, job) {
			t.Errorf("read %+v, written %+v", got, job)
		}
	}
}

func TestParseJobFillsIn(t *testing.T) {
	job := testJob()
	job.Timeout, job.Connections, job.MaxInFlight, job.MaxBody = 0, 0, 0, 0
	got, err := ParseJob(encode(t, job))
	if err != nil {
		t.Fatal(err)
	}
	if got.Timeout != DefaultTimeout || got.Connections != 0 || got.MaxInFlight != DefaultMaxInFlight || got.MaxBody != DefaultMaxBody {
		t.Errorf("filled in %+v", got)
	}
}

func TestParseJobRefuses(t *testing.T) {
	for _, test := range []struct {
		change func(*Job)
		says   string
	}{
		{func(j *Job) { j.Arrivals = "uniform" }, `arrivals is "uniform"`},
		{func(j *Job) { j.RateRPS = -1 }, "rate_rps is -1"},
		{func(j *Job) { j.RateRPS = 1e9 }, "rate_rps"},
		{func(j *Job) { j.Duration = 0 }, "duration_ns is 0s"},
		{func(j *Job) { j.Duration = -time.Second }, "duration_ns"},
		{func(j *Job) { j.Duration = math.MaxInt64 }, "duration_ns"},
		{func(j *Job) { j.Warmup = -1 }, "warmup_ns"},
		{func(j *Job) { j.Timeout = time.Microsecond }, "timeout_ns"},
		{func(j *Job) { j.Timeout = time.Hour }, "timeout_ns"},
		{func(j *Job) { j.Connections = -1 }, "connections"},
		{func(j *Job) { j.MaxInFlight = -5 }, "max_in_flight"},
		{func(j *Job) { j.MaxBody = -5 }, "max_body_bytes"},
		{func(j *Job) { j.SLOLatency = -5 }, "slo_latency_ns"},
		{func(j *Job) { j.CountHeaders = []string{"a b"} }, "count_headers"},
		{func(j *Job) { j.CountHeaders = []string{"A", "a"} }, "stands twice"},
		{func(j *Job) { j.Mix[0].Weight = 0.9 }, "sum to 0.9"},
		{func(j *Job) { j.Mix[0].Path = "/{usr}" }, "{usr}"},
		{func(j *Job) { j.Mix = nil }, "0 endpoints"},
		{func(j *Job) { j.BaseURL = "" }, "base_url"},
		{func(j *Job) { j.Mix[0].From = "mars" }, `"mars", which is none of the entries`},
		{func(j *Job) { j.Oracles = []scenarios.OracleName{"fresh"} }, `"fresh" is unknown`},
		{func(j *Job) { j.Oracles = []scenarios.OracleName{scenarios.OracleOverLimit} }, "rate_limit is 0"},
		{func(j *Job) {
			j.Oracles, j.RateLimit = []scenarios.OracleName{scenarios.OracleOverLimit}, RateLimit{Limit: 1}
		}, "window above 0"},
		{func(j *Job) {
			j.Connections, j.Entries = 1, map[string]string{"a": "http://a:1"}
			j.Mix = append(j.Mix, scenarios.Endpoint{Name: "b", Method: "GET", Path: "/", From: "a"})
		}, "each of 2 entries needs one"},
		{func(j *Job) { j.Targets = []vegeta.Target{{Method: "GET", URL: "http://a/"}} }, "in place of"},
		{func(j *Job) { j.Headers = map[string]string{"A": "\n"} }, "cannot be sent"},
	} {
		job := testJob()
		test.change(&job)
		if _, err := ParseJob(encode(t, job)); err == nil || !strings.Contains(err.Error(), test.says) {
			t.Errorf("error %v, want one that says %q", err, test.says)
		}
	}
	for text, says := range map[string]string{
		``:                      "EOF",
		`{"rate": 5}`:           `unknown field "rate"`,
		`{"rate_rps": "fast"}`:  "rate_rps",
		`{"rate_rps": NaN}`:     "invalid character",
		`{} {}`:                 "after its end",
		`{"duration_ns": 1e99}`: "duration_ns",
	} {
		if _, err := ParseJob([]byte(text)); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: error %v, want one that says %q", text, err, says)
		}
	}
}

// A job that is given as a value, not parsed, is checked as well.
func TestDriveRefusesABadJob(t *testing.T) {
	job := testJob()
	job.RateRPS = math.NaN()
	if _, err := Drive(t.Context(), job); err == nil || !strings.Contains(err.Error(), "rate_rps is NaN") {
		t.Errorf("error %v", err)
	}
}

// Whatever is accepted can be written, read again, and sent.
func FuzzParseJob(f *testing.F) {
	f.Add(encode(f, testJob()))
	f.Add([]byte(`{"arrivals":"constant","rate_rps":1,"duration_ns":1,"targets":[{"method":"GET","url":"http://[::1]:1/"}]}`))
	f.Add([]byte(`{"base_url":"https://a","arrivals":"poisson","duration_ns":5,"mix":[{"name":"a","method":"PUT","path":"/{seq}","body":"{u}","weight":1}],"keys":{"u":{"distribution":"zipf","exponent":1,"count":3}}}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		job, err := ParseJob(data)
		if err != nil {
			return
		}
		again, err := ParseJob(encode(t, job))
		if err != nil {
			t.Fatalf("%+v is written as what is refused: %v", job, err)
		}
		requests, err := again.compile()
		if err != nil {
			t.Fatal(err)
		}
		for k := range uint64(20) {
			target := requests.Target(k)
			if _, err := target.Request(); err != nil {
				t.Fatalf("request %d cannot be made: %v", k, err)
			}
			text, rest, _ := requests.Pick(k).AppendWire(nil)
			text = append(text, rest...)
			if head, _, _ := strings.Cut(string(text), " HTTP/1.1\r\n"); strings.ContainsAny(head, "\r\n") || strings.Count(head, " ") != 1 {
				t.Fatalf("request %d has the request line %q", k, head)
			}
		}
	})
}
