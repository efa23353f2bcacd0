// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	hdr "github.com/HdrHistogram/hdrhistogram-go"
)

// headroom runs the program and returns what it printed.
func headroom(ctx context.Context, args ...string) (code int, stdout, stderr string) {
	var out, err bytes.Buffer
	code = run(ctx, args, strings.NewReader(""), &out, &err)
	return code, out.String(), err.String()
}

func answering(t *testing.T, handler http.HandlerFunc) string {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	return server.URL
}

func TestDriveCountsEverything(t *testing.T) {
	var seen atomic.Int64
	url := answering(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Method != "POST" || r.Header.Get("X-Test") != "yes" || r.ContentLength != 4 {
			t.Errorf("got %s, %v", r.Method, r.Header)
		}
		if seen.Add(1)%4 == 0 {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	})
	dir := t.TempDir()
	body, log := filepath.Join(dir, "body"), filepath.Join(dir, "latency.hlog")
	if err := os.WriteFile(body, []byte("body"), 0o600); err != nil {
		t.Fatal(err)
	}
	code, stdout, stderr := headroom(t.Context(), "drive", "--url", url+"/x", "--method", "post", "--header", "X-Test: yes",
		"--body", body, "--rate", "200/s", "--duration", "2s", "--arrivals", "constant", "--json", "--hdr", log)
	readDriven(t, code, []byte(stdout), stderr).usable(t)
	var s map[string]any
	if err := json.Unmarshal([]byte(stdout), &s); err != nil {
		t.Fatalf("%v in:\n%s", err, stdout)
	}
	for key, want := range map[string]float64{"planned": 400, "sent": 400, "succeeded": 300, "failed": 100, "unsent": 0, "clipped": 0, "offered_rps": 200, "duration_s": 2} {
		if s[key] != want {
			t.Errorf("%s is %v, want %v", key, s[key], want)
		}
	}
	for key, want := range map[string]map[string]any{"errors": {"status_5xx": 100.0}, "status": {"200": 300.0, "503": 100.0}} {
		got := s[key].(map[string]any)
		for k, v := range want {
			if got[k] != v || len(got) != len(want) {
				t.Errorf("%s: %v, want %v", key, got, want)
			}
		}
	}
	response := s["response_ms"].(map[string]any)
	if response["p99"] == nil || response["p999"] != nil {
		t.Errorf("400 samples are enough for p99 and too few for p99.9: %v", response)
	}
	if n := loggedResponses(t, log); n != 400 {
		t.Errorf("the HdrHistogram log holds %d response times, want 400", n)
	}
}

// loggedResponses counts what the untagged intervals of a log hold.
func loggedResponses(t *testing.T, path string) (n int64) {
	t.Helper()
	file, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	reader := hdr.NewHistogramLogReader(file)
	for {
		h, err := reader.NextIntervalHistogram()
		if err != nil {
			t.Fatal(err)
		}
		if h == nil {
			return n
		}
		if h.Tag() == "" {
			n += h.TotalCount()
		}
	}
}

func TestDriveSummary(t *testing.T) {
	url := answering(t, func(http.ResponseWriter, *http.Request) {})
	code, stdout, stderr := headroom(t.Context(), "drive", "--url", url, "--rate", "100/s", "--duration", "1s")
	usableText(t, code, stdout, stderr)
	for _, want := range []string{"poisson arrivals, 100 requests/s", "0 failed, 0 unsent", "insufficient: ", "p99 (needs 299)", "service"} {
		if !strings.Contains(stdout, want) {
			t.Errorf("no %q in:\n%s", want, stdout)
		}
	}
}

func TestDriveInterrupted(t *testing.T) {
	url := answering(t, func(http.ResponseWriter, *http.Request) {})
	ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
	defer cancel()
	began := time.Now()
	code, stdout, stderr := headroom(ctx, "drive", "--url", url, "--duration", "1m", "--json")
	if code != exitInconclusive || !strings.Contains(stderr, "interrupted") || time.Since(began) > 20*time.Second {
		t.Errorf("exit code %d after %v: %s", code, time.Since(began), stderr)
	}
	var s struct {
		Sent        int64
		Interrupted bool
		Valid       bool
	}
	if err := json.Unmarshal([]byte(stdout), &s); err != nil || s.Sent == 0 || !s.Interrupted || s.Valid {
		t.Errorf("%+v, %v in:\n%s", s, err, stdout)
	}
}

func TestDriveRefuses(t *testing.T) {
	local := "http://127.0.0.1:9/"
	for _, test := range []struct {
		args []string
		want string
	}{
		{nil, "give either --url or --targets"},
		{[]string{"--url", local, "--targets", "x"}, "give either --url or --targets"},
		{[]string{"--url", "127.0.0.1:9"}, "--url: 127.0.0.1:9: it must be an http or https URL"},
		{[]string{"--url", "http://192.0.2.1/"}, "add --allow-host"},
		{[]string{"--url", local, "--rate", "1000"}, "write for example 1000/s, or max"},
		{[]string{"--url", local, "--rate", "-1/s"}, "above 0"},
		{[]string{"--url", local, "--header", "Accept"}, "not Name: value"},
		{[]string{"--url", local, "--arrivals", "uniform"}, `"poisson" or "constant"`},
		{[]string{"--url", local, "--duration", "0s"}, "--duration is 0s"},
		{[]string{"--url", local, "--hdr", "/nonexistent/x"}, "/nonexistent/x"},
		{[]string{"--url", local, "--body", "/nonexistent/x"}, "body: "},
		{[]string{"--targets", "/nonexistent/x"}, "targets: "},
		{[]string{"--url", local, "--rats", "1/s"}, "unknown flag"},
	} {
		code, stdout, stderr := headroom(t.Context(), append([]string{"drive"}, test.args...)...)
		if code != exitFailure || !strings.Contains(stderr, test.want) || stdout != "" {
			t.Errorf("%q: exit code %d, want %q in %q", test.args, code, test.want, stderr)
		}
	}
}

func TestDriveSaysWhenNobodyAnswers(t *testing.T) {
	server := httptest.NewServer(nil)
	server.Close()
	code, stdout, stderr := headroom(t.Context(), "drive", "--url", server.URL, "--rate", "50/s", "--duration", "1s")
	if code != exitInconclusive || !strings.Contains(stderr, "no request was answered: refused") || !strings.Contains(stdout, "Status     no response") {
		t.Errorf("exit code %d: %s%s", code, stdout, stderr)
	}
}

func TestDriveTargetsFile(t *testing.T) {
	var paths [2]atomic.Int64
	url := answering(t, func(_ http.ResponseWriter, r *http.Request) {
		paths[slices.Index([]string{"/a", "/b"}, r.URL.Path)].Add(1)
	})
	file := filepath.Join(t.TempDir(), "targets")
	if err := os.WriteFile(file, []byte("GET "+url+"/a\n\nGET "+url+"/b\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	code, stdout, stderr := headroom(t.Context(), "drive", "--targets", file, "--rate", "50/s", "--duration", "1s", "--arrivals", "constant")
	usableText(t, code, stdout, stderr)
	if paths[0].Load() != 25 || paths[1].Load() != 25 {
		t.Errorf("%d and %d requests, want 25 and 25", paths[0].Load(), paths[1].Load())
	}
}
