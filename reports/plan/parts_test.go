// SPDX-License-Identifier: Apache-2.0

package plan

import (
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"headroom/harness/record"
	"headroom/harness/slo"
	"headroom/internal/maybe"
	"headroom/reports/cost"
	"headroom/scenarios"
)

func agrees(t *testing.T, what string, got, want, share float64) {
	t.Helper()
	if !(math.Abs(got-want) <= share*math.Abs(want)) {
		t.Errorf("%s: got %v, want %v", what, got, want)
	}
}

// A month's bill is machines, storage and what is downloaded: 100,000 users make
// 26,280 requests each, of 1,000 bytes, at $0.09 a GiB.
func TestBillOfAPlan(t *testing.T) {
	book := prices(t)
	book.Egress, book.Storage = &cost.PerGiB{USDPerGiB: 0.09}, &cost.Storage{GiB: 100, USDPerGiBMonth: 0.08}
	p, err := For(Ask{Users: 100_000, SLO: syntheticSLO, Prices: book}, []*record.Log{synthetic()})
	if err != nil || p.Best == nil {
		t.Fatalf("%+v, %v", p, err)
	}
	downloads := 100_000 * 26_280 * 1000.0 / (1 << 30) * 0.09
	agrees(t, "downloads", p.Best.EgressUSD.Value, downloads, 1e-9)
	agrees(t, "all", p.Best.MonthlyUSD.Value, 730*0.4+100*0.08+downloads, 1e-9)
	if p.Best.EgressUSD.Basis != Interpolated || p.Best.MonthlyUSD.Basis != Interpolated {
		t.Errorf("%+v and %+v rest on other things than the rate", *p.Best.EgressUSD, *p.Best.MonthlyUSD)
	}
	var text strings.Builder
	if err := p.WriteText(&text); err != nil {
		t.Fatal(err)
	}
	// 292 + 8 + 220.28
	for _, want := range []string{"$520 a month, $0.00520 a user; interpolated.", "$520 (interpolated): machines and storage $300, downloads $220\n"} {
		if !strings.Contains(text.String(), want) {
			t.Errorf("it does not say %q:\n%s", want, text.String())
		}
	}
}

// A slice's answers are read for their size, a probe's only where there is no slice.
func TestBytesOfARequest(t *testing.T) {
	of := func(kind record.TrialKind, bytes int64) record.Trial {
		return record.Trial{Kind: kind, Measurement: record.Measurement{Succeeded: 10, BytesIn: 10 * bytes}}
	}
	probe, slice, another := of(record.KindProbe, 1000), of(record.KindSlice, 2000), of(record.KindSlice, 4000)
	for _, test := range []struct {
		trials []record.Trial
		want   float64
	}{{nil, 0}, {[]record.Trial{probe}, 1000}, {[]record.Trial{probe, slice}, 2000}, {[]record.Trial{slice, probe, another}, 3000}} {
		if got := bytesPerRequest(test.trials); got != test.want {
			t.Errorf("of %d trials: %v bytes, want %v", len(test.trials), got, test.want)
		}
	}
}

// Only what says how the variant works when it works.
func TestSteadyTrials(t *testing.T) {
	trials := func(change func(*record.Trial)) []record.Trial {
		one := record.Trial{Kind: record.KindProbe, Variant: scenarios.After, RateName: record.RateCurve, Measurement: record.Measurement{OfferedRPS: 10}}
		change(&one)
		return []record.Trial{one}
	}
	if got := steadyTrials(trials(func(*record.Trial) {}), scenarios.After); len(got) != 1 {
		t.Fatalf("a steady one: %+v", got)
	}
	for name, change := range map[string]func(*record.Trial){
		"the other variant": func(t *record.Trial) { t.Variant = scenarios.Before },
		"a proof":           func(t *record.Trial) { t.Resize = &record.Resize{} },
		"invalid":           func(t *record.Trial) { t.Invalid = []string{"late"} },
		"interrupted":       func(t *record.Trial) { t.Measurement.Interrupted = true },
		"unsent":            func(t *record.Trial) { t.Measurement.Unsent = 1 },
		"no rate":           func(t *record.Trial) { t.Measurement.OfferedRPS = 0 },
		"an overload":       func(t *record.Trial) { t.RateName = record.RateOverload },
		"a recovery":        func(t *record.Trial) { t.RateName = record.RateRecover },
	} {
		if got := steadyTrials(trials(change), scenarios.After); len(got) != 0 {
			t.Errorf("%s is steady: %+v", name, got)
		}
	}
}

// A point of the law is a rate at which 98% of 100 requests and more were answered;
// rates within 2% are one.
func TestLawPoints(t *testing.T) {
	of := func(rate float64, sent, succeeded int64, ms float64, change func(*record.Measurement)) record.Trial {
		m := record.Measurement{OfferedRPS: rate, DurationS: 10, Planned: sent, Sent: sent, Succeeded: succeeded, Failed: sent - succeeded}
		for range sent {
			m.Response.Record(time.Duration(ms * float64(time.Millisecond)))
		}
		if change != nil {
			change(&m)
		}
		return record.Trial{Measurement: m}
	}
	got := lawPoints([]record.Trial{
		of(200, 200, 200, 10, nil),
		of(100, 100, 98, 10, nil),   // both just enough
		of(102, 300, 300, 20, nil),  // the same rate
		of(110, 99, 99, 10, nil),    // too few
		of(120, 1000, 979, 10, nil), // too few answered
		of(130, 200, 200, 10, func(m *record.Measurement) { m.Clipped = 1 }),   // not all is known
		of(140, 200, 200, 10, func(m *record.Measurement) { m.DurationS = 0 }), // no rate
	})
	if len(got) != 2 {
		t.Fatalf("%+v, want two points", got)
	}
	agrees(t, "answered at 100 and 102", got[0].RPS, 398.0/20, 1e-12)
	agrees(t, "their mean response", got[0].ResponseS, (100*0.010+300*0.020)/400, 0.002)
	agrees(t, "their weight", got[0].Requests, 400, 0)
	agrees(t, "answered at 200", got[1].RPS, 20, 1e-12)
	for _, test := range []struct {
		a, b float64
		want bool
	}{{100, 102, true}, {102, 100, true}, {100, 102.1, false}, {102.1, 100, false}} {
		if near(test.a, test.b) != test.want {
			t.Errorf("%v and %v are one rate: %v", test.a, test.b, !test.want)
		}
	}
}

// 50 requests/s of 4 ms take 0.2 CPUs: half of 0.4, and a quarter of twice as many.
func TestSharesOfAGroup(t *testing.T) {
	g := Group{Measured: 2, DemandMS: maybe.Of(4), CPUs: 0.4}
	agrees(t, "as measured", g.share(50, 2), 0.5, 1e-12)
	agrees(t, "of four", g.share(50, 4), 0.25, 1e-12)
	agrees(t, "bound", g.boundRPS(), 100, 1e-12)
	if !g.known() || (Group{CPUs: 1}).known() || (Group{DemandMS: maybe.Of(1)}).known() {
		t.Error("known is what has a demand and CPUs")
	}
}

// Demands are read from half of the capacity on, summed over the copies; external
// machines have none.
func TestGroupsOfATopology(t *testing.T) {
	topology := synthetic().Run.Scenario.Before
	at := func(rate, appCPU float64) record.Trial {
		one := trial(scenarios.Before, 1, record.RateCurve, rate, 10)
		one.Machines[2].CPUSeconds, one.Machines[3].CPUSeconds = maybe.Of(appCPU), maybe.Of(2*appCPU)
		return one
	}
	got := groupsOf(topology, []record.Trial{at(74.9, 1e6), at(75, 4.5), at(150, 9)}, 150)
	if len(got) != 2 || got[0].Name != "database" || got[0].Stateless || got[0].Keeps != scenarios.KeepsData || got[0].Measured != 1 ||
		got[1].Name != "app" || !got[1].Stateless || got[1].Measured != 2 || got[1].Size != "small" {
		t.Fatalf("%+v", got)
	}
	agrees(t, "the apps' CPUs", got[1].CPUs, 0.4, 1e-12)
	agrees(t, "the apps' demand", got[1].DemandMS.OrNaN(), 3, 1e-9) // 13.5 and 27 s for 13,500 requests
	agrees(t, "the database's demand", got[0].DemandMS.OrNaN(), 1, 1e-9)
	lacking := at(150, 9)
	lacking.Machines[3].CPUSeconds = maybe.Number{}
	if lacks := groupsOf(topology, []record.Trial{at(150, 9), lacking}, 150); lacks[1].DemandMS.Known() || lacks[1].known() || !lacks[0].known() {
		t.Errorf("of one app the CPU time is not known: %+v", lacks)
	}
	more := withCopies(topology, map[string]int{"app": 4, "database": 1})
	var names []string
	for _, m := range more.Machines {
		names = append(names, m.Name)
	}
	if want := []string{"database", "mail", "app-1", "app-2", "app-1", "app-1"}; !slices.Equal(names, want) || len(topology.Machines) != 4 {
		t.Errorf("with four apps it is %v, want %v", names, want)
	}
}

// The bound is that of the first machine that can't be copied; the law's peak counts
// where that machine is the first of all, and the peak lies beyond what held.
func TestBoundOfAPlan(t *testing.T) {
	app := func(rps float64) Group {
		return Group{Name: "app", Stateless: true, Measured: 1, DemandMS: maybe.Of(1), CPUs: rps / 1000}
	}
	data := func(name string, rps float64) Group {
		return Group{Name: name, Measured: 1, DemandMS: maybe.Of(1), CPUs: rps / 1000}
	}
	unknown := Group{Name: "unknown", Measured: 1}
	for _, test := range []struct {
		name   string
		groups []Group
		peak   float64 // 0: none
		want   string  // "": none
		rps    float64
	}{
		{"all can be copied", []Group{app(200), unknown}, 0, "", 0},
		{"one can't", []Group{app(200), data("db", 400)}, 0, "db", 400},
		{"the smaller of two", []Group{data("db", 400), data("queue", 300), app(200)}, 0, "queue", 300},
		{"the smaller of two, the other way round", []Group{data("queue", 300), data("db", 400), app(200)}, 0, "queue", 300},
		{"one that can't is not known", []Group{app(200), data("db", 400), unknown}, 0, "", 0},
		{"an app that is not known may be the first", []Group{{Name: "app", Stateless: true}, data("db", 400)}, 300, "db", 400},
		{"a peak that is an app's", []Group{app(200), data("db", 400)}, 180, "db", 400},
		{"a peak that is the database's", []Group{app(500), data("db", 400)}, 300, "db", 300},
		{"a peak above the bound", []Group{app(500), data("db", 400)}, 450, "db", 400},
		{"a peak below what held", []Group{app(500), data("db", 400)}, 149, "db", 400},
	} {
		o := Option{Capacity: Capacity{RPS: 150}}
		if test.peak > 0 {
			o.LawPeak = &Figure{Value: test.peak}
		}
		o.setBound(test.groups)
		switch {
		case (o.Bound == nil) != (test.want == ""):
			t.Errorf("%s: %+v", test.name, o.Bound)
		case o.Bound != nil && (o.Bound.Machine != test.want || math.Abs(o.Bound.RPS.Value-test.rps) > 1e-9 || o.Bound.RPS.Basis != Extrapolated ||
			math.Abs(o.Bound.RPS.Factor-test.rps/150) > 1e-9):
			t.Errorf("%s: %+v, want %s at %v", test.name, *o.Bound, test.want, test.rps)
		}
	}
}

// Why there is no number, at the bounds of each reason.
func TestRefusals(t *testing.T) {
	app, data := Group{Name: "app", Stateless: true, DemandMS: maybe.Of(1), CPUs: 1}, Group{Name: "db", Keeps: scenarios.KeepsData, DemandMS: maybe.Of(1), CPUs: 1}
	docker := record.Run{Environment: record.Environment{Stage: record.StageDocker}}
	local := record.Run{Environment: record.Environment{Stage: record.StageProcess}}
	for _, test := range []struct {
		name   string
		rate   float64
		run    record.Run
		groups []Group
		bound  float64 // 0: none
		want   string
	}{
		{"what held", 100, local, []Group{data}, 50, ""},
		{"a little more", 100.1, docker, []Group{app, data}, 300, ""},
		{"local processes", 100.1, local, []Group{app, data}, 300, "it takes 100 requests/s at the run's scale, 1.00x the 100 that held: it was measured as local processes"},
		{"four times", 400, docker, []Group{app}, 0, ""},
		{"more than four times", 400.1, docker, []Group{app}, 0, "beyond 4x a number would be a guess"},
		{"nothing to copy", 200, docker, []Group{data}, 300, "every machine of it holds data or a queue, so no copy can be added"},
		{"nothing that may be copied", 200, docker, []Group{data, {Name: "x"}}, 300, "holds data or a queue, or is not known to be stateless (stateless: yes in the scenario says so), so"},
		{"not known", 200, docker, []Group{app, {Name: "x"}}, 0, "was not recorded near that"},
		{"below the bound", 299, docker, []Group{app, data}, 300, ""},
		{"at the bound", 300, docker, []Group{app, data}, 300, "its db, which can't be copied, can answer 300 at most"},
	} {
		o := Option{RateRPS: test.rate, Capacity: Capacity{RPS: 100}}
		if test.bound > 0 {
			o.Bound = &Bound{Machine: "db", RPS: Figure{Value: test.bound}}
		}
		if got := o.refusal(test.run, test.groups); !strings.Contains(got, test.want) || (got == "") != (test.want == "") {
			t.Errorf("%s: %q, want %q", test.name, got, test.want)
		}
	}
}

// No copy is to be busier than the busiest was, and just as busy is not busier.
func TestCopiesOfAPlan(t *testing.T) {
	app := Group{Name: "app", Stateless: true, Measured: 2, DemandMS: maybe.Of(2), CPUs: 0.4}
	data := Group{Name: "db", Measured: 1, DemandMS: maybe.Of(1), CPUs: 0.4}
	idle := Group{Name: "idle", Stateless: true, Measured: 3, DemandMS: maybe.Of(0.1), CPUs: 1}
	for _, test := range []struct {
		rate float64
		want map[string]int // nil: no number
	}{
		{150, map[string]int{"app": 2, "db": 1, "idle": 3}},
		{225, map[string]int{"app": 3, "db": 1, "idle": 3}},
		{300, map[string]int{"app": 4, "db": 1, "idle": 3}}, // the database as busy as an app was
		{300.1, nil},
	} {
		o := Option{RateRPS: test.rate, Capacity: Capacity{RPS: 150}}
		got, why := o.copies([]Group{app, data, idle})
		if (test.want == nil) != (why != "") {
			t.Errorf("at %v: %v, %q", test.rate, got, why)
		}
		for name, n := range test.want {
			if got[name] != n {
				t.Errorf("at %v: %d of %s, want %d", test.rate, got[name], name, n)
			}
		}
	}
}

// What is sure of a capacity is its soak, or the lower end of its range.
func TestCapacityOfAPlan(t *testing.T) {
	c := slo.Capacity{PointRPS: 100, LowRPS: 90, HighRPS: 110}
	if got := capacityOf(c); got != (Capacity{RPS: 90, PointRPS: 100, LowRPS: 90, HighRPS: 110}) {
		t.Errorf("without a soak: %+v", got)
	}
	c.Soaks = []slo.Soak{{RPS: 93, Seconds: 60, Verdict: record.Verdict{Outcome: record.Held}}}
	got := capacityOf(c)
	if want := (Capacity{RPS: 93, PointRPS: 100, LowRPS: 90, HighRPS: 110, Confirmed: true, SoakS: 60}); got != want {
		t.Errorf("with a soak: %+v, want %+v", got, want)
	}
	for want, c := range map[string]slo.Capacity{
		"this SLO failed at the lowest rate that was tried, 20 requests/s; measure": {FailedRPS: 20, Missing: "why"},
		"its capacity under this SLO is not known: why; measure":                    {FailedRPS: 20, HeldRPS: 10, Missing: "why"},
		"its capacity under this SLO is not known: no step; measure":                {Missing: "no step"},
	} {
		if got := unknownCapacity(c); !strings.HasPrefix(got, want) {
			t.Errorf("%q, want %q", got, want)
		}
	}
	o := Option{Capacity: Capacity{RPS: 100}}
	if at := o.beyond(100); at != (Figure{Value: 100, Basis: Interpolated}) {
		t.Errorf("what held: %+v", at)
	}
	if at := o.beyond(150); at != (Figure{Value: 150, Basis: Extrapolated, Factor: 1.5}) {
		t.Errorf("half as much again: %+v", at)
	}
}

// Those that carry come first, by price; runs of other traffic or data are said to be.
func TestOrderOfOptions(t *testing.T) {
	cheap, dear, other := synthetic(), synthetic(), synthetic()
	cheap.Run.ID, dear.Run.ID, other.Run.ID = "cheap", "dear", "other"
	dear.Run.Scenario.Before.Machines[0].Size = "xlarge"
	p := answer(t, usersAt(200), "p99<250ms,errors<0.1%", dear, cheap) // after carries no 200
	var order []string
	for _, o := range p.Options {
		order = append(order, o.RunID+" "+string(o.Variant))
	}
	if want := []string{"cheap before", "dear before", "dear after", "cheap after"}; !slices.Equal(order, want) || p.Best != &p.Options[0] {
		t.Errorf("%v, want %v", order, want)
	}
	differ := func(runs ...*record.Log) bool {
		return strings.Contains(strings.Join(differences(runs), ""), "had other traffic or data")
	}
	if differ() || differ(cheap) || differ(cheap, dear) {
		t.Error("the same traffic and data differ")
	}
	for _, v := range scenarios.Variants() {
		machines := other.Run.Scenario.Topology(v).Machines
		machines[0].Processes = slices.Clone(machines[0].Processes)
		machines[0].Processes[0].Seed = []string{"make", "more"}
	}
	if !differ(cheap, dear, other) {
		t.Error("other data are the same")
	}
	other = synthetic()
	other.Run.Scenario.Load.Mix = []scenarios.Endpoint{{Name: "GET /"}}
	if !differ(cheap, other) {
		t.Error("other traffic is the same")
	}
	if p, err := For(Ask{Users: 1, SLO: syntheticSLO, Prices: prices(t)}, nil); err != nil || p.Best != nil || len(p.Options) != 0 {
		t.Errorf("without runs: %+v, %v", p, err)
	}
}

// Each warning by itself, and none where nothing is to be warned of.
func TestWarningsOfARun(t *testing.T) {
	sure := Capacity{RPS: 10, Confirmed: true}
	for name, test := range map[string]struct {
		change   func(*record.Log)
		capacity Capacity
		want     string
	}{
		"none":               {func(*record.Log) {}, sure, ""},
		"quick":              {func(l *record.Log) { l.Run.Quick = true }, sure, "a quick run"},
		"no end":             {func(l *record.Log) { l.End = nil }, sure, "ended early"},
		"interrupted":        {func(l *record.Log) { l.End = &record.End{Interrupted: true} }, sure, "ended early"},
		"a machine died":     {func(l *record.Log) { l.End = &record.End{Reason: "machine database died"} }, sure, "ended early"},
		"local processes":    {func(l *record.Log) { l.Run.Environment.Stage = record.StageProcess }, sure, "as local processes"},
		"not confirmed":      {func(*record.Log) {}, Capacity{RPS: 10}, "no rate of it was confirmed"},
		"no capacity at all": {func(*record.Log) {}, Capacity{}, ""},
	} {
		log := synthetic()
		test.change(log)
		got := warningsOf(log, test.capacity)
		if test.want == "" && len(got) != 0 || test.want != "" && (len(got) != 1 || !strings.Contains(got[0], test.want)) {
			t.Errorf("%s: %q, want %q", name, got, test.want)
		}
	}
	topology := synthetic().Run.Scenario.Before // two apps of 8 connections, a database of 20
	for apps, want := range map[int]bool{2: false, 5: true} {
		if got := poolWarning(topology, map[string]int{"app": apps, "database": 1}); (len(got) > 0) != want {
			t.Errorf("%d apps: %q", apps, got)
		}
	}
	topology.Machines[0].Processes[0].Settings["max_connections"] = "24"
	for apps, want := range map[int]bool{3: false, 4: true} { // just enough for three
		if got := poolWarning(topology, map[string]int{"app": apps, "database": 1}); (len(got) > 0) != want {
			t.Errorf("%d apps on 24 connections: %q", apps, got)
		}
	}
	if got := poolWarning(scenarios.Topology{Machines: topology.Machines[1:]}, map[string]int{"app": 9}); got != nil {
		t.Errorf("without a database: %q", got)
	}
}

// Figures in words, at the bounds of each word.
func TestPlanInWords(t *testing.T) {
	for want, f := range map[string]Figure{
		"measured (measured)":         {Basis: Measured},
		"interpolated (interpolated)": {Basis: Interpolated},
		"extrapolated, 1.50x the largest rate that held (extrapolated 1.50x)": {Basis: Extrapolated, Factor: 1.5},
	} {
		if got := f.basis() + " " + f.mark(); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
	for want, g := range map[string]Group{
		"can be copied":                                   {Stateless: true, Measured: 2},
		"holds data, stays one":                           {Keeps: scenarios.KeepsData, Measured: 1},
		"holds data, stays as measured":                   {Keeps: scenarios.KeepsData, Measured: 2},
		"holds a queue, stays one":                        {Keeps: scenarios.KeepsQueue, Measured: 1},
		"is not known to be stateless, stays one":         {Measured: 1},
		"is not known to be stateless, stays as measured": {Measured: 3},
	} {
		if got := g.copying(); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
	for want, c := range map[string]Capacity{
		">= 90 requests/s, not confirmed by a soak":                                                {PointRPS: 100, LowRPS: 90},
		"100 requests/s (90-110), not confirmed by a soak":                                         {PointRPS: 100, LowRPS: 90, HighRPS: 110},
		"100 requests/s (90-110), of which a soak of 60 s confirmed the most that is planned with": {PointRPS: 100, LowRPS: 90, HighRPS: 110, Confirmed: true, SoakS: 60},
	} {
		if got := c.text(); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
	law := Law{Sigma: 0.05, Kappa: 0.002, Points: 6, HeldOutResponseError: 0.25, WorstResponseError: 0.5}
	const off = "at rates left out its response time is 25% off in the mean, 50% at most"
	for want, o := range map[string]Option{
		"not fitted: why": {NotFitted: "why"},
		"sigma 0.05, kappa 0.002 from 6 rates; " + off + "; no peak within 4x":                    {Law: &law},
		"sigma 0.05, kappa 0.002 from 6 rates; " + off + "; peak 80/s as measured (interpolated)": {Law: &law, LawPeak: &Figure{Value: 80, Basis: Interpolated}},
	} {
		if got := o.lawText(); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
	beyond := law
	beyond.HeldOutResponseError = 0.251
	lines := func(o Option) string {
		var out strings.Builder
		o.write(&out, false)
		return out.String()
	}
	for name, test := range map[string]struct {
		o    Option
		says string
		want bool
	}{
		"a law that is far off":                {Option{Law: &beyond, Capacity: Capacity{RPS: 100}, RateRPS: 100}, "mean response  not told: at rates left out", true},
		"a law that is near enough":            {Option{Law: &law, Capacity: Capacity{RPS: 100}, RateRPS: 100}, "not told", false},
		"a law beyond what held":               {Option{Law: &beyond, Capacity: Capacity{RPS: 100}, RateRPS: 101}, "not told", false},
		"a bound at four times":                {Option{Bound: &Bound{"db", Figure{Value: 400, Basis: Extrapolated, Factor: 4}}}, "400 requests/s is the most that db can answer (extrapolated 4.00x)", true},
		"a bound beyond four times":            {Option{Bound: &Bound{"db", Figure{Value: 410, Basis: Extrapolated, Factor: 4.1}}}, "what db can answer at most is beyond 4x the largest rate that held: no number", true},
		"a group of which nothing is known":    {Option{Machines: []Machines{{Group: Group{Name: "app", Size: "small", Stateless: true}, Copies: Figure{2, Measured, 0}}}}, "app            2 small (measured), can be copied; CPU use not known", true},
		"an option that carries":               {Option{Carries: true, Reason: "why"}, "no number", false},
		"an option that doesn't":               {Option{Reason: "why"}, "no number      why\n", true},
		"without a capacity there is no law":   {Option{NotFitted: "why"}, "scaling law", false},
		"without a capacity nothing is scaled": {Option{}, "capacity", false},
	} {
		if got := lines(test.o); strings.Contains(got, test.says) != test.want {
			t.Errorf("%s: it says %q is %v:\n%s", name, test.says, !test.want, got)
		}
	}
}
