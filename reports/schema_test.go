// SPDX-License-Identifier: Apache-2.0

package reports

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/google/jsonschema-go/jsonschema"

	"headroom/harness/record"
	"headroom/internal/maybe"
	"headroom/reports/compare"
)

// schemaFolder holds the published schemas, for programs that read our files.
var schemaFolder = filepath.Join("..", "docs", "schemas")

const (
	trialsSchemaFile = "trials.schema.json"
	reportSchemaFile = "report.schema.json"
	schemaDialect    = "https://json-schema.org/draft/2020-12/schema"
)

// schemaFor makes the schema of a type whose JSON has a version.
func schemaFor[T any](t *testing.T, title string, version int) *jsonschema.Schema {
	t.Helper()
	interval, err := jsonschema.For[plainInterval](nil)
	if err != nil {
		t.Fatal(err)
	}
	interval.Properties["high"] = &jsonschema.Schema{Types: []string{"null", "number"}}
	s, err := jsonschema.For[T](&jsonschema.ForOptions{TypeSchemas: map[reflect.Type]*jsonschema.Schema{
		reflect.TypeFor[record.Histogram](): {Type: "string"},
		reflect.TypeFor[maybe.Number]():     {Types: []string{"null", "number"}},
		reflect.TypeFor[compare.Interval](): interval,
	}})
	if err != nil {
		t.Fatal(err)
	}
	nullMaps(s)
	s.Schema, s.Title = schemaDialect, title
	s.Properties["schema"].Const = jsonschema.Ptr[any](version)
	return s
}

// plainInterval is compare.Interval as reflection sees its fields; its own JSON has
// null for a high end that nothing bounds.
type plainInterval compare.Interval

// nullMaps lets every map be null, as Go writes one that is nil.
func nullMaps(s *jsonschema.Schema) {
	if s == nil {
		return
	}
	isMap := s.Type == "object" && s.Properties == nil && s.AdditionalProperties != nil && s.AdditionalProperties.Not == nil
	if isMap {
		s.Type, s.Types = "", []string{"null", "object"}
	}
	for _, property := range s.Properties {
		nullMaps(property)
	}
	nullMaps(s.Items)
	nullMaps(s.AdditionalProperties)
}

// trialsSchema is that of one line of a trials file.
func trialsSchema(t *testing.T) *jsonschema.Schema {
	t.Helper()
	s := schemaFor[record.Line](t, "One line of trials.jsonl", record.SchemaVersion)
	for _, one := range []string{"run", "trial", "restart", "end"} {
		s.OneOf = append(s.OneOf, &jsonschema.Schema{Required: []string{one}})
	}
	// Files of before it was stored are still read.
	measurement := s.Properties["trial"].Properties["measurement"]
	measurement.Required = slices.DeleteFunc(measurement.Required, func(name string) bool { return name == "answered" })
	return s
}

func reportSchema(t *testing.T) *jsonschema.Schema {
	t.Helper()
	return schemaFor[Report](t, "report.json", SchemaVersion)
}

// The published schemas are made from the types that are written: a field that
// comes, goes or changes shows here.
func TestSchemasArePublished(t *testing.T) {
	for name, make := range map[string]func(*testing.T) *jsonschema.Schema{trialsSchemaFile: trialsSchema, reportSchemaFile: reportSchema} {
		got, err := json.MarshalIndent(make(t), "", "  ")
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, '\n')
		path := filepath.Join(schemaFolder, name)
		if *update {
			if err := errors.Join(os.MkdirAll(schemaFolder, 0o755), os.WriteFile(path, got, 0o644)); err != nil {
				t.Fatal(err)
			}
			continue
		}
		if want, err := os.ReadFile(path); err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s is not the schema of what is written now (%v): see that readers can follow, and the schema's version, then go test ./reports -run TestSchemas -update", path, err)
		}
	}
}

// published reads a schema as others would.
func published(t *testing.T, name string) *jsonschema.Resolved {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(schemaFolder, name))
	if err != nil {
		t.Fatalf("%v; make it with go test ./reports -run TestSchemas -update", err)
	}
	var s jsonschema.Schema
	if err := json.Unmarshal(data, &s); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	resolved, err := s.Resolve(nil)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return resolved
}

// fits holds a JSON value against a schema.
func fits(s *jsonschema.Resolved, data []byte) error {
	var value any
	if err := json.Unmarshal(data, &value); err != nil {
		return err
	}
	return s.Validate(value)
}

// fitLines holds each line of a trials file against the schema.
func fitLines(t *testing.T, s *jsonschema.Resolved, name string, r io.Reader) {
	t.Helper()
	lines := bufio.NewReader(r)
	for number := 1; ; number++ {
		line, err := lines.ReadBytes('\n')
		if errors.Is(err, io.EOF) && len(line) == 0 {
			if number == 1 {
				t.Errorf("%s is empty", name)
			}
			return
		}
		if err != nil {
			t.Fatalf("%s:%d: %v", name, number, err)
		}
		if err := fits(s, line); err != nil {
			t.Errorf("%s:%d: %v", name, number, err)
		}
	}
}

// What was measured earlier is still read, so it fits too.
func TestRecordedRunsFitTheSchema(t *testing.T) {
	s := published(t, trialsSchemaFile)
	runs, err := filepath.Glob(filepath.Join("testdata", "*.jsonl.gz"))
	if err != nil || len(runs) == 0 {
		t.Fatalf("there is no recorded run: %v", err)
	}
	for _, path := range runs {
		packed, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		unpacked, err := gzip.NewReader(bytes.NewReader(packed))
		if err != nil {
			t.Fatalf("%s: %v", path, err)
		}
		fitLines(t, s, path, unpacked)
	}
}

// Every kind of line fits as a trials file has it, and so does the report that is
// made of them.
func TestWhatIsWrittenFitsTheSchema(t *testing.T) {
	trials, report := published(t, trialsSchemaFile), published(t, reportSchemaFile)
	for name, make := range cases() {
		run, measured, end := make()
		lines := []record.Line{{Run: &run}, {Restart: &record.Restart{Part: "block 3"}}, {End: end}}
		for i := range measured {
			lines = append(lines, record.Line{Trial: &measured[i]})
		}
		var file bytes.Buffer
		for _, line := range lines {
			line.Schema = record.SchemaVersion
			if err := json.NewEncoder(&file).Encode(line); err != nil {
				t.Fatal(err)
			}
		}
		fitLines(t, trials, name, &file)
		var written bytes.Buffer
		if err := WriteJSON(&written, build(t, run, measured, end)); err != nil {
			t.Fatal(err)
		}
		if err := fits(report, written.Bytes()); err != nil {
			t.Errorf("report of %s: %v", name, err)
		}
	}
}

func TestSchemasRefuse(t *testing.T) {
	end := `"end":{"at":"2026-11-27T10:00:00Z","interrupted":false}`
	if err := fits(published(t, trialsSchemaFile), fmt.Appendf(nil, `{"schema":%d,%s}`, record.SchemaVersion, end)); err != nil {
		t.Fatalf("the line that the others are made of: %v", err)
	}
	for name, line := range map[string]string{
		"another version":  fmt.Sprintf(`{"schema":%d,%s}`, record.SchemaVersion+1, end),
		"no version":       `{` + end + `}`,
		"nothing":          fmt.Sprintf(`{"schema":%d}`, record.SchemaVersion),
		"two things":       fmt.Sprintf(`{"schema":%d,%s,"restart":{"block":1,"part":"p","from_order":1,"at":"","reason":""}}`, record.SchemaVersion, end),
		"an unknown field": fmt.Sprintf(`{"schema":%d,%s}`, record.SchemaVersion, strings.Replace(end, `"interrupted"`, `"why":"x","interrupted"`, 1)),
		"a field missing":  fmt.Sprintf(`{"schema":%d,%s}`, record.SchemaVersion, strings.Replace(end, `,"interrupted":false`, "", 1)),
		"another type":     fmt.Sprintf(`{"schema":%d,%s}`, record.SchemaVersion, strings.Replace(end, "false", `"no"`, 1)),
	} {
		if err := fits(published(t, trialsSchemaFile), []byte(line)); err == nil {
			t.Errorf("%s is accepted: %s", name, line)
		}
	}
	if err := fits(published(t, reportSchemaFile), fmt.Appendf(nil, `{"schema":%d}`, SchemaVersion)); err == nil {
		t.Error("a report that says nothing is accepted")
	}
}
