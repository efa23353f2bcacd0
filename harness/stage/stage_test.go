// SPDX-License-Identifier: Apache-2.0

package stage

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"

	"headroom/scenarios"
)

func machine(name string, to ...string) scenarios.Machine {
	p := scenarios.Process{Name: "p", Port: 8000}
	if len(to) > 0 {
		p.Links = []scenarios.Link{{Role: "r", To: to}}
	}
	return scenarios.Machine{Name: name, Processes: []scenarios.Process{p}}
}

// Each machine is told its place in the topology, after all that it links to.
func TestInOrder(t *testing.T) {
	topology := scenarios.Topology{Machines: []scenarios.Machine{machine("lb", "app-1/p", "app-2/p"), machine("app-1", "db/p"), machine("app-2", "db/p"), machine("db")}}
	var mu sync.Mutex
	var started []string
	err := InOrder(t.Context(), topology, func(_ context.Context, m scenarios.Machine, i int) error {
		mu.Lock()
		defer mu.Unlock()
		if topology.Machines[i].Name != m.Name {
			t.Errorf("%s is said to be machine %d", m.Name, i)
		}
		started = append(started, m.Name)
		return nil
	})
	if err != nil || len(started) != 4 || started[0] != "db" || started[3] != "lb" {
		t.Errorf("started %v, %v", started, err)
	}
	failure := errors.New("no")
	calls := 0
	err = InOrder(t.Context(), topology, func(context.Context, scenarios.Machine, int) error { calls++; return failure })
	if !errors.Is(err, failure) || calls != 1 {
		t.Errorf("after a failure: %d calls, error %v", calls, err)
	}
}

func TestLimitedBuffer(t *testing.T) {
	b := LimitedBuffer{LimitBytes: 4}
	if _, err := b.Write([]byte("1234")); err != nil {
		t.Error(err)
	}
	if _, err := b.Write([]byte("5")); err == nil || b.String() != "1234" {
		t.Errorf("holds %q, error %v", b.String(), err)
	}
}

func TestDatasetNameIsItsContent(t *testing.T) {
	of := func(kind scenarios.KindName, words ...string) scenarios.Dataset {
		return scenarios.Dataset{Process: scenarios.Process{Kind: kind, Seed: words}}
	}
	base := of("postgres", "seed", "--users", "12")
	name := DatasetName(base, "v1")
	if name != DatasetName(base, "v1") {
		t.Error("the same dataset has two names")
	}
	for what, other := range map[string]string{
		"version": DatasetName(base, "v2"),
		"command": DatasetName(of("postgres", "seed", "--users", "13"), "v1"),
		"words":   DatasetName(of("postgres", "seed", "--users 12"), "v1"),
		"kind":    DatasetName(of("valkey", "seed", "--users", "12"), "v1"),
	} {
		if other == name {
			t.Errorf("datasets of another %s share the name %s", what, other)
		}
	}
}

func TestCheckDatasets(t *testing.T) {
	topology := scenarios.Topology{Machines: []scenarios.Machine{
		{Name: "cache", Processes: []scenarios.Process{{Name: "valkey", Kind: "valkey"}}},
		{Name: "database", Processes: []scenarios.Process{{Name: "postgres", Kind: "postgres", Seed: []string{"make", "it"}}}},
	}}
	for _, made := range []bool{true, false} {
		err := CheckDatasets(topology, func(scenarios.Dataset) bool { return made })
		if made && err != nil || !made && (err == nil || !strings.Contains(err.Error(), "machine database") || !strings.Contains(err.Error(), "make it")) {
			t.Errorf("made %v: %v", made, err)
		}
	}
}
