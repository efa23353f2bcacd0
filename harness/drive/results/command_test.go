// SPDX-License-Identifier: Apache-2.0

package results

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	vegeta "github.com/tsenart/vegeta/v12/lib"
)

// commandLimit bounds one call of the command, its build included.
const commandLimit = 5 * time.Minute

// run calls a program and returns what it wrote.
func run(t *testing.T, name string, args ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), commandLimit)
	defer cancel()
	var complaint strings.Builder
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Stderr = &complaint
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, complaint.String())
	}
	return string(out)
}

// given are the results of a run of the command's test, in the order in which
// they end, so that numbers and times go back and forth.
func given(count int) []vegeta.Result {
	random := rand.New(rand.NewPCG(1, 2))
	all := make([]vegeta.Result, count)
	for k := range all {
		r := sample(uint64(k))
		if r.Error == "timeout" {
			r.Error, r.Code = "", 200
		}
		// A service of 0.2 ms and a queue: a tail over three powers of ten.
		r.Latency = 200*time.Microsecond + time.Duration(random.ExpFloat64()*random.ExpFloat64()*float64(5*time.Millisecond))
		all[k] = r
	}
	slices.SortFunc(all, func(a, b vegeta.Result) int { return a.End().Compare(b.End()) })
	return all
}

// report is what `vegeta report -type=json` says, in part.
type report struct {
	Latencies map[string]float64 `json:"latencies"`
	BytesIn   struct {
		Total uint64 `json:"total"`
	} `json:"bytes_in"`
	Earliest    time.Time        `json:"earliest"`
	Latest      time.Time        `json:"latest"`
	Requests    int64            `json:"requests"`
	Success     float64          `json:"success"`
	StatusCodes map[string]int64 `json:"status_codes"`
	Errors      []string         `json:"errors"`
}

// vegeta's own command reads the files of all formats and says of them what
// was put in.
func TestVegetaReadsTheFiles(t *testing.T) {
	if testing.Short() {
		t.Skip("builds vegeta's command: skipped by -short")
	}
	vegetaCommand := filepath.Join(t.TempDir(), "vegeta")
	run(t, "go", "build", "-o", vegetaCommand, "github.com/tsenart/vegeta/v12")
	const count = 20_000
	all := given(count)
	for _, end := range []string{"gob", "bin", "json", "csv"} {
		t.Run(end, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "results."+end)
			writeFile(t, path, all)
			checkReport(t, run(t, vegetaCommand, "report", "-type=json", path), all)

			for _, to := range []Format{Gob, JSON, CSV} {
				encoded := filepath.Join(t.TempDir(), "encoded")
				run(t, vegetaCommand, "encode", "-to="+string(to), "-output="+encoded, path)
				checkEncoded(t, encoded, all)
			}
			checkPlot(t, run(t, vegetaCommand, "plot", "-threshold=0", path), all)
		})
	}
}

func writeFile(t *testing.T, path string, all []vegeta.Result) {
	t.Helper()
	file, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	format, err := FormatOf(path)
	if err != nil {
		t.Fatal(err)
	}
	w := mustCreate(t, file, format, Options{Attack: "phase-2"})
	lanes := []*Lane{w.Lane(), w.Lane()}
	for i, r := range all {
		lanes[i%2].Add(r)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if err := file.Close(); err != nil {
		t.Fatal(err)
	}
}

func checkReport(t *testing.T, text string, all []vegeta.Result) {
	t.Helper()
	var got report
	if err := json.Unmarshal([]byte(text), &got); err != nil {
		t.Fatal(err)
	}
	var sum time.Duration
	var bytesIn uint64
	codes := map[string]int64{}
	latencies := make([]float64, len(all))
	for i, r := range all {
		sum += r.Latency
		bytesIn += r.BytesIn
		codes[strconv.Itoa(int(r.Code))]++
		latencies[i] = float64(r.Latency)
	}
	slices.Sort(latencies)
	count := int64(len(all))
	if got.Requests != count || got.BytesIn.Total != bytesIn || fmt.Sprint(got.StatusCodes) != fmt.Sprint(codes) || got.Success != float64(codes["200"])/float64(count) {
		t.Errorf("%d requests, %d bytes in, codes %v, success %v; want %d, %d, %v", got.Requests, got.BytesIn.Total, got.StatusCodes, got.Success, count, bytesIn, codes)
	}
	if want := []string{"status_5xx: 503 Service Unavailable"}; !slices.Equal(got.Errors, want) {
		t.Errorf("errors %q, want %q", got.Errors, want)
	}
	if last := epoch.Add(time.Duration(count-1) * time.Millisecond); !got.Earliest.Equal(epoch) || !got.Latest.Equal(last) {
		t.Errorf("from %v to %v, want %v to %v", got.Earliest, got.Latest, epoch, last)
	}
	for name, want := range map[string]float64{
		"total": float64(sum), "mean": math.Floor(float64(sum) / float64(count)), "min": latencies[0], "max": latencies[count-1],
	} {
		if got.Latencies[name] != want {
			t.Errorf("%s %v, want %v", name, got.Latencies[name], want)
		}
	}
	for name, q := range map[string]float64{"50th": 0.5, "90th": 0.9, "95th": 0.95, "99th": 0.99} {
		checkQuantile(t, name, got.Latencies[name], q, latencies)
	}
}

// checkQuantile holds a quantile of vegeta's t-digest against an exact sort.
// The digest, of compression 100, keeps clusters of ranks, each at most
// pi/100 * sqrt(q(1-q)) of all wide, and draws a line between the middles of
// the two around q. They reach one and a half widths to either side; two are
// allowed, as neighbours may be a little wider than the one at q.
func checkQuantile(t *testing.T, name string, got, q float64, sorted []float64) {
	t.Helper()
	reach := 2 * math.Pi / 100 * math.Sqrt(q*(1-q))
	at := func(q float64) float64 {
		return sorted[min(max(int(q*float64(len(sorted))), 0), len(sorted)-1)]
	}
	if low, high := at(q-reach), at(q+reach); got < low || got > high {
		t.Errorf("%s is %v, want %v, between %v and %v", name, time.Duration(got), time.Duration(at(q)), time.Duration(low), time.Duration(high))
	}
}

func checkEncoded(t *testing.T, path string, all []vegeta.Result) {
	t.Helper()
	file, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = file.Close() }()
	bySeq := map[uint64]vegeta.Result{}
	for _, r := range all {
		bySeq[r.Seq] = r
	}
	for _, r := range readAll(t, file) {
		want := bySeq[r.Seq]
		delete(bySeq, r.Seq)
		if r.Attack != "phase-2" || r.Code != want.Code || r.Latency != want.Latency || !r.Timestamp.Equal(want.Timestamp) || r.URL != want.URL {
			t.Fatalf("%+v, want %+v", r, want)
		}
	}
	if len(bySeq) > 0 {
		t.Errorf("%d results are missing", len(bySeq))
	}
}

// plotPoint is a line of the page's data: seconds, then the milliseconds of an
// error and of a success, one of them null.
var plotPoint = regexp.MustCompile(`\[[\d.]+,(?:null,[\d.]+|[\d.]+,null)\]`)

// checkPlot counts what the page shows: all results, errors apart.
func checkPlot(t *testing.T, page string, all []vegeta.Result) {
	t.Helper()
	failed := 0
	for _, r := range all {
		if r.Error != "" {
			failed++
		}
	}
	points, errorPoints := plotPoint.FindAllString(page, -1), 0
	for _, p := range points {
		if strings.HasSuffix(p, ",null]") {
			errorPoints++
		}
	}
	if len(points) != len(all) || errorPoints != failed || !strings.Contains(page, "phase-2: ERROR") {
		t.Errorf("the page has %d points, %d of them errors; want %d and %d", len(points), errorPoints, len(all), failed)
	}
}
