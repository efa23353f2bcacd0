package stage

import (
	"context"
	"errors"
	"reflect"
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

func TestWaves(t *testing.T) {
	tests := []struct {
		name     string
		machines []scenarios.Machine
		want     [][]string
		err      string
	}{
		{name: "one machine", machines: []scenarios.Machine{machine("a")}, want: [][]string{{"a"}}},
		{name: "a link within a machine", machines: []scenarios.Machine{machine("a", "a/other")}, want: [][]string{{"a"}}},
		{
			name:     "entry first in the file",
			machines: []scenarios.Machine{machine("lb", "app-1/p", "app-2/p"), machine("app-1", "db/p"), machine("app-2", "db/p", "mail/p"), machine("db"), machine("mail")},
			want:     [][]string{{"db", "mail"}, {"app-1", "app-2"}, {"lb"}},
		},
		{name: "cycle", machines: []scenarios.Machine{machine("x"), machine("a", "b/p"), machine("b", "a/p")}, err: "machines a, b wait for each other"},
		{name: "unknown machine", machines: []scenarios.Machine{machine("a", "nowhere/p")}, err: "machines a wait"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got, err := waves(scenarios.Topology{Label: "t", Machines: test.machines})
			if test.err != "" {
				if err == nil || !strings.Contains(err.Error(), test.err) {
					t.Fatalf("error %v, want %q", err, test.err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			var names [][]string
			for _, wave := range got {
				var row []string
				for _, m := range wave {
					row = append(row, m.Name)
				}
				names = append(names, row)
			}
			if !reflect.DeepEqual(names, test.want) {
				t.Errorf("waves %v, want %v", names, test.want)
			}
		})
	}
}

func TestNeedsDataset(t *testing.T) {
	primary := scenarios.Process{Name: "p", Kind: scenarios.KindPostgres}
	replica := scenarios.Process{Name: "r", Kind: scenarios.KindPostgres, Links: []scenarios.Link{{Role: "primary", To: []string{"m/p"}}}}
	shop := scenarios.Process{Name: "s", Kind: scenarios.KindShop, Links: []scenarios.Link{{Role: "database", To: []string{"m/p"}}}}
	for _, test := range []struct {
		processes []scenarios.Process
		want      bool
	}{{nil, false}, {[]scenarios.Process{shop}, false}, {[]scenarios.Process{replica}, false},
		{[]scenarios.Process{shop, primary}, true}, {[]scenarios.Process{replica, primary}, true}} {
		if got := NeedsDataset(scenarios.Machine{Processes: test.processes}); got != test.want {
			t.Errorf("%+v needs the dataset: %t", test.processes, got)
		}
	}
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
	base := scenarios.Dataset{Users: 1, Posts: 23, Orders: 4}
	name := DatasetName(base, "v1")
	if name != DatasetName(base, "v1") {
		t.Error("the same dataset has two names")
	}
	for _, other := range []string{
		DatasetName(base, "v2"),
		DatasetName(scenarios.Dataset{Users: 12, Posts: 3, Orders: 4}, "v1"),
		DatasetName(scenarios.Dataset{Users: 1, Posts: 23, Orders: 4, Shards: 2}, "v1"),
	} {
		if other == name {
			t.Errorf("two datasets share the name %s", other)
		}
	}
}
