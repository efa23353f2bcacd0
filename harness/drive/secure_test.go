// SPDX-License-Identifier: Apache-2.0

package drive

import (
	"context"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"headroom/scenarios"
)

// startTLS starts an HTTPS server with a certificate of its own.
func startTLS(t *testing.T, handler http.HandlerFunc, http2 bool) *target {
	t.Helper()
	server := httptest.NewUnstartedServer(handler)
	server.EnableHTTP2 = http2
	server.Config.ErrorLog = log.New(io.Discard, "", 0) // handshakes that a test breaks off
	server.StartTLS()
	t.Cleanup(server.Close)
	return &target{url: server.URL}
}

func TestTLSAndHTTP2(t *testing.T) {
	for _, http2 := range []bool{false, true} {
		t.Run(fmt.Sprintf("http2=%v", http2), func(t *testing.T) {
			var wrong atomic.Int64
			tg := startTLS(t, func(w http.ResponseWriter, r *http.Request) {
				body, err := io.ReadAll(r.Body)
				if r.ProtoAtLeast(2, 0) != http2 || err != nil || string(body) != "ping" || r.Header.Get("Accept-Encoding") != "" {
					wrong.Add(1)
				}
				w.Header().Set("X-Cache", "MISS")
				_, _ = fmt.Fprintf(w, "you asked for %s", r.URL.Path)
			}, http2)
			job := jobFor(tg, 200, 500*time.Millisecond)
			job.TLS.SkipVerify, job.Warmup, job.CountHeaders = true, 100*time.Millisecond, []string{"X-Cache"}
			job.Mix = []scenarios.Endpoint{{Name: "e", Method: "PUT", Path: "/{seq}", Body: "ping", Expect: "for /{seq}", Weight: 1}}
			m := mustDrive(t, job)
			if m.Succeeded != 100 || m.Counts["X-Cache: MISS"] != 100 || m.BytesOut != 400 || wrong.Load() > 0 {
				t.Errorf("%d of 100 succeeded, errors %v, counts %v, %d bytes out, %d requests were wrong", m.Succeeded, m.Errors, m.Counts, m.BytesOut, wrong.Load())
			}
		})
	}
}

func TestSecureFailures(t *testing.T) {
	tg := startTLS(t, func(w http.ResponseWriter, r *http.Request) {
		switch {
		case strings.HasPrefix(r.URL.Path, "/big"):
			_, _ = w.Write(make([]byte, 1<<20))
		case strings.HasPrefix(r.URL.Path, "/slow"):
			select {
			case <-r.Context().Done():
			case <-time.After(10 * time.Second):
			}
		case strings.HasPrefix(r.URL.Path, "/error"):
			w.WriteHeader(http.StatusBadGateway)
		}
	}, false)
	for _, test := range []struct {
		path, class string
		change      func(*Job)
	}{
		{"/", classTLS, func(j *Job) { j.TLS.SkipVerify = false }},
		{"/error", classStatus5xx, func(*Job) {}},
		{"/big", classBodyTooBig, func(j *Job) { j.MaxBody = 1000 }},
		{"/slow", classTimeout, func(j *Job) { j.Connections, j.Timeout = 32, time.Second }},
		{"/", classWrongBody, func(j *Job) { j.Mix[0].Expect = "x" }},
		{"/", classRefused, func(j *Job) { j.BaseURL = "https://127.0.0.1:1" }},
	} {
		job := jobFor(tg, 100, 200*time.Millisecond)
		job.TLS.SkipVerify, job.Mix[0].Path = true, test.path
		test.change(&job)
		m := mustDrive(t, job)
		if m.Sent != 20 || m.Errors[test.class] != 20 || m.ResponseSuccess.Count() != 0 {
			t.Errorf("%s %s: %d sent, errors %v, want 20 of them", test.path, test.class, m.Sent, m.Errors)
		}
		if test.class == classTimeout && m.Response.Quantile(0) < 999*time.Millisecond {
			t.Errorf("a timeout of 1 s counts as %v", m.Response.Quantile(0))
		}
	}
}

func TestSecureMeetsTheCap(t *testing.T) {
	tg := startTLS(t, func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }, false)
	job := jobFor(tg, 500, 600*time.Millisecond)
	job.TLS.SkipVerify, job.Connections, job.MaxInFlight, job.Timeout = true, 0, 10, 300*time.Millisecond
	m := mustDrive(t, job)
	if m.Planned != 300 || m.Unsent < 200 || m.MaxInFlight != 10 {
		t.Errorf("%d planned, %d unsent, %d in flight, %q", m.Planned, m.Unsent, m.MaxInFlight, m.InvalidReasons)
	}
}

func TestSecureClosedLoop(t *testing.T) {
	tg := startTLS(t, func(http.ResponseWriter, *http.Request) {}, false)
	job := jobFor(tg, 0, 200*time.Millisecond)
	job.TLS.SkipVerify = true
	if m := mustDrive(t, job); m.Sent == 0 || m.Succeeded != m.Sent || m.MaxInFlight > 16 {
		t.Errorf("%d of %d succeeded, %d in flight", m.Succeeded, m.Sent, m.MaxInFlight)
	}
}

func TestSecureInterrupt(t *testing.T) {
	arrived := make(chan struct{}, 1000)
	tg := startTLS(t, func(_ http.ResponseWriter, r *http.Request) {
		arrived <- struct{}{}
		<-r.Context().Done()
	}, false)
	for _, rateRPS := range []float64{200, 0} {
		job := jobFor(tg, rateRPS, time.Hour)
		job.TLS.SkipVerify, job.Timeout = true, maxTimeout
		ctx, cancel := context.WithCancel(t.Context())
		go func() {
			defer cancel()
			<-arrived
		}()
		m, err := Drive(ctx, job)
		if err != nil || !m.Interrupted || m.Errors[classInterrupted] != m.Sent || m.DurationS > 60 {
			t.Errorf("interrupted %v, %d sent, errors %v in %v s, error %v", m.Interrupted, m.Sent, m.Errors, m.DurationS, err)
		}
		if err := m.Check(); err != nil {
			t.Error(err)
		}
	}
}
