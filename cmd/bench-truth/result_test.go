// SPDX-License-Identifier: Apache-2.0

package main

import (
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"headroom/harness/record"
	"headroom/internal/maybe"
	"headroom/scenarios"
	known "headroom/targets/kinds"
)

var testStart = time.Date(2026, 11, 27, 4, 0, 0, 0, time.UTC)

// offsets are what the blocks' capacities differ by, in ln: their standard
// deviation is 3.16%.
var offsets = []float64{-0.04, -0.02, 0, 0.02, 0.04}

// writeRun writes a run of five blocks of which the truth is known: before carries
// 1,000 requests/s and after 1,100, whose apps need a tenth more CPU; one slice of
// the last block is invalid.
func writeRun(t *testing.T, dir string) {
	t.Helper()
	text, err := kinds[0].scenario()
	if err != nil {
		t.Fatal(err)
	}
	s, err := scenarios.Parse("equal-before.yaml", []byte(text), known.Data())
	if err != nil {
		t.Fatal(err)
	}
	writer, err := record.Create(dir, record.Run{ID: "equal-before-1", StartedAt: testStart, Seed: 101, Blocks: 5, Scenario: *s,
		Environment: record.Environment{Headroom: "abc", Kernel: "6.1", Stage: record.StageDocker}})
	if err != nil {
		t.Fatal(err)
	}
	order := 0
	write := func(trial record.Trial) {
		order++
		trial.Order, trial.StartedAt = order, testStart.Add(time.Duration(order)*5*time.Second)
		trial.Measurement.Began = trial.StartedAt.Add(time.Second)
		if err := writer.WriteTrial(trial); err != nil {
			t.Fatal(err)
		}
	}
	for block := 1; block <= 5; block++ {
		for turn := range 4 {
			for _, v := range scenarios.Variants() {
				write(stair(v, block, turn))
			}
		}
		for take := range 3 {
			for _, v := range scenarios.Variants() {
				trial := slice(v, block)
				if block == 5 && take == 2 && v == scenarios.Before {
					trial.Invalid = []string{"the driver was throttled"}
				}
				write(trial)
			}
		}
	}
	if err := writer.Finish(record.End{At: testStart.Add(time.Hour)}); err != nil {
		t.Fatal(err)
	}
}

// stair is a step at the variant's capacity in its block, with as many bad
// requests as are allowed.
func stair(v scenarios.Variant, block, turn int) record.Trial {
	rps := 1000 * math.Exp(offsets[block-1])
	if v == scenarios.After {
		rps = 1100 * math.Exp(offsets[5-block])
	}
	outcome := record.Held
	if turn%2 == 1 {
		outcome = record.Failed
	}
	return record.Trial{Kind: record.KindProbe, Variant: v, Block: block, RateName: record.RateStairs,
		Measurement: record.Measurement{OfferedRPS: rps, DurationS: 3},
		Verdict:     &record.Verdict{Outcome: outcome, Counts: []record.Count{{Condition: "p99", Bad: 300, Of: 30000, Allowed: 0.01}}}}
}

// slice is one of the common rate with 400 requests of 1 to 400 ms.
func slice(v scenarios.Variant, block int) record.Trial {
	m := record.Measurement{OfferedRPS: 200, DurationS: 2, Planned: 400, Sent: 400, Succeeded: 400, BytesIn: 400 << 10}
	for i := range 400 {
		for _, h := range []*record.Histogram{&m.Response, &m.ResponseSuccess, &m.Service} {
			h.Record(time.Duration(i+1)*time.Millisecond + time.Duration(block)*100*time.Microsecond)
		}
	}
	cpu := 0.4 * math.Exp(0.002*float64(block%3))
	if v == scenarios.After {
		cpu = 0.44 * math.Exp(0.002*float64(block%2))
	}
	return record.Trial{Kind: record.KindSlice, Variant: v, Block: block, RateName: record.RateCommon, Measurement: m,
		Machines: []record.MachineUse{{Machine: "app-1", Group: "app", WindowS: 2, QuotaCPUs: 0.5, CPUSeconds: maybe.Of(cpu),
			Processes: []record.ProcessUse{{Name: "shop", Kind: "shop", CPUSeconds: maybe.Of(cpu)}}}}}
}

func TestReadRun(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "run")
	writeRun(t, dir)
	r, err := readRun(dir, nil)
	if err != nil {
		t.Fatal(err)
	}
	near := func(what string, got, want, by float64) {
		t.Helper()
		if math.Abs(got/want-1) > by {
			t.Errorf("%s is %v, want %v", what, got, want)
		}
	}
	near("before's capacity", r.Before.PointRPS, 1000, 0.001)
	near("after's capacity", r.After.PointRPS, 1100, 0.001)
	near("the ratio", r.Capacity.Ratio, 1.1, 0.005)
	near("the CPU of an app", r.AppCPU.Ratio, 1.1, 0.005)
	near("p95", r.P95.Ratio, 1, 0.001)
	if len(r.Before.Starts) != 5 || len(r.After.Starts) != 5 || r.Before.LowRPS > 970 || r.Before.HighRPS < 1030 {
		t.Errorf("before %+v, after %+v", r.Before, r.After)
	}
	near("the third start", r.Before.Starts[2].RPS, 1000, 0.001)
	if r.Blocks != 5 || r.Slices != 30 || r.InvalidSlices != 1 || r.Headroom != "abc" || r.Kernel != "6.1" {
		t.Errorf("%+v", r)
	}
	if r.HeadlineSeconds != 70*5+1+2 {
		t.Errorf("the headline was there after %v s, want 353", r.HeadlineSeconds)
	}
	if !r.Capacity.holds(1.1) || !r.P50.known() || !r.P95.known() {
		t.Errorf("%+v, p50 %+v, p95 %+v", r.Capacity, r.P50, r.P95)
	}
	if !slices.Contains(r.Survive, appCPU) || !slices.Contains(r.Directions, appCPU) || slices.Contains(r.Survive, "p95_ms") {
		t.Errorf("survive %v, directions %v", r.Survive, r.Directions)
	}
	if claimed := slices.Contains(r.Directions, "limit_rps"); claimed != (r.Capacity.Low > 1) {
		t.Errorf("%+v, and the capacity among the directions: %t", r.Capacity, claimed)
	}
	p := &pauser{began: testStart.Add(7 * time.Second), ended: testStart.Add(10 * time.Second)} // order 1 begins at 6 s
	if r, err = readRun(dir, p); err != nil || r.Pause == nil || !slices.Equal(r.Pause.Trials, []string{"block 1, stairs of before"}) {
		t.Errorf("%+v, %v", r.Pause, err)
	}
}

// fakeHeadroom is a command that ends as the file "ends" in its folder says, having
// written what the folder holds of a run.
func fakeHeadroom(t *testing.T, exit string) (command, folder string) {
	t.Helper()
	folder = t.TempDir()
	writeRun(t, filepath.Join(folder, "run"))
	command = filepath.Join(folder, "headroom")
	script := `#!/bin/sh
while [ "$1" != --out ]; do shift; done
echo "$2" >> ` + folder + `/asked
mkdir -p "$2" && cp ` + folder + `/run/trials.jsonl "$2" && exit ` + exit + "\n"
	if err := os.WriteFile(command, []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	return command, folder
}

func lines(t *testing.T, path string) []string {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return strings.Split(strings.TrimSpace(string(data)), "\n")
}

// What is on file is not run again, and what a run came to is there at once.
func TestBenchRunsWhatIsNotThere(t *testing.T) {
	command, folder := fakeHeadroom(t, "0")
	b := bench{headroom: command, file: filepath.Join(t.TempDir(), "out", "truth.jsonl"), runs: 1, only: "equal-before"}
	var out strings.Builder
	for range 2 {
		if err := b.run(t.Context(), &out); err != nil {
			t.Fatal(err)
		}
	}
	if ran := lines(t, filepath.Join(folder, "asked")); len(ran) != 1 {
		t.Errorf("ran %v", ran)
	}
	b.runs, b.only = 2, "equal-after,equal-before"
	if err := b.run(t.Context(), &out); err != nil {
		t.Fatal(err)
	}
	results, err := read(b.file)
	if err != nil {
		t.Fatal(err)
	}
	var ran []string
	for _, r := range results {
		ran = append(ran, r.Kind)
	}
	if want := []string{"equal-before", "equal-after", "equal-before", "equal-after"}; !slices.Equal(ran, want) {
		t.Errorf("ran %v, want %v", ran, want)
	}
	if results[1].Seed != 201 || results[2].Seed != 102 || results[2].Number != 1 {
		t.Errorf("%+v", results)
	}
	var table strings.Builder
	if err := b.print(&table); err != nil || !strings.HasSuffix(out.String(), table.String()) {
		t.Errorf("--table prints %q, %v", table.String(), err)
	}
}

// A run that fails is kept as failed, so that no count is over survivors; three in a
// row end the bench.
func TestBenchGoesOnAfterAFailure(t *testing.T) {
	command, folder := fakeHeadroom(t, "1")
	b := bench{headroom: command, file: filepath.Join(t.TempDir(), "truth.jsonl")}
	err := b.run(t.Context(), &strings.Builder{})
	if err == nil || !strings.Contains(err.Error(), "equal-before, run 2: exit status 1") {
		t.Errorf("%v", err)
	}
	if ran := lines(t, filepath.Join(folder, "asked")); len(ran) != maxFailed {
		t.Errorf("%d runs", len(ran))
	}
	results, err := read(b.file)
	if err != nil || len(results) != maxFailed || !strings.HasPrefix(results[0].NoVerdict, "failed: ") || results[0].Seed != 101 {
		t.Errorf("%+v, %v", results, err)
	}
}

// A run without a valid slice is a result.
func TestBenchKeepsRunsWithoutAVerdict(t *testing.T) {
	command, _ := fakeHeadroom(t, "3")
	b := bench{headroom: command, file: filepath.Join(t.TempDir(), "truth.jsonl"), runs: 1, only: "equal-after"}
	if err := b.run(t.Context(), &strings.Builder{}); err != nil {
		t.Fatal(err)
	}
	if results, err := read(b.file); err != nil || len(results) != 1 || results[0].NoVerdict == "" {
		t.Errorf("%+v, %v", results, err)
	}
}

func TestReadNamesTheLine(t *testing.T) {
	path := filepath.Join(t.TempDir(), "truth.jsonl")
	if err := os.WriteFile(path, []byte("{\"kind\":\"paused\"}\n{\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := read(path); err == nil || !strings.Contains(err.Error(), "truth.jsonl:2: ") {
		t.Errorf("%v", err)
	}
	b := bench{file: filepath.Join(t.TempDir(), "none.jsonl")}
	if err := b.print(&strings.Builder{}); err == nil || !strings.Contains(err.Error(), "--file") {
		t.Errorf("no file: %v", err)
	}
}
