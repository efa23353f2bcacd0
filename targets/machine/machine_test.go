// SPDX-License-Identifier: Apache-2.0

package machine

import (
	"bytes"
	"encoding/json"
	"reflect"
	"strings"
	"testing"

	"headroom/internal/child"
	"headroom/scenarios"
	"headroom/targets/machine/spec"
)

func TestSpecFromEnv(t *testing.T) {
	want := spec.Spec{Machine: "one", Nonce: "n",
		Processes: []spec.Process{
			{Name: "db", Kind: "postgres", Port: 5432, Settings: map[string]string{"indexes": "all"}},
			{Name: "shop", Kind: "shop", Port: 8000, Links: map[scenarios.Role][]string{"database": {"127.0.0.1:5432"}}},
		}}
	text, err := json.Marshal(want)
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv(spec.EnvSpec, string(text))
	kinds := []Kind{{Kind: scenarios.Kind{Name: "shop", Facts: scenarios.Facts{Label: "the shop"}}}}
	want.Processes[1].Facts = kinds[0].Facts // of the kind that is known
	got, err := SpecFromEnv(kinds)
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, %v", got, err)
	}
}

func TestSpecFromEnvRefuses(t *testing.T) {
	kinds := []Kind{{Kind: scenarios.Kind{Name: "relay", Facts: scenarios.Facts{Ports: 2}}}}
	for text, want := range map[string]string{
		``:                "EOF",
		`{"machine":"m"}`: "has no process",
		`{"machine":"m","processes":[{"name":"x","port":1}],"seed":{"dir":"/x"}}`:                                       "a dataset is made by one process",
		`{"machine":"m","processes":[{"name":"x","port":1}],"seed":{"command":["x"]}}`:                                  "a dataset is made by one process",
		`{"machine":"m","processes":[{"name":"x","port":1},{"name":"y","port":2}],"seed":{"dir":"/x","command":["x"]}}`: "a dataset is made by one process",
		`{"machin":"m"}`:                                                               "unknown field",
		`{"processes":[{"port":1}]}`:                                                   "cannot name a process",
		`{"processes":[{"name":"a"}]}`:                                                 "0 is not a port",
		`{"processes":[{"name":"../a","port":1}]}`:                                     "cannot name a process",
		`{"processes":[{"name":"a","port":9900}]}`:                                     "port 9900 is taken",
		`{"processes":[{"name":"a","port":80},{"name":"a","port":81}]}`:                "two processes are named a",
		`{"processes":[{"name":"a","port":80},{"name":"b","port":80}]}`:                "port 80 is taken",
		`{"processes":[{"name":"a","port":70000,"kind":"shop"}]}`:                      "70000 is not a port",
		`{"processes":[{"name":"a","port":9899,"kind":"relay"}]}`:                      "port 9900 is taken",
		`{"processes":[{"name":"a","port":65535,"kind":"relay"}]}`:                     "port 65536 is taken by another process or the agent (9900), or is none",
		`{"processes":[{"name":"a","port":81},{"name":"b","port":80,"kind":"relay"}]}`: "process b: port 81 is taken",
	} {
		t.Setenv(spec.EnvSpec, text)
		if _, err := SpecFromEnv(kinds); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error is %v, want %q", text, err, want)
		}
	}
}

func TestRunRefusesAnUnknownKind(t *testing.T) {
	err := Run(t.Context(), []Kind{abacus("slate")}, spec.Spec{Machine: "m", Processes: []spec.Process{{Name: "x", Kind: "abacus", Port: 1}}}, &bytes.Buffer{})
	if err == nil || !strings.Contains(err.Error(), `process x: unknown kind "abacus"`) {
		t.Errorf("error is %v", err)
	}
}

// A machine checks the settings that its programs then read without doubt.
func TestRunRefusesSettingsThatAreNotTheKinds(t *testing.T) {
	for text, settings := range map[string]map[string]string{
		`setting "beads" is missing`:          nil,
		`beads: "many" is not a whole number`: {"beads": "many"},
		`beads: 1000 is out of range`:         {"beads": "1000"},
		`has no setting "wire"`:               {"beads": "3", "wire": "2"},
	} {
		p := spec.Process{Name: "x", Kind: "abacus", Port: 1, Settings: settings}
		err := Run(t.Context(), []Kind{abacus("abacus")}, spec.Spec{Machine: "m", Processes: []spec.Process{p}}, &bytes.Buffer{})
		if err == nil || !strings.Contains(err.Error(), "process x: ") || !strings.Contains(err.Error(), text) {
			t.Errorf("%v: error is %v, want %q", settings, err, text)
		}
	}
}

// How a service runs nobody knows but its scenario.
func TestRunRefusesAServiceOfWhichNothingIsSaid(t *testing.T) {
	kind := abacus("abacus")
	kind.Service = true
	p := spec.Process{Name: "x", Kind: "abacus", Port: 1, Settings: map[string]string{"beads": "3"}}
	err := Run(t.Context(), []Kind{kind}, spec.Spec{Machine: "m", Processes: []spec.Process{p}}, &bytes.Buffer{})
	if err == nil || !strings.Contains(err.Error(), "process x: nothing says how this abacus runs") {
		t.Errorf("error is %v", err)
	}
}

// abacus is a kind that has one setting.
func abacus(name scenarios.KindName) Kind {
	return Kind{
		Kind: scenarios.Kind{Name: name, Settings: []scenarios.SettingSpec{scenarios.Int("beads", 10, 1, 100, "to count by").SettingSpec}},
		New:  func(spec.Process, Host) Program { return fakeProgram{} },
	}
}

// A program gets its machine's name, its data and a folder of its own.
func TestNewProgramTellsTheHost(t *testing.T) {
	var got Host
	kind := abacus("abacus")
	kind.New = func(_ spec.Process, h Host) Program {
		got = h
		return fakeProgram{}
	}
	runner, log := &child.Runner{}, child.NewSyncWriter(&bytes.Buffer{})
	s := spec.Spec{Machine: "m", Local: &spec.Local{DataDir: "/data"}}
	_, err := newProgram([]Kind{kind}, s, spec.Process{Name: "x", Kind: "abacus", Settings: map[string]string{"beads": "3"}}, runner, log)
	want := Host{Machine: "m", Dir: "/data/x", Runner: runner, Log: log}
	if err != nil || got != want {
		t.Errorf("got %+v, %v, want %+v", got, err, want)
	}
}
