// SPDX-License-Identifier: Apache-2.0

package plan

import (
	"compress/gzip"
	"encoding/json"
	"math"
	"os"
	"strings"
	"testing"
	"time"

	"headroom/harness/record"
	"headroom/internal/maybe"
	"headroom/reports/cost"
	"headroom/scenarios"
	"headroom/targets/kinds"
)

// The truth of the synthetic run: two apps and a database, of which a request
// takes 2 ms on each app and 1 ms on the database, at a scale of a tenth.
const (
	unit       = 0.1
	appCPUs    = 0.2 // of one of two
	dbCPUs     = 0.4
	appDemandS = 2e-3 // of both together
	dbDemandS  = 1e-3
	heldRPS    = 150.0
	failedRPS  = 160.0
	perUser    = 0.01
)

// syntheticSLO is that of the synthetic run.
var syntheticSLO = func() scenarios.SLO {
	s, err := scenarios.ParseSLO("p99<250ms,errors<0.1%")
	if err != nil {
		panic(err)
	}
	return s
}()

func parseSLO(t *testing.T, text string) scenarios.SLO {
	t.Helper()
	s, err := scenarios.ParseSLO(text)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// trial is a step at which every request took so long.
func trial(v scenarios.Variant, order int, name scenarios.RateName, rate, ms float64) record.Trial {
	const seconds = 60
	kind := record.KindProbe
	if name == "common" {
		kind = record.KindSlice
	}
	t := record.Trial{Kind: kind, Variant: v, Order: order, RateName: name}
	m := &t.Measurement
	m.OfferedRPS, m.DurationS = rate, seconds
	m.Planned = int64(rate * seconds)
	m.Sent, m.Succeeded, m.BytesIn = m.Planned, m.Planned, m.Planned*1000
	m.AchievedRPS = float64(m.Succeeded) / seconds
	for range m.Planned {
		d := time.Duration(ms * float64(time.Millisecond))
		m.Response.Record(d)
		m.ResponseSuccess.Record(d)
	}
	requests := float64(m.Succeeded)
	for _, use := range []struct {
		name            string
		quota, demand   float64
		external, spare bool
	}{{"database", dbCPUs, dbDemandS, false, false}, {"mail", 0.1, 1e-3, true, false},
		{"app-1", appCPUs, appDemandS / 2, false, false}, {"app-2", appCPUs, appDemandS / 2, false, false}} {
		t.Machines = append(t.Machines, record.MachineUse{Machine: use.name, External: use.external, WindowS: seconds,
			QuotaCPUs: use.quota, CPUSeconds: maybe.Of(requests * use.demand)})
	}
	return t
}

// process is one of a kind that has its name, with these settings and no others.
func process(name string, settings map[string]string) scenarios.Process {
	kind, known := scenarios.KindOf(kinds.Data(), scenarios.KindName(name))
	if !known {
		panic("there is no kind " + name)
	}
	p := kind.Process(name)
	p.Settings = settings
	return p
}

func app(name string) scenarios.Machine {
	return scenarios.Machine{Name: name, Group: "app", Size: "small", VCPU: 2, MemoryGiB: 4,
		Processes: []scenarios.Process{process("shop", map[string]string{"pool_size": "8"})}}
}

// synthetic holds heldRPS in both variants, answers in 9 ms / (1 - rate/165),
// and has no copy to add in after.
func synthetic() *record.Log {
	database := scenarios.Machine{Name: "database", Size: "large", VCPU: 4, MemoryGiB: 16,
		Processes: []scenarios.Process{process("postgres", map[string]string{"max_connections": "20"})}}
	mail := scenarios.Machine{Name: "mail", External: true, Processes: []scenarios.Process{process("mail", nil)}}
	log := &record.Log{End: &record.End{}, Run: record.Run{ID: "synthetic",
		Shares: record.Shares{UnitCPUs: unit}, Environment: record.Environment{Stage: record.StageDocker},
		Scenario: scenarios.Scenario{SLO: syntheticSLO, Load: scenarios.Load{RequestsPerUserPerS: perUser},
			Before: scenarios.Topology{Label: "two apps", Machines: []scenarios.Machine{database, mail, app("app-1"), app("app-2")}},
			After: scenarios.Topology{Label: "all with data", Machines: []scenarios.Machine{
				{Name: "database", Size: "xlarge", VCPU: 8, MemoryGiB: 32, Processes: database.Processes}}}}}}
	order := 0
	for _, v := range scenarios.Variants() {
		for _, step := range []struct {
			name     scenarios.RateName
			rps, lag float64
		}{{record.RateBracket, 20, 10.2}, {record.RateBracket, 50, 12.9}, {record.RateBracket, 80, 17.5}, {record.RateCommon, 120, 33}, {record.RateSoak, heldRPS, 99}, {record.RateBracket, failedRPS, 297}} {
			order++
			log.Trials = append(log.Trials, trial(v, order, step.name, step.rps, step.lag))
		}
	}
	return log
}

func prices(t *testing.T) cost.Book {
	t.Helper()
	book, err := cost.Parse("b.yaml", []byte("name: mine\nsource: test\ndate: 2026-11-01\nsizes:\n"+
		"  small: {vcpu: 2, gib: 4, usd_per_hour: 0.1}\n  large: {vcpu: 4, gib: 16, usd_per_hour: 0.2}\n  xlarge: {vcpu: 8, gib: 32, usd_per_hour: 1}\n"))
	if err != nil {
		t.Fatal(err)
	}
	return book
}

func usersAt(rps float64) float64 { return math.Round(rps / unit / perUser) }

func answer(t *testing.T, users float64, sloText string, runs ...*record.Log) Plan {
	t.Helper()
	p, err := For(Ask{Users: users, SLO: parseSLO(t, sloText), Prices: prices(t)}, runs)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// At the held rate an app is 75% busy and the database 37.5%: the database
// could answer 400/s, and 300/s without being busier than an app was.
func TestPlan(t *testing.T) {
	tests := []struct {
		name   string
		rps    float64
		apps   float64 // 0: before gives no number
		basis  Basis
		factor float64
		reason string
	}{
		{"what was measured", heldRPS, 2, Measured, 0, ""},
		{"between two rates", 100, 2, Interpolated, 0, ""},
		{"below the lowest", 1, 2, Interpolated, 0, ""},
		{"a little more than held", 151, 3, Extrapolated, 151.0 / 150, ""},
		{"half as much again", 225, 3, Extrapolated, 1.5, ""},
		{"twice", 300, 4, Extrapolated, 2, ""},
		{"the database too busy", 330, 0, "", 0, "its database, which can't be copied, would be 82% busy, and the busiest machine that was seen to hold the SLO was 75%"},
		{"beyond the database's bound", 450, 0, "", 0, "database, which can't be copied, can answer 400 at most"},
		{"beyond 4 times", 601, 0, "", 0, "beyond 4x a number would be a guess"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p := answer(t, usersAt(tt.rps), "p99<250ms,errors<0.1%", synthetic())
			before := p.Options[0]
			if before.Variant != scenarios.Before {
				t.Fatalf("%s comes first", before.Variant)
			}
			if tt.apps == 0 {
				if p.Best != nil || before.MonthlyUSD != nil || !strings.Contains(before.Reason, tt.reason) {
					t.Errorf("best %+v, reason %q, want none because of %q", p.Best, before.Reason, tt.reason)
				}
				return
			}
			if p.Best == nil || p.Best.Variant != scenarios.Before {
				t.Fatalf("best is %+v", p.Best)
			}
			apps, monthly := before.Machines[1], before.MonthlyUSD
			if apps.Name != "app" || apps.Copies.Value != tt.apps || apps.Copies.Basis != tt.basis || math.Abs(apps.Copies.Factor-tt.factor) > 1e-6 {
				t.Errorf("apps %+v, want %v, %s %v", apps.Copies, tt.apps, tt.basis, tt.factor)
			}
			if want := 730 * (0.2 + 0.1*tt.apps); math.Abs(monthly.Value-want) > 1e-6 || monthly.Basis != tt.basis {
				t.Errorf("monthly %+v, want %v", *monthly, want)
			}
			if database := before.Machines[0]; database.Copies.Value != 1 || database.Stateless {
				t.Errorf("database %+v, want one, with data", database)
			}
		})
	}
}

func TestDearerAndStatefulVariants(t *testing.T) {
	p := answer(t, usersAt(100), "p99<250ms,errors<0.1%", synthetic())
	if len(p.Options) != 2 || p.Options[1].Variant != scenarios.After || !p.Options[1].Carries {
		t.Fatalf("options %+v, want both, the dearer last", p.Options)
	}
	p = answer(t, usersAt(200), "p99<250ms,errors<0.1%", synthetic())
	if after := p.Options[1]; after.Carries || !strings.Contains(after.Reason, "every machine of it holds data") {
		t.Errorf("after: %q", after.Reason)
	}
}

func TestCapacityIsJudgedByTheAskedSLO(t *testing.T) {
	strict := answer(t, usersAt(100), "p99<15ms", synthetic()).Options[0]
	// Only the short steps at 20/s and 50/s were faster.
	if strict.Capacity.Confirmed || strict.Capacity.RPS > 50 || strict.Capacity.RPS < 20 {
		t.Errorf("strict: %+v", strict.Capacity)
	}
	medium := answer(t, usersAt(100), "p99<50ms", synthetic()).Options[0]
	if medium.Capacity.Confirmed || medium.Capacity.RPS >= heldRPS || medium.Capacity.RPS < 50 {
		t.Errorf("p99<50ms: %+v, want less than what was soaked with another SLO", medium.Capacity)
	}
	none := answer(t, usersAt(100), "GET /nowhere p99<20ms", synthetic())
	if none.Best != nil || !strings.Contains(none.Options[0].Reason, "GET /nowhere p99<20ms: no request was sent") {
		t.Errorf("%+v", none.Options[0].Reason)
	}
}

func TestWarnings(t *testing.T) {
	log := synthetic()
	log.Run.Quick, log.End = true, nil
	p := answer(t, usersAt(300), "p99<250ms,errors<0.1%", log)
	all := strings.Join(p.Options[0].Warnings, "\n")
	for _, want := range []string{"quick run", "ended early", "up to 32 connections, PostgreSQL takes 20"} {
		if !strings.Contains(all, want) {
			t.Errorf("no warning of %q in:\n%s", want, all)
		}
	}
	log.Run.Environment.Stage = record.StageProcess
	if o := answer(t, usersAt(300), "p99<250ms,errors<0.1%", log).Options[0]; !strings.Contains(o.Reason, "shared this computer") {
		t.Errorf("process stage: %q", o.Reason)
	}
}

func TestRequestsPerUser(t *testing.T) {
	log := synthetic()
	p, err := For(Ask{Users: 1000, SLO: parseSLO(t, "p99<250ms,errors<0.1%"), RequestsPerUserPerS: 1, Prices: prices(t)}, []*record.Log{log})
	if err != nil || p.Best == nil || math.Abs(p.Best.RateRPS-100) > 1e-9 || p.Best.RealRPS != 1000 {
		t.Fatalf("%+v, %v: want 1,000 requests/s, 100 at the scale", p.Best, err)
	}
	log.Run.Scenario.Load.RequestsPerUserPerS = 0
	if _, err := For(Ask{Users: 1, SLO: parseSLO(t, "p99<250ms,errors<0.1%"), Prices: prices(t)}, []*record.Log{log}); err == nil || !strings.Contains(err.Error(), "--requests-per-user 0.01/s") {
		t.Errorf("error %v does not say what to give", err)
	}
}

func TestLawBehindThePlan(t *testing.T) {
	p := answer(t, usersAt(100), "p99<250ms,errors<0.1%", synthetic())
	o := p.Best
	if o.Law == nil || o.Law.Points != 6 {
		t.Fatalf("law %+v, not fitted: %q", o.Law, o.NotFitted)
	}
	if o.ResponseMS == nil || o.ResponseMS.Value < 20 || o.ResponseMS.Value > 26 || o.ResponseMS.Basis != Interpolated {
		t.Errorf("mean response at 100/s %+v, the truth is 22.8 ms", o.ResponseMS)
	}
	var text strings.Builder
	if err := p.WriteText(&text); err != nil {
		t.Fatal(err)
	}
	if want := "at rates left out its response time is"; strings.Count(text.String(), want) < 2 {
		t.Errorf("the mean response time and the law do not say %q:\n%s", want, text.String())
	}
	// A law that is far off at rates left out tells no response time.
	bad := synthetic()
	const capacityRPS = 165 // of four servers: throughput is fitted, the bend of the response time is not
	for i, was := range bad.Trials[:6] {
		rps := was.Measurement.OfferedRPS
		bad.Trials[i] = trial(was.Variant, was.Order, was.RateName, rps, manyServers(4, rps/capacityRPS)*4/capacityRPS*1e3)
	}
	o = &answer(t, usersAt(100), "p99<250ms", bad).Options[0]
	if o.Law == nil || o.ResponseMS != nil || !(o.Law.HeldOutResponseError > maxHeldOutError) {
		t.Errorf("law %+v (%s), mean response %+v", o.Law, o.NotFitted, o.ResponseMS)
	}
	few := synthetic()
	few.Trials = few.Trials[4:6]
	if o := answer(t, usersAt(100), "p99<250ms,errors<0.1%", few).Best; o == nil || o.Law != nil || !strings.Contains(o.NotFitted, "there are 2") {
		t.Errorf("two rates: %+v", o)
	}
}

// A measured run, on two cores.
func recorded(t *testing.T) *record.Log {
	t.Helper()
	file, err := os.Open("../testdata/phase1-recorded.jsonl.gz")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	unpacked, err := gzip.NewReader(file)
	if err != nil {
		t.Fatal(err)
	}
	log, err := record.Read("phase1-recorded.jsonl", unpacked)
	if err != nil {
		t.Fatal(err)
	}
	return log
}

func TestPlanFromARecordedRun(t *testing.T) {
	log := recorded(t)
	example, err := cost.Example()
	if err != nil {
		t.Fatal(err)
	}
	ask := Ask{Users: 1, SLO: log.Run.Scenario.SLO, Prices: example}
	p, err := For(ask, []*record.Log{log})
	if err != nil || p.Best == nil {
		t.Fatalf("%+v, %v", p, err)
	}
	most := map[scenarios.Variant]float64{}
	for _, o := range p.Options {
		most[o.Variant] = o.Capacity.Users
	}
	if !(most[scenarios.After] > most[scenarios.Before]) || most[scenarios.Before] == 0 {
		t.Fatalf("users that were measured: %v, want more after", most)
	}
	// Only after was measured to hold as many.
	ask.Users = math.Floor(most[scenarios.After])
	if p, err = For(ask, []*record.Log{log}); err != nil || p.Best == nil || p.Best.Variant != scenarios.After || p.Best.MonthlyUSD.Basis != Measured {
		t.Fatalf("%v: %+v", err, p)
	}
	var text, machine strings.Builder
	if err := p.WriteText(&text); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"Cheapest: after of", "a month", "(measured)", "scaling law", "no number", "prices are an example"} {
		if !strings.Contains(text.String(), want) {
			t.Errorf("the text does not say %q:\n%s", want, text.String())
		}
	}
	if err := p.WriteJSON(&machine); err != nil || !json.Valid([]byte(machine.String())) {
		t.Errorf("JSON: %v", err)
	}
	// Its only machine holds the database: nothing can be copied, and far beyond there is no number.
	for factor, want := range map[float64]string{1.5: "holds data", 5: "beyond 4x"} {
		ask.Users = most[scenarios.After] * factor
		p, err := For(ask, []*record.Log{log})
		if err != nil || p.Best != nil {
			t.Fatalf("%v times: %+v, %v", factor, p.Best, err)
		}
		for _, o := range p.Options {
			if o.Variant == scenarios.After && !strings.Contains(o.Reason, want) {
				t.Errorf("%v times: %q, want %q", factor, o.Reason, want)
			}
		}
	}
}
