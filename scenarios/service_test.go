// SPDX-License-Identifier: Apache-2.0

package scenarios_test

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"headroom/scenarios"
	"headroom/targets/kinds"
)

// ownKinds are the kinds, with one of which the file says how its processes run. The
// tests hold whatever the kinds of headroom say.
func ownKinds() []scenarios.Kind {
	list := slices.DeleteFunc(kinds.Data(), func(k scenarios.Kind) bool { return k.Service })
	for i := range list {
		list[i].Attaches = list[i].Name == "postgres" || list[i].Name == "valkey"
	}
	return append(list, scenarios.Kind{Name: "service", Port: 8070, Service: true, Facts: scenarios.Facts{Label: "a service", About: "anything", Ports: 1}})
}

// own is a scenario file with a service, of which some lines are said.
func own(lines ...string) []byte {
	const before, indent = `name: own
title: A service
question: Does it run?
slo: p99<250ms
load:
  keys: {item: uniform of 100}
  mix: [{request: "GET /items/{item}", weight: 100%}]
before: &both
  label: both
  entry: web/app
  machines:
    database: {size: small, copies: 2, processes: {postgres: }}
    cache: {size: small, processes: {valkey: }}
    web:
      size: small
      processes:
        app:
          kind: service
`, "          "
	return []byte(before + indent + strings.Join(lines, "\n"+indent) + "\nafter: *both\n")
}

// besides is a folder with what the tests' scenarios name, and the working folder.
func besides(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range map[string]string{
		"Dockerfile": "FROM scratch\n", "sub/Dockerfile.dev": "FROM scratch\n", "schema.sql": "CREATE TABLE a();\n",
		"conf/app.conf": "fast\n", "large": strings.Repeat("x", 1<<20+1), "full": strings.Repeat("x", 1<<20),
	} {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	t.Chdir(dir)
	return dir
}

// parsedOwn is after's process of a scenario with a service that must be right.
func parsedOwn(t *testing.T, lines ...string) (*scenarios.Scenario, scenarios.Process) {
	t.Helper()
	s, err := scenarios.Parse("mine.yaml", own(lines...), ownKinds())
	if err != nil {
		t.Fatalf("%q: %v", lines, err)
	}
	_, p := find(t, s.After, "web/app")
	if p.Service == nil {
		t.Fatalf("%q: the process is no service", lines)
	}
	return s, p
}

func TestServiceThatSaysEverything(t *testing.T) {
	besides(t)
	_, p := parsedOwn(t, "image: registry.example/app:1@sha256:12", "command: serve --fast 'two words'", `args: [--port, "80"]`, "port: 80",
		"links: {database: database/postgres, cache_2: cache/valkey}", "env:", `  DATABASE_URL: postgres://app@{database}/app?cache={cache_2}`,
		`  PLAIN: '{"a": 1} {Big} {} {a-b} ${home} {{user}}'`, "files: {/etc/app.conf: conf/app.conf}", "ready: {http: /health, within: 90s}",
		"data: /var/lib/app", "limits: ready", "counters: {path: /m, names: {statements: app_statements_total, statement time: app_seconds_total, \"queued\": app_queue}}",
		"stateless: no", "speaks: [postgresql]")
	if want := (scenarios.Facts{Label: "app", About: "a service of your own", Keeps: scenarios.KeepsData, Stores: true, Ports: 1,
		Speaks: []scenarios.Protocol{"postgresql", "http", "http-origin"},
		Counters: []scenarios.Counter{{Key: "queued", Meaning: "queued"}, {Key: "statement_time", Meaning: "statement time", Total: true, Unit: "s"},
			{Key: "statements", Meaning: "statements", Total: true}}}); !reflect.DeepEqual(p.Facts, want) {
		t.Errorf("the facts are %+v, want %+v", p.Facts, want)
	}
	if want := []scenarios.Link{{Role: "database", To: []string{"database-1/postgres", "database-2/postgres"}}, {Role: "cache_2", To: []string{"cache/valkey"}}}; !reflect.DeepEqual(p.Links, want) {
		t.Errorf("the links are %+v, want %+v", p.Links, want)
	}
	sum := sha256.Sum256([]byte("fast\n"))
	want := &scenarios.Service{Image: "registry.example/app:1@sha256:12", Command: []string{"serve", "--fast", "two words", "--port", "80"},
		Env:   map[string]string{"DATABASE_URL": "postgres://app@{database}/app?cache={cache_2}", "PLAIN": `{"a": 1} {Big} {} {a-b} ${home} {{user}}`},
		Files: []scenarios.File{{Path: "/etc/app.conf", From: "conf/app.conf", SHA256: hex.EncodeToString(sum[:]), Content: []byte("fast\n")}},
		Ready: scenarios.Ready{HTTP: "/health", Within: 90 * time.Second}, Data: "/var/lib/app", Limits: scenarios.LimitsFromReady,
		Counters: &scenarios.Exposition{Path: "/m", Names: map[scenarios.Meaning]string{
			"statements": "app_statements_total", "statement time": "app_seconds_total", "queued": "app_queue"}},
	}
	if !reflect.DeepEqual(p.Service, want) {
		t.Errorf("the service is %+v, want %+v", *p.Service, *want)
	}
	if p.Port != 80 || !p.Foreign() {
		t.Errorf("port %d, foreign %v", p.Port, p.Foreign())
	}
}

// What is not said is not known, and a service that says little is reached by HTTP.
func TestServiceThatSaysLittle(t *testing.T) {
	besides(t)
	for _, test := range []struct {
		lines   []string
		command []string
		ready   scenarios.Ready
		keeps   string
		speaks  []scenarios.Protocol
		foreign bool
	}{
		{[]string{"command: run it", "port: 8000"}, []string{"run", "it"}, scenarios.Ready{TCP: true, Within: time.Minute}, "", []scenarios.Protocol{"http", "http-origin"}, false},
		{[]string{`command: [run, "it so", ""]`, "port: 8000", "ready: {within: 2s}"}, []string{"run", "it so", ""}, scenarios.Ready{TCP: true, Within: 2 * time.Second}, "", []scenarios.Protocol{"http", "http-origin"}, false},
		{[]string{"command: run", "args: [it]", "port: 8000", "ready: {command: test -e up}", "data: rows"}, []string{"run", "it"},
			scenarios.Ready{Command: []string{"test", "-e", "up"}, Within: time.Minute}, scenarios.KeepsData, []scenarios.Protocol{"http", "http-origin"}, false},
		{[]string{"image: a", "args: [-v]", "port: 1", "ready: {tcp: yes}", "stateless: yes", "speaks: [redis]"}, []string{"-v"},
			scenarios.Ready{TCP: true, Within: time.Minute}, scenarios.KeepsNothing, []scenarios.Protocol{"redis"}, true},
		{[]string{"build: .", "port: 9", "ready: {http: /}", "stateless: true", "speaks: [http]"}, nil,
			scenarios.Ready{HTTP: "/", Within: time.Minute}, scenarios.KeepsNothing, []scenarios.Protocol{"http", "http-origin"}, true},
	} {
		_, p := parsedOwn(t, test.lines...)
		if s := p.Service; !slices.Equal(s.Command, test.command) || !reflect.DeepEqual(s.Ready, test.ready) || s.Limits != scenarios.LimitsFromStart {
			t.Errorf("%q: %+v", test.lines, s)
		}
		if p.Facts.Keeps != test.keeps || !slices.Equal(p.Facts.Speaks, test.speaks) || p.Foreign() != test.foreign || p.Facts.Label != "app" {
			t.Errorf("%q: foreign %v, %+v", test.lines, p.Foreign(), p.Facts)
		}
	}
}

// What would fail minutes later is refused at its line, with the remedy.
func TestServicesThatAreRefused(t *testing.T) {
	besides(t)
	const image, port = "image: a", "port: 8000"
	for _, test := range []struct {
		lines    []string
		at, want string
	}{
		{[]string{port}, "app:", "what runs is not said: write image: or build: for a container, or command: for a program of this computer"},
		{[]string{port, "args: [a]"}, "args:", "nothing that takes the arguments"},
		{[]string{image}, "app:", `"port" is missing`},
		{[]string{"command: a", "port: 80"}, "port:", "at least 1024"},
		{[]string{image, "port: 0"}, "port:", "at least 1"},
		{[]string{"command: a", "port: 9900"}, "app:", "taken by the machine's agent"},
		{[]string{port, "image: -rm"}, "image:", "no name of an image"},
		{[]string{port, image, "build: ."}, "build:", "leave out build, or image"},
		{[]string{port, "command: a; b"}, "command:", `";" is for a shell`},
		{[]string{port, image, `command: ""`}, "command:", "leave command out where the image has its own"},
		{[]string{port, "command: []"}, "command:", "the command is empty"},
		{[]string{port, image, "imagine: b"}, "imagine:", `unknown key "imagine"; did you mean "image"?`},
		{[]string{port, image, "env: {1A: b}"}, "env:", "no name of a variable"},
		{[]string{port, image, "links: {database: database/postgres}", `env: {A: "x{databas}"}`}, "env:", `{databas} stands for where a link leads, and there is no link "databas"; did you mean "database"?`},
		{[]string{port, image, `env: {A: "{user}"}`}, "env:", "write it under links, as user: machine/process"},
		{[]string{port, image, `env: {A: "{{a}} {user}"}`}, "env:", "or write {{user}} for the text {user}"},
		{[]string{port, image, "links: {Database: database/postgres}"}, "links:", "is no role"},
		{[]string{port, image, "links: {database: database/postgre}"}, "links:", `did you mean "database/postgres"?`},
		{[]string{port, image, "ready: {http: health}"}, "ready:", "is no path: write for example /health"},
		{[]string{port, image, `ready: {http: "/a#b"}`}, "ready:", "is no path"},
		{[]string{port, image, `ready: {http: "/a b"}`}, "ready:", "is no path"},
		{[]string{port, image, `ready: {http: "/%zz"}`}, "ready:", `"/%zz" is no path: write for example /health`},
		{[]string{port, image, "ready: {http: /, tcp: yes}"}, "ready:", "keep one of http, tcp and command"},
		{[]string{port, image, "ready: {tcp: no}"}, "ready:", "leave tcp out"},
		{[]string{port, image, "ready: {tcp: maybe}"}, "ready:", `"maybe" is not known`},
		{[]string{port, image, "ready: {command: pg_isready}"}, "ready:", "write http: with a path, or tcp: yes"},
		{[]string{port, image, "ready: {within: 20m}"}, "ready:", "at most 10m0s"},
		{[]string{port, image, "limits: sometime"}, "limits:", "known are ready, start"},
		{[]string{port, image, "data: var"}, "data:", "write the whole path"},
		{[]string{port, image, "data: /"}, "data:", "write the whole path"},
		{[]string{port, image, "data: /var/../lib"}, "data:", "write the whole path"},
		{[]string{port, image, `data: "/a:b"`}, "data:", "no colon"},
		{[]string{port, "command: a", "data: /var"}, "data:", "a folder of its own: write a path below it"},
		{[]string{port, "command: a", "data: ../var"}, "data:", "write a path below it"},
		{[]string{port, "command: a", "data: rows", "stateless: yes"}, "stateless:", "write stateless: no, or leave out data"},
		{[]string{port, image, "speaks: [htp]"}, "speaks:", `did you mean "http"?`},
		{[]string{port, image, "speaks: [http, http]"}, "speaks:", "stands twice"},
		{[]string{port, image, "speaks: [fill]"}, "speaks:", `"fill" is not known`},
		{[]string{port, image, "counters: {path: /m}"}, "counters:", `"names" is missing`},
		{[]string{port, image, "counters: {names: {}}"}, "counters:", "no counter is named"},
		{[]string{port, image, "counters: {path: m, names: {statements: a_total}}"}, "counters:", "is no path"},
		{[]string{port, image, `counters: {path: "/%zz", names: {statements: a_total}}`}, "counters:", `"/%zz" is no path: write for example /metrics`},
		{[]string{port, image, "counters: {names: {statement: a_total}}"}, "counters:", `did you mean "statements"?`},
		{[]string{port, image, "counters: {names: {statements: a-b_total}}"}, "counters:", "no name of a counter"},
		{[]string{port, image, "counters: {names: {statements: a}}"}, "counters:", "whose name ends in _total"},
		{[]string{port, image, "counters: {names: {queued: a_total}}"}, "counters:", "name a gauge"},
		{[]string{port, image, "counters: {names: {statement time: a_total}}"}, "counters:", "does not say its unit"},
	} {
		data := own(test.lines...)
		_, err := scenarios.Parse("mine.yaml", data, ownKinds())
		checkRefused(t, fmt.Sprintf("%q", test.lines), err, lineOf(t, data, " "+test.at), test.want)
	}
}

// No agent of headroom takes a port in an image of the user's own.
func TestForeignMachineHasTheAgentsPort(t *testing.T) {
	besides(t)
	if _, p := parsedOwn(t, "image: a", "port: 9900"); p.Port != scenarios.AgentPort {
		t.Errorf("port %d", p.Port)
	}
}

// What is known of copies of what nobody says: what keeps data has none.
func TestStatelessUnsaid(t *testing.T) {
	besides(t)
	for line, want := range map[string]string{
		"limits: start": "", "data: /var/lib/app": scenarios.KeepsData, "attach: postgres": scenarios.KeepsData, "attach: valkey": scenarios.KeepsData,
	} {
		if _, p := parsedOwn(t, "image: a", "port: 80", line); p.Facts.Keeps != want {
			t.Errorf("%s: it keeps %q, want %q", line, p.Facts.Keeps, want)
		}
	}
}

// Nothing of headroom runs in a foreign image, so that nobody could start a second
// process there.
func TestForeignMachineRunsOneProcess(t *testing.T) {
	besides(t)
	s, _ := parsedOwn(t, "image: a", "port: 80")
	web, database := s.After.Machines[s.After.Index("web")], s.After.Machines[s.After.Index("database-1")]
	if p, foreign := web.Foreign(); !foreign || p.Name != "app" {
		t.Errorf("the machine runs %+v, foreign %v", p, foreign)
	}
	if p, foreign := database.Foreign(); foreign || p.Name != "" {
		t.Errorf("the database's machine runs %+v", p)
	}
	data := []byte(strings.Replace(string(own("image: a", "port: 80")), "      processes:\n", "      processes:\n        valkey: \n", 1))
	_, err := scenarios.Parse("mine.yaml", data, ownKinds())
	checkRefused(t, "with a second", err, lineOf(t, data, "      processes:"), "a machine with an image of its own runs that alone: put app on a machine of its own")
	local := strings.Replace(string(data), "image: a", "command: a", 1)
	local = strings.Replace(local, "port: 80", "port: 8000", 1)
	if _, err := scenarios.Parse("mine.yaml", []byte(local), ownKinds()); err != nil {
		t.Errorf("two programs of this computer: %v", err)
	}
}

// Each role stands for the addresses behind it, and what is no role stays.
func TestEnvironmentAtAddresses(t *testing.T) {
	s := scenarios.Service{Env: map[string]string{"A": "pg://{database}/a,{cache}", "B": "{other} {database}{database}", "C": "",
		"D": "${database} {{database}} {{{database}}} ${{cache}} {{other}}", "E": "{{cache} $${cache} {{Cache}}"}}
	got := s.EnvAt(map[scenarios.Role][]string{"database": {"a:1", "b:2"}, "cache": {"c:3"}})
	if want := map[string]string{"A": "pg://a:1,b:2/a,c:3", "B": "{other} a:1,b:2a:1,b:2", "C": "",
		"D": "${database} {database} {{database}} ${cache} {other}", "E": "{c:3 $${cache} {{Cache}}"}; !reflect.DeepEqual(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	if s.Env["A"] != "pg://{database}/a,{cache}" {
		t.Errorf("asking has changed the service's own: %q", s.Env)
	}
}

// A service may call its roles what it likes: it is no standby by that.
func TestServiceWithAPrimaryIsNoReplica(t *testing.T) {
	besides(t)
	s, p := parsedOwn(t, "image: a", "port: 80", "links: {primary: database/postgres}")
	if p.IsReplica() || !p.Linked(scenarios.RolePrimary) {
		t.Errorf("a replica %v: %+v", p.IsReplica(), p.Links)
	}
	if m := s.After.Machines[s.After.Index("web")]; m.Keeps() != "" {
		t.Errorf("of a machine of which nothing is known it is said that it keeps %q", m.Keeps())
	}
}

// A trials file tells how a service runs, and neither what its files hold nor where
// they stood.
func TestServiceInJSON(t *testing.T) {
	dir := besides(t)
	s, p := parsedOwn(t, "build: .", "port: 80", "files: {/a: schema.sql}", "counters: {names: {queued: a}}")
	text, err := json.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(text), dir) || strings.Contains(string(text), "CREATE TABLE") {
		t.Errorf("it tells too much: %s", text)
	}
	var got scenarios.Scenario
	if err := json.Unmarshal(text, &got); err != nil {
		t.Fatal(err)
	}
	want := *p.Service
	want.Build = &scenarios.Build{Context: "."}
	want.Files = []scenarios.File{{Path: "/a", From: "schema.sql", SHA256: p.Service.Files[0].SHA256}}
	if _, read := find(t, got.After, "web/app"); !reflect.DeepEqual(*read.Service, want) {
		t.Errorf("it was read as %+v, want %+v", *read.Service, want)
	}
}
