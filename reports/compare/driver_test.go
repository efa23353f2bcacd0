// SPDX-License-Identifier: Apache-2.0

package compare

import (
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"headroom/harness/record"
	"headroom/internal/maybe"
	"headroom/scenarios"
	"headroom/targets/kinds"
)

// atSpeed is a slice on a computer that takes so many times as long for
// everything: for the machines' work and for the driver's.
func atSpeed(v scenarios.Variant, block int, times float64) record.Trial {
	t := slice(v, block, 400, 10, 2*times)
	for i, m := range t.Machines {
		if m.Machine != "server" { // whose CPU follows from the database's
			t.Machines[i].CPUSeconds = t.Machines[i].CPUSeconds.Times(times)
		}
	}
	t.Measurement.Driver.CPUSeconds = maybe.Of(400 * 1e-4 * times)
	return t
}

// unsteady is five blocks of six slices of two variants that are the same. In the
// third block the computer is slower by a tenth while after is measured.
func unsteady() []record.Trial {
	var trials []record.Trial
	for block := 1; block <= 5; block++ {
		for range 3 {
			slower := 1.0
			if block == 3 {
				slower = 1.1
			}
			trials = append(trials, atSpeed(scenarios.Before, block, 1), atSpeed(scenarios.After, block, slower))
		}
	}
	return trials
}

// cpuKeys are all metrics of CPU per success of slice's trials.
var cpuKeys = []scenarios.MetricKey{"db_cpu_ms_per_request", "cpu_ms_per_request[server]", "cpu_ms_per_request[edge]", "cpu_ms_per_request[cache]"}

// The computer's speed falls out of every ratio of CPU per success, once.
func TestTheComputersSpeedFallsOut(t *testing.T) {
	comparison := tableOfKinds(unsteady(), kinds.Data()).At("common")
	rows, details := comparison.Tables()
	told := 0
	for _, keys := range [][]scenarios.MetricKey{rows, details} {
		for i, e := range comparison.Effects(keys) {
			if e.Basis == "" {
				continue
			}
			told++
			if e.Basis != correctedBasis {
				t.Errorf("%s is %s", keys[i], e.Basis)
			}
			near(t, string(keys[i]), e.Ratio, 1, 1e-12)
			near(t, string(keys[i])+" low", e.Interval.Low, math.Exp(-minResolution), 1e-12)
			near(t, string(keys[i])+" high", e.Interval.High, math.Exp(minResolution), 1e-12)
			near(t, string(keys[i])+" detectable", e.DetectableRatio, math.Exp(2*minResolution), 1e-12)
			if p := e.Pairs[2]; math.Abs(p.After/p.Before-1.1) > 1e-9 || math.Abs(p.DriverAfter/p.DriverBefore-1.1) > 1e-9 {
				t.Errorf("%s: the third block is %+v", keys[i], p)
			}
		}
	}
	if told != len(cpuKeys) {
		t.Errorf("%d rows say what they rest on, want those of %v", told, cpuKeys)
	}
	if e := comparison.Ratio("utilisation[server]"); e.Basis != "" || e.Interval.High < 1.01 {
		t.Errorf("how busy a machine was is no CPU per success: %+v", e)
	}
}

// A true change stays, and both directions mirror each other.
func TestAChangeStaysLessTheDriver(t *testing.T) {
	trials := unsteady()
	for i := range trials {
		if trials[i].Variant == scenarios.After {
			for m := range trials[i].Machines {
				trials[i].Machines[m].CPUSeconds = trials[i].Machines[m].CPUSeconds.Times(0.7)
			}
		}
	}
	forth, back := tableOfKinds(trials, kinds.Data()).At("common"), tableOfKinds(swapped(trials), kinds.Data()).At("common")
	for _, key := range cpuKeys[1:] {
		a, b := forth.Ratio(key), back.Ratio(key)
		near(t, string(key), a.Ratio, 0.7, 1e-12)
		near(t, string(key)+" both ways", a.Ratio*b.Ratio, 1, 1e-14)
	}
}

// Where the driver had not the same to do, or is not known, the ratio is raw and
// says why.
func TestRawCPU(t *testing.T) {
	tests := []struct {
		name   string
		change func(*record.Trial)
		want   string
	}{
		{"bytes", func(t *record.Trial) { t.Measurement.BytesIn += t.Measurement.BytesIn / 20 },
			uncorrected + "bytes per response differ, 1,024 before and 1,075 after"},
		{"few bytes", func(t *record.Trial) { t.Measurement.BytesIn += t.Measurement.BytesIn / 128 }, correctedBasis},
		{"in flight", func(t *record.Trial) { // 15 ms in the mean, and 18
			t.Measurement.Response = slice(scenarios.After, 1, 400, 12, 2).Measurement.Response
		}, uncorrected + "mean requests in flight differ, 0.60 before and 0.72 after"},
		{"about as many in flight", func(t *record.Trial) {
			t.Measurement.Response = slice(scenarios.After, 1, 400, 10.9, 2).Measurement.Response
		}, correctedBasis},
		{"rate", func(t *record.Trial) { t.Measurement.OfferedRPS *= 1.02 }, uncorrected + "requests/s differ, 40.0 before and 40.8 after"},
		{"unknown", func(t *record.Trial) { t.Measurement.Driver.CPUSeconds = maybe.Number{} }, uncorrected + "the driver's CPU time is not known"},
		{"none", func(t *record.Trial) { t.Measurement.Driver.CPUSeconds = maybe.Of(0) }, uncorrected + "the driver's CPU time is not known"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			trials := unsteady()
			for i := range trials {
				if trials[i].Variant == scenarios.After {
					tt.change(&trials[i])
				}
			}
			e := tableOfKinds(trials, kinds.Data()).At("common").Ratio("db_cpu_ms_per_request")
			if e.Basis != tt.want {
				t.Errorf("%q, want %q", e.Basis, tt.want)
			}
			uncorrected := strings.HasPrefix(tt.want, uncorrected)
			if uncorrected != (e.Interval.High > 1.01) || uncorrected != (e.Pairs[2].DriverAfter == 0) {
				t.Errorf("%q: %+v, interval %+v", e.Basis, e.Pairs[2], e.Interval)
			}
		})
	}
}

// scattering is A against A in so many blocks of three slices each. The
// computer's speed and the driver's own CPU scatter by so much from slice to
// slice, on the scale of logarithms.
func scattering(blocks int, speed, driver float64, random *rand.Rand) []record.Trial {
	var trials []record.Trial
	for block := 1; block <= blocks; block++ {
		for range 3 {
			for _, v := range scenarios.Variants() {
				trial := atSpeed(v, block, math.Exp(speed*random.NormFloat64()))
				trial.Measurement.Driver.CPUSeconds = trial.Measurement.Driver.CPUSeconds.Times(math.Exp(driver * random.NormFloat64()))
				trials = append(trials, trial)
			}
		}
	}
	return trials
}

// A driver whose CPU tells something else than the computer's speed would add its
// own scatter.
func TestADriverThatScattersIsNotTaken(t *testing.T) {
	random := rand.New(rand.NewPCG(21, 22))
	for name, test := range map[string]struct {
		speed, driver float64
		want          string
	}{
		"follows the computer": {0.05, 0.01, correctedBasis},
		"scatters by itself":   {0.01, 0.05, uncorrected + "slices of one variant scatter no less"},
	} {
		table := tableOfKinds(scattering(5, test.speed, test.driver, random), kinds.Data())
		if e := table.At("common").Ratio("db_cpu_ms_per_request"); !strings.HasPrefix(e.Basis, test.want) {
			t.Errorf("a driver that %s: %q, want %q", name, e.Basis, test.want)
		}
	}
}

// The intervals hold 1 in 95% of runs whichever basis the slices chose, also where
// either would do.
func TestCoverageOfTheChosenBasis(t *testing.T) {
	const runs = 3000
	random := rand.New(rand.NewPCG(23, 24))
	template := atSpeed(scenarios.Before, 1, 1)
	template.Measurement.Response, template.Measurement.Endpoints = record.Histogram{}, nil // to be quick
	for _, test := range []struct{ speed, driver float64 }{{0.05, 0.02}, {0.03, 0.03}, {0.03, 0.042}} {
		held, less := 0, 0
		for range runs {
			var trials []record.Trial
			for block := 1; block <= 5; block++ {
				for i := range 6 {
					trial := template
					trial.Block, trial.Variant = block, scenarios.Variants()[i%2]
					speed := math.Exp(test.speed * random.NormFloat64())
					edge := trial.Machines[1]
					edge.CPUSeconds = edge.CPUSeconds.Times(speed * math.Exp(0.01*random.NormFloat64()))
					trial.Machines = []record.MachineUse{edge}
					trial.Measurement.Driver.CPUSeconds = trial.Measurement.Driver.CPUSeconds.Times(speed * math.Exp(test.driver*random.NormFloat64()))
					trials = append(trials, trial)
				}
			}
			e := tableOfKinds(trials, kinds.Data()).At("common").Ratio("cpu_ms_per_request[edge]")
			if e.Interval.holds(1) {
				held++
			}
			if e.Basis == correctedBasis {
				less++
			}
		}
		share := float64(held) / runs
		t.Logf("speed %v, driver %v: less the driver's in %d of %d, holds 1 in %.1f%%", test.speed, test.driver, less, runs, share*100)
		if share < 0.938 {
			t.Errorf("speed %v, driver %v: the interval holds 1 in %.1f%%", test.speed, test.driver, share*100)
		}
	}
}

// Differences of just as much as may be, by the smaller of the two, are none.
func TestNearEnoughForTheSameWork(t *testing.T) {
	for _, test := range []struct {
		before, after float64
		same          bool
	}{{100, 101, true}, {101, 100, true}, {100, 101.005, false}, {101.005, 100, false}} {
		trials := unsteady()
		for i := range trials {
			trials[i].Measurement.OfferedRPS = test.before
			if trials[i].Variant == scenarios.After {
				trials[i].Measurement.OfferedRPS = test.after
			}
		}
		if why := tableOfKinds(trials, kinds.Data()).At("common").driverDiffers(); (why == "") != test.same {
			t.Errorf("%v and %v requests/s: %q", test.before, test.after, why)
		}
	}
	if got := SameWork(); got != "rates or bytes per response apart by more than 1%, requests in flight by more than 10%" {
		t.Errorf("the rule says %q", got)
	}
	for key, want := range map[scenarios.MetricKey]bool{"db_cpu_ms_per_request": true, "cpu_ms_per_request[a]": true, "cpu_ms_per_request": false, "utilisation[a]": false} {
		if got := cpuPerSuccess(key); got != want {
			t.Errorf("%s is CPU per success: %v", key, got)
		}
	}
}

// The driver's CPU is used where it leaves less than 80% of the squares, with four
// degrees of freedom at least. Where the figures hardly scatter, it is used if it adds
// no more than their resolution.
func TestWhenADriverIsTaken(t *testing.T) {
	type logs = [][]float64 // by block and slice, in ln
	// comparing has so many slices of the one machine, whose CPU and whose driver's
	// are those of the logarithms; after has one slice a block.
	comparing := func(own, driver logs) Comparison {
		var trials []record.Trial
		for block := range own {
			for i, log := range own[block] {
				trial := atSpeed(scenarios.Before, block+1, 1)
				trial.Machines = trial.Machines[1:2]
				trial.Machines[0].CPUSeconds = trial.Machines[0].CPUSeconds.Times(math.Exp(log))
				trial.Measurement.Driver.CPUSeconds = trial.Measurement.Driver.CPUSeconds.Times(math.Exp(driver[block][i]))
				trials = append(trials, trial)
			}
			trials = append(trials, atSpeed(scenarios.After, block+1, 1))
		}
		return tableOfKinds(trials, kinds.Data()).At("common")
	}
	times := func(of logs, factor float64) logs {
		var out logs
		for _, block := range of {
			var scaled []float64
			for _, x := range block {
				scaled = append(scaled, x*factor)
			}
			out = append(out, scaled)
		}
		return out
	}
	wide := logs{{-0.1, 0, 0.1}, {-0.2, 0.1, 0.1}}
	fine := logs{{-0.001, 0, 0.001}, {-0.0005, 0, 0.0005}} // squares of 2.5e-6, where 4e-6 are no scatter
	for _, test := range []struct {
		name        string
		own, driver logs
		scatters    bool
	}{
		{"it follows all", wide, wide, false},
		{"79% of the squares are left", wide, times(wide, 1-math.Sqrt(0.79)), false},
		{"81% of the squares are left", wide, times(wide, 1-math.Sqrt(0.81)), true},
		{"the other way round", wide, times(wide, -0.5), true},
		{"three degrees of freedom", logs{{-0.1, 0, 0.1}, {-0.2, 0.2}}, logs{{-0.1, 0, 0.1}, {-0.2, 0.2}}, true},
		{"one slice a block", logs{{0}, {0}}, logs{{0}, {0}}, false},
		{"no scatter, and the driver has little", logs{{0, 0, 0}, {0, 0, 0}}, logs{{0, 0, 0.001}, {0, 0, 0}}, false},
		{"no scatter, and the driver has some", logs{{0, 0, 0}, {0, 0, 0}}, logs{{0, 0, 0.0015}, {0, 0, 0}}, true},
		{"hardly any scatter, and the driver leaves all", fine, times(fine, 0), false},
		{"hardly any scatter, and the driver doubles it", fine, times(fine, -1), true},
	} {
		if got := comparing(test.own, test.driver).driverScatters("cpu_ms_per_request[edge]"); got != test.scatters {
			t.Errorf("%s: scatters %v, want %v", test.name, got, test.scatters)
		}
	}
}
