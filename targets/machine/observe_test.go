// SPDX-License-Identifier: Apache-2.0

package machine

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/fstest"
	"time"

	"headroom/internal/child"
	"headroom/internal/maybe"
	"headroom/scenarios"
	"headroom/targets/machine/spec"
)

// ownProgram is a service that is only asked; it is ready once up says so.
type ownProgram struct {
	fakeCounter
	up     *atomic.Bool
	asked  *atomic.Int64
	closed *atomic.Int64
}

func (p ownProgram) Ready(context.Context) error {
	p.asked.Add(1)
	if !p.up.Load() {
		return errors.New("connection refused")
	}
	return nil
}

func (p ownProgram) Close() { p.closed.Add(1) }

// observed is a service in a container, at db.
func observed(machine, attach string) spec.Observed {
	return spec.Observed{ContainerID: "c0ffee-" + machine, Spec: spec.Spec{Machine: machine, Processes: []spec.Process{{
		Name: machine, Kind: "own", Address: "db", Port: 5432, Service: &scenarios.Service{Image: "x", Attach: scenarios.KindName(attach)},
	}}}}
}

// ownKinds are services, whose counters are told, and what they may be attached to.
func ownKinds(p ownProgram) []Kind {
	return []Kind{
		{Kind: scenarios.Kind{Name: "own", Service: true}, Attach: func(spec.Process) (Program, error) { return p, nil }},
		{Kind: scenarios.Kind{Name: "store", Attaches: true}, Attach: func(spec.Process) (Program, error) {
			return fakeDatabase{fakeCounter: fakeCounter{values: map[string]float64{"rows_total": 7}}}, nil
		}},
		{Kind: scenarios.Kind{Name: "locked", Attaches: true}, Attach: func(spec.Process) (Program, error) {
			return fakeCounter{err: errors.New("password authentication failed")}, nil
		}},
		{Kind: scenarios.Kind{Name: "sparing", Attaches: true}, Attach: func(spec.Process) (Program, error) {
			return fakeCounter{err: &UnknownCountersError{Why: errors.New("no extension")}}, nil
		}},
		{Kind: scenarios.Kind{Name: "broken", Attaches: true}, Attach: func(spec.Process) (Program, error) { return nil, errors.New("no user") }},
		abacus("abacus"),
	}
}

func newOwnProgram() ownProgram {
	return ownProgram{fakeCounter{values: map[string]float64{"hits_total": 5}}, &atomic.Bool{}, &atomic.Int64{}, &atomic.Int64{}}
}

// cgroupOf is the group of a container, of version 2.
func cgroupOf(machine string) fstest.MapFS {
	dir, root := "docker/c0ffee-"+machine+"/", fstest.MapFS{"cgroup.controllers": {}}
	for name, text := range map[string]string{
		"cpu.stat":       "usage_usec 1500000\nnr_periods 4\nnr_throttled 1\nthrottled_usec 500000\n",
		"memory.current": "900\n", "memory.stat": "inactive_file 100\n", "memory.events": "oom_kill 0\n",
	} {
		root[dir+name] = &fstest.MapFile{Data: []byte(text)}
	}
	return root
}

func observerOf(t *testing.T, p ownProgram, machines ...spec.Observed) *observer {
	t.Helper()
	o, err := newObserver(t.Context(), ownKinds(p), spec.Observer{Nonce: "n-9", Machines: machines}, cgroupOf("web"), child.NewSyncWriter(&bytes.Buffer{}))
	if err != nil {
		t.Fatal(err)
	}
	return o
}

func askObserver(t *testing.T, o *observer, path string) *httptest.ResponseRecorder {
	t.Helper()
	res := httptest.NewRecorder()
	o.handler().ServeHTTP(res, httptest.NewRequestWithContext(t.Context(), http.MethodGet, path, nil))
	if got := res.Header().Get(spec.NonceHeader); got != "n-9" {
		t.Errorf("%s: nonce is %q", path, got)
	}
	return res
}

// A machine is asked from the first question on, and ready once it answers.
func TestObserverReady(t *testing.T) {
	p := newOwnProgram()
	o := observerOf(t, p, observed("web", ""))
	if res := askObserver(t, o, "/ready"); res.Code != http.StatusOK {
		t.Errorf("the observer itself: %d %s", res.Code, res.Body)
	}
	if p.asked.Load() != 0 {
		t.Error("the machine is asked before the stage starts it")
	}
	path := spec.ObservedPath("web") + "/ready"
	until(t, "refused", func() bool {
		res := askObserver(t, o, path)
		return res.Code == http.StatusServiceUnavailable && strings.Contains(res.Body.String(), "web: connection refused")
	})
	p.up.Store(true)
	until(t, "ready", func() bool { return askObserver(t, o, path).Code == http.StatusOK })
	for _, elsewhere := range []string{"/machines/db/ready", "/machines/web", "/observe", spec.ObservedPath("web") + "/elsewhere"} {
		if res := askObserver(t, o, elsewhere); res.Code == http.StatusOK {
			t.Errorf("%s answers %s", elsewhere, res.Body)
		}
	}
	if o.close(); p.closed.Load() != 1 {
		t.Errorf("closed %d times", p.closed.Load())
	}
}

// A machine whose counters can't be asked for is not ready, and says why; one that says
// why it can't count is.
func TestObserverReadyWithCounters(t *testing.T) {
	for attach, want := range map[string]string{"": "", "store": "", "sparing": "", "locked": "db: its counters: password authentication failed"} {
		p := newOwnProgram()
		p.up.Store(true)
		o := observerOf(t, p, observed("db", attach))
		path := spec.ObservedPath("db") + "/ready"
		until(t, "as it should be, attached as "+attach, func() bool {
			res := askObserver(t, o, path)
			if want == "" {
				return res.Code == http.StatusOK
			}
			return res.Code == http.StatusServiceUnavailable && strings.Contains(res.Body.String(), want)
		})
	}
	p := newOwnProgram()
	p.up.Store(true)
	p.err = errors.New("404 Not Found")
	o := observerOf(t, p, observed("web", ""))
	until(t, "refused by its own counters", func() bool {
		return strings.Contains(askObserver(t, o, spec.ObservedPath("web")+"/ready").Body.String(), "web: its counters: 404 Not Found")
	})
}

// A machine is asked as long as its process may take, and the end says so.
func TestObserverGivesUp(t *testing.T) {
	m := observed("web", "")
	m.Spec.Processes[0].Service.Ready.Within = 20 * time.Millisecond
	o := observerOf(t, newOwnProgram(), m)
	until(t, "given up", func() bool {
		res := askObserver(t, o, spec.ObservedPath("web")+"/ready")
		return res.Code == http.StatusServiceUnavailable && strings.Contains(res.Body.String(), "web: not ready within 20ms: connection refused")
	})
}

// What can be read from outside is there, and the rest is absent with the reason.
func TestObserverObserves(t *testing.T) {
	o := observerOf(t, newOwnProgram(), observed("web", ""), observed("db", "store"))
	var web, db spec.Counters
	for machine, into := range map[string]*spec.Counters{"web": &web, "db": &db} {
		if err := json.Unmarshal(askObserver(t, o, spec.ObservedPath(machine)+"/observe").Body.Bytes(), into); err != nil {
			t.Fatal(err)
		}
		if into.Machine != machine || into.MonotonicNano <= 0 || into.StartedUnixNano <= 0 || len(into.Errors) > 0 || len(into.Processes) != 1 {
			t.Errorf("%s: %+v", machine, into)
		}
		if into.NetRxBytesTotal.Known() || into.NetTxBytesTotal.Known() || into.Processes[0].RSSBytes.Known() || !slices.Contains(into.Unread, "machine: "+errOutside.Error()) || !slices.Contains(into.Unread, spec.NetworkOutside) {
			t.Errorf("%s: what can't be read is there: %+v", machine, into)
		}
	}
	p := web.Processes[0]
	if web.CPUSecondsTotal != maybe.Of(1.5) || web.MemoryBytes != maybe.Of(800) || web.ThrottledSTotal != maybe.Of(0.5) || p.CPUSecondsTotal != maybe.Of(1.5) || p.Name != "web" || p.Kind != "own" || p.Counts["hits_total"] != 5 {
		t.Errorf("%+v", web)
	}
	// A container whose group is not there has no figures, and no zeros.
	if db.CPUSecondsTotal.Known() || db.MemoryBytes.Known() || db.Processes[0].CPUSecondsTotal.Known() || !strings.Contains(strings.Join(db.Unread, "\n"), "cgroup: no cgroup of c0ffee-db") {
		t.Errorf("%+v", db)
	}
	if counts := db.Processes[0].Counts; len(counts) != 1 || counts["rows_total"] != 7 {
		t.Errorf("attached, it counts %v", counts)
	}
	body := strings.NewReader(`{"process":"db","table":"orders","ids":[3,11]}`)
	res := httptest.NewRecorder()
	o.handler().ServeHTTP(res, httptest.NewRequestWithContext(t.Context(), http.MethodPost, spec.ObservedPath("db")+"/rows", body))
	if strings.TrimSpace(res.Body.String()) != `{"ids":[3]}` {
		t.Errorf("rows of what is attached: %d %s", res.Code, res.Body)
	}
}

// Whoever can't be asked is named, and what was made until then is given back.
func TestObserverRefuses(t *testing.T) {
	for attach, want := range map[string]string{
		"abacus": "machine db: process db: a abacus can't be asked from outside",
		"nobody": "machine db: process db: a nobody can't be asked from outside",
		"broken": "machine db: process db: asking it as a broken: no user",
	} {
		p := newOwnProgram()
		o := spec.Observer{Machines: []spec.Observed{observed("web", ""), observed("db", attach)}}
		_, err := newObserver(t.Context(), ownKinds(p), o, fstest.MapFS{}, child.NewSyncWriter(&bytes.Buffer{}))
		if err == nil || err.Error() != want {
			t.Errorf("error is %v, want %q", err, want)
		}
		if p.closed.Load() != 2 {
			t.Errorf("%s: %d of 2 programs are closed", attach, p.closed.Load())
		}
	}
}

func TestObserverFromEnv(t *testing.T) {
	const service = `"service":{"image":"x","ready":{"tcp":true,"within_ns":1},"limits":"start"}`
	for text, want := range map[string]string{
		`{"nonce":"n","machines":[{"spec":{"machine":"m","processes":[{"name":"p","kind":"own","address":"h","port":1,` + service + `}]},"container_id":"c"}]}`:    "",
		`{"nonce":"n","machines":[{"spec":{"machine":"m","processes":[{"name":"p","kind":"own","address":"h","port":9900,` + service + `}]},"container_id":"c"}]}`: "", // no agent is there
		`{"nonce":"n"}`:   "has no machine to answer for",
		`{"machine":"m"}`: "unknown field",
		`{"machines":[{"spec":{"machine":"m"},"container_id":"c"}]}`:                                                           "machine m: has no process",
		`{"machines":[{"spec":{"machine":"m","processes":[{"name":"p","address":"h","port":1,` + service + `}]}}]}`:            "machine m: what is observed is one service",
		`{"machines":[{"spec":{"machine":"m","processes":[{"name":"p","port":1,` + service + `}]},"container_id":"c"}]}`:       "machine m: what is observed is one service",
		`{"machines":[{"spec":{"machine":"m","processes":[{"name":"p","address":"h","port":1}]},"container_id":"c"}]}`:         "machine m: what is observed is one service",
		`{"machines":[{"spec":{"machine":"m","processes":[{"name":"p","port":1},{"name":"q","port":2}]},"container_id":"c"}]}`: "machine m: what is observed is one service",
	} {
		t.Setenv(spec.EnvObserver, text)
		kinds := ownKinds(newOwnProgram())
		kinds[0].Facts.Label = "own"
		got, err := ObserverFromEnv(kinds)
		if want == "" {
			if err != nil || got.Nonce != "n" || got.Machines[0].Spec.Processes[0].Facts.Label != "own" || !got.Machines[0].Spec.Processes[0].Service.Ready.TCP {
				t.Errorf("%+v, %v", got, err)
			}
			continue
		}
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error is %v, want %q", text, err, want)
		}
	}
}
