// SPDX-License-Identifier: Apache-2.0

package scenarios_test

import (
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"syscall"
	"testing"

	"headroom/scenarios"
)

// Files stand below the scenario's folder, and are small.
func TestFilesOfAService(t *testing.T) {
	dir := besides(t)
	outside := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(outside, []byte("secret\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for link, to := range map[string]string{"leads-out": outside, "leads-in": "schema.sql", "folder": "conf"} {
		if err := os.Symlink(to, filepath.Join(dir, link)); err != nil {
			t.Fatal(err)
		}
	}
	if err := syscall.Mkfifo(filepath.Join(dir, "pipe"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct{ files, want string }{ // "" is accepted
		{"{/b: leads-in, /a: folder/app.conf}", ""},
		{"{/a: full}", ""},
		{"{/a: large}", `"large" holds more than 1048576 bytes: put it into the image`},
		{"{/a: leads-out}", `"leads-out" can't be read beside the scenario file`},
		{"{/a: ../" + filepath.Base(dir) + "/schema.sql}", "leads out of the scenario file's folder"},
		{"{/a: " + outside + "}", "leads out of the scenario file's folder"},
		{"{/a: ./schema.sql}", "write the path from that folder, for example schema.sql"},
		{"{/a: gone}", `"gone" can't be read beside the scenario file`},
		{"{/a: conf}", `"conf" is no file: name each file by itself`},
		{"{/a: pipe}", `"pipe" is no file`},
		{"{a: schema.sql}", "in an image write the whole path"},
		{"{/a/: schema.sql}", "in an image write the whole path"},
	} {
		data := own("image: a", "port: 80", "files: "+test.files)
		s, err := scenarios.Parse("mine.yaml", data, ownKinds())
		if test.want != "" {
			checkRefused(t, test.files, err, lineOf(t, data, "files:"), test.want)
		} else if err != nil {
			t.Errorf("%s: %v", test.files, err)
		} else if _, p := find(t, s.Before, "web/app"); !slices.IsSortedFunc(p.Service.Files, func(a, b scenarios.File) int { return strings.Compare(a.Path, b.Path) }) || len(p.Service.Files[0].Content) == 0 {
			t.Errorf("%s: %+v", test.files, p.Service.Files)
		}
	}
	for files, want := range map[string]string{"{conf/a: schema.sql}": "", "{/a: schema.sql}": "write a path below it", "{../a: schema.sql}": "write a path below it"} {
		data := own("command: a", "port: 8000", "files: "+files)
		if _, err := scenarios.Parse("mine.yaml", data, ownKinds()); want != "" {
			checkRefused(t, files, err, lineOf(t, data, "files:"), want)
		} else if err != nil {
			t.Errorf("%s: %v", files, err)
		}
	}
}

// The files are those beside the scenario file, wherever headroom was started.
func TestFilesAreBesideTheScenario(t *testing.T) {
	dir := besides(t)
	t.Chdir(t.TempDir())
	s, err := scenarios.Parse(filepath.Join(dir, "mine.yaml"), own("build: .", "port: 80", "files: {/a: schema.sql}"), ownKinds())
	if err != nil {
		t.Fatal(err)
	}
	if _, p := find(t, s.After, "web/app"); p.Service.Build.Dir != dir || string(p.Service.Files[0].Content) != "CREATE TABLE a();\n" {
		t.Errorf("%+v", p.Service)
	}
}

func TestBuilds(t *testing.T) {
	dir := besides(t)
	for _, test := range []struct {
		build string
		want  scenarios.Build
	}{
		{".", scenarios.Build{Context: "."}},
		{"../" + filepath.Base(dir), scenarios.Build{Context: "../" + filepath.Base(dir)}},
		{"{context: ., dockerfile: sub/Dockerfile.dev, target: run, args: {BASE: \"debian:trixie-slim\", N: 1}}",
			scenarios.Build{Context: ".", Dockerfile: "sub/Dockerfile.dev", Target: "run", Args: map[string]string{"BASE": "debian:trixie-slim", "N": "1"}}},
	} {
		_, p := parsedOwn(t, "build: "+test.build, "port: 80")
		test.want.Dir = p.Service.Build.Dir
		if !reflect.DeepEqual(*p.Service.Build, test.want) || !filepath.IsAbs(test.want.Dir) || p.Service.Image != "" {
			t.Errorf("%s: %+v, want %+v", test.build, *p.Service.Build, test.want)
		}
	}
	for build, want := range map[string]string{
		"sub":                                   "there is no file sub/Dockerfile beside the scenario file",
		"https://example.com/a.git":             "there is no file https:/example.com/a.git/Dockerfile beside the scenario file",
		dir:                                     "is no context: write the folder's path from the scenario file's folder",
		`""`:                                    "is no context",
		"{dockerfile: Dockerfile}":              `"context" is missing`,
		"{context: ., dockerfile: conf}":        "there is no file conf beside",
		"{context: sub, dockerfile: ../Docker}": "write the Dockerfile's path from there",
		"{context: ., target: -a}":              "no stage of a Dockerfile",
		"{context: ., args: {A-B: c}}":          "no name of a variable",
		"{context: ., cache: no}":               `unknown key "cache"`,
	} {
		data := own("build: "+build, "port: 80")
		_, err := scenarios.Parse("mine.yaml", data, ownKinds())
		checkRefused(t, build, err, lineOf(t, data, "build:"), want)
	}
}

// Who is asked by a kind's protocol counts what the kind counts.
func TestAttach(t *testing.T) {
	besides(t)
	_, p := parsedOwn(t, "image: a", "port: 5432", "attach: postgres")
	kind := kindOf(t, "postgres")
	if f := p.Facts; !reflect.DeepEqual(f.Counters, kind.Facts.Counters) || !f.Database || f.Keeps != scenarios.KeepsData || f.Label != "app" || f.Stores || f.Seeds || f.Server != nil {
		t.Errorf("the facts are %+v", f)
	}
	if want := []scenarios.Protocol{scenarios.ProtocolPostgreSQL}; !slices.Equal(p.Facts.Speaks, want) || p.Service.Attach != "postgres" {
		t.Errorf("it speaks %q, want %q; attached as %q", p.Facts.Speaks, want, p.Service.Attach)
	}
	if _, p := parsedOwn(t, "image: a", "port: 6379", "attach: valkey", "stateless: yes", "speaks: [http]"); p.Facts.Keeps != scenarios.KeepsNothing ||
		!slices.Equal(p.Facts.Speaks, []scenarios.Protocol{scenarios.ProtocolHTTP}) || p.Facts.Database {
		t.Errorf("a cache that says more: %+v", p.Facts)
	}
	for _, test := range []struct{ line, want string }{
		{"attach: haproxy", `"haproxy" is no kind whose counters can be read from outside`},
		{"attach: postgre", `did you mean "postgres"?`},
		{"attach: service", "no kind whose counters"},
	} {
		data := own("image: a", "port: 80", test.line)
		_, err := scenarios.Parse("mine.yaml", data, ownKinds())
		checkRefused(t, test.line, err, lineOf(t, data, "attach:"), test.want)
	}
	for line, want := range map[string]string{
		"command: a": "attach is for an image of your own: write kind: postgres", "image: a\n          counters: {names: {queued: a}}": "leave out attach, or counters",
		"image: a\n          stateless: yes": "a postgres keeps data: write stateless: no",
	} {
		data := own(line, "port: 8000", "attach: postgres")
		_, err := scenarios.Parse("mine.yaml", data, ownKinds())
		at := "attach:"
		if strings.Contains(line, "stateless") {
			at = "stateless:"
		}
		checkRefused(t, line, err, lineOf(t, data, at), want)
	}
}

// Files of a seed are a part of the data: others make other data.
func TestSeedFiles(t *testing.T) {
	dir := besides(t)
	write := func(text string) {
		if err := os.WriteFile(filepath.Join(dir, "schema.sql"), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	parse := func(postgres string) ([]byte, *scenarios.Scenario, error) {
		data := []byte(strings.Replace(string(own("image: a", "port: 80")), "{postgres: }", "{postgres: {"+postgres+"}}", 1))
		s, err := scenarios.Parse("mine.yaml", data, ownKinds())
		return data, s, err
	}
	const seed = `seed: "psql -f schema.sql"`
	keys := map[string]bool{}
	for _, test := range []struct{ postgres, schema string }{
		{seed, "a"}, {seed + ", seed_files: [schema.sql]", "a"}, {seed + ", seed_files: [schema.sql]", "b"}, {"seed_files: [schema.sql, conf/app.conf], " + seed, "b"},
	} {
		write(test.schema)
		_, s, err := parse(test.postgres)
		if err != nil {
			t.Fatalf("%s: %v", test.postgres, err)
		}
		datasets := s.After.Datasets()
		if len(datasets) != 1 {
			t.Fatalf("%s: %d datasets", test.postgres, len(datasets))
		}
		keys[datasets[0].Key()] = true
	}
	if len(keys) != 4 {
		t.Errorf("four datasets have the keys %v", keys)
	}
	_, s, err := parse(seed + ", seed_files: [schema.sql, conf/app.conf]")
	if err != nil {
		t.Fatal(err)
	}
	_, p := find(t, s.After, "database/postgres")
	if got := p.SeedFiles; len(got) != 2 || got[0].Path != "conf/app.conf" || got[1].Path != "schema.sql" || got[1].From != "schema.sql" || string(got[1].Content) != "b" {
		t.Errorf("the files are %+v", got)
	}
	for files, want := range map[string]string{
		"seed_files: [schema.sql]": "write seed too, or leave seed_files out", seed + ", seed_files: [gone]": `"gone" can't be read`, seed + ", seed_files: [../a]": "leads out of",
		seed + ", seed_files: [schema.sql, schema.sql]": "stands twice", seed + ", seed_files: schema.sql": "must be a list",
	} {
		data, _, err := parse(files)
		checkRefused(t, files, err, lineOf(t, data, "    database:"), want)
	}
	data := []byte(strings.Replace(string(own("image: a", "port: 80")), "{valkey: }", "{valkey: {seed_files: [schema.sql]}}", 1))
	_, err = scenarios.Parse("mine.yaml", data, ownKinds())
	checkRefused(t, "of what takes no seed", err, lineOf(t, data, "valkey:"), "leave seed_files out")
}

// What changed of a service or of a seed's files is a difference, and no secret is
// shown.
func TestDifferencesOfServices(t *testing.T) {
	besides(t)
	before, _ := parsedOwn(t, "image: a", "port: 80", "env: {LEVEL: 1, DB_PASSWORD: one}", "files: {/a: schema.sql}")
	after, p := parsedOwn(t, "build: .", "port: 80", "command: run it", "env: {LEVEL: 2, DB_PASSWORD: two}", "ready: {http: /up}", "limits: ready", "counters: {names: {queued: jobs}}")
	s := scenarios.Scenario{Before: before.Before, After: after.After, Kinds: ownKinds()}
	want := []string{
		"~ web/app: build: none becomes .", "~ web/app: command: none becomes run it", "~ web/app: counter queued: none becomes jobs", "~ web/app: env LEVEL: 1 becomes 2",
		fmt.Sprintf("~ web/app: file /a: schema.sql (%s) becomes none", before.Before.Machines[before.Before.Index("web")].Processes[0].Service.Files[0].SHA256[:8]),
		"~ web/app: image: a becomes none", "~ web/app: limits: none becomes ready", "~ web/app: ready: none becomes /up within 1m0s",
	}
	if got := s.Differences(); !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	if told := s.RelevantSettings(p); told["env DB_PASSWORD"] != scenarios.Mask || told["command"] != "run it" || told["build"] != "." {
		t.Errorf("told are %q", told)
	}
}
