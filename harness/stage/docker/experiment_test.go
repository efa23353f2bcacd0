// SPDX-License-Identifier: Apache-2.0

package docker

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/moby/moby/client"

	"headroom/harness/observe"
	"headroom/harness/record"
	"headroom/harness/stage"
	"headroom/scenarios"
	"headroom/targets/kinds"
)

// experiment is a scenario of testdata on a stage of its own, with the real
// driver.
type experiment struct {
	*Stage
	scenario *scenarios.Scenario
}

func openExperiment(t *testing.T, name string) experiment {
	t.Helper()
	file := filepath.Join("testdata", name+".yaml")
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	scenario, err := scenarios.Parse(file, text, kinds.Data())
	if err != nil {
		t.Fatal(err)
	}
	s := openReal(t, testUnitCPUs)
	if err := s.StartDriver(t.Context(), 1); err != nil {
		t.Fatal(err)
	}
	return experiment{s, scenario}
}

// start starts a variant, whose Close is the stage's.
func (e experiment) start(t *testing.T, v scenarios.Variant) *System {
	t.Helper()
	request := testRequest(v, e.scenario.Topology(v))
	ensureDatasets(t, e.Stage, request.Topology)
	return startWithQuotas(t, e.Stage, request)
}

// load is one slice under way.
type load struct {
	sys    *System
	entry  string  // the machine that the requests go to
	before float64 // what it had counted when the slice began
	ended  chan struct{}
	m      record.Measurement // after ended
	err    error
}

const loadTimeout = time.Minute // for one slice of some seconds

// drive begins to send the scenario's mix. The job is JSON, as a driver gets
// it, because a stage does not know drivers.
func (e experiment) drive(t *testing.T, sys *System, rps float64, duration time.Duration) *load {
	t.Helper()
	of := e.scenario.Load
	job, err := json.Marshal(map[string]any{
		"base_url": sys.EntryURL(""), "arrivals": of.Arrivals, "rate_rps": rps, "duration_ns": duration, "seed": 1,
		"mix": of.Mix, "keys": of.Keys, "timeout_ns": of.Timeout, "oracles": e.scenario.Oracles,
	})
	if err != nil {
		t.Fatal(err)
	}
	entry, _, _ := strings.Cut(sys.request.Topology.Entry, "/")
	l := &load{sys: sys, entry: entry, ended: make(chan struct{})}
	l.before = counts(t, sys, entry)["requests_total"]
	ctx, cancel := context.WithTimeout(t.Context(), loadTimeout)
	go func() {
		defer cancel()
		defer close(l.ended)
		var out []byte
		if out, l.err = e.Exec(ctx, job, "job"); l.err == nil {
			l.err = json.Unmarshal(out, &l.m)
		}
	}()
	return l
}

// requests is how many requests have arrived.
func (l *load) requests(t *testing.T) float64 {
	t.Helper()
	return counts(t, l.sys, l.entry)["requests_total"] - l.before
}

// reach waits until that many requests have arrived.
func (l *load) reach(t *testing.T, requests float64) {
	t.Helper()
	eventually(t, fmt.Sprintf("%v requests have arrived", requests), loadTimeout, func() bool {
		arrived := l.requests(t) >= requests
		select {
		case <-l.ended:
			t.Fatalf("the load ended with fewer than %v requests: %d were sent, %v", requests, l.m.Sent, l.err)
		default:
		}
		return arrived
	})
}

// wait returns what the driver measured, once it is done.
func (l *load) wait(t *testing.T) record.Measurement {
	t.Helper()
	<-l.ended // its context has a deadline
	if l.err != nil {
		t.Fatal(l.err)
	}
	if l.m.Sent == 0 || l.m.Unsent > 0 {
		t.Fatalf("the driver sent %d requests and left out %d", l.m.Sent, l.m.Unsent)
	}
	return l.m
}

// kill kills a machine with all that runs on it, and waits for its end.
func kill(t *testing.T, sys *System, machine string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	id := containerOf(t, sys, machine)
	if _, err := sys.stage.cli.ContainerKill(ctx, id, client.ContainerKillOptions{Signal: "SIGKILL"}); err != nil {
		t.Fatal(err)
	}
	if _, err := sys.stage.waitExit(ctx, id); err != nil {
		t.Fatal(err)
	}
}

// freeze stops a machine's processes, the children of its first, where they
// are. Killed after that they do not run again: a container that is paused
// would be let go first, and its processes say what they had kept to say.
func freeze(t *testing.T, sys *System, machine string) {
	t.Helper()
	stopped := inside(t, sys, machine,
		`for f in $(grep -ls $'^PPid:\t1$' /proc/[0-9]*/status); do f=${f%/status}; kill -STOP ${f#/proc/} && echo ${f#/proc/}; done`)
	if strings.TrimSpace(stopped) == "" {
		t.Fatalf("machine %s has no process to freeze", machine)
	}
}

// revive starts a machine that was killed, and waits until all of it answers.
// The port of its agent is another one then.
func revive(t *testing.T, sys *System, machine string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), sys.request.ReadyTimeout)
	defer cancel()
	m, id, cli := running(t, sys, machine), containerOf(t, sys, machine), sys.stage.cli
	if _, err := cli.ContainerStart(ctx, id, client.ContainerStartOptions{}); err != nil {
		t.Fatal(err)
	}
	inspected, err := cli.ContainerInspect(ctx, id, client.ContainerInspectOptions{})
	if err != nil {
		t.Fatal(err)
	}
	published := inspected.Container.NetworkSettings.Ports[agentPort]
	if len(published) != 1 {
		t.Fatalf("machine %s publishes its agent at %v", machine, published)
	}
	m.Agent.AgentURL = "http://" + net.JoinHostPort(loopback, published[0].HostPort)
	eventually(t, machine+" is ready again", sys.request.ReadyTimeout, func() bool {
		return observe.Ready(ctx, m.Agent.AgentURL, m.Agent.Nonce) == nil
	})
}

// running is the system's own record of a machine: what a test changes stays.
func running(t *testing.T, sys *System, name string) *stage.Machine {
	t.Helper()
	for i := range sys.machines {
		if sys.machines[i].Name == name {
			return &sys.machines[i]
		}
	}
	t.Fatalf("no machine %s", name)
	return nil
}
