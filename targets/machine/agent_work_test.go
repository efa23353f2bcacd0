// SPDX-License-Identifier: Apache-2.0

package machine

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"reflect"
	"strings"
	"testing"

	"headroom/targets/machine/spec"
	"headroom/targets/shop/unasked"
)

type fakeWorker struct {
	fakeCounter
	done []spec.Work
	err  error
}

func (f fakeWorker) work(context.Context) ([]spec.Work, error) { return f.done, f.err }

func TestAgentWork(t *testing.T) {
	a := testAgent(nil)
	a.counters[0] = fakeWorker{done: []spec.Work{{Of: spec.WorkCommand, Name: "get", Counts: map[string]float64{"calls": 3}}}}
	var got []spec.Work
	if err := json.Unmarshal(ask(t, a, spec.WorkPath).Body.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	want := []spec.Work{{Process: "self", Of: spec.WorkCommand, Name: "get", Counts: map[string]float64{"calls": 3}}}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("%+v, want %+v", got, want)
	}
	a.counters[1] = fakeWorker{err: errors.New("connection refused")}
	if res := ask(t, a, spec.WorkPath); res.Code != http.StatusServiceUnavailable || !strings.Contains(res.Body.String(), "broken: connection refused") {
		t.Errorf("%d %s", res.Code, res.Body)
	}
}

func TestByText(t *testing.T) {
	one := func(name string, calls float64) spec.Work {
		return spec.Work{Of: spec.WorkStatement, Name: name, Counts: map[string]float64{"calls": calls}}
	}
	got := byText([]spec.Work{
		one("SELECT id\n\tFROM users", 2), one("SELECT id FROM users", 3), one("SELECT "+unasked.Mark+" pg_stat_force_next_flush()", 9),
		one("SELECT "+unasked.Mark+"\n EXISTS (SELECT FROM pg_stat_wal_receiver)", 1), one("SELECT $1", 1),
		// What requests ask for is counted, whatever it calls.
		one("SELECT pg_advisory_xact_lock($1)", 4), one("SELECT /* a comment */ pg_sleep($1)", 2),
	})
	want := []spec.Work{one("SELECT id FROM users", 5), one("SELECT $1", 1), one("SELECT pg_advisory_xact_lock($1)", 4), one("SELECT /* a comment */ pg_sleep($1)", 2)}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("%+v, want %+v", got, want)
	}
}

func TestParseCommands(t *testing.T) {
	const info = "# Commandstats\r\ncmdstat_get:calls=21,usec=175,usec_per_call=8.33,rejected_calls=0,failed_calls=0\r\n" +
		"cmdstat_config|get:calls=1,usec=9\r\ncmdstat_ping:calls=4,usec=1\r\ncmdstat_set:calls=7,usec=3\r\n"
	one := func(name string, calls float64) spec.Work {
		return spec.Work{Of: spec.WorkCommand, Name: name, Counts: map[string]float64{"calls": calls}}
	}
	got, err := parseCommands(info)
	if want := []spec.Work{one("get", 21), one("set", 7)}; err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("%+v, %v, want %+v", got, err, want)
	}
	if _, err := parseCommands("cmdstat_get:usec=1\r\n"); err == nil || !strings.Contains(err.Error(), "cmdstat_get") {
		t.Errorf("no calls: %v", err)
	}
}
