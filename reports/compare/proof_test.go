// SPDX-License-Identifier: Apache-2.0

package compare

import (
	"fmt"
	"math"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"

	"headroom/harness/record"
	"headroom/harness/slo"
	"headroom/internal/maybe"
	"headroom/scenarios"
	"headroom/targets/kinds"
)

// loaded is a step at a rate with what four groups' machines did: the database
// is the busiest, the cache the idlest, and mail is not ours.
func loaded(t *testing.T, rps, seconds float64, name scenarios.RateName, held bool) record.Trial {
	t.Helper()
	ms := 10.0
	if !held {
		ms = 500
	}
	trial := slice(scenarios.After, 0, int64(rps*seconds), ms, 1)
	trial.Kind, trial.RateName = record.KindProbe, name
	trial.Measurement.OfferedRPS, trial.Measurement.DurationS = rps, seconds
	use := func(machine, group string, kind scenarios.KindName, quota, share float64) record.MachineUse {
		cpu := share * quota * seconds
		return record.MachineUse{Machine: machine, Group: group, WindowS: seconds, QuotaCPUs: quota, CPUSeconds: maybe.Of(cpu), External: kind == "mail",
			Periods: maybe.Of(100), ThrottledPeriods: maybe.Of(float64(int64(share * 20))),
			Processes: []record.ProcessUse{{Name: string(kind), Kind: kind, CPUSeconds: maybe.Of(cpu * 0.9)}}}
	}
	trial.Machines = []record.MachineUse{
		use("mail", "mail", "mail", 0.1, 5),
		use("app-1", "app", "shop", 0.2, 0.62), use("app-2", "app", "shop", 0.2, 0.58),
		use("cache", "cache", "valkey", 0.1, 0.2),
		use("balancer", "balancer", "haproxy", 0.1, 0.3),
		use("database", "database", "postgres", 0.4, 0.9),
	}
	return trial
}

func proofRun(t *testing.T) record.Run {
	t.Helper()
	slo, err := scenarios.ParseSLO("p99<250ms,errors<0.1%")
	if err != nil {
		t.Fatal(err)
	}
	return record.Run{Prove: scenarios.After, Scenario: scenarios.Scenario{SLO: slo}, Shares: record.Shares{
		HostCPUs: 2, DriverCPUs: 0.4, ReserveCPUs: 0.1, PeriodMicros: 10000,
		VariantCPUs: map[scenarios.Variant]float64{scenarios.After: 1.1}}} // mail's 0.1 included
}

func measured(t *testing.T) []record.Trial {
	return []record.Trial{
		loaded(t, 200, 10, record.RateStairs, true), loaded(t, 100, 10, record.RateCurve, true)}
}

func TestAimProof(t *testing.T) {
	run := proofRun(t)
	aim, err := AimProof(run, measured(t), scenarios.After)
	if err != nil {
		t.Fatal(err)
	}
	if aim.Named != "database" || aim.Other != "cache" || aim.CapacityRPS != 200 || aim.Scale != 1 || len(aim.Groups) != 4 {
		t.Errorf("%+v", aim)
	}
	// Two machines of the run have 1.0 CPUs with the external one, and the
	// larger database takes another 0.1: what there is must be shared.
	run.Shares.HostCPUs = 1.6
	if aim, err = AimProof(run, measured(t), scenarios.After); err != nil {
		t.Fatal(err)
	}
	near(t, "scale on a full host", aim.Scale, (1.6-0.5-0.1)/(1+0.25*0.4), 1e-9)
	sum := aim.Scale*(1+0.25*0.4) + 0.1 + run.Shares.DriverCPUs + run.Shares.ReserveCPUs
	near(t, "CPUs with the larger machine", sum, run.Shares.HostCPUs, 1e-9)
}

func TestAimProofSaysWhyNot(t *testing.T) {
	alone := measured(t)
	for i := range alone {
		alone[i].Machines = alone[i].Machines[5:]
	}
	unseen := measured(t)
	for i := range unseen {
		unseen[i].Machines = nil
	}
	unlimited := proofRun(t)
	unlimited.Shares.PeriodMicros = 0
	for want, test := range map[string]struct {
		run    record.Run
		trials []record.Trial
	}{
		"no CPU limits":       {unlimited, measured(t)},
		"no rate held":        {proofRun(t), nil},
		"no machine's CPU":    {proofRun(t), unseen},
		"no other machine to": {proofRun(t), alone},
	} {
		if _, err := AimProof(test.run, test.trials, scenarios.After); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want %q", err, want)
		}
		p := JudgeProof(test.run, test.trials, scenarios.After)
		if p == nil || p.Proved || !strings.Contains(p.Reason, want) {
			t.Errorf("proof %+v, want unproved: %q", p, want)
		}
	}
}

// steps are the trials of a proof with one step a round.
func steps(t *testing.T, base, named, other []float64) []record.Trial {
	t.Helper()
	var out []record.Trial
	add := func(round int, rps float64, resize record.Resize) {
		trial := loaded(t, rps, 3, "proof", true)
		resize.Round, resize.Scale = round, 0.9
		trial.Resize, trial.Block = &resize, round
		out = append(out, trial)
	}
	for i := range base {
		add(i+1, base[i], record.Resize{Step: record.ResizeBase, Factor: 1})
		add(i+1, named[i], record.Resize{Step: record.ResizeNamed, Group: "database", Factor: 1.25})
		add(i+1, other[i], record.Resize{Step: record.ResizeOther, Group: "cache", Factor: 1.25})
	}
	return out
}

func TestJudgeProof(t *testing.T) {
	base := []float64{200, 204, 196, 202, 198}
	times := func(factor float64, noise ...float64) []float64 {
		out := make([]float64, len(noise))
		for i, n := range noise {
			out[i] = base[i] * factor * n
		}
		return out
	}
	little := []float64{1.01, 0.99, 1.02, 1, 0.98}
	much := []float64{1.2, 0.85, 1.15, 0.8, 1.05}
	for _, test := range []struct {
		name         string
		named, other []float64
		proved       bool
		reason       string
	}{
		{"moved and stayed", times(1.22, little...), times(1, little...), true, ""},
		{"stayed, to a hair", times(1.22, little...), times(1.02, 1, 1.002, 0.998, 1, 1.001), true, ""},
		{"did not move", times(1, little...), times(1, little...), false, "rose by less than 5% with database larger"},
		{"moved hardly", times(1.05, little...), times(1, little...), false, "whether the capacity rose by more than 5% with database larger can't be told"},
		{"scatters", times(1.2, much...), times(1, little...), false, "whether the capacity rose by more than 5% with database larger can't be told"},
		{"both moved", times(1.22, little...), times(1.2, little...), false, "rose with cache larger too"},
		{"the other fell", times(1.22, little...), times(0.8, little...), false, "fell with cache larger"},
		{"the other scatters", times(1.22, little...), times(1.12, much...), false, "whether the capacity moved by less than 7% with cache larger can't be told"},
		{"too few rounds", times(1.22, little[:2]...), times(1, little[:2]...), false, "2 rounds with all three systems, at the least 3"},
	} {
		trials := append(measured(t), steps(t, base[:len(test.named)], test.named, test.other)...)
		p := JudgeProof(proofRun(t), trials, scenarios.After)
		if p == nil || p.Proved != test.proved || !strings.Contains(p.Reason, test.reason) || p.Proved != (p.Reason == "") {
			t.Errorf("%s: %+v", test.name, p)
			continue
		}
		if p.Named != "database" || p.Other != "cache" || p.Scale != 0.9 || p.Factor != ProofFactor || p.Steps != 3*len(test.named) {
			t.Errorf("%s: %+v", test.name, p)
		}
	}
}

// A service that saw its quota when it started may not use more of it.
func TestProofOfWhatIsSizedAtItsStart(t *testing.T) {
	base := []float64{200, 204, 196}
	trials := append(measured(t), steps(t, base, []float64{245, 250, 240}, base)...)
	machine := func(name, group string, s *scenarios.Service) scenarios.Machine {
		return scenarios.Machine{Name: name, Group: group, Processes: []scenarios.Process{{Name: "p", Service: s}}}
	}
	start, ready := scenarios.Service{Image: "a", Limits: scenarios.LimitsFromStart}, scenarios.Service{Image: "a", Limits: scenarios.LimitsFromReady}
	const warning = " may have sized itself at its start (limits: start): its answer to more CPU is not known"
	for _, test := range []struct {
		name     string
		machines []scenarios.Machine
		want     []string
	}{
		{"no services", []scenarios.Machine{machine("database", "", nil), machine("cache", "", nil)}, nil},
		{"the named", []scenarios.Machine{machine("database", "", &start), machine("cache", "", &ready)}, []string{"database" + warning}},
		{"a copy of the other", []scenarios.Machine{machine("database", "", &ready), machine("cache-1", "cache", &start), machine("cache-2", "cache", &start)}, []string{"cache" + warning}},
		{"both", []scenarios.Machine{machine("database", "", &start), machine("cache", "", &start)}, []string{"database" + warning, "cache" + warning}},
		{"one that is not made larger", []scenarios.Machine{machine("app", "", &start)}, nil},
	} {
		run := proofRun(t)
		run.Scenario.After.Machines = test.machines
		if p := JudgeProof(run, trials, scenarios.After); !slices.Equal(p.Warnings, test.want) || !p.Proved {
			t.Errorf("%s: warnings %q, want %q; proved: %v", test.name, p.Warnings, test.want, p.Proved)
		}
	}
}

// What a proof says of the other machines is no more than its rule says.
func TestStayedText(t *testing.T) {
	for _, test := range []struct {
		low, ratio, high float64
		want             string
	}{
		{0.99, 1.01, 1.03, "the capacity moved by less than 7% with cache"},
		{0.95, 1.01, 1.09, "the capacity came out within 7% of the same with cache, with an interval that goes further"},
	} {
		p := Proof{Other: "cache", OtherEffect: Effect{Ratio: test.ratio, Interval: &Interval{Low: test.low, High: test.high}}}
		if got := p.StayedText(); got != test.want {
			t.Errorf("%v: %s", test, got)
		}
	}
}

// The pages' texts take the bounds from the rule; so must the guides.
func TestGuidesNameTheRulesBounds(t *testing.T) {
	for file, wants := range map[string][]string{
		"../../docs/reading.md": {"surely rises by more than " + percentOver(minMovedRatio) + " with the first, and comes out within " + percentOver(maxStayedRatio) + " of the same"},
		"../../docs/measurement.md": {fmt.Sprintf("interval lies above %g, and the other's estimate within %s of 1", minMovedRatio, percentOver(maxStayedRatio)),
			"rose by less than " + percentOver(minMovedRatio) + " with the named group", "`limits: start` may have sized", "answer to more CPU is not known"},
	} {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, want := range wants {
			if !strings.Contains(string(text), want) {
				t.Errorf("%s does not say %q", file, want)
			}
		}
	}
}

func TestProofIsNotEvidenceWhenQuickAndNilWhenNotAsked(t *testing.T) {
	base := []float64{200, 204, 196}
	trials := append(measured(t), steps(t, base, []float64{245, 250, 240}, base)...)
	run := proofRun(t)
	if p := JudgeProof(run, trials, scenarios.After); !p.Proved {
		t.Fatalf("%+v", p)
	}
	if p := JudgeProof(run, trials, scenarios.Before); p != nil {
		t.Errorf("a proof of before, which was not asked for: %+v", p)
	}
	run.Quick = true
	if p := JudgeProof(run, trials, scenarios.After); p.Proved || p.Reason != "a quick run is not evidence" {
		t.Errorf("quick: %+v", p)
	}
}

// A step that says nothing takes no part, and a round that lacks a system
// neither.
func TestInvalidStepsTakeNoPart(t *testing.T) {
	base := []float64{200, 204, 196, 200}
	trials := steps(t, base, []float64{245, 250, 240, 2000}, base)
	invalid := &trials[len(trials)-2] // of the fourth round
	invalid.Invalid = []string{"machine database restarted"}
	p := JudgeProof(proofRun(t), append(measured(t), trials...), scenarios.After)
	if !p.Proved || p.Invalid != 1 || len(p.NamedEffect.Pairs) != 3 {
		t.Errorf("%+v", p)
	}
}

// What a proof measured on other sizes of machines is no part of the variant's
// own capacity.
func TestProofStepsAreNotTheVariants(t *testing.T) {
	run, own := proofRun(t), measured(t)
	all := append(measured(t), steps(t, []float64{400, 400, 400}, []float64{500, 500, 500}, []float64{200, 200, 200})...)
	want := slo.CapacityOf(own, scenarios.After, run.Scenario.SLO, true)
	got := slo.CapacityOf(all, scenarios.After, run.Scenario.SLO, true)
	if want.PointRPS != 200 || !reflect.DeepEqual(got, want) {
		t.Errorf("the capacity is %+v, want %+v", got, want)
	}
	if at := AtCapacity(all, scenarios.After, got, run.Scenario.SLO); len(at) != 1 || at[0].Resize != nil {
		t.Errorf("%d trials at the capacity, want the staircase's", len(at))
	}
}

func TestDemands(t *testing.T) {
	trial := loaded(t, 200, 10, record.RateStairs, true)
	trial.Measurement.Succeeded, trial.Measurement.Failed = 1800, 200 // a demand is of what was completed
	demands := Pool([]record.Trial{trial}, kinds.Data()).Demands()
	if len(demands) != 5 || demands[0].Machine != "database" || demands[4].Machine != "cache" {
		t.Fatalf("%+v", demands)
	}
	near(t, "database's demand", demands[0].CPUms.OrNaN(), 0.9*0.4*10/1800*1e3, 1e-9)
	near(t, "its only process has all of it", demands[0].Processes[0].CPUms.OrNaN(), demands[0].CPUms.OrNaN(), 1e-9)
	near(t, "database's use", demands[0].Utilisation.OrNaN(), 0.9, 1e-9)
	near(t, "throttled", demands[0].ThrottledShare.OrNaN(), 0.18, 1e-9)
	near(t, "bound", BoundRPS(demands), 180/0.9, 1e-9)
	if BoundRPS(nil) != 0 {
		t.Error("a bound of nothing")
	}
	collapsed := Collapse(demands)
	if len(collapsed) != 4 || collapsed[1].Machine != "app" || collapsed[1].Machines != 2 {
		t.Fatalf("%+v", collapsed)
	}
	near(t, "the apps' mean use", collapsed[1].Utilisation.OrNaN(), 0.6, 1e-9)
	near(t, "the apps' mean process", collapsed[1].Processes[0].Utilisation.OrNaN(), 0.6, 1e-9)
	trial.Machines[1].CPUSeconds = trial.Machines[1].CPUSeconds.Times(1.4) // one stands out: its neighbours must not hide it
	if got := Collapse(Pool([]record.Trial{trial}, kinds.Data()).Demands()); len(got) != 5 || got[1].Machine != "app-1" {
		t.Errorf("%+v", got)
	}
}

// Each doubt at the bounds of its interval.
func TestDoubtsOfAProof(t *testing.T) {
	at := func(low, ratio, high float64) Effect {
		return Effect{Ratio: ratio, Interval: &Interval{Low: low, High: high}}
	}
	moved, same := at(1.06, 1.2, 1.3), at(0.99, 1, 1.01)
	for _, test := range []struct {
		name         string
		named, other Effect
		want         string
	}{
		{"proved", moved, same, ""},
		{"hardly", at(1.0501, 1.2, 1.3), same, ""},
		{"from the bound on", at(1.05, 1.2, 1.3), same, "can't be told"},
		{"up to the bound", at(1, 1.02, 1.05), same, "can't be told"},
		{"below the bound", at(1, 1.02, 1.0499), same, "rose by less than 5%"},
		{"as much as may be, around 1", moved, at(1, 1.07, 1.2), ""},
		{"as little as may be, around 1", moved, at(0.8, 1/1.07, 1), ""},
		{"more than may be", moved, at(0.99, 1.071, 1.2), "can't be told"},
		{"less than may be", moved, at(0.8, 0.934, 1.01), "can't be told"},
		{"not around 1, within what may be", moved, at(1.01, 1.03, 1.07), ""},
		{"not around 1, below, within what may be", moved, at(1/1.07, 0.96, 0.99), ""},
		{"not around 1, beyond what may be", moved, at(1.01, 1.03, 1.071), "rose with cache larger too"},
		{"not around 1, below what may be", moved, at(0.93, 0.96, 0.99), "fell with cache larger"},
		{"no interval of the named", Effect{}, same, "2 rounds with all three systems, at the least 3"},
		{"no interval of the other", moved, Effect{}, "2 rounds with all three systems, at the least 3"},
	} {
		p := Proof{Named: "database", Other: "cache", NamedEffect: test.named, OtherEffect: test.other}
		if got := p.doubt(false, 2); !strings.Contains(got, test.want) || (got == "") != (test.want == "") {
			t.Errorf("%s: %q, want %q", test.name, got, test.want)
		}
	}
}

// The larger machines, the driver, the reserve and what is not ours have to fit into
// the host together.
func TestProofScale(t *testing.T) {
	shares := record.Shares{HostCPUs: 4, DriverCPUs: 1, ReserveCPUs: 0.5, VariantCPUs: map[scenarios.Variant]float64{scenarios.After: 2.25}}
	quotas := map[string]float64{"app": 1, "database": 1}
	// 4 - 1 - 0.5 - 0.25 are 2.25; with one of 1 CPU larger by a quarter it is just that.
	near(t, "just enough", proofScale(shares, scenarios.After, quotas, 1), 1, 1e-12)
	near(t, "more than enough", proofScale(shares, scenarios.After, quotas, 0.5), 1, 0)
	near(t, "not enough", proofScale(shares, scenarios.After, quotas, 2), 2.25/2.5, 1e-12)
	shares.VariantCPUs[scenarios.After] = 1 // a part of the machines alone
	near(t, "nothing that is not ours", proofScale(shares, scenarios.After, quotas, 4), 2.5/3, 1e-12)
}

// A proof's capacities are geometric means, of the steps in a round and of the rounds.
func TestCapacitiesOfAProof(t *testing.T) {
	trials := steps(t, []float64{100, 200, 400}, []float64{200, 400, 800}, []float64{100, 200, 400})
	again := steps(t, []float64{400}, []float64{50}, []float64{100}) // of the first round
	p := JudgeProof(proofRun(t), append(trials, again...), scenarios.After)
	near(t, "base", p.BaseRPS, math.Cbrt(200*200*400), 1e-9) // of the first round sqrt(100 * 400)
	near(t, "named", p.NamedRPS, math.Cbrt(100*400*800), 1e-9)
	near(t, "other", p.OtherRPS, 200, 1e-9)
	if p.Steps != 12 || p.Invalid != 0 || len(p.OtherEffect.Pairs) != 3 || p.OtherEffect.Pairs[2].Block != 3 {
		t.Errorf("%+v", p)
	}
	near(t, "the first round's ratio", p.NamedEffect.Pairs[0].After/p.NamedEffect.Pairs[0].Before, 0.5, 1e-9)
	near(t, "the last round's after", p.NamedEffect.Pairs[2].After, 800, 1e-9)
}

// The largest machine of the two decides how far all must shrink, also where it is
// not the bottleneck.
func TestAimProofAtALargeOther(t *testing.T) {
	run, trials := proofRun(t), measured(t)
	for i := range trials {
		trials[i].Machines[3].QuotaCPUs = 0.8 // the cache, as idle as before
		trials[i].Machines[3].CPUSeconds = maybe.Of(0.2 * 0.8 * trials[i].Machines[3].WindowS)
	}
	run.Shares.HostCPUs, run.Shares.VariantCPUs = 1.8, nil
	aim, err := AimProof(run, trials, scenarios.After)
	if err != nil {
		t.Fatal(err)
	}
	if aim.Other != "cache" || aim.Named != "database" {
		t.Fatalf("%+v", aim)
	}
	near(t, "scale", aim.Scale, (1.8-0.5)/(1.7+0.25*0.8), 1e-9)
}

// A machine whose CPU time is not known may be the bottleneck: none is named to be
// proved.
func TestNoAimWithoutCPUTime(t *testing.T) {
	run, trials := proofRun(t), measured(t)
	for i := range trials {
		trials[i].Machines[1].CPUSeconds = maybe.Number{}
	}
	aim, err := AimProof(run, trials, scenarios.After)
	if err == nil || !strings.Contains(err.Error(), "the CPU time of app-1 is not known") || aim.Named != "" {
		t.Errorf("%+v, error %v", aim, err)
	}
}
