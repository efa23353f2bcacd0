// SPDX-License-Identifier: Apache-2.0

package machine

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
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
	"headroom/internal/maybe"
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
	if rss, known := self.RSSBytes.Get(); self.Name != "self" || self.Kind != "valkey" || !known || rss <= 0 || self.Counts["keys"] != 3 {
		t.Errorf("self is %+v", self)
	}
	// A source that fails is named, and leaves no number behind.
	all := strings.Join(c.Errors, "\n")
	for _, want := range []string{"broken: socket is gone", "broken: not started"} {
		if !strings.Contains(all, want) {
			t.Errorf("errors %q lack %q", all, want)
		}
	}
	if broken := c.Processes[1]; broken.Counts != nil || broken.RSSBytes.Known() || broken.CPUSecondsTotal.Known() {
		t.Errorf("broken is %+v", broken)
	}
}

// Counters that a program does not have are not known, with the reason, and beside them
// stand those that the program has: that is no fault.
func TestAgentObservesWhatCountsInPart(t *testing.T) {
	a := testAgent(nil)
	a.programs[0] = fakeCounter{values: map[string]float64{"keys": 3}, err: fmt.Errorf("asking: %w", &UnknownCountersError{Why: errors.New("no hits on the page")})}
	var c spec.Counters
	if err := json.Unmarshal(ask(t, a, "/observe").Body.Bytes(), &c); err != nil {
		t.Fatal(err)
	}
	if c.Processes[0].Counts["keys"] != 3 || !slices.Contains(c.Unread, "self: no hits on the page") {
		t.Errorf("%+v, unread %q", c.Processes[0], c.Unread)
	}
	if slices.ContainsFunc(c.Errors, func(e string) bool { return strings.HasPrefix(e, "self: ") }) {
		t.Errorf("errors %q", c.Errors)
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
	if self := c.Processes[0]; self.Counts != nil || !self.RSSBytes.Known() || missed {
		t.Errorf("%+v, errors %q", self, c.Errors)
	}
}

func TestSetMachine(t *testing.T) {
	want := spec.Counters{
		CPUSecondsTotal: maybe.Of(1.5), ThrottledSTotal: maybe.Of(2.5), PeriodsTotal: maybe.Of(200), ThrottledPeriods: maybe.Of(50),
		MemoryBytes: maybe.Of(600000), OOMKillsTotal: maybe.Of(2),
	}
	var got spec.Counters
	setMachine(&got, host.CgroupUsage{
		CPUSeconds: maybe.Of(1.5), ThrottledSeconds: maybe.Of(2.5), Periods: maybe.Of(200), ThrottledPeriods: maybe.Of(50),
		WorkingSetBytes: maybe.Of(600000), OOMKills: maybe.Of(2),
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
	p := c.Processes[0]
	if len(c.Errors) > 0 || !(c.MemoryBytes.OrNaN() >= p.RSSBytes.OrNaN()) || !(c.CPUSecondsTotal.OrNaN() >= p.CPUSecondsTotal.OrNaN()) {
		t.Errorf("%+v is not the sum of its processes", c)
	}
	if c.PeriodsTotal.Known() || c.NetRxBytesTotal.Known() {
		t.Errorf("%+v holds the host's counters", c)
	}
	if !slices.Equal(c.Unread, []string{"machine: shares its host: it has no cgroup and no network of its own"}) {
		t.Errorf("it says %q of what is not known", c.Unread)
	}
}

// What can't be read has no key and a reason; what was read as 0 is a 0.
func TestCountersWithoutAFigure(t *testing.T) {
	c := spec.Counters{Processes: []spec.ProcessCounters{{Name: "db"}}}
	setMachine(&c, host.CgroupUsage{OOMKills: maybe.Of(0)})
	setNetwork(&c, 0, 5, nil)
	text, err := json.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	for key, want := range map[string]bool{
		`"cpu_s_total"`: false, `"throttled_s_total"`: false, `"periods_total"`: false, `"throttled_periods_total"`: false,
		`"memory_bytes"`: false, `"rss_bytes"`: false, `"oom_kills_total":0,`: true, `"net_rx_bytes_total":0,`: true, `"net_tx_bytes_total":5,`: true,
	} {
		if strings.Contains(string(text), key) != want {
			t.Errorf("%s is there: %v, want %v: %s", key, !want, want, text)
		}
	}
	var none spec.Counters
	setNetwork(&none, 0, 0, errors.New("no eth interface"))
	if none.NetRxBytesTotal.Known() || none.NetTxBytesTotal.Known() {
		t.Errorf("network that can't be read is %+v", none)
	}
}

// Without the process table nothing is known of the processes, and nothing of a
// machine that is their sum.
func TestAgentWithoutTheProcessTable(t *testing.T) {
	a := testAgent(nil)
	c := spec.Counters{Processes: make([]spec.ProcessCounters, 2)}
	var faults, reasons []string
	a.observeProcesses(nil, make([]error, 2), &c,
		func(source string, err error) {
			if err != nil {
				faults = append(faults, source+": "+err.Error())
			}
		},
		func(source string, err error) { reasons = append(reasons, source) })
	if err := sumProcesses(nil, &c); err == nil || c.CPUSecondsTotal.Known() || c.MemoryBytes.Known() || c.Processes[0].CPUSecondsTotal.Known() || c.Processes[0].RSSBytes.Known() {
		t.Errorf("%+v, error %v", c, err)
	}
	if !slices.Equal(faults, []string{"broken: not started"}) || len(reasons) > 0 {
		t.Errorf("faults %q, reasons of %q", faults, reasons)
	}
}

// A process that has gone is a fault, and no figure that can't be read.
func TestAgentNamesAProcessThatIsGone(t *testing.T) {
	a := testAgent(nil)
	a.pidOf = func(string) int { return 77 }
	c := spec.Counters{Processes: make([]spec.ProcessCounters, 2)}
	var faults []string
	a.observeProcesses(host.Processes{1: {}}, make([]error, 2), &c,
		func(source string, err error) {
			if err != nil {
				faults = append(faults, source+": "+err.Error())
			}
		},
		func(source string, err error) { t.Errorf("%s is taken for unreadable: %v", source, err) })
	if !slices.Equal(faults, []string{"self: process 77 is not there", "broken: process 77 is not there"}) || c.Processes[0].CPUSecondsTotal.Known() {
		t.Errorf("faults %q, %+v", faults, c)
	}
}
