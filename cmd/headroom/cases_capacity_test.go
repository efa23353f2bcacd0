// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/json"
	"net"
	"strings"
	"testing"

	"headroom/harness/record"
)

// capacityCase runs `headroom capacity --json`.
func capacityCase(t *testing.T, args ...string) (code int, report capacityReport, stderr string) {
	t.Helper()
	code, stdout, stderr := headroom(t.Context(), append([]string{"capacity", "--json"}, args...)...)
	if err := json.Unmarshal([]byte(stdout), &report); err != nil {
		t.Fatalf("exit code %d, %v in %q: %s", code, err, stdout, stderr)
	}
	return code, report, stderr
}

// unusedAddress is an address where nothing listens.
func unusedAddress(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	return "http://" + listener.Addr().String() + "/"
}

// H3, H20, and their kind: a target whose answers can make no capacity is said
// to be one, at once.
func TestCaseUselessTargets(t *testing.T) {
	t.Parallel()
	s := serveCases(t)
	upload := []string{"--method", "POST", "--body", caseFile(t, "body", strings.Repeat("b", 100<<10))}
	for _, test := range []struct {
		name, url string
		more      []string
		want      []string
	}{
		{"nobody", unusedAddress(t), nil, []string{"nobody answers: all ", "(refused: GET /: connect: connection refused)"}},
		{"breaks", breakUploads(t), upload, []string{"nobody answers: all ", "(reset: POST /: "}},
		{"redirect", s.url("/redir"), nil, []string{"every answer was a redirect (302): give the URL that it leads to, or follow it with --redirects"}},
		{"500", s.url("/status/500"), nil, []string{"no answer was a correct one, all ", "(status_5xx: GET /status/500: status 500)"}},
		{"404", s.url("/status/404"), nil, []string{"no answer was a correct one, all ", "(status_4xx: GET /status/404: status 404)"}},
		{"no HTTP", s.url("/badlength"), nil, []string{"(protocol: GET /badlength: "}},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			code, report, stderr := capacityCase(t, append(test.more, "--url", test.url, "--slo", "p99<50ms,errors<0.1%", "--max-time", "30s", "--max-rate", "300/s")...)
			if code != exitInconclusive || report.Capacity.Low != nil || report.BelowMin || report.Unbounded || len(report.Probes) > 2 {
				t.Errorf("exit code %d after %d steps, below the lowest %v: %s", code, len(report.Probes), report.BelowMin, stderr)
			}
			for _, want := range test.want {
				if !strings.Contains(report.Reason, want) || !strings.Contains(stderr, "no capacity was found: "+report.Reason) {
					t.Errorf("no %q in %q and %q", want, report.Reason, stderr)
				}
			}
			if last := report.Probes[len(report.Probes)-1]; len(last.Failures)+len(last.Status) == 0 {
				t.Errorf("neither failures nor statuses in %+v", last)
			}
		})
	}
}

// H4: the driver's connections are not taken for the target's limit.
func TestCaseCapacityByConnections(t *testing.T) {
	if testing.Short() {
		t.Skip("takes some 20 s: skipped by -short")
	}
	s := serveCases(t)
	for name, args := range map[string][]string{"as many as it takes": nil, "64": {"--connections", "64"}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			code, report, stderr := capacityCase(t, append(args, "--url", s.url("/sleep/200"), "--slo", "p99<1500ms,errors<1%", "--max-time", "30s", "--max-rate", "400/s")...)
			if name == "64" {
				// 64 at once for 0.2 s each are 320 a second.
				if !report.DriverLimited || report.DriverLimit != record.LimitConnections || report.Capacity.Low != nil && *report.Capacity.Low > 330 {
					t.Errorf("exit code %d, held %v: %+v: %s", code, report.Capacity.Low, report, stderr)
				}
				return
			}
			if code != exitGood || !report.Unbounded || report.DriverLimited || report.Capacity.Confirmed == nil || *report.Capacity.Confirmed != 400 {
				t.Errorf("exit code %d, %+v: %s", code, report, stderr)
			}
		})
	}
}

// H6 and its kind: slow services. A step is long enough to fail, what is printed
// is not above the truth, and the time that was promised is kept.
func TestCaseCapacityOfSlowServices(t *testing.T) {
	if testing.Short() {
		t.Skip("takes a minute: skipped by -short")
	}
	s := serveCases(t)
	for _, test := range []struct {
		path, slo     string
		truth, lowest float64 // what may be printed at the most, as a capacity that was confirmed, and at the least
	}{
		{"/serial/50", "p99<2s,errors<1%", 20, 9},
		{"/serial/100", "p99<2s,errors<1%", 10, 4},
		{"/limit/50", "p99<100ms,errors<5%", 50, 30},
	} {
		t.Run(test.path, func(t *testing.T) {
			t.Parallel()
			const promised = 60.0
			code, report, stderr := capacityCase(t, "--url", s.url(test.path), "--slo", test.slo, "--max-time", "60s")
			c := report.Capacity
			if report.ElapsedS > promised*1.05 {
				t.Errorf("it took %v s of %v", report.ElapsedS, promised)
			}
			if c.Low == nil || *c.Low > test.truth || c.High != nil && *c.High < test.truth*0.9 {
				t.Errorf("exit code %d, truth %v: %+v: %s", code, test.truth, c, stderr)
			}
			if c.Confirmed != nil && (*c.Confirmed > test.truth || *c.Confirmed < test.lowest) {
				t.Errorf("%v/s were confirmed of %v: %s", *c.Confirmed, test.truth, stderr)
			}
			if c.Value == nil && report.NeedsS <= 0 {
				t.Errorf("no estimate, and no word of how much time it takes: %+v", report)
			}
		})
	}
}
