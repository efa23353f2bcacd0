// SPDX-License-Identifier: Apache-2.0

package machine

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"headroom/internal/host"
	"headroom/targets/machine/spec"
)

// fakeProgram runs nothing and counts nothing.
type fakeProgram struct{}

func (fakeProgram) Command(context.Context) (*exec.Cmd, error) {
	return nil, errors.New("is never run")
}
func (fakeProgram) Ready(context.Context) error { return nil }
func (fakeProgram) Close()                      {}

type fakeCounter struct {
	fakeProgram
	values map[string]float64
	err    error
}

func (f fakeCounter) Count(context.Context) (map[string]float64, error) { return f.values, f.err }

func testAgent(ready error) *agent {
	return &agent{
		spec: spec.Spec{Machine: "db", Nonce: "n-1", Processes: []spec.Process{
			{Name: "self", Kind: "valkey"}, {Name: "broken", Kind: "haproxy"}}},
		started: time.Unix(1000, 0),
		ready:   func() error { return ready },
		pidOf: func(name string) int {
			if name == "self" {
				return os.Getpid()
			}
			return 0
		},
		programs: []Program{
			fakeCounter{values: map[string]float64{"keys": 3}},
			fakeCounter{err: errors.New("socket is gone")},
		},
	}
}

func ask(t *testing.T, a *agent, path string) *httptest.ResponseRecorder {
	t.Helper()
	return send(t, a, httptest.NewRequestWithContext(t.Context(), http.MethodGet, path, nil))
}

func send(t *testing.T, a *agent, r *http.Request) *httptest.ResponseRecorder {
	t.Helper()
	res := httptest.NewRecorder()
	a.handler().ServeHTTP(res, r)
	if got := res.Header().Get(spec.NonceHeader); got != "n-1" {
		t.Errorf("%s %s: nonce is %q", r.Method, r.URL, got)
	}
	return res
}

func TestAgentReady(t *testing.T) {
	if res := ask(t, testAgent(nil), "/ready"); res.Code != http.StatusOK {
		t.Errorf("ready answers %d", res.Code)
	}
	res := ask(t, testAgent(errors.New("starting db")), "/ready")
	if res.Code != http.StatusServiceUnavailable || !strings.Contains(res.Body.String(), "starting db") {
		t.Errorf("not ready answers %d %q", res.Code, res.Body)
	}
	if res := ask(t, testAgent(nil), "/elsewhere"); res.Code != http.StatusNotFound {
		t.Errorf("unknown path answers %d", res.Code)
	}
}

func TestAgentObserve(t *testing.T) {
	var c spec.Counters
	if err := json.Unmarshal(ask(t, testAgent(nil), "/observe").Body.Bytes(), &c); err != nil {
		t.Fatal(err)
	}
	if c.Machine != "db" || c.StartedUnixNano != time.Unix(1000, 0).UnixNano() || c.MonotonicNano <= 0 {
		t.Errorf("head is %+v", c)
	}
	if len(c.Processes) != 2 {
		t.Fatalf("processes are %+v", c.Processes)
	}
	self := c.Processes[0]
	if self.Name != "self" || self.Kind != "valkey" || self.RSSBytes <= 0 || self.Counts["keys"] != 3 {
		t.Errorf("self is %+v", self)
	}
	// A source that fails is named, and leaves no number behind.
	all := strings.Join(c.Errors, "\n")
	for _, want := range []string{"broken: socket is gone", "broken: not started"} {
		if !strings.Contains(all, want) {
			t.Errorf("errors %q lack %q", all, want)
		}
	}
	if broken := c.Processes[1]; broken.Counts != nil || broken.RSSBytes != 0 {
		t.Errorf("broken is %+v", broken)
	}
}

// A program without counters has none, which is no failure.
func TestAgentObservesWhatCountsNothing(t *testing.T) {
	a := testAgent(nil)
	a.spec.Processes, a.programs = a.spec.Processes[:1], []Program{fakeProgram{}}
	var c spec.Counters
	if err := json.Unmarshal(ask(t, a, "/observe").Body.Bytes(), &c); err != nil {
		t.Fatal(err)
	}
	missed := slices.ContainsFunc(c.Errors, func(e string) bool { return strings.HasPrefix(e, "self: ") })
	if self := c.Processes[0]; self.Counts != nil || self.RSSBytes <= 0 || missed {
		t.Errorf("%+v, errors %q", self, c.Errors)
	}
}

func TestSetMachine(t *testing.T) {
	want := spec.Counters{
		CPUSecondsTotal: 1.5, ThrottledSTotal: 2.5, PeriodsTotal: 200, ThrottledPeriods: 50,
		MemoryBytes: 600000, OOMKillsTotal: 2,
	}
	var got spec.Counters
	setMachine(&got, host.CgroupUse{
		CPU: 1500 * time.Millisecond, Throttled: 2500 * time.Millisecond, Periods: 200, ThrottledPeriods: 50,
		WorkingSetBytes: 600000, OOMKills: 2,
	})
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

func BenchmarkObserve(b *testing.B) {
	a := testAgent(nil)
	for b.Loop() {
		a.observe(b.Context())
	}
}

// Where a machine has no cgroup of its own, its use is that of its processes
// and the agent, and no cgroup is missed.
func TestAgentObserveOnASharedHost(t *testing.T) {
	a := testAgent(nil)
	a.spec.Local = &spec.Local{Address: "127.0.0.1"}
	a.spec.Processes, a.programs = a.spec.Processes[:1], a.programs[:1]
	var c spec.Counters
	if err := json.Unmarshal(ask(t, a, "/observe").Body.Bytes(), &c); err != nil {
		t.Fatal(err)
	}
	// "self" is this process, and so is the agent: all counts twice here.
	if p := c.Processes[0]; len(c.Errors) > 0 || c.MemoryBytes < p.RSSBytes || c.CPUSecondsTotal < p.CPUSecondsTotal {
		t.Errorf("%+v is not the sum of its processes", c)
	}
	if c.PeriodsTotal != 0 || c.NetRxBytesTotal != 0 {
		t.Errorf("%+v holds the host's counters", c)
	}
}
