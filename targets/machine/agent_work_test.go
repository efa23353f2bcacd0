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
)

type fakeWorker struct {
	fakeCounter
	done []spec.Work
	err  error
}

func (f fakeWorker) Work(context.Context) ([]spec.Work, error) { return f.done, f.err }

func TestAgentWork(t *testing.T) {
	a := testAgent(nil)
	a.programs[0] = fakeWorker{done: []spec.Work{{Of: spec.WorkCommand, Name: "get", Counts: map[string]float64{"calls": 3}}}}
	var got []spec.Work
	if err := json.Unmarshal(ask(t, a, spec.WorkPath).Body.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	want := []spec.Work{{Process: "self", Of: spec.WorkCommand, Name: "get", Counts: map[string]float64{"calls": 3}}}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("%+v, want %+v", got, want)
	}
	a.programs[1] = fakeWorker{err: errors.New("connection refused")}
	if res := ask(t, a, spec.WorkPath); res.Code != http.StatusServiceUnavailable || !strings.Contains(res.Body.String(), "broken: connection refused") {
		t.Errorf("%d %s", res.Code, res.Body)
	}
}

// fakeQuiescer is quiet, or says why it is not.
type fakeQuiescer struct {
	fakeCounter
	asked *int
	err   error
}

func (f fakeQuiescer) Quiesce(context.Context) error {
	*f.asked++
	return f.err
}

func TestAgentQuiet(t *testing.T) {
	a, asked := testAgent(nil), 0
	if res := ask(t, a, spec.QuiescePath); res.Code != http.StatusOK {
		t.Errorf("nobody to be quiet: %d %s", res.Code, res.Body)
	}
	a.programs[0] = fakeQuiescer{asked: &asked}
	if res := ask(t, a, spec.QuiescePath); res.Code != http.StatusOK || asked != 1 {
		t.Errorf("%d %s, asked %d times", res.Code, res.Body, asked)
	}
	a.programs[1] = fakeQuiescer{asked: &asked, err: errors.New("replicas have not told")}
	if res := ask(t, a, spec.QuiescePath); res.Code != http.StatusServiceUnavailable || !strings.Contains(res.Body.String(), "broken: replicas have not told") {
		t.Errorf("%d %s", res.Code, res.Body)
	}
}
