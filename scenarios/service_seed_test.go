// SPDX-License-Identifier: Apache-2.0

package scenarios_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"headroom/scenarios"
)

const seededImage = "seed: \"psql -U app -f schema.sql\""

// A service that keeps data may say what makes them, as a kind may.
func TestSeedOfAService(t *testing.T) {
	besides(t)
	for _, lines := range [][]string{
		{"image: a", "port: 80", "data: /var/lib/app", seededImage, "seed_files: [schema.sql]"},
		{"command: a", "port: 8000", "data: rows", seededImage, "seed_files: [schema.sql]"},
	} {
		s, p := parsedOwn(t, lines...)
		if !slices.Equal(p.Seed, []string{"psql", "-U", "app", "-f", "schema.sql"}) || len(p.SeedFiles) != 1 || p.SeedFiles[0].Path != "schema.sql" || len(p.SeedFiles[0].Content) == 0 {
			t.Errorf("%q: %q with %+v", lines, p.Seed, p.SeedFiles)
		}
		datasets := s.After.Datasets()
		if len(datasets) != 1 || datasets[0].Process.Service == nil || datasets[0].Command() != "psql -U app -f schema.sql" {
			t.Errorf("%q: datasets %+v", lines, datasets)
		}
		if !slices.Equal(s.Seeds(), []string{"psql -U app -f schema.sql"}) || !s.SharesData(s) || !s.SharesData(s.Masked()) {
			t.Errorf("%q: it begins with %q, shared with itself: %v", lines, s.Seeds(), s.SharesData(s))
		}
	}
	copies := strings.NewReplacer("      size: small\n", "      size: small\n      copies: 2\n", "entry: web/app", "entry: cache/valkey")
	data := copies.Replace(string(own("image: a", "port: 80", "data: /d", `seed: "load {copy} {copies}"`)))
	s, err := scenarios.Parse("mine.yaml", []byte(data), ownKinds())
	if err != nil {
		t.Fatal(err)
	}
	var commands []string
	for _, d := range s.After.Datasets() {
		commands = append(commands, d.Command())
	}
	if !slices.Equal(commands, []string{"load 1 2", "load 2 2"}) {
		t.Errorf("the copies begin with %q", commands)
	}
}

// What can't be made, or would not be found again, is refused at its line.
func TestSeedsOfServicesThatAreRefused(t *testing.T) {
	besides(t)
	const image, port, kept = "image: a", "port: 8000", "data: /var/lib/app"
	for _, test := range []struct {
		lines    []string
		at, want string
	}{
		{[]string{image, port, seededImage}, "seed:", "write data: with that folder, or leave seed out"},
		{[]string{"command: a", port, seededImage}, "seed:", "write data: with that folder, or leave seed out"},
		{[]string{image, port, kept, "seed_files: [schema.sql]"}, "seed_files:", "write seed too, or leave seed_files out"},
		{[]string{image, port, kept, seededImage, "seed_files: [gone]"}, "seed_files:", `"gone" can't be read`},
		{[]string{image, port, kept, `seed: "a | b"`}, "seed:", `"|" is for a shell`},
		{[]string{image, port, kept, `seed: "a {user}"`}, "seed:", "{user} is no placeholder of a seed"},
		{[]string{image, port, kept, seededImage, "links: {database: database/postgres}"}, "links:", "leave out links, or seed"},
		{[]string{image, port, kept, seededImage, "files: {/var/lib/app/a: schema.sql}"}, "seed:", "the file /var/lib/app/a would lie among the data that the command makes: name it under seed_files, or put it elsewhere"},
		{[]string{image, port, "data: /seed", seededImage, "seed_files: [schema.sql]"}, "seed_files:", "the file schema.sql of the seed command would lie at /seed/schema.sql, among the data"},
		{[]string{image, port, "data: /seed/conf", seededImage, "seed_files: [schema.sql, conf/app.conf]"}, "seed_files:", "the file conf/app.conf of the seed command would lie at /seed/conf/app.conf, among the data"},
		{[]string{"command: a", port, "data: conf", seededImage, "seed_files: [conf/app.conf]"}, "seed_files:", "the file conf/app.conf of the seed command would lie at conf/app.conf, among the data"},
		{[]string{image, port, kept, seededImage, "files: {/seed/schema.sql: conf/app.conf}", "seed_files: [schema.sql]"}, "seed_files:", "would lie at /seed/schema.sql, where files has conf/app.conf"},
		{[]string{"command: a", port, "data: rows", seededImage, "files: {schema.sql: conf/app.conf}", "seed_files: [schema.sql]"}, "seed_files:", "would lie at schema.sql, where files has conf/app.conf"},
		{[]string{image, port, kept, "sead: a"}, "sead:", `did you mean "seed"?`},
	} {
		data := own(test.lines...)
		_, err := scenarios.Parse("mine.yaml", data, ownKinds())
		checkRefused(t, fmt.Sprintf("%q", test.lines), err, lineOf(t, data, " "+test.at), test.want)
	}
	parsedOwn(t, image, port, kept, seededImage, "files: {/var/lib/application: schema.sql}")
	parsedOwn(t, image, port, "data: /schema.sql", seededImage, "files: {/conf: schema.sql}", "seed_files: [schema.sql]")
	parsedOwn(t, "command: a", port, "data: rows", seededImage, "files: {schema.sql: schema.sql}", "seed_files: [schema.sql]") // the same file twice
}

// Whatever the data may depend on makes other data, and what is only told of the
// process does not. No secret stands in a key.
func TestKeysOfServices(t *testing.T) {
	besides(t)
	key := func(lines ...string) string {
		t.Helper()
		s, _ := parsedOwn(t, append([]string{"port: 80", "seed: load"}, lines...)...)
		return s.After.Datasets()[0].Key()
	}
	const image, kept = "image: a", "data: /d"
	base := key(image, kept, "env: {PASSWORD: s3cret}")
	if strings.Contains(base, "s3cret") {
		t.Errorf("the key is %s", base)
	}
	for _, lines := range [][]string{
		{image, kept, "env: {PASSWORD: s3cret}", "limits: ready"},
		{image, kept, "env: {PASSWORD: s3cret}", "ready: {http: /up}", "stateless: no", "speaks: [redis]"},
		{image, kept, "env: {PASSWORD: s3cret}", "counters: {names: {queued: jobs}}"},
	} {
		if got := key(lines...); got != base {
			t.Errorf("%q: other data, %s", lines, got)
		}
	}
	seen := map[string]bool{base: true}
	for _, lines := range [][]string{
		{image, kept}, {image, kept, "env: {PASSWORD: other}"}, {"image: b", kept}, {"build: .", kept}, {image, "data: /e"}, {image, kept, "command: run"},
		{image, kept, "files: {/a: schema.sql}"}, {image, kept, "files: {/b: schema.sql}"}, {image, kept, "files: {/a: conf/app.conf}"}, {image, kept, "seed_files: [schema.sql]"},
	} {
		if got := key(lines...); seen[got] {
			t.Errorf("%q: the same data as another", lines)
		} else {
			seen[got] = true
		}
	}
}
