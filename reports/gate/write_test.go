// SPDX-License-Identifier: Apache-2.0

package gate

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"flag"
	"io"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"headroom/harness/record"
	"headroom/scenarios"
)

var update = flag.Bool("update", false, "write the golden files")

// series scatter by half a percent about a shift.
func series(key string, shift float64) Series {
	s := Series{Key: key, Label: "CPU per request of " + strings.TrimPrefix(key, "cpu ")}
	for i := range 6 {
		s.D = append(s.D, shift+0.005*math.Sin(float64(3*i+len(key))))
	}
	s.Null = calm(len(s.D))
	return s
}

// results are a red gate, a green one, and one without a verdict.
func results(t *testing.T) map[string]Result {
	t.Helper()
	about := About{Scenario: scenario(t), Seed: 1, At: time.Date(2026, 11, 27, 4, 0, 0, 0, time.UTC), Commit: "0123abcd",
		Headroom: "v1", Baseline: "baselines/phase1.json", Blocks: 6, Took: 58 * time.Second}
	shown := []ShownMetric{{Label: "p99", Before: 41, After: 56, Unit: "ms"}}
	make := func(trials []record.Trial, timed ...Series) Result {
		r := NewResult(about, Compare(baseline(t), Counted(known(), trials, requests), false), Decide(timed, nil), shown, nil)
		r.Hash = "0123456789abcdef" // phase 1's may change
		return r
	}
	return map[string]Result{
		"red":   make(nPlus1(), series("cpu app", 0.19), series("cpu database", 0.002)),
		"green": make(good(), series("cpu app", 0.001), series("cpu database", 0.002)),
		"none":  make(good()[:1], series("cpu app", 0.001)),
	}
}

var writers = map[string]func(io.Writer, Result) error{
	"txt": WriteTable, "json": WriteJSON, "md": WriteMarkdown, "annotations": WriteAnnotations, "openmetrics": WriteOpenMetrics,
	"xml":  func(w io.Writer, r Result) error { return WriteJUnit(w, r, false) },
	"html": func(w io.Writer, r Result) error { return WriteHTML(w, r, "") },
}

func TestWritersGolden(t *testing.T) {
	for name, r := range results(t) {
		for kind, write := range writers {
			var got bytes.Buffer
			if err := write(&got, r); err != nil {
				t.Fatal(err)
			}
			path := filepath.Join("testdata", name+"."+kind)
			if *update {
				if err := os.WriteFile(path, got.Bytes(), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(got.Bytes(), want) {
				t.Errorf("%s differs: go test ./reports/gate -update, then read the diff\n%s", path, got.String())
			}
		}
	}
}

func TestVerdictsOfWriters(t *testing.T) {
	for name, want := range map[string]int{"red": 1, "green": 0, "none": 3} {
		if got := results(t)[name].Verdict.Exit(); got != want {
			t.Errorf("%s exits %d, want %d", name, got, want)
		}
	}
}

// A gate of thousands of metrics still fits what a comment and a step hold.
func TestMarkdownAndAnnotationsHaveLimits(t *testing.T) {
	var work []record.Work
	for i := range 3000 {
		work = append(work, statement(strings.Repeat("x", 100)+string(rune('a'+i%26))+strings.Repeat("y", i%97), 1, 3))
	}
	trials := good()
	trials[0] = trial(scenarios.Before, "GET /api/feed", work...)
	r := result(t, trials, false)
	var markdown, annotations bytes.Buffer
	if err := WriteMarkdown(&markdown, r); err != nil {
		t.Fatal(err)
	}
	if err := WriteAnnotations(&annotations, r); err != nil {
		t.Fatal(err)
	}
	if n := markdown.Len(); n > 60_000 || n < 20_000 || !strings.HasPrefix(markdown.String(), "<!-- headroom-gate:phase1 -->\n") || !strings.HasSuffix(markdown.String(), "</details>\n") {
		t.Errorf("the Markdown has %d bytes", n)
	}
	if n := strings.Count(annotations.String(), "\n"); n != 10 {
		t.Errorf("%d annotations", n)
	}
}

// What JUnit counts are its cases.
func TestJUnitCounts(t *testing.T) {
	all := results(t)
	noisy := all["green"]
	noisy.Timed = []Timed{{Label: "p50", Status: StatusOpen}, {Label: "CPU", Status: StatusUnmeasurable}}
	noisy.Unfit = "it stood still"
	all["noisy"] = noisy
	// Only what a noisy machine left undecided is skipped: an endpoint without
	// counts is an error, however lenient CI is.
	for name, want := range map[string]struct{ failures, errors, skipped bool }{
		"red": {failures: true}, "none": {errors: true}, "noisy": {skipped: true},
	} {
		var out bytes.Buffer
		if err := WriteJUnit(&out, all[name], true); err != nil {
			t.Fatal(err)
		}
		var got junitSuites
		if err := xml.Unmarshal(out.Bytes(), &got); err != nil {
			t.Fatal(err)
		}
		var failures, errors, skipped int
		for _, c := range got.Suite.Cases {
			if c.Failure != nil {
				failures++
			}
			if c.Error != nil {
				errors++
			}
			if c.Skipped != nil {
				skipped++
			}
		}
		s := got.Suite
		if s.Tests != len(s.Cases) || s.Failures != failures || s.Errors != errors || s.Skipped != skipped ||
			want.failures != (failures > 0) || want.errors != (errors > 0) || want.skipped != (skipped > 0) {
			t.Errorf("%s: %+v has %d failures, %d errors, %d skipped", name, s, failures, errors, skipped)
		}
	}
}

// The schema describes every field of the result, and no others.
func TestSchemaDescribesTheResult(t *testing.T) {
	text, err := os.ReadFile("gate.schema.json")
	if err != nil {
		t.Fatal(err)
	}
	type object struct {
		Properties map[string]json.RawMessage `json:"properties"`
	}
	var schema struct {
		object
		Defs map[string]object `json:"$defs"`
	}
	if err := json.Unmarshal(text, &schema); err != nil {
		t.Fatal(err)
	}
	for name, kind := range map[string]reflect.Type{
		"": reflect.TypeFor[Result](), "count": reflect.TypeFor[CountResult](), "timed": reflect.TypeFor[Timed](), "shown": reflect.TypeFor[ShownMetric](),
	} {
		described := schema.Properties
		if name != "" {
			described = schema.Defs[name].Properties
		}
		fields := fieldsOf(kind)
		for _, f := range fields {
			if _, ok := described[f]; !ok {
				t.Errorf("%q: %s is not described", name, f)
			}
		}
		for p := range described {
			if !slices.Contains(fields, p) {
				t.Errorf("%q: %s is described and does not exist", name, p)
			}
		}
	}
}

func fieldsOf(kind reflect.Type) []string {
	var names []string
	for i := range kind.NumField() {
		f := kind.Field(i)
		if f.Anonymous {
			names = append(names, fieldsOf(f.Type)...)
			continue
		}
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		names = append(names, name)
	}
	return names
}
