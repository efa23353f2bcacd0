// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/json"
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	vegeta "github.com/tsenart/vegeta/v12/lib"
)

// writtenResults reads a file of results as vegeta's library does, in the order of
// their numbers.
func writtenResults(t *testing.T, path string) []vegeta.Result {
	t.Helper()
	file, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	decode := vegeta.DecoderFor(file)
	if decode == nil {
		t.Fatalf("%s: vegeta knows no such format", path)
	}
	var all []vegeta.Result
	for {
		var r vegeta.Result
		if err := decode.Decode(&r); err != nil {
			break
		}
		all = append(all, r)
	}
	slices.SortFunc(all, func(a, b vegeta.Result) int { return int(a.Seq) - int(b.Seq) })
	return all
}

// vegetaReport is what vegeta's command says of a file.
type vegetaReport struct {
	Latencies struct {
		P50 float64 `json:"50th"`
		P90 float64 `json:"90th"`
		P95 float64 `json:"95th"`
		Max float64
	}
	Requests int64
	Codes    map[string]int64      `json:"status_codes"`
	BytesIn  struct{ Total int64 } `json:"bytes_in"`
}

// --output writes what vegeta's own command reads, and it says the same as we.
func TestCaseOutputForVegeta(t *testing.T) {
	if testing.Short() {
		t.Skip("builds vegeta's command: skipped by -short")
	}
	t.Parallel()
	command := filepath.Join(t.TempDir(), "vegeta")
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-o", command, "github.com/tsenart/vegeta/v12").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	for _, end := range []string{".gob", ".json", ".csv"} {
		for _, engine := range []string{"", "vegeta"} {
			t.Run(end+engine, func(t *testing.T) {
				t.Parallel()
				s := serveCases(t)
				path := filepath.Join(t.TempDir(), "results"+end)
				list := "GET " + s.url("/spread/30") + "\n\nGET " + s.url("/spread/60") + "\n\nGET " + s.url("/status/503") + "\n"
				d := driveFrom(t, list, "--targets", "-", "--rate", "200/s", "--duration", "1500ms", "--warmup", "200ms", "--arrivals", "constant", "--output", path, "--engine", engine)
				d.usable(t)
				if d.Planned != 300 || d.Sent != 300 || d.Succeeded != 200 {
					t.Errorf("%d planned, %d sent, %d succeeded: %v", d.Planned, d.Sent, d.Succeeded, d.Errors)
				}
				out, err := exec.CommandContext(t.Context(), command, "report", "-type=json", path).Output()
				if err != nil {
					t.Fatal(err)
				}
				var said vegetaReport
				if err := json.Unmarshal(out, &said); err != nil {
					t.Fatal(err)
				}
				if said.Requests != d.Sent || fmt.Sprint(said.Codes) != fmt.Sprint(d.Status) || said.BytesIn.Total != d.BytesIn {
					t.Errorf("vegeta counts %d, %v, %d bytes; headroom %d, %v, %d", said.Requests, said.Codes, said.BytesIn.Total, d.Sent, d.Status, d.BytesIn)
				}
				checkResults(t, d, said, writtenResults(t, path))
			})
		}
	}
}

// checkResults holds what both say of a file against the file.
func checkResults(t *testing.T, d driven, said vegetaReport, all []vegeta.Result) {
	t.Helper()
	if int64(len(all)) != d.Sent {
		t.Fatalf("the file holds %d results, want %d", len(all), d.Sent)
	}
	latencies := make([]float64, len(all))
	for i, r := range all {
		latencies[i] = float64(r.Latency)
		// Its time is when the request was due.
		due := all[0].Timestamp.Add(time.Duration(i) * time.Second / time.Duration(d.OfferedRPS))
		if off := r.Timestamp.Sub(due).Abs(); r.Seq != uint64(i) || off > time.Microsecond {
			t.Fatalf("result %d: number %d, %v from when it was due", i, r.Seq, off)
		}
	}
	slices.Sort(latencies)
	at := func(q float64) float64 {
		return latencies[min(max(int(math.Ceil(q*float64(len(latencies))))-1, 0), len(latencies)-1)]
	}
	for _, test := range []struct {
		q         float64
		said      float64
		milliAsks *float64
	}{{0.5, said.Latencies.P50, d.ResponseMS.P50}, {0.9, said.Latencies.P90, d.ResponseMS.P90}, {0.95, said.Latencies.P95, d.ResponseMS.P95}, {1, said.Latencies.Max, d.ResponseMS.Max}} {
		// Of vegeta's digest, as harness/drive/results's test derives it, and a
		// result to either side.
		reach := 2*math.Pi/100*math.Sqrt(test.q*(1-test.q)) + 1/float64(len(all))
		if low, high := at(test.q-reach), at(test.q+reach); test.said < low || test.said > high {
			t.Errorf("vegeta says %v of quantile %v, the file has %v to %v", test.said, test.q, low, high)
		}
		// Our histogram keeps values to within 1%.
		const kept = 0.01
		near := 1 / float64(len(all))
		if got := *test.milliAsks * 1e6; got < at(test.q-near)*(1-kept) || got > at(test.q+near)*(1+kept) {
			t.Errorf("headroom says %v of quantile %v, the file has %v", got, test.q, at(test.q))
		}
	}
}

// What can't be written is refused, with the flag.
func TestCaseOutputRefused(t *testing.T) {
	t.Parallel()
	s := serveCases(t)
	load := []string{"--url", s.url("/"), "--rate", "100/s", "--requests", "5"}
	refused(t, "--output: ", append(load, "--output", filepath.Join(t.TempDir(), "x.txt"))...)
	refused(t, "--output: ", append(load, "--output", "/nonexistent/x.gob")...)
	refused(t, "leave one of them out", append(load, "--redirects", "2", "--output", filepath.Join(t.TempDir(), "x.gob"))...)
	if got := s.counts().requests; got != 0 {
		t.Errorf("%d requests were sent", got)
	}
}

// vegeta's engine counts what ours does, and refuses what ours does.
func TestCaseEngines(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name, path string
		args       []string
	}{
		{"plain", "/", []string{"--requests", "50"}},
		{"failures", "/status/503", []string{"--requests", "50"}},
		{"a body", "/", []string{"--requests", "50", "--method", "PUT", "--body", caseFile(t, "body", "four")}},
		{"a warm-up", "/", []string{"--requests", "50", "--warmup", "100ms"}},
		{"timeouts", "/sleep/60000", []string{"--requests", "20", "--timeout", "200ms"}},
		{"credentials", "/auth", []string{"--requests", "20"}},
		{"a limit", "/big/5000", []string{"--requests", "20", "--max-body", "1KiB"}},
		{"a log", "/", []string{"--requests", "50", "--hdr", filepath.Join(t.TempDir(), "x.hlog")}},
	} {
		var both [2]driven
		var seen [2]caseCounts
		for i, engine := range []string{"", "vegeta"} {
			s := serveCases(t)
			both[i] = driveCase(t, append(test.args, "--url", s.url(test.path), "--rate", "200/s", "--engine", engine)...)
			both[i].consistent(t)
			seen[i] = s.counts()
			if log := test.args[len(test.args)-1]; strings.HasSuffix(log, ".hlog") {
				if n := loggedResponses(t, log); n != 50 {
					t.Errorf("%s: the log holds %d response times, want 50", test.name, n)
				}
			}
		}
		ours, theirs := both[0], both[1]
		if ours.Planned != theirs.Planned || ours.Sent != theirs.Sent || ours.Succeeded != theirs.Succeeded || fmt.Sprint(ours.Errors) != fmt.Sprint(theirs.Errors) ||
			fmt.Sprint(ours.Status) != fmt.Sprint(theirs.Status) || ours.BytesOut != theirs.BytesOut || seen[0].requests != seen[1].requests || seen[0].bodies != seen[1].bodies {
			t.Errorf("%s: ours %d of %d sent, %v, %v; vegeta's %d of %d, %v, %v; the server saw %+v", test.name,
				ours.Sent, ours.Planned, ours.Errors, ours.Status, theirs.Sent, theirs.Planned, theirs.Errors, theirs.Status, seen)
		}
	}
	for _, args := range [][]string{
		{"--url", "http://127.0.0.1:0/"}, {"--url", "http://127.0.0.1:9/", "--timeout", "10m"}, {"--url", "http://127.0.0.1:9/", "--header", "Te: x"},
		{"--url", "http://127.0.0.1:9/", "--http1", "--http2"}, {"--url", "http://192.0.2.1/"}, {"--url", "http://127.0.0.1:9/", "--arrivals", "foo"},
	} {
		code, _, ours := headroom(t.Context(), append([]string{"drive"}, args...)...)
		if _, _, theirs := headroom(t.Context(), append([]string{"drive", "--engine", "vegeta"}, args...)...); code != exitFailure || ours != theirs {
			t.Errorf("%q: exit code %d, ours says %q, vegeta's %q", args, code, ours, theirs)
		}
	}
	refused(t, "follows no redirects", "--url", serveCases(t).url("/redir"), "--engine", "vegeta", "--redirects", "2")
}
