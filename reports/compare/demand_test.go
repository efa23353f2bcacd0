// SPDX-License-Identifier: Apache-2.0

package compare

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"headroom/harness/record"
	"headroom/internal/maybe"
	"headroom/scenarios"
	"headroom/targets/kinds"
)

// using is a machine that used so much CPU for 10 s, alike for its processes.
func using(machine, group string, quota, cpu float64, processes ...string) record.MachineUse {
	m := record.MachineUse{Machine: machine, Group: group, WindowS: 10, QuotaCPUs: quota, CPUSeconds: maybe.Of(cpu), Periods: maybe.Of(0), ThrottledPeriods: maybe.Of(0)}
	for _, name := range processes {
		m.Processes = append(m.Processes, record.ProcessUse{Name: name, CPUSeconds: maybe.Of(cpu / float64(len(processes)))})
	}
	return m
}

func demandsOf(succeeded int64, machines ...record.MachineUse) []Demand {
	return Pool([]record.Trial{{Measurement: record.Measurement{Succeeded: succeeded, Sent: succeeded}, Machines: machines}}, kinds.Data()).Demands()
}

// What can't be a demand is left out: no quota, no time, no answer, not ours.
func TestDemandsNeedAllFigures(t *testing.T) {
	external, timeless := using("mail", "", 1, 5), using("new", "", 1, 5)
	external.External, timeless.WindowS = true, 0
	got := demandsOf(1000, external, timeless, using("unlimited", "", 0, 5), using("a", "", 0.5, 2, "p"))
	if len(got) != 1 || got[0].Machine != "a" || got[0].Group != "a" || got[0].Machines != 1 || got[0].ThrottledShare != maybe.Of(0) {
		t.Fatalf("%+v", got)
	}
	near(t, "demand", got[0].CPUms.OrNaN(), 2, 1e-12)              // 2 s for 1,000 requests
	near(t, "utilisation", got[0].Utilisation.OrNaN(), 0.4, 1e-12) // of 0.5 CPUs for 10 s
	if got := demandsOf(0, using("a", "", 0.5, 2, "p")); len(got) != 0 {
		t.Errorf("without an answer: %+v", got)
	}
}

// Machines stand by utilisation, and a machine's processes by their CPU time.
func TestDemandsAreSorted(t *testing.T) {
	both := using("both", "", 1, 3, "small", "large")
	both.Processes[0].CPUSeconds, both.Processes[1].CPUSeconds = maybe.Of(1), maybe.Of(2)
	got := demandsOf(1000, using("idle", "", 1, 1, "p"), both, using("busy", "", 0.1, 0.9, "p"))
	var names []string
	for _, d := range got {
		names = append(names, d.Machine)
	}
	if want := []string{"busy", "both", "idle"}; !slices.Equal(names, want) {
		t.Fatalf("%v, want %v", names, want)
	}
	near(t, "busy's demand", got[0].CPUms.OrNaN(), 0.9, 1e-12)
	if p := got[1].Processes; p[0].Name != "large" || p[0].CPUms != maybe.Of(2) || p[1].CPUms != maybe.Of(1) {
		t.Errorf("processes %+v", p)
	}
	near(t, "large's part of the machine", got[1].Processes[0].Utilisation.OrNaN(), 0.2, 1e-12)
	near(t, "the bound is the busiest's", BoundRPS(got), 1000*0.1/0.9, 1e-9) // 0.9 ms of 0.1 CPUs
	if got := BoundRPS([]Demand{{QuotaCPUs: 1, CPUms: maybe.Of(0)}}); got != 0 {
		t.Errorf("a machine that did nothing bounds at %v", got)
	}
}

// The mean of a group speaks for machines that are as busy but for a tenth, and run
// the same.
func TestCollapseOnlyWhatIsAlike(t *testing.T) {
	for _, test := range []struct {
		name string
		a, b record.MachineUse
		want int
	}{
		{"a tenth apart", using("a", "g", 1, 1, "p"), using("b", "g", 1, 0, "p"), 1},
		{"more than a tenth apart", using("a", "g", 1, 1.01, "p"), using("b", "g", 1, 0, "p"), 2},
		{"another process", using("a", "g", 1, 1, "p"), using("b", "g", 1, 1, "q"), 2},
		{"a process more", using("a", "g", 1, 1, "p"), using("b", "g", 1, 1, "p", "q"), 2},
		{"another group", using("a", "g", 1, 1, "p"), using("b", "h", 1, 1, "p"), 2},
	} {
		if got := Collapse(demandsOf(1000, test.a, test.b)); len(got) != test.want {
			t.Errorf("%s: %+v, want %d", test.name, got, test.want)
		}
	}
	a, b := using("a", "g", 1, 4, "p", "q"), using("b", "g", 3, 13.5, "p", "q")
	a.Periods, a.ThrottledPeriods, b.Periods, b.ThrottledPeriods = maybe.Of(100), maybe.Of(10), maybe.Of(100), maybe.Of(30)
	got := Collapse(demandsOf(1000, a, b))
	if len(got) != 1 || got[0].Machine != "g" || got[0].Machines != 2 {
		t.Fatalf("%+v", got)
	}
	near(t, "mean demand", got[0].CPUms.OrNaN(), 8.75, 1e-12)
	near(t, "mean quota", got[0].QuotaCPUs, 2, 1e-12)
	near(t, "mean utilisation", got[0].Utilisation.OrNaN(), 0.425, 1e-12)
	near(t, "mean throttling", got[0].ThrottledShare.OrNaN(), 0.2, 1e-12)
	near(t, "mean demand of p", got[0].Processes[0].CPUms.OrNaN(), 4.375, 1e-12)
	near(t, "mean utilisation of p", got[0].Processes[0].Utilisation.OrNaN(), 0.2125, 1e-12)
}

// A machine whose CPU time is not known stands last, and may be the first to be full:
// there is no bound.
func TestDemandsThatAreNotKnown(t *testing.T) {
	unknown := using("unknown", "", 1, 9, "p", "q")
	unknown.CPUSeconds, unknown.Processes[0].CPUSeconds = maybe.Number{}, maybe.Number{}
	unthrottled := using("busy", "", 1, 5, "p")
	unthrottled.Periods = maybe.Number{}
	got := demandsOf(1000, unknown, using("idle", "", 1, 1, "p"), unthrottled)
	if len(got) != 3 || got[0].Machine != "busy" || got[1].Machine != "idle" || got[2].Machine != "unknown" {
		t.Fatalf("%+v", got)
	}
	if d := got[2]; d.CPUms.Known() || d.Utilisation.Known() || d.ThrottledShare != maybe.Of(0) || d.Processes[0].Name != "q" || !d.Processes[0].CPUms.Known() || d.Processes[1].CPUms.Known() {
		t.Errorf("what is not known has a figure: %+v", d)
	}
	if got[0].ThrottledShare.Known() || !got[0].Utilisation.Known() {
		t.Errorf("without its periods: %+v", got[0])
	}
	if names := CPUNotKnown(got); !slices.Equal(names, []string{"unknown"}) {
		t.Errorf("not known are %v", names)
	}
	if bound := BoundRPS(got); bound != 0 {
		t.Errorf("the bound is %v, though a machine may be full before", bound)
	}
	// One of a group is not known: its mean would be a guess.
	other := using("b", "g", 1, 1, "p")
	other.CPUSeconds = maybe.Number{}
	if got := Collapse(demandsOf(1000, using("a", "g", 1, 1, "p"), other)); len(got) != 2 || got[1].Machine != "b" {
		t.Errorf("a machine that is not known is in a mean: %+v", got)
	}
	text, err := json.Marshal(got[2])
	if err != nil || strings.Contains(strings.Split(string(text), "processes")[0], "cpu_ms") || strings.Contains(string(text), "null") {
		t.Errorf("in JSON: %s, error %v", text, err)
	}
}

// Waits and statements are by request: of those sent, and of those that succeeded.
func TestWhereARequestWaits(t *testing.T) {
	shop := record.ProcessUse{Name: "shop", Kind: "shop", Counts: map[string]float64{"pool_wait_s": 6}}
	postgres := record.ProcessUse{Name: "postgres", Kind: "postgres", CPUSeconds: maybe.Of(3), Counts: map[string]float64{"statement_ms": 5000, "lock_waiters": 9}}
	trial := record.Trial{Measurement: record.Measurement{Sent: 2000, Succeeded: 1000, Failed: 1000},
		Machines: []record.MachineUse{{Machine: "a", CPUSeconds: maybe.Of(4), Processes: []record.ProcessUse{shop, postgres}}}}
	s := Pool([]record.Trial{trial}, kinds.Data())
	near(t, "wait for a connection", s.PoolWaitMS(), 3, 1e-12) // 6 s for 2,000 requests
	ms, cpu, ok := s.Statements()
	if !ok {
		t.Error("the statements were counted")
	}
	near(t, "statements", ms, 5, 1e-12)
	near(t, "CPU meanwhile", cpu, 3, 1e-12)
	if got := Pool([]record.Trial{trial, trial, trial}, kinds.Data()).Gauge(scenarios.MeaningLockWaiters); got != 9 {
		t.Errorf("the gauge is %v in the mean, want 9", got)
	}
	trial.Measurement.Succeeded = 0
	if _, _, ok := Pool([]record.Trial{trial}, kinds.Data()).Statements(); ok {
		t.Error("statements of no answer")
	}
	trial.Machines, trial.Measurement.Succeeded = nil, 1
	s = Pool([]record.Trial{trial}, kinds.Data())
	if _, _, ok := s.Statements(); ok || s.PoolWaitMS() != 0 || s.Gauge(scenarios.MeaningLockWaiters) != 0 {
		t.Error("without a database or a shop there is something")
	}
	if got := Pool(nil, kinds.Data()).Gauge(scenarios.MeaningLockWaiters); got != 0 {
		t.Errorf("a gauge of nothing is %v", got)
	}
}
