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
	want := spec.Spec{Machine: "one", Nonce: "n", Dataset: scenarios.Dataset{Users: 1, Posts: 2, Orders: 3},
		Processes: []spec.Process{
			{Name: "db", Kind: scenarios.KindPostgres, Port: 5432, Settings: map[string]string{"indexes": "all"}},
			{Name: "shop", Kind: scenarios.KindShop, Port: 8000, Links: map[scenarios.Role][]string{"database": {"127.0.0.1:5432"}}},
		}}
	text, err := json.Marshal(want)
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv(spec.EnvSpec, string(text))
	got, err := SpecFromEnv()
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, %v", got, err)
	}
}

func TestSpecFromEnvRefuses(t *testing.T) {
	for text, want := range map[string]string{
		``:                             "EOF",
		`{"machine":"m"}`:              "has no process",
		`{"machin":"m"}`:               "unknown field",
		`{"processes":[{"port":1}]}`:   "cannot name a process",
		`{"processes":[{"name":"a"}]}`: "0 is not a port",
		`{"processes":[{"name":"../a","port":1}]}`:                                    "cannot name a process",
		`{"processes":[{"name":"a","port":9900}]}`:                                    "port 9900 is taken",
		`{"processes":[{"name":"a","port":80},{"name":"a","port":81}]}`:               "two processes are named a",
		`{"processes":[{"name":"a","port":80},{"name":"b","port":80}]}`:               "port 80 is taken",
		`{"processes":[{"name":"a","port":70000,"kind":"shop"}]}`:                     "70000 is not a port",
		`{"processes":[{"name":"a","port":9899,"kind":"link"}]}`:                      "port 9900 is taken",
		`{"processes":[{"name":"a","port":65535,"kind":"nats"}]}`:                     "port 65536 is taken by another process or the agent (9900), or is none",
		`{"processes":[{"name":"a","port":81},{"name":"b","port":80,"kind":"link"}]}`: "process b: port 81 is taken",
	} {
		t.Setenv(spec.EnvSpec, text)
		if _, err := SpecFromEnv(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error is %v, want %q", text, err, want)
		}
	}
}

func TestRunRefusesAnUnknownKind(t *testing.T) {
	err := Run(t.Context(), spec.Spec{Machine: "m", Processes: []spec.Process{{Name: "x", Kind: "abacus", Port: 1}}}, &bytes.Buffer{})
	if err == nil || !strings.Contains(err.Error(), `process x: unknown kind "abacus"`) {
		t.Errorf("error is %v", err)
	}
}

func TestEveryKindHasAProgram(t *testing.T) {
	for _, kind := range []scenarios.Kind{scenarios.KindShop, scenarios.KindMail, scenarios.KindPostgres, scenarios.KindValkey, scenarios.KindHAProxy,
		scenarios.KindNATS, scenarios.KindVarnish, scenarios.KindWorker, scenarios.KindGateway, scenarios.KindLink} {
		made, err := newProcess(spec.Spec{}, spec.Process{Name: "p", Kind: kind, Port: 1}, &child.Family{}, child.NewLines(&bytes.Buffer{}))
		if err != nil {
			t.Errorf("%s: %v", kind, err)
			continue
		}
		made.close()
	}
}
