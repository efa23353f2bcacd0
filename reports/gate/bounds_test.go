// SPDX-License-Identifier: Apache-2.0

package gate

import (
	"math"
	"slices"
	"strings"
	"testing"

	"headroom/harness/record"
	"headroom/scenarios"
)

func near(t *testing.T, what string, got, want, tolerance float64) {
	t.Helper()
	if !(math.Abs(got-want) <= tolerance) {
		t.Errorf("%s: got %v, want %v", what, got, want)
	}
}

// Student's t of 0.1, 0.2, 0.3 about 0.1 is the square root of 3; values that agree
// to the last digit scatter by a thousandth all the same.
func TestTOf(t *testing.T) {
	near(t, "t", tOf([]float64{0.1, 0.2, 0.3}, 0.1), math.Sqrt(3), 1e-12)
	near(t, "t below", tOf([]float64{0.1, 0.2, 0.3}, 0.3), -math.Sqrt(3), 1e-12)
	near(t, "t of what agrees", tOf([]float64{0.5, 0.5, 0.5, 0.5}, 0.4), 0.1/(0.001/2), 1e-9)
	mean, sd := meanAndSD([]float64{7})
	near(t, "mean of one", mean, 7, 0)
	near(t, "scatter of one", sd, 0, 0)
	mean, sd = meanAndSD([]float64{1, 3})
	near(t, "mean of two", mean, 2, 0)
	near(t, "scatter of two", sd, math.Sqrt2, 1e-12)
}

// Each evidence is of its own bound: a mean of just 2% is none of a regression, one
// of just 10% none of a pass, and beyond them both grow.
func TestEvidenceOfEachBound(t *testing.T) {
	about := func(ratio float64) []float64 {
		d := []float64{0.01, -0.01, 0.008, -0.008}
		for i := range d {
			d[i] += math.Log(ratio)
		}
		return d
	}
	none := evidenceOfT(0, 4)
	near(t, "a regression of just 2%", forRegression(about(1.02)), none, 1e-9)
	near(t, "a pass of just 10%", forPass(about(1.10)), none, 1e-9)
	near(t, "a drift of nothing", forDrift(about(1)), none, 1e-9)
	for name, e := range map[string]float64{"10% slower": forRegression(about(1.10)), "no slower": forPass(about(1)), "10% faster": forPass(about(0.9))} {
		if e < evidenceThreshold {
			t.Errorf("%s: evidence %v", name, e)
		}
	}
	for name, e := range map[string]float64{"no slower": forRegression(about(1)), "20% slower": forPass(about(1.2))} {
		if e > none {
			t.Errorf("%s: evidence %v", name, e)
		}
	}
	x := tOf(about(1.01), 0)
	near(t, "a drift is looked for to both sides", forDrift(about(1.01)), (evidenceOfT(x, 4)+evidenceOfT(-x, 4))/2, 1e-9)
}

// Student's 95% interval of 0.1, 0.2, 0.3: t is 4.30265 at 2 degrees.
func TestIntervalOfASeries(t *testing.T) {
	half := 4.30265 * 0.1 / math.Sqrt(3)
	ratio, low, high := Series{D: []float64{0.1, 0.2, 0.3}}.Interval()
	near(t, "ratio", ratio, math.Exp(0.2), 1e-12)
	near(t, "low", low, math.Exp(0.2-half), 1e-5)
	near(t, "high", high, math.Exp(0.2+half), 1e-5)
	_, low, _ = Series{D: []float64{0.2, 0.2, 0.2}}.Interval()
	near(t, "low of what agrees", low, math.Exp(0.2-4.30265*0.001/math.Sqrt(3)), 1e-5)
	near(t, "percent", percent(1.25), 25, 1e-12)
}

// Blocks beyond the twentieth change nothing, of the rule and of its control.
func TestNoLookBeyondTheLast(t *testing.T) {
	var d []float64
	for i := range MaxBlocks {
		d = append(d, 0.06+0.1*float64(1-2*(i%2)))
	}
	twenty := Decide([]Series{of(d...)}, nil)[0]
	if twenty.Status != StatusOpen {
		t.Fatalf("after %d blocks: %+v", MaxBlocks, twenty)
	}
	more := of(append(slices.Clone(d), 0.06, 0.06, 0.06, 0.06)...)
	if got := Decide([]Series{more}, nil)[0]; got.For != twenty.For || got.Against != twenty.Against || got.Status != StatusOpen {
		t.Errorf("after %d blocks: %+v, before %+v", len(more.D), got, twenty)
	}
	more.Null[0] = append(slices.Clone(more.Null[0][:MaxBlocks]), 9, 9, 9, 9)
	if got := Decide([]Series{more}, nil)[0]; got.Status != StatusOpen {
		t.Errorf("a control that drifts later: %+v", got)
	}
}

// A control that drifts as surely as its share of all controls asks for takes the
// verdict: two sides of each metric share the one in a hundred.
func TestDriftOfManyMetrics(t *testing.T) {
	s := of(0.18, 0.184, 0.179, 0.186, 0.181, 0.182)
	s.Null[0] = []float64{0.05, 0.06, 0.045, 0.055, 0.05, 0.052}
	e := forDrift(s.Null[0])
	metrics := 1
	for e >= evidenceThreshold*float64(2*metrics) {
		metrics++
	}
	if metrics == 1 {
		t.Fatalf("evidence %v is of no drift", e)
	}
	if why := s.drifts(metrics - 1); !strings.Contains(why, "slices of before, which are equal, differ by +5.3%") {
		t.Errorf("among %d metrics: %q", metrics-1, why)
	}
	if why := s.drifts(metrics); why != "" {
		t.Errorf("among %d metrics: %q", metrics, why)
	}
}

func TestVerdictOfStatuses(t *testing.T) {
	for _, test := range []struct {
		counted, timed []Status
		unfit          string
		want           Verdict
		lacks          bool
	}{
		{nil, nil, "", NoVerdict, true},
		{nil, nil, "stood still", NoVerdict, false},
		{[]Status{StatusSame}, nil, "", Pass, false},
		{[]Status{StatusSame, StatusBetter}, []Status{StatusAccepted, StatusSame}, "", Pass, false},
		{[]Status{StatusSame}, nil, "stood still", NoVerdict, false},
		{[]Status{StatusRegression}, nil, "stood still", Regression, false},
		{[]Status{StatusAbsent, StatusRegression}, nil, "", Regression, true},
		{[]Status{StatusSame}, []Status{StatusRegression, StatusOpen}, "", Regression, false},
		{[]Status{StatusAbsent, StatusSame}, nil, "", NoVerdict, true},
		{[]Status{StatusImplausible}, nil, "", NoVerdict, true},
		{[]Status{StatusSame}, []Status{StatusOpen}, "", NoVerdict, false},
		{[]Status{StatusSame}, []Status{StatusUnmeasurable}, "", NoVerdict, false},
		{nil, []Status{StatusAbsent}, "", NoVerdict, true},
	} {
		var r Result
		r.Unfit = test.unfit
		for _, s := range test.counted {
			r.Counted = append(r.Counted, CountResult{Status: s})
		}
		for _, s := range test.timed {
			r.Timed = append(r.Timed, Timed{Status: s})
		}
		if got := r.verdict(); got != test.want || r.LacksData() != test.lacks {
			t.Errorf("%v and %v, unfit %q: %s, lacks data %v", test.counted, test.timed, test.unfit, got, r.LacksData())
		}
		if red := slices.Contains(test.counted, StatusRegression); Red(r.Counted) != red {
			t.Errorf("%v are red: %v", test.counted, !red)
		}
	}
	for status, want := range map[Status]bool{StatusOpen: true, StatusUnmeasurable: true, StatusAbsent: false, StatusSame: false} {
		if got := status.ofNoise(); got != want {
			t.Errorf("%s is of noise: %v", status, got)
		}
	}
	about := About{Scenario: scenario(t), Unfit: "stood still"}
	if r := NewResult(about, []CountResult{{Status: StatusRegression}}, nil, nil, nil); !slices.Equal(r.Notes, []string{"nothing was timed: stood still"}) {
		t.Errorf("the notes of a red gate that was not timed: %q", r.Notes)
	}
	if r := NewResult(about, []CountResult{{Status: StatusSame}}, nil, nil, nil); len(r.Notes) > 0 {
		t.Errorf("what the sentence says is noted too: %q", r.Notes)
	}
}

// Idle work falls out by the line through all readings; neither it nor what is left
// is below 0.
func TestWhatGoesOnUnasked(t *testing.T) {
	trials := func(readings ...idleReading) []record.Trial {
		var out []record.Trial
		for _, r := range readings {
			idle := trial(scenarios.After, record.RateIdle)
			idle.Machines = idle.Machines[1:]
			idle.Machines[0].WindowS, idle.Machines[0].Processes[0].Counts = r.windowS, map[string]float64{"allocations": r.n}
			out = append(out, idle)
		}
		return out
	}
	machine := func(window float64) record.MachineUse { return record.MachineUse{Machine: "app", WindowS: window} }
	for _, test := range []struct {
		name     string
		readings []idleReading
		window   float64
		want     float64
		known    bool
	}{
		{"no window", nil, 0, 0, true},
		{"never read", nil, 1, 0, false},
		{"a reading of no window", []idleReading{{0, 5}}, 1, 0, false},
		{"one window: by time", []idleReading{{2, 10}}, 6, 30, true},
		{"equal windows: their mean, by time", []idleReading{{2, 10}, {2, 14}}, 1, 6, true},
		{"a line: 4 a reading, 3 a second", []idleReading{{1, 7}, {2, 10}, {3, 13}}, 10, 34, true},
		{"a line that falls is level", []idleReading{{1, 10}, {3, 2}}, 10, 6, true},
		{"a line below 0", []idleReading{{2, 10}, {4, 30}}, 0.5, 0, true},
	} {
		got, known := idleOf(trials(test.readings...)).during(scenarios.After, machine(test.window), "", "allocations")
		if math.Abs(got-test.want) > 1e-9 || known != test.known {
			t.Errorf("%s: %v (%v), want %v (%v)", test.name, got, known, test.want, test.known)
		}
	}
	invalid := trials(idleReading{2, 10}, idleReading{2, 10})
	invalid[1].Invalid = []string{"restarted"}
	if _, known := idleOf(invalid).during(scenarios.After, machine(1), "", "allocations"); known {
		t.Error("a reading that was invalid is known")
	}
	one := trial(scenarios.After, "GET /")
	one.Machines[1].WindowS = 100 // it does more unasked than was counted
	idle := trials(idleReading{1, 5000})
	for _, m := range Counted(known(), append(idle, one), requests).metrics {
		if m.Metric == "allocations" {
			t.Errorf("less than nothing is %+v", m)
		}
	}
}

// What a trial's requests did is known only where enough were sent and one of them
// succeeded; of what was not valid not even failures are.
func TestProblemsOfATrial(t *testing.T) {
	counts := func(sent, succeeded int64, invalid ...string) Counts {
		one := trial(scenarios.After, "GET /")
		one.Measurement.Sent, one.Measurement.Succeeded, one.Measurement.Failed = sent, succeeded, sent-succeeded
		one.Invalid = invalid
		return Counted(known(), []record.Trial{one}, requests)
	}
	at := place{scenarios.After, "GET /"}
	for _, test := range []struct {
		name    string
		c       Counts
		problem string
		errors  float64
		fails   bool
	}{
		{"enough", counts(requests, requests), "", 0, false},
		{"more than enough", counts(requests+1, requests+1), "", 0, false},
		{"one short", counts(requests-1, requests-1), "99 requests were sent, 100 are needed", 0, false},
		{"one succeeded", counts(requests, 1), "", 0.99, true},
		{"none succeeded", counts(requests, 0), "all of its 100 requests failed: ", 1, true},
		{"none was sent", counts(0, 0), "0 requests were sent, 100 are needed", 0, false},
		{"not valid", counts(requests, 50, "restarted"), "restarted", 0, false},
	} {
		if got := test.c.problems[at]; got != test.problem || test.c.measured[at] != (test.problem == "") || (test.c.Failing() != nil) != test.fails {
			t.Errorf("%s: problem %q, measured %v, failing %v", test.name, got, test.c.measured[at], test.c.Failing())
		}
		failed := 0.0
		for _, m := range test.c.metrics {
			if m.Metric == errorsKey {
				failed = m.Value
			}
		}
		if failed != test.errors {
			t.Errorf("%s: %v of its requests failed, want %v", test.name, failed, test.errors)
		}
	}
}

// A kind may count one thing under several keys: all are added up, and all must have
// been read.
func TestSeveralKeysOfOneMeaning(t *testing.T) {
	s := &scenarios.Scenario{Kinds: []scenarios.Kind{{Name: "broker", Facts: scenarios.Facts{Counters: []scenarios.Counter{
		{Key: "put", Meaning: scenarios.MeaningMessages, Total: true}, {Key: "forwarded", Meaning: scenarios.MeaningMessages, Total: true}}}}}}
	counted := func(counts map[string]float64) Counts {
		one := trial(scenarios.After, "GET /")
		one.Machines = []record.MachineUse{{Machine: "m", Processes: []record.ProcessUse{{Name: "p", Kind: "broker", Counts: counts}}}}
		return Counted(s, []record.Trial{one}, requests)
	}
	messages := 0.0
	for _, m := range counted(map[string]float64{"put": 2 * requests, "forwarded": requests, "other": 9}).metrics {
		if m.Metric == "messages" {
			messages = m.Value
		}
	}
	if messages != 3 {
		t.Errorf("%v messages, want 3", messages)
	}
	half := counted(map[string]float64{"put": 2 * requests})
	if why := half.unread[place{scenarios.After, "GET /"}]["messages"]; why != "the counters of broker could not be read" {
		t.Errorf("half was read: %q", why)
	}
}

// Two services of one kind count each in its own way, and are called by their names.
func TestCountersOfServices(t *testing.T) {
	service := func(name string, counters ...scenarios.Counter) scenarios.Process {
		return scenarios.Process{Name: name, Kind: "own", Facts: scenarios.Facts{Label: name, Counters: counters}, Service: &scenarios.Service{Image: "a"}}
	}
	messages := scenarios.Counter{Key: "messages", Meaning: scenarios.MeaningMessages, Total: true}
	topology := scenarios.Topology{Machines: []scenarios.Machine{
		{Name: "m", Processes: []scenarios.Process{service("first", messages)}}, {Name: "n", Processes: []scenarios.Process{service("second")}}}}
	s := &scenarios.Scenario{Before: topology, After: topology, Kinds: []scenarios.Kind{{Name: "own", Service: true}}}
	counted := func(first map[string]float64) Counts {
		one := trial(scenarios.After, "GET /")
		one.Machines = []record.MachineUse{{Machine: "m", Processes: []record.ProcessUse{{Name: "first", Kind: "own", Counts: first}}},
			{Machine: "n", Processes: []record.ProcessUse{{Name: "second", Kind: "own", Counts: map[string]float64{"messages": 9 * requests}}}}}
		return Counted(s, []record.Trial{one}, requests)
	}
	found := 0.0
	for _, m := range counted(map[string]float64{"messages": 2 * requests}).metrics {
		if m.Metric == "messages" {
			found = m.Value
		}
	}
	if found != 2 {
		t.Errorf("%v messages, want 2", found)
	}
	if why := counted(nil).unread[place{scenarios.After, "GET /"}]["messages"]; why != "the counters of first could not be read" {
		t.Errorf("nothing was read: %q", why)
	}
	for _, of := range sources {
		if of.of != scenarios.MeaningMessages {
			continue
		}
		if got := of.countedBy(s); !slices.Equal(got, []string{"first"}) {
			t.Errorf("%s are counted by %q", of.key, got)
		}
	}
}
