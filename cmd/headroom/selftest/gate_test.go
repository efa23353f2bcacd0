// SPDX-License-Identifier: Apache-2.0

package selftest

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"headroom/harness/record"
	"headroom/internal/maybe"
	"headroom/reports/gate"
	"headroom/scenarios"
	"headroom/targets/kinds"
)

// gateBounds are the bounds of the short form for each noise: of equal sides' alarms at
// most, of 10% found at least, of 10% passed at most. Equal sides alarm in one gate of
// a hundred at most, whatever the noise is, as long as blocks are independent (Ville).
// The other bounds lie four standard deviations of 400 gates from what 8,000 gates came
// to, with one metric or three, whichever was the worse. 10% were found in 99.35% with
// tails, in 95.2% where a block carries half of the last and in 97.6% where a quarter
// is the run's; they passed in 0.2%, 4.1% and 0.95%. Where a block carries half of the
// last, equal sides alarmed in 0.6%.
var gateBounds = map[string]struct{ alarm, found, passed float64 }{
	"normal":   {0.01, 0.975, 0.015},
	noiseApart: {0.01, 0.975, 0.015},
	noiseTails: {0.01, 0.975, 0.015},
	noiseCarry: {0.025, 0.90, 0.08},
	noiseRun:   {0.01, 0.94, 0.03},
}

// The short form of `headroom selftest gate`. Seeds are fixed, so a failure says
// that the code has changed.
func TestGatesHold(t *testing.T) {
	if testing.Short() {
		t.Skip("some ten thousand simulated gates: skipped by -short")
	}
	seen := map[string]int{}
	err := SimulateGates(t.Context(), 400, func(r GateResult) error {
		seen[r.Name]++
		bounds, known := gateBounds[r.Name]
		if !known || r.Equal.Alarm > bounds.alarm || r.By10.Pass > bounds.passed {
			t.Errorf("%+v", r)
		}
		if r.SD <= 0.044 && (r.By10.Alarm < bounds.found || r.Equal.Pass < 0.97 || r.By20.Alarm < 0.99) {
			t.Errorf("%+v", r)
		}
		if r.Equal.Unmeasurable > 0.015 || r.Equal.Unmeasurable > r.Equal.Open {
			t.Errorf("%+v: the null control costs one gate in a hundred at most", r)
		}
		if r.SD <= 0.044 && r.Equal.Blocks > 10 {
			t.Errorf("%+v: a block takes 40 s, and a gate of equal sides 8 minutes at most", r)
		}
		return nil
	})
	if err != nil || seen["normal"] != 10 || seen[noiseTails] != 2 || seen[noiseCarry] != 2 || seen[noiseRun] != 2 || seen[noiseApart] != 1 {
		t.Errorf("%v, %v", seen, err)
	}
}

// Metrics that have half of their variance in common are correlated by a half, the
// null control with nothing but itself, and both scatter as they are said to.
func TestNoiseIsShared(t *testing.T) {
	const draws = 20_000
	n := Noise{SD: 0.03, Metrics: 2, Shared: 0.5}
	next := n.blocks(0.1, rand.New(rand.NewPCG(1, 2)))
	var first, second, null, other []float64
	for range draws {
		b := next()
		first, second = append(first, b[0].d), append(second, b[1].d)
		null, other = append(null, b[0].null[0]), append(other, b[1].null[0])
	}
	for name, test := range map[string]struct{ got, want float64 }{
		"mean of the planted metric":   {meanOf(first), 0.1},
		"mean of the other":            {meanOf(second), 0},
		"sd":                           {math.Sqrt(covariance(first, first)) / n.SD, 1},
		"sd of the null control":       {math.Sqrt(covariance(null, null)) / n.SD, math.Sqrt(3)},
		"correlation":                  {covariance(first, second) / (n.SD * n.SD), 0.5},
		"correlation of null controls": {covariance(null, other) / (3 * n.SD * n.SD), 0.5},
		"correlation with D":           {covariance(null, first) / (math.Sqrt(3) * n.SD * n.SD), 0},
	} {
		if math.Abs(test.got-test.want) > 0.03 {
			t.Errorf("%s: %v, want %v", name, test.got, test.want)
		}
	}
}

func meanOf(values []float64) float64 {
	sum := 0.0
	for _, v := range values {
		sum += v
	}
	return sum / float64(len(values))
}

func covariance(a, b []float64) float64 {
	sum, meanA, meanB := 0.0, meanOf(a), meanOf(b)
	for i := range a {
		sum += (a[i] - meanA) * (b[i] - meanB)
	}
	return sum / float64(len(a))
}

func sitting(seed uint64, blocks int) Sitting {
	s := Sitting{Name: fmt.Sprintf("sitting %d", seed), Labels: []string{"cpu", "p50"}, Nulls: make([][2][]float64, 2)}
	next := Noise{SD: 0.02, Metrics: 2}.blocks(0, rand.New(rand.NewPCG(seed, 1)))
	for range blocks {
		b := next()
		s.Blocks = append(s.Blocks, []float64{b[0].d, b[1].d})
		for metric := range s.Nulls {
			for side, null := range b[metric].null {
				s.Nulls[metric][side] = append(s.Nulls[metric][side], null)
			}
		}
	}
	return s
}

// Blocks of sittings that are biased alike within themselves raise no more alarms
// than chance, and a planted regression is found.
func TestResampledGates(t *testing.T) {
	sittings := []Sitting{sitting(0, 24), sitting(1, 24), sitting(2, 20)}
	r, err := ResampleGates(t.Context(), sittings, 300)
	if err != nil || r.Blocks != 68 || r.Equal.Alarm > 0.01 || r.Equal.Pass < 0.95 || r.By10.Alarm < 0.95 {
		t.Errorf("%+v, %v", r, err)
	}
	if _, err := ResampleGates(t.Context(), sittings[:2], 10); !errors.Is(err, errFewSittings) {
		t.Errorf("two sittings: %v", err)
	}
	few := []Sitting{sittings[0], sitting(1, 19), sittings[2]}
	if _, err := ResampleGates(t.Context(), few, 10); err == nil || !strings.Contains(err.Error(), "sitting 1 has 19 whole blocks, and 20 are needed") {
		t.Errorf("19 blocks: %v", err)
	}
	sittings[2].Labels = []string{"cpu"}
	if _, err := ResampleGates(t.Context(), sittings, 10); err == nil || !strings.Contains(err.Error(), "sitting 2 has 1 metrics, and sitting 0 has 2") {
		t.Errorf("one metric: %v", err)
	}
}

// A gate draws every block of its sitting once before any comes again, all turned
// or none, the null control with them.
func TestSittingDrawsWithoutReplacement(t *testing.T) {
	s := Sitting{Labels: []string{"cpu"}, Nulls: make([][2][]float64, 1)}
	for i := range 20 {
		s.Blocks = append(s.Blocks, []float64{float64(i + 1)})
		s.Nulls[0][0] = append(s.Nulls[0][0], 100+float64(i))
		if i < 19 { // a pair is missing
			s.Nulls[0][1] = append(s.Nulls[0][1], 200+float64(i))
		}
	}
	turned, orders := 0, map[string]bool{}
	for seed := range uint64(20) {
		next := s.draws(0.25, rand.New(rand.NewPCG(seed, 3)))
		var drawn []float64
		var nulls [2][]float64
		for range s.Blocks {
			b := next()[0]
			drawn = append(drawn, b.d-0.25)
			for side, null := range b.null {
				if !math.IsNaN(null) {
					nulls[side] = append(nulls[side], null)
				}
			}
		}
		orders[fmt.Sprint(drawn)] = true
		before, after := s.Nulls[0][0], s.Nulls[0][1]
		if drawn[0] < 0 {
			turned++
			before, after = after, before
			for i := range drawn {
				drawn[i] = -drawn[i]
			}
		}
		slices.Sort(drawn)
		slices.Sort(nulls[0])
		slices.Sort(nulls[1])
		for i, d := range drawn {
			if math.Abs(d-float64(i+1)) > 1e-9 {
				t.Fatalf("seed %d: blocks %v", seed, drawn)
			}
		}
		if !slices.Equal(nulls[0], before) || !slices.Equal(nulls[1], after) {
			t.Errorf("seed %d: null controls %v", seed, nulls)
		}
	}
	if turned < 4 || turned > 16 || len(orders) != 20 {
		t.Errorf("%d of 20 were turned; %d orders", turned, len(orders))
	}
}

// recordGate writes a gate of a scenario, as headroom gate does.
func recordGate(t *testing.T, blocks int, change func(*scenarios.Scenario)) string {
	t.Helper()
	s, err := scenarios.LoadNamed("gate-shop", kinds.Data())
	if err != nil {
		t.Fatal(err)
	}
	change(s)
	dir := filepath.Join(t.TempDir(), "gate")
	w, err := record.Create(dir, record.Run{ID: "g", Blocks: blocks, Scenario: *s})
	if err != nil {
		t.Fatal(err)
	}
	order := 0
	for block := 1; block <= blocks; block++ {
		for _, v := range []scenarios.Variant{"before", "after", "after", "before", "before", "after"} {
			order++
			const n = 50
			trial := record.Trial{Kind: record.KindSlice, RateName: record.RateGate, Variant: v, Block: block, Order: order}
			trial.Measurement = record.Measurement{Planned: n, Sent: n, Succeeded: n, BytesIn: 100 * n, DurationS: 2, Driver: record.DriverUse{CPUSeconds: maybe.Of(0.1)}}
			for range n {
				trial.Measurement.Response.Record(time.Duration(10+order%3) * time.Millisecond)
				trial.Measurement.ResponseSuccess.Record(10 * time.Millisecond)
			}
			cpu := 0.2 + 0.001*math.Sin(float64(order))
			trial.Machines = []record.MachineUse{{Machine: "app", Group: "app", CPUSeconds: maybe.Of(cpu)}, {Machine: "database", Group: "database", CPUSeconds: maybe.Of(2 * cpu)}}
			if err := w.WriteTrial(trial); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := w.Finish(record.End{At: time.Unix(0, 0).UTC()}); err != nil {
		t.Fatal(err)
	}
	return dir
}

func TestReadSitting(t *testing.T) {
	as := func(*scenarios.Scenario) {}
	dir := recordGate(t, gate.MaxBlocks, as)
	s, err := ReadSitting(dir)
	if err != nil || len(s.Blocks) != gate.MaxBlocks || len(s.Labels) != 3 || len(s.Nulls) != 3 || len(s.Nulls[0][1]) != gate.MaxBlocks {
		t.Errorf("%+v, %v", s, err)
	}
	r, err := ResampleGates(t.Context(), []Sitting{s, s, s}, 5)
	var out strings.Builder
	if err = errors.Join(err, r.Write(&out)); err != nil || len(r.Warming[0].D) != 2*3*gate.MaxBlocks || !strings.Contains(out.String(), "\nA side's first slice of a block, by its others: CPU per request of app ") {
		t.Errorf("%s%v", out.String(), err)
	}
	few := recordGate(t, 5, as)
	if _, err := ReadSitting(few); err == nil || !strings.Contains(err.Error(), few+" has 5 whole blocks, and 20 are needed") || !strings.Contains(err.Error(), "--all-blocks 24") {
		t.Errorf("five blocks: %v", err)
	}
	planted := recordGate(t, gate.MaxBlocks, func(s *scenarios.Scenario) {
		machine := slices.IndexFunc(s.After.Machines, func(m scenarios.Machine) bool { return m.Group == "app" })
		s.After.Machines = slices.Clone(s.After.Machines)
		process := s.After.Machines[machine].Processes[0]
		process.Settings = map[string]string{}
		for key, value := range s.Before.Machines[machine].Processes[0].Settings {
			process.Settings[key] = value
		}
		process.Settings["burn"] = "20%"
		s.After.Machines[machine].Processes = []scenarios.Process{process}
	})
	if _, err := ReadSitting(planted); err == nil || !strings.HasPrefix(err.Error(), planted+": its sides are not equal (") || !strings.Contains(err.Error(), "burn") {
		t.Errorf("with a difference planted: %v", err)
	}
}
