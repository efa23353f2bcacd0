// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"headroom/harness/record"
)

// The rows H1 to H24, M1 to M9 and S1 are faults that the driver and the
// capacity search once had, each with the smallest input that shows it. H8 and
// H9, which are of files, stand in outputs_test.go.

// caseLimit bounds one call of the program: what never ends fails its test.
const caseLimit = time.Minute

// driven is one finished drive.
type driven struct {
	record.Summary
	code   int
	stderr string
}

// text is the summary as a terminal shows it.
func (d driven) text() string {
	var text bytes.Buffer
	printSummary(&text, d.Summary)
	return text.String()
}

// driveCase runs `headroom drive --json`, whatever its exit code.
func driveCase(t *testing.T, args ...string) driven {
	t.Helper()
	return driveFrom(t, "", args...)
}

// driveFrom is driveCase with a standard input.
func driveFrom(t *testing.T, stdin string, args ...string) driven {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), caseLimit)
	defer cancel()
	var out, complaint bytes.Buffer
	code := run(ctx, append([]string{"drive", "--json"}, args...), strings.NewReader(stdin), &out, &complaint)
	if ctx.Err() != nil {
		t.Errorf("%q did not end within %v", args, caseLimit)
	}
	return readDriven(t, code, out.Bytes(), complaint.String())
}

func readDriven(t *testing.T, code int, stdout []byte, stderr string) driven {
	t.Helper()
	d := driven{code: code, stderr: stderr}
	if err := json.Unmarshal(stdout, &d.Summary); err != nil {
		t.Fatalf("exit code %d, %v in %q: %s", code, err, stdout, stderr)
	}
	return d
}

// refused runs `headroom drive`, which must say want and send nothing.
func refused(t *testing.T, want string, args ...string) {
	t.Helper()
	code, stdout, stderr := headroom(t.Context(), append([]string{"drive"}, args...)...)
	if code != exitFailure || stdout != "" || !strings.Contains(stderr, want) {
		t.Errorf("%q: exit code %d, want %q in %q", args, code, want, stderr)
	}
}

// busyMachine begin the reasons for which a run is invalid on a machine that
// has other things to do: they are about the driver's time, not about what it
// did.
var busyMachine = []string{
	"the driver sent late: ", "the driver sent ", "the driver was throttled ", "the hypervisor took ",
	"the driver used ", "the driver's busiest thread used ",
}

// others are the reasons but those.
func others(reasons []string) (out []string) {
	for _, reason := range reasons {
		if !slices.ContainsFunc(busyMachine, func(begin string) bool { return strings.HasPrefix(reason, begin) }) {
			out = append(out, reason)
		}
	}
	return out
}

// usable fails unless the drive ended as a good one does. It may be invalid,
// for the sole reason that the machine was busy: all counts are exact then too.
func (d driven) usable(t *testing.T) {
	t.Helper()
	if d.Interrupted || len(others(d.InvalidReasons)) > 0 || d.code != exitGood && (d.code != exitInconclusive || d.Valid) {
		t.Errorf("exit code %d, invalid reasons %q: %s", d.code, d.InvalidReasons, d.stderr)
	}
	d.consistent(t)
}

// usableText is usable for a drive that printed its summary for a terminal.
func usableText(t *testing.T, code int, stdout, stderr string) {
	t.Helper()
	_, invalid, found := strings.Cut(stdout, "\nValid      NO: ")
	if code == exitGood && !found {
		return
	}
	reasons := strings.Split(strings.TrimSpace(invalid), ";\n           ")
	if code != exitInconclusive || !found || len(others(reasons)) > 0 {
		t.Errorf("exit code %d, invalid reasons %q: %s", code, reasons, stderr)
	}
}

// consistent checks what holds of every drive.
func (d driven) consistent(t *testing.T) {
	t.Helper()
	sum := func(counts map[string]int64) (n int64) {
		for _, c := range counts {
			n += c
		}
		return n
	}
	if d.Planned != d.Sent+d.Unsent || d.Sent != d.Succeeded+d.Failed || sum(d.Errors) != d.Failed || d.ResponseMS.Samples+d.Clipped != d.Sent {
		t.Errorf("planned %d, sent %d, unsent %d, succeeded %d, failed %d (%v), %d samples: they do not add up",
			d.Planned, d.Sent, d.Unsent, d.Succeeded, d.Failed, d.Errors, d.ResponseMS.Samples)
	}
	if d.Valid != (d.code == exitGood) && d.Planned > 0 && len(d.Status) > 0 {
		t.Errorf("valid is %v, the exit code %d", d.Valid, d.code)
	}
}

// succeeded fails unless so many requests were planned, sent, and succeeded.
func (d driven) succeeded(t *testing.T, want int64) {
	t.Helper()
	d.usable(t)
	if d.Planned != want || d.Succeeded != want {
		t.Errorf("%d planned, %d succeeded, want %d: %v, %v", d.Planned, d.Succeeded, want, d.Errors, d.ErrorTexts)
	}
}

// targetsCase is a case's list of requests, sent to the server.
func targetsCase(t *testing.T, name string, s *caseServer) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", "cases", name))
	if err != nil {
		t.Fatal(err)
	}
	return caseFile(t, name, strings.ReplaceAll(string(text), "PORT", s.port()))
}

func caseFile(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// H1: a connection that breaks while a large body is on its way fails its
// request once, and the run ends.
func TestCaseBrokenUploads(t *testing.T) {
	t.Parallel()
	// Larger than what the socket takes at once.
	body := caseFile(t, "8m", strings.Repeat("\x00", 8<<20))
	d := driveCase(t, "--url", breakUploads(t), "--method", "POST", "--body", body, "--rate", "20/s", "--requests", "20", "--arrivals", "constant", "--timeout", "10s")
	d.consistent(t)
	if d.Planned != 20 || d.Failed != 20 || d.Errors["reset"] != 20 || d.Retried != 0 {
		t.Errorf("%d planned, %v failed, %d retried, want 20 reset: %v", d.Planned, d.Errors, d.Retried, d.ErrorTexts)
	}
	if d.code != exitInconclusive || !strings.Contains(d.stderr, "no request was answered: reset 20 (POST /: ") {
		t.Errorf("exit code %d: %s", d.code, d.stderr)
	}
}

// H2: what a server that does 100 a second answers within the slice is no more
// than that, however much was asked of it.
func TestCaseThroughputIsWhatWasAnsweredInTime(t *testing.T) {
	t.Parallel()
	d := driveCase(t, "--url", serveCases(t).url("/serial/10"), "--rate", "300/s", "--duration", "1s", "--arrivals", "constant")
	d.succeeded(t, 300)
	if d.AchievedRPS <= 0 || d.AchievedRPS > 101 {
		t.Errorf("%v answered a second, the server does at most 100", d.AchievedRPS)
	}
}

// H4, H5: the driver opens as many connections as it needs, or says that they
// were too few.
func TestCaseConnectionsAreTheDriversLimit(t *testing.T) {
	t.Parallel()
	s := serveCases(t)
	load := []string{"--url", s.url("/sleep/1000"), "--rate", "100/s", "--duration", "1s", "--arrivals", "constant"}
	d := driveCase(t, load...)
	d.succeeded(t, 100)
	if d.Waited != 0 || d.Connections.Most <= 64 {
		t.Errorf("%d waited, %d connections were open at once", d.Waited, d.Connections.Most)
	}
	d = driveCase(t, append(load, "--connections", "64")...)
	d.consistent(t)
	if d.code != exitInconclusive || d.Valid || d.Succeeded != 100 || d.Driver.Limit != record.LimitConnections ||
		!strings.Contains(d.stderr, "waited for one of the driver's 64 connections: give it more with --connections") {
		t.Errorf("exit code %d, %d succeeded, limit %q: %s", d.code, d.Succeeded, d.Driver.Limit, d.stderr)
	}
}

// H5: requests that no connection was free for are not blamed on the in-flight
// cap.
func TestCaseUnsentSayWhy(t *testing.T) {
	t.Parallel()
	s := serveCases(t)
	d := driveCase(t, "--url", s.url("/serial/10"), "--rate", "300/s", "--duration", "1s", "--arrivals", "constant", "--timeout", "500ms", "--connections", "4")
	d.consistent(t)
	if d.Planned != 300 || d.Unsent == 0 || d.Driver.Limit != record.LimitConnections || !strings.Contains(d.stderr, "4 connections") {
		t.Errorf("%d planned, %d unsent, limit %q: %s", d.Planned, d.Unsent, d.Driver.Limit, d.stderr)
	}
	if want := "all connections stayed busy (at most 4 may be open, --connections)"; !strings.Contains(d.text(), want) || strings.Contains(d.text(), "--max-in-flight") {
		t.Errorf("the summary does not say %q:\n%s", want, d.text())
	}
	// With room for ten requests it is the cap.
	d = driveCase(t, "--url", s.url("/sleep/500"), "--rate", "100/s", "--duration", "500ms", "--arrivals", "constant", "--max-in-flight", "10")
	d.usable(t)
	if want := "up to 10 were in flight (--max-in-flight 10)"; d.Planned != 50 || d.Unsent == 0 || !strings.Contains(d.text(), want) {
		t.Errorf("%d planned, %d unsent, want %q:\n%s", d.Planned, d.Unsent, want, d.text())
	}
}

// H13 and the parser's kind: what net/http reads is read, and what is not says
// why in words.
func TestCaseParser(t *testing.T) {
	t.Parallel()
	s := serveCases(t)
	for _, path := range []string{"/fold", "/bighead", "/identity"} {
		driveCase(t, "--url", s.url(path), "--rate", "100/s", "--requests", "5").succeeded(t, 5)
	}
	d := driveCase(t, "--url", s.url("/badlength"), "--rate", "100/s", "--requests", "5")
	d.consistent(t)
	if d.Failed != 5 || d.Errors["protocol"] != 5 || !strings.Contains(d.ErrorTexts["protocol"], "2x") {
		t.Errorf("%v, %q", d.Errors, d.ErrorTexts)
	}
	if !strings.Contains(d.text(), "protocol, first: GET /badlength: ") {
		t.Errorf("the summary does not say why:\n%s", d.text())
	}
}
