// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"headroom/harness/record"
)

// People read "invalid"; the word of the files is another.
func TestInvalidStepIsCalledSo(t *testing.T) {
	line := capacityProbe{Kind: "stairs", RateRPS: 100, DurationS: 3, Verdict: string(record.Invalid), Reason: "the host was busy"}.line()
	if !strings.Contains(line, ": invalid (the host was busy)") || strings.Contains(line, string(record.Invalid)) {
		t.Error(line)
	}
}

func TestCapacityRefuses(t *testing.T) {
	local := []string{"--url", "http://127.0.0.1:9/"}
	for _, test := range []struct {
		args []string
		want string
	}{
		{nil, "empty SLO: write conditions joined by commas, for example"},
		{[]string{"--slo", "p99<50"}, "is not a time with a unit, for example"},
		{[]string{"--slo", "GET /api/feed p95<400ms"}, "is for one endpoint"},
		{[]string{"--slo", "p99<50ms,stale<1%"}, "leave stale out"},
		{[]string{"--slo", "p99<50ms", "--max-rate", "fast"}, "--max-rate: "},
		{[]string{"--slo", "p99<50ms", "--max-time", "3s"}, "give 30s or more"},
	} {
		code, stdout, stderr := headroom(t.Context(), append(append([]string{"capacity"}, local...), test.args...)...)
		if code != exitFailure || !strings.Contains(stderr, test.want) || stdout != "" {
			t.Errorf("%q: exit code %d, want %q in %q", test.args, code, test.want, stderr)
		}
	}
	for _, test := range []struct {
		args []string
		want string
	}{
		{[]string{"phase33"}, "did you mean"},
		{[]string{"phase3", "--url", "http://127.0.0.1:9/"}, "--url is for a URL"},
		{[]string{"phase3", "--variant", "middle"}, "want before or after"},
		{[]string{"phase3", "--slo", "GET /api/fed p95<400ms"}, `did you mean "GET /api/feed"`},
		{[]string{"phase3", "phase2"}, "2 arguments given"},
	} {
		code, stdout, stderr := headroom(t.Context(), append([]string{"capacity"}, test.args...)...)
		if code != exitFailure || !strings.Contains(stderr, test.want) || stdout != "" {
			t.Errorf("%q: exit code %d, want %q in %q", test.args, code, test.want, stderr)
		}
	}
	if code, _, stderr := headroom(t.Context(), "capacity", "--slo", "p99<50ms", "--url", "http://192.0.2.1/"); code != exitFailure || !strings.Contains(stderr, "--allow-host") {
		t.Errorf("exit code %d: %s", code, stderr)
	}
}

// Row 31: an SLO that fails at the lowest rate has a capacity below it.
func TestCapacityBelowTheLowestRate(t *testing.T) {
	if testing.Short() {
		t.Skip("takes some 15 s: skipped by -short")
	}
	t.Parallel()
	code, stdout, stderr := headroom(t.Context(), "capacity", "--url", serveCases(t).url("/sleep/300"), "--slo", "p99<150ms,errors<1%", "--max-time", "45s", "--json")
	var report struct {
		Capacity map[string]*float64 `json:"capacity_rps"`
		BelowMin bool                `json:"below_min"`
		Probes   []struct{ Verdict string }
	}
	if err := json.Unmarshal([]byte(stdout), &report); err != nil || code != 0 {
		t.Fatalf("exit code %d, %v: %s%s", code, err, stdout, stderr)
	}
	failed := report.Capacity["failed"]
	if !report.BelowMin || report.Capacity["low"] != nil || failed == nil || *failed != lowestRPS || len(report.Probes) < 3 {
		t.Errorf("%+v, failed %v", report, failed)
	}
}

// A target that is fast enough for the highest rate allowed.
func TestCapacityUnbounded(t *testing.T) {
	if testing.Short() {
		t.Skip("takes some 15 s: skipped by -short")
	}
	t.Parallel()
	url := answering(t, func(http.ResponseWriter, *http.Request) {})
	code, stdout, stderr := headroom(t.Context(), "capacity", "--url", url, "--slo", "p50<5s,errors<50%", "--max-rate", "60/s", "--max-time", "30s")
	if code != 0 || !strings.Contains(stdout, ">= 60 requests/s, the highest rate allowed") || !strings.Contains(stdout, "Confirmed: 60 requests/s held for 10 s") {
		t.Errorf("exit code %d: %s%s", code, stdout, stderr)
	}
}
