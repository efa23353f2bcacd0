// SPDX-License-Identifier: Apache-2.0

package machine

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"headroom/scenarios"
	"headroom/targets/machine/spec"
)

// Data that were made elsewhere are kept as a whole, and a folder that is there becomes a
// copy of them, with the mode of theirs.
func TestKeepAndBeginElsewhere(t *testing.T) {
	made, dir, own := t.TempDir(), t.TempDir(), t.TempDir()
	if err := os.WriteFile(filepath.Join(made, "rows"), []byte("rows\n"), 0o640); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(made, 0o750); err != nil {
		t.Fatal(err)
	}
	keep := spec.Spec{Machine: "seed", Seed: &spec.Seed{Dir: dir, Key: "a", Made: made}}
	begin := spec.Spec{Machine: "db", Begin: &spec.Begin{Dataset: spec.Dataset{Dir: dir, Key: "a"}, To: own}}
	var out bytes.Buffer
	if err := Run(t.Context(), nil, begin, &out); err == nil || !strings.Contains(err.Error(), "must be seeded first") {
		t.Errorf("before it is made: %v", err)
	}
	for _, s := range []spec.Spec{keep, keep, begin} { // made once
		if err := Run(t.Context(), nil, s, &out); err != nil {
			t.Fatalf("%v\n%s", err, out.String())
		}
		if err := os.Remove(filepath.Join(made, "rows")); err != nil && !os.IsNotExist(err) {
			t.Fatal(err)
		}
	}
	if got, err := os.ReadFile(filepath.Join(own, "rows")); err != nil || string(got) != "rows\n" {
		t.Errorf("it begins with %q, %v", got, err)
	}
	if info, err := os.Stat(own); err != nil || info.Mode().Perm() != 0o750 {
		t.Errorf("the folder is %v, %v", info, err)
	}
	begin.Begin.Dataset.Key = "b"
	if err := Run(t.Context(), nil, begin, &out); err == nil || !strings.Contains(err.Error(), "holds another dataset") {
		t.Errorf("another dataset: %v", err)
	}
}

// What could not be copied is no dataset.
func TestKeepNothing(t *testing.T) {
	dir := t.TempDir()
	s := spec.Spec{Machine: "seed", Seed: &spec.Seed{Dir: dir, Key: "a", Made: filepath.Join(dir, "nowhere")}}
	if err := Run(t.Context(), nil, s, &bytes.Buffer{}); err == nil || !strings.Contains(err.Error(), "seed: copying the dataset") {
		t.Errorf("error is %v", err)
	}
	if err := (marker{"a"}).check(dir); err == nil {
		t.Error("it is marked as whole")
	}
}

// Data that the process keeps elsewhere are no dataset, whoever made them.
func TestKeepEmptyData(t *testing.T) {
	elsewhere := spec.Spec{Machine: "seed", Seed: &spec.Seed{Key: "a", Made: t.TempDir()}}
	works := t.TempDir()
	folder := filepath.Join(works, "db")
	if err := os.MkdirAll(filepath.Join(folder, "var", "rows"), 0o755); err != nil {
		t.Fatal(err)
	}
	service := seedSpec("", "sh", "-c", "echo rows > var/kept")
	service.Local, service.Seed.FilesDir = &spec.Local{DataDir: works}, folder
	service.Processes[0].Service = &scenarios.Service{Data: "var/rows"}
	for name, s := range map[string]spec.Spec{"made elsewhere": elsewhere, "a service": service} {
		s.Seed.Dir = t.TempDir()
		err := Run(t.Context(), seedableKind(endsWell, func(string) error { return nil }), s, &bytes.Buffer{})
		if err == nil || !strings.Contains(err.Error(), "seed: ") || !strings.Contains(err.Error(), "the seed left nothing in data: write data: ") {
			t.Errorf("%s: error is %v", name, err)
		}
		if err := (marker{s.Seed.Key}).check(s.Seed.Dir); err == nil {
			t.Errorf("%s: it is marked as whole", name)
		}
	}
}

// Of a service's folder only what the scenario names is its data, and a start begins with
// that beside its files.
func TestMakeDatasetOfAService(t *testing.T) {
	works, dir := t.TempDir(), t.TempDir()
	folder := filepath.Join(works, "db")
	if err := os.Mkdir(folder, 0o755); err != nil {
		t.Fatal(err)
	}
	s := seedSpec(dir, "sh", "-c", "mkdir -p var/rows && echo rows > var/rows/kept")
	s.Local, s.Seed.FilesDir = &spec.Local{DataDir: works}, folder
	s.Processes[0].Service = &scenarios.Service{Data: "var/rows"}
	var out bytes.Buffer
	if err := Run(t.Context(), seedableKind(endsWell, func(string) error { return nil }), s, &out); err != nil {
		t.Fatalf("%v\n%s", err, out.String())
	}
	if got, err := os.ReadFile(filepath.Join(dir, dataDir, "kept")); err != nil || string(got) != "rows\n" {
		t.Errorf("it holds %q, %v", got, err)
	}
	if _, err := os.Stat(filepath.Join(dir, dataDir, "up")); err == nil {
		t.Error("it holds what is no data")
	}
	if got := dataOf(s.Processes[0], "/m/db"); got != "/m/db/var/rows" {
		t.Errorf("the data of a service are at %s", got)
	}
	s.Processes[0].Service = nil
	if got := dataOf(s.Processes[0], "/m/db"); got != "/m/db" {
		t.Errorf("the data of a kind are at %s", got)
	}
}

func TestCopyingIsChecked(t *testing.T) {
	for text, want := range map[string]string{
		`{"machine":"m","seed":{"dir":"/x","key":"k","made":"/y"}}`:                                            "",
		`{"machine":"m","begin":{"dataset":{"dir":"/x","key":"k"},"to":"/y"}}`:                                 "",
		`{"machine":"m","seed":{"key":"k","made":"/y"}}`:                                                       "from a folder to a folder",
		`{"machine":"m","seed":{"dir":"/x","made":"/y","command":["a"]}}`:                                      "from a folder to a folder",
		`{"machine":"m","begin":{"dataset":{"dir":"/x"}}}`:                                                     "from a folder to a folder",
		`{"machine":"m","begin":{"to":"/y"}}`:                                                                  "from a folder to a folder",
		`{"machine":"m","processes":[{"name":"x","port":1}],"begin":{"dataset":{"dir":"/x"},"to":"/y"}}`:       "no process runs",
		`{"machine":"m","seed":{"dir":"/x","made":"/y"},"begin":{"dataset":{"dir":"/x","key":"k"},"to":"/y"}}`: "from a folder to a folder",
	} {
		t.Setenv(spec.EnvSpec, text)
		_, err := SpecFromEnv(nil)
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error is %v, want %q", text, err, want)
		}
	}
}
