// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// H18: no number can be given of a run in which nothing was due.
func TestCaseNothingDue(t *testing.T) {
	t.Parallel()
	s := serveCases(t)
	d := driveCase(t, "--url", s.url("/"), "--rate", "1/m", "--duration", "1s")
	d.consistent(t)
	if d.code != exitInconclusive || d.Planned != 0 || d.Valid || !strings.Contains(d.stderr, "no request was due: give a higher --rate, or a longer --duration") {
		t.Errorf("exit code %d, %d planned, valid %v: %s", d.code, d.Planned, d.Valid, d.stderr)
	}
	if got := s.counts().requests; got != 0 {
		t.Errorf("the server got %d requests", got)
	}
}

// H19: an invalid measurement has an exit code of its own.
func TestCaseInvalidExitCode(t *testing.T) {
	t.Parallel()
	s := serveCases(t)
	d := driveCase(t, "--url", s.url("/sleep/5"), "--rate", "400/s", "--duration", "500ms", "--connections", "1", "--timeout", "1s")
	d.consistent(t)
	if d.code != exitInconclusive || d.Valid || !strings.Contains(d.stderr, "the measurement is invalid: ") || !strings.Contains(d.text(), "Valid      NO: ") {
		t.Errorf("exit code %d, valid %v: %s", d.code, d.Valid, d.stderr)
	}
	d = driveCase(t, "--url", s.url("/"), "--rate", "200000/s", "--duration", "20ms", "--timeout", "1s")
	d.consistent(t)
}

// H21: 0.0.0.0 and :: are this computer.
func TestCaseUnspecifiedAddress(t *testing.T) {
	t.Parallel()
	s, err := newCaseServer("tcp", "0.0.0.0:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.die)
	driveCase(t, "--url", "http://0.0.0.0:"+s.port()+"/", "--rate", "100/s", "--requests", "5").succeeded(t, 5)
}

// H16: an address with a zone.
func TestCaseZone(t *testing.T) {
	t.Parallel()
	s, err := newCaseServer("tcp", "[::1]:0")
	if err != nil {
		t.Skipf("this computer has no ::1: %v", err)
	}
	t.Cleanup(s.die)
	if _, err := net.InterfaceByName("lo"); err != nil {
		t.Skipf("this computer's loopback has another name: %v", err)
	}
	driveCase(t, "--url", "http://[::1%25lo]:"+s.port()+"/", "--rate", "100/s", "--requests", "5").succeeded(t, 5)
	for _, r := range s.requests() {
		if r.Host != "[::1]:"+s.port() {
			t.Errorf("Host %q: a zone is this computer's own affair", r.Host)
		}
	}
}

// H22, and finding 6: what was asked twice is counted.
func TestCaseRetriesAreCounted(t *testing.T) {
	t.Parallel()
	s := serveCases(t)
	d := driveCase(t, "--url", s.url("/every/5"), "--rate", "100/s", "--duration", "1s", "--arrivals", "constant")
	d.usable(t)
	seen := s.counts()
	if d.Planned != 100 || seen.broken < 20 || d.Retried == 0 || int64(seen.requests) != d.Sent+d.Retried || int64(seen.broken) != d.Failed+d.Retried {
		t.Errorf("%d sent, %d failed (%v), %d retried; the server saw %d and broke %d", d.Sent, d.Failed, d.Errors, d.Retried, seen.requests, seen.broken)
	}
	if want := fmt.Sprintf("Retried    %d second sends", d.Retried); !strings.Contains(d.text(), want) {
		t.Errorf("no %q in:\n%s", want, d.text())
	}
	// Sent twice, a POST might be done twice.
	s = serveCases(t)
	d = driveCase(t, "--url", s.url("/every/5"), "--method", "POST", "--rate", "100/s", "--requests", "50", "--arrivals", "constant")
	d.usable(t)
	if seen = s.counts(); seen.requests != 50 || d.Retried != 0 || d.Errors["reset"] != 10 || d.Succeeded != 40 {
		t.Errorf("%d succeeded, %v, %d retried; the server saw %d", d.Succeeded, d.Errors, d.Retried, seen.requests)
	}
}

// Finding 6: requests that were in flight when their server died were reset,
// also where the second send is refused.
func TestCaseKilledServer(t *testing.T) {
	t.Parallel()
	s := serveCases(t)
	d := driveCase(t, "--url", s.url("/dies/60/30"), "--rate", "300/s", "--requests", "90", "--arrivals", "constant")
	d.usable(t)
	if d.Succeeded != 60 || d.Errors["reset"] != 30 || d.Failed != 30 {
		t.Errorf("%d succeeded, %v, %d retried, want 60 and reset 30: %v", d.Succeeded, d.Errors, d.Retried, d.ErrorTexts)
	}
}

// Finding 7: an answer to a large body that comes before its end counts.
func TestCaseEarlyAnswers(t *testing.T) {
	t.Parallel()
	for _, megabytes := range []int{1, 10} {
		s := serveCases(t)
		body := caseFile(t, "body", strings.Repeat("\x00", megabytes<<20))
		d := driveCase(t, "--url", s.url("/early/413"), "--method", "POST", "--body", body, "--rate", "40/s", "--requests", "40", "--arrivals", "constant")
		d.usable(t)
		if d.Planned != 40 || d.Status["413"] != 40 || d.Errors["status_4xx"] != 40 || len(d.Errors) != 1 {
			t.Errorf("%d MB: %v, %v, %q", megabytes, d.Status, d.Errors, d.ErrorTexts)
		}
	}
}

// The same over TLS, by both protocols.
func TestCaseEarlyAnswersOverTLS(t *testing.T) {
	t.Parallel()
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusRequestEntityTooLarge) }))
	server.EnableHTTP2 = true
	server.Config.ErrorLog = quiet()
	server.StartTLS()
	t.Cleanup(server.Close)
	body := caseFile(t, "body", strings.Repeat("\x00", 5<<20))
	for _, protocol := range []string{"--http1", "--http2"} {
		d := driveCase(t, "--url", server.URL, protocol, "--insecure", "--method", "POST", "--body", body, "--rate", "40/s", "--requests", "20", "--arrivals", "constant")
		d.usable(t)
		if d.Planned != 20 || d.Status["413"] != 20 || d.Errors["status_4xx"] != 20 || len(d.Errors) != 1 {
			t.Errorf("%s: %v, %v, %q", protocol, d.Status, d.Errors, d.ErrorTexts)
		}
	}
}

// Finding 8: the first text of each class stands in summary and JSON.
func TestCaseErrorTexts(t *testing.T) {
	t.Parallel()
	s := serveCases(t)
	list := ""
	for _, path := range []string{"/status/503", "/status/404", "/badlength", "/sleep/60000", "/big/2000"} {
		list += "GET " + s.url(path) + "\n\n"
	}
	d := driveFrom(t, list, "--targets", "-", "--rate", "100/s", "--requests", "10", "--timeout", "1s", "--max-body", "1KiB")
	d.usable(t)
	for class, want := range map[string]string{
		"status_5xx": "GET /status/503: status 503", "status_4xx": "GET /status/404: status 404", "protocol": "GET /badlength: ",
		"timeout": "GET /sleep/60000: no whole answer within 1s", "body_too_large": "GET /big/2000: the body is beyond the limit",
	} {
		if d.Errors[class] != 2 || !strings.HasPrefix(d.ErrorTexts[class], want) {
			t.Errorf("%s %d, %q, want %q", class, d.Errors[class], d.ErrorTexts[class], want)
		}
		if line := "           " + class + ", first: " + d.ErrorTexts[class] + "\n"; !strings.Contains(d.text(), line) {
			t.Errorf("no %q in:\n%s", line, d.text())
		}
	}
}

// S1: messages name the flag.
func TestCaseFlagsAreNamed(t *testing.T) {
	t.Parallel()
	local := "http://127.0.0.1:9/"
	for _, test := range []struct {
		want string
		args []string
	}{
		{"--timeout is 10m0s: it must be", []string{"--url", local, "--timeout", "10m"}},
		{"--duration is 200h0m0s: it must be", []string{"--url", local, "--duration", "200h"}},
		{"--url: http://127.0.0.1:0/: the port must be", []string{"--url", "http://127.0.0.1:0/"}},
		{"--url: ", []string{"--url", "http://127.0.0.1:9/a b\x7f"}},
		{"--method: ", []string{"--url", local, "--method", "A B"}},
		{"--header: ", []string{"--url", local, "--header", "Content-Length: 7"}},
		{"--warmup is 200h0m0s: it must be", []string{"--url", local, "--warmup", "200h"}},
		{"--connections is 1000000000: it must be", []string{"--url", local, "--connections", "1000000000"}},
		{"--streams is -1: it must be", []string{"--url", local, "--streams", "-1"}},
		{"--max-in-flight is -1: it must be", []string{"--url", local, "--max-in-flight", "-1"}},
		{"--redirects is 1000: it must be", []string{"--url", local, "--redirects", "1000"}},
		{"--engine is \"wrk\": it must be", []string{"--url", local, "--engine", "wrk"}},
		{"--rate is ", []string{"--url", local, "--rate", "100000000000/s"}},
		{"--requests 0: at least 1", []string{"--url", local, "--requests", "0"}},
		{"--requests and --duration", []string{"--url", local, "--requests", "5", "--duration", "1s"}},
		{"--resolve-every is -1s: it must be", []string{"--url", local, "--resolve-every", "-1s"}},
	} {
		refused(t, test.want, test.args...)
	}
	code, _, stderr := headroom(t.Context(), "capacity", "--url", local, "--slo", "p99<50ms", "--timeout", "10m")
	if code != exitFailure || !strings.Contains(stderr, "--timeout is 10m0s: it must be") {
		t.Errorf("exit code %d: %s", code, stderr)
	}
}
