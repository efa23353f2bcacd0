// SPDX-License-Identifier: Apache-2.0

package record

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"headroom/scenarios"
)

// validTrial is a trial whose measurement adds up.
func validTrial(t testing.TB) Trial {
	t.Helper()
	m := Measurement{Arrivals: "poisson", OfferedRPS: 10, AchievedRPS: 9, DurationS: 1, Planned: 11, Sent: 10, Succeeded: 9, Failed: 1, Unsent: 1, Clipped: 1}
	m.Answered, m.Answers = 9, Answers{StepS: 0.1, Counts: []int64{2, 8, 0}}
	for range 9 {
		m.Response.Record(3 * time.Millisecond)
		m.Service.Record(2 * time.Millisecond)
	}
	for range 8 {
		m.ResponseSuccess.Record(3 * time.Millisecond)
	}
	return Trial{Kind: KindSlice, Variant: scenarios.Before, Block: 1, RateName: "common", Measurement: m}
}

func write(t *testing.T, dir string, trials int) {
	t.Helper()
	w, err := Create(dir, Run{ID: "r", Blocks: 3})
	if err != nil {
		t.Fatal(err)
	}
	for range trials {
		if err := w.WriteTrial(validTrial(t)); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Finish(End{At: time.Unix(0, 0).UTC()}); err != nil {
		t.Fatal(err)
	}
}

func TestFileRoundTrip(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "run")
	write(t, dir, 2)
	log, err := ReadFile(dir)
	if err != nil {
		t.Fatal(err)
	}
	if log.Run.ID != "r" || len(log.Trials) != 2 || log.End == nil {
		t.Fatalf("got %+v", log)
	}
	if got := log.Trials[1].Measurement.Answers; got.StepS != 0.1 || !slices.Equal(got.Counts, []int64{2, 8, 0}) {
		t.Errorf("when answers came is %+v", got)
	}
	if got := log.Trials[1].Measurement.Response; got.Count() != 9 || got.Quantile(0.5) < 2990*time.Microsecond || got.Quantile(0.5) > 3010*time.Microsecond {
		t.Errorf("the histogram came back as %d values, p50 %v", got.Count(), got.Quantile(0.5))
	}
}

// A file of before it was stored when answers came is still read.
func TestReadWithoutAnswers(t *testing.T) {
	old := validTrial(t)
	old.Measurement.Answers = Answers{}
	data, err := json.Marshal(Line{Schema: SchemaVersion, Trial: &old})
	if err != nil || strings.Contains(string(data), `"answers"`) {
		t.Fatalf("%s, %v", data, err)
	}
	log, err := Read("t", strings.NewReader(`{"schema":2,"run":{"id":"r"}}`+"\n"+string(data)+"\n"))
	if err != nil || len(log.Trials) != 1 {
		t.Errorf("%+v, %v", log, err)
	}
}

func TestCreateRefusesFolderInUse(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, 1)
	if _, err := Create(dir, Run{}); err == nil || !strings.Contains(err.Error(), "already holds a run") {
		t.Errorf("got %v", err)
	}
	if log, err := ReadFile(dir); err != nil || len(log.Trials) != 1 {
		t.Errorf("the earlier run was harmed: %v", err)
	}
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Create(filepath.Join(file, "run"), Run{}); err == nil || !strings.Contains(err.Error(), "--out") {
		t.Errorf("a folder below a file: got %v", err)
	}
}

func TestWriteRefusesWhatDoesNotAddUp(t *testing.T) {
	w, err := Create(t.TempDir(), Run{})
	if err != nil {
		t.Fatal(err)
	}
	bad := validTrial(t)
	bad.Measurement.Planned++
	if err := w.WriteTrial(bad); err == nil || !strings.Contains(err.Error(), "planned = sent + unsent") {
		t.Errorf("got %v", err)
	}
}

// TestWriteFailureKeepsEarlierTrials stands for a full disk: the file is
// closed under the writer.
func TestWriteFailureKeepsEarlierTrials(t *testing.T) {
	dir := t.TempDir()
	w, err := Create(dir, Run{ID: "r"})
	if err != nil {
		t.Fatal(err)
	}
	if err := w.WriteTrial(validTrial(t)); err != nil {
		t.Fatal(err)
	}
	if err := w.file.Close(); err != nil {
		t.Fatal(err)
	}
	if err := w.WriteTrial(validTrial(t)); err == nil || !strings.Contains(err.Error(), "earlier trials are intact") {
		t.Errorf("got %v", err)
	}
	if log, err := ReadFile(dir); err != nil || len(log.Trials) != 1 {
		t.Errorf("got %+v, %v", log, err)
	}
}

func TestReadRefusesDamage(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, 2)
	data, err := os.ReadFile(filepath.Join(dir, FileName))
	if err != nil {
		t.Fatal(err)
	}
	good := string(data)
	lines := strings.SplitAfter(good, "\n")
	brokenSum := strings.Replace(lines[1], `"planned":11`, `"planned":12`, 1)
	answers := func(of string) string {
		return lines[0] + strings.Replace(lines[1], `"answers":{"step_s":0.1,"counts":[2,8,0]}`, `"answers":`+of, 1)
	}
	tests := []struct{ name, text, want string }{
		{"answers that are not counted by time", answers(`{"step_s":0.1,"counts":[2,6,0]}`), "t:2: does not add up: answers: 8 are counted by time, but 9 came"},
		{"answers without a step", answers(`{"step_s":0,"counts":[9]}`), "t:2: does not add up: answers: step_s is 0"},
		{"fewer than no answers", answers(`{"step_s":0.1,"counts":[-1,10]}`), "t:2: does not add up: answers: a count is negative: -1"},
		{"empty", "", "is empty"},
		{"cut off", good[:len(good)-20], "t:4: is cut off"},
		{"not JSON", lines[0] + "hello\n", "t:2: is no JSON"},
		{"older version", strings.Replace(good, `"schema":2`, `"schema":1`, 1), "t:1: has schema version 1; this headroom reads version 2"},
		{"no version", "{}\n", "t:1: has schema version missing"},
		{"unknown field", lines[0] + `{"schema":2,"trail":{}}` + "\n", "t:2: is no trials line"},
		{"no run", lines[1], "t:1: the run must stand on the first line"},
		{"run twice", lines[0] + lines[0], "t:2: the run must stand on the first line"},
		{"after the end", good + lines[1], "t:5: stands after the run's end"},
		{"empty line object", lines[0] + `{"schema":2}` + "\n", "t:2: holds neither"},
		{"sum", lines[0] + brokenSum, "t:2: does not add up: planned = sent + unsent: 12 is not 11"},
		{"histogram", lines[0] + strings.Replace(lines[1], `"response":"`, `"response":"x`, 1), "t:2: is no trials line"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			log, err := Read("t", strings.NewReader(test.text))
			if err == nil {
				t.Fatalf("was accepted: %+v", log)
			}
			if !strings.Contains(err.Error(), test.want) {
				t.Errorf("want %q, got: %v", test.want, err)
			}
		})
	}
}

func FuzzRead(f *testing.F) {
	line, err := json.Marshal(Line{Schema: SchemaVersion, Run: &Run{ID: "r"}})
	if err != nil {
		f.Fatal(err)
	}
	trial := validTrial(f)
	second, err := json.Marshal(Line{Schema: SchemaVersion, Trial: &trial})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(string(line) + "\n" + string(second) + "\n")
	f.Fuzz(func(t *testing.T, text string) {
		log, err := Read("fuzz", strings.NewReader(text))
		if err != nil {
			return
		}
		for i := range log.Trials {
			if err := log.Trials[i].Measurement.Check(); err != nil {
				t.Errorf("accepted a trial that does not add up: %v", err)
			}
		}
	})
}
