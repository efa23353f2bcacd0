// SPDX-License-Identifier: Apache-2.0

package record

import (
	"encoding/json"
	"errors"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"headroom/internal/maybe"
)

// A line that could not be written whole is removed, and the next line follows the last
// whole line. The file is torn here as by a full disk.
func TestTornLineIsTakenBack(t *testing.T) {
	dir := t.TempDir()
	w, err := Create(dir, Run{ID: "r"})
	if err != nil {
		t.Fatal(err)
	}
	if err := w.WriteTrial(validTrial(t)); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, FileName)
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if w.size != int64(len(whole)) {
		t.Errorf("%d bytes are counted, %d are written", w.size, len(whole))
	}
	const torn = `{"schema":2,"tri`
	n, err := w.file.WriteString(torn)
	if err != nil {
		t.Fatal(err)
	}
	if err := w.takeBack(0); err != nil { // nothing of the line was written
		t.Error(err)
	}
	if got, _ := os.ReadFile(path); string(got) != string(whole)+torn {
		t.Error("what was not torn was taken back")
	}
	if err := w.takeBack(n); err != nil {
		t.Fatal(err)
	}
	if got, _ := os.ReadFile(path); string(got) != string(whole) {
		t.Errorf("%d bytes are left of %d", len(got), len(whole))
	}
	if err := w.WriteTrial(validTrial(t)); err != nil {
		t.Fatal(err)
	}
	if err := w.Finish(End{}); err != nil {
		t.Fatal(err)
	}
	if log, err := ReadFile(dir); err != nil || len(log.Trials) != 2 || log.End == nil {
		t.Errorf("%+v, %v", log, err)
	}
}

// Every invariant by itself, where all others hold.
func TestEachInvariant(t *testing.T) {
	nothing := func(*Measurement) {}
	for name, test := range map[string]struct {
		change func(*Measurement)
		want   string // "": it holds
	}{
		"as measured":          {nothing, ""},
		"planned":              {func(m *Measurement) { m.Planned++ }, "planned = sent + unsent: 12 is not 11"},
		"unsent":               {func(m *Measurement) { m.Planned, m.Unsent = 9, -1 }, "a count is negative: -1"},
		"failed":               {func(m *Measurement) { m.Failed++ }, "sent = succeeded + failed: 10 is not 11"},
		"clipped":              {func(m *Measurement) { m.Clipped++ }, "sent = recorded + clipped: 10 is not 11"},
		"a success unrecorded": {func(m *Measurement) { m.ResponseSuccess = recordedOf(9) }, ""},
		"two unrecorded":       {func(m *Measurement) { m.ResponseSuccess = recordedOf(7) }, "9 successes, but 7 of them recorded and at most 1 clipped"},
		"one too many":         {func(m *Measurement) { m.ResponseSuccess = recordedOf(10) }, "9 successes, but 10 of them recorded"},
		"endpoints": {func(m *Measurement) {
			m.Endpoints = []EndpointMeasurement{{Name: "a", Sent: 6, Succeeded: 6}, {Name: "b", Sent: 4, Succeeded: 3, Failed: 1}}
		}, ""},
		"an endpoint": {func(m *Measurement) {
			m.Endpoints = []EndpointMeasurement{{Name: "a", Sent: 10, Succeeded: 8, Failed: 1}}
		}, "a: sent = succeeded + failed: 10 is not 9"},
		"endpoints' sum":     {func(m *Measurement) { m.Endpoints = []EndpointMeasurement{{Name: "a", Sent: 9, Succeeded: 9}} }, "sum of the endpoints' sent = sent: 9 is not 10"},
		"a rate below 0":     {func(m *Measurement) { m.OfferedRPS = -1 }, "offered_rps is -1"},
		"a rate of NaN":      {func(m *Measurement) { m.AchievedRPS = math.NaN() }, "achieved_rps is NaN"},
		"no end":             {func(m *Measurement) { m.DurationS = math.Inf(1) }, "duration_s is +Inf"},
		"no rate":            {func(m *Measurement) { m.OfferedRPS, m.DurationS = 0, 0 }, ""},
		"just the answers":   {func(m *Measurement) { m.Answered = 10 }, ""},
		"an answer too many": {func(m *Measurement) { m.Answered = 11 }, "answers: 10 are counted by time, but 11 came"},
		"a step below 0":     {func(m *Measurement) { m.Answers.StepS = -0.1 }, "answers: step_s is -0.1"},
		"a step of NaN":      {func(m *Measurement) { m.Answers.StepS = math.NaN() }, "answers: step_s is NaN"},
		"a step without end": {func(m *Measurement) { m.Answers.StepS = math.Inf(1) }, "answers: step_s is +Inf"},
		"no answers by time": {func(m *Measurement) { m.Answered, m.Answers = 99, Answers{} }, ""},
	} {
		trial := validTrial(t)
		test.change(&trial.Measurement)
		err := trial.Check()
		if (err == nil) != (test.want == "") || err != nil && !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: %v, want %q", name, err, test.want)
		}
		if lines := strings.Count(errorText(err), "\n"); lines > 0 {
			t.Errorf("%s: %d other invariants broke with it: %v", name, lines, err)
		}
	}
	for _, change := range []func(*Measurement){
		func(m *Measurement) { m.Planned = -1 }, func(m *Measurement) { m.Sent = -1 }, func(m *Measurement) { m.Succeeded = -1 },
		func(m *Measurement) { m.Failed = -1 }, func(m *Measurement) { m.Clipped = -1 },
	} {
		trial := validTrial(t)
		change(&trial.Measurement)
		if err := trial.Check(); !strings.Contains(errorText(err), "a count is negative: -1") {
			t.Errorf("%+v: %v", trial.Measurement, err)
		}
	}
}

func errorText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

func recordedOf(n int) (h Histogram) {
	for range n {
		h.Record(time.Millisecond)
	}
	return h
}

// ceil(ln 0.05 / ln q), by hand: 0.5^4 is 0.0625 and 0.5^5 less than 0.05.
func TestSamplesNeeded(t *testing.T) {
	for q, want := range map[float64]int64{0.5: 5, 0.9: 29, 0.95: 59, 0.99: 299, 0.999: 2995} {
		if got := SamplesNeeded(q); got != want {
			t.Errorf("p%g needs %d, want %d", q*100, got, want)
		}
	}
}

// The hypervisor took too much in all, or in one second, and just so much is not too
// much.
func TestStolen(t *testing.T) {
	for _, test := range []struct {
		share, worst float64
		want         bool
	}{{0, 0, false}, {0.02, 0.10, false}, {0.021, 0, true}, {0, 0.101, true}} {
		if got := (DriverUse{StolenShare: maybe.Of(test.share), StolenWorstSecond: maybe.Of(test.worst)}).Stolen(); got != test.want {
			t.Errorf("%v, of the worst second %v: stolen %v", test.share, test.worst, got)
		}
	}
}

// What is asked of a trial, a measurement and an oracle.
func TestSmallQuestions(t *testing.T) {
	for _, test := range []struct {
		unsent      int64
		interrupted bool
		want        bool
	}{{0, false, false}, {1, false, true}, {1, true, false}} {
		trial := Trial{Measurement: Measurement{Unsent: test.unsent, Interrupted: test.interrupted}}
		if got := trial.Overloaded(); got != test.want {
			t.Errorf("%d unsent, interrupted %v: overloaded %v", test.unsent, test.interrupted, got)
		}
	}
	invalid := Trial{Measurement: Measurement{Unsent: 1}, Verdict: &Verdict{Outcome: Invalid}}
	if invalid.Overloaded() {
		t.Error("a trial that says nothing of the system is overloaded")
	}
	if got := BesideNote(""); got != "" {
		t.Errorf("alone: %q", got)
	}
	if got := BesideNote("--beside"); !strings.Contains(got, "(--beside)") {
		t.Errorf("beside: %q", got)
	}
	if got := (Oracle{Checked: 4, Violations: 1}).Share(); got != 0.25 {
		t.Errorf("1 of 4 is %v", got)
	}
	if got := (Oracle{}).Share(); got != 0 {
		t.Errorf("none of nothing is %v", got)
	}
	m := Measurement{Endpoints: []EndpointMeasurement{{Name: "a", Sent: 1}, {Name: "b", Sent: 2}}}
	if e, ok := m.Endpoint("b"); !ok || e.Sent != 2 {
		t.Errorf("b is %+v (%v)", e, ok)
	}
	if _, ok := m.Endpoint("c"); ok {
		t.Error("there is a c")
	}
}

// Histograms add up, and hold what lies in their range.
func TestHistogramsAddUp(t *testing.T) {
	var h Histogram
	if h.HDR() != nil || h.CountAbove(0) != 0 || h.Mean() != 0 || h.Max() != 0 || h.Count() != 0 {
		t.Error("an empty histogram holds something")
	}
	h.Compact()
	if h.Record(time.Hour) {
		t.Error("an hour was recorded")
	}
	if h.Count() != 0 || !h.Record(10*time.Minute) || !h.Record(-time.Second) || h.Count() != 2 {
		t.Errorf("%d are recorded of 10 minutes, and of a time below 0", h.Count())
	}
	one, other := recordedOf(3), Histogram{}
	other.Record(4 * time.Millisecond)
	one.Merge(other)
	one.Merge(Histogram{})
	if one.Count() != 4 || one.CountAbove(2*time.Millisecond) != 1 || one.CountAbove(5*time.Millisecond) != 0 || one.CountAbove(0) != 4 {
		t.Errorf("%d are merged, %d above 2 ms", one.Count(), one.CountAbove(2*time.Millisecond))
	}
	if mean := one.Mean(); mean < 1740*time.Microsecond || mean > 1760*time.Microsecond {
		t.Errorf("the mean of three of 1 ms and one of 4 is %v", mean)
	}
	if most := one.Max(); most < 4*time.Millisecond || most > 4010*time.Microsecond {
		t.Errorf("the longest is %v", most)
	}
	dense := Dense()
	if got := FromDense(dense); got.h != nil {
		t.Error("of none there is something")
	}
	if err := dense.RecordValue(int64(time.Millisecond)); err != nil {
		t.Fatal(err)
	}
	if got := FromDense(dense); got.Count() != 1 || got.HDR().TotalCount() != 1 {
		t.Errorf("%d of one", got.Count())
	}
	var read Histogram
	data, err := json.Marshal(one)
	if err == nil {
		err = json.Unmarshal(data, &read)
	}
	if err != nil || read.Count() != 4 || read.Max() != one.Max() {
		t.Errorf("read back: %d, %v", read.Count(), err)
	}
	if err := json.Unmarshal([]byte(`""`), &read); err != nil || read.Count() != 0 {
		t.Errorf("an empty text is %d, %v", read.Count(), err)
	}
}

// A limit is the last that is not above: of 100 at 1 to 100 ms 90 lie above 10 ms.
func TestCountAboveTheLimit(t *testing.T) {
	var h Histogram
	for i := range 100 {
		h.Record(time.Duration(i+1) * time.Millisecond)
	}
	for ms, want := range map[int]int64{0: 100, 1: 99, 10: 90, 99: 1, 100: 0} {
		limit := time.Duration(ms) * time.Millisecond
		if got := h.CountAbove(limit + limit/200); got != want { // half a percent: more than a bucket
			t.Errorf("%d are above %d ms, want %d", got, ms, want)
		}
	}
	if got := h.Quantile(-0.1); got != h.AtRank(0) {
		t.Errorf("below the lowest quantile lies %v", got)
	}
	if got := h.Quantile(1); got != h.AtRank(100) {
		t.Errorf("the highest quantile is %v", got)
	}
}

// A file that is no trials file may have no line end at all.
func TestALineWithoutEnd(t *testing.T) {
	if testing.Short() {
		t.Skip("it reads 64 MiB: skipped by -short")
	}
	if _, err := Read("t", endless{}); err == nil || err.Error() != "t:1: is longer than 64 MiB: this is no trials file" {
		t.Errorf("a line without end: %v", err)
	}
}

type endless struct{}

func (endless) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = 'x'
	}
	return len(p), nil
}

// What can't be read is said with its file, and a folder is its trials file.
func TestReadFileSaysWhat(t *testing.T) {
	if _, err := ReadFile(filepath.Join(t.TempDir(), "nowhere")); err == nil || !strings.Contains(err.Error(), "does not exist: name a run's folder") {
		t.Errorf("nothing: %v", err)
	}
	dir := t.TempDir()
	write(t, dir, 1)
	if log, err := ReadFile(filepath.Join(dir, FileName)); err != nil || len(log.Trials) != 1 {
		t.Errorf("the file itself: %v", err)
	}
	if _, err := Read("t", failingReader{}); err == nil || !strings.Contains(err.Error(), "t:1: disk on fire") {
		t.Errorf("a fault of the disk: %v", err)
	}
}

type failingReader struct{}

func (failingReader) Read([]byte) (int, error) { return 0, errors.New("disk on fire") }

// Figures are in the unit that their names end in, each from its own distribution.
func TestSummaryInUnits(t *testing.T) {
	m := Measurement{Arrivals: "poisson", OfferedRPS: 5, InvalidReasons: []string{"late"}, Endpoints: []EndpointMeasurement{{Name: "a", Sent: 2, Response: recordedOf(400)}}}
	for range 400 {
		m.Response.Record(20 * time.Millisecond)
		m.ResponseSuccess.Record(30 * time.Millisecond)
		m.Service.Record(40 * time.Millisecond)
		m.SendLag.Record(500 * time.Microsecond)
		m.DriverLag.Record(600 * time.Microsecond)
	}
	s := Summarise(m)
	for name, figure := range map[string]struct {
		got  *float64
		want float64
	}{
		"response p50": {s.ResponseMS.P50, 20}, "response p99": {s.ResponseMS.P99, 20}, "response mean": {s.ResponseMS.Mean, 20}, "response max": {s.ResponseMS.Max, 20},
		"success p90": {s.ResponseSuccessMS.P90, 30}, "service p75": {s.ServiceMS.P75, 40},
		"send lag p50": {s.SendLagUS.P50, 500}, "send lag p99": {s.SendLagUS.P99, 500}, "driver lag max": {s.DriverLagUS.Max, 600},
		"endpoint p95": {s.Endpoints[0].ResponseMS.P95, 1},
	} {
		if figure.got == nil || math.Abs(*figure.got/figure.want-1) > 0.005 {
			t.Errorf("%s is %v, want %v", name, figure.got, figure.want)
		}
	}
	if s.ResponseMS.P999 != nil || s.ResponseMS.Samples != 400 || s.Valid || s.Arrivals != "poisson" || len(s.InvalidReasons) != 1 {
		t.Errorf("%+v", s)
	}
	if s = Summarise(Measurement{}); !s.Valid || s.SendLagUS != (Lag{}) || s.Arrivals != ArrivalsClosed {
		t.Errorf("of nothing: %+v", s)
	}
	if s = Summarise(Measurement{Interrupted: true}); s.Valid {
		t.Error("an interrupted one is valid")
	}
}
