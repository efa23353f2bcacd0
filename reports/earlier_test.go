// SPDX-License-Identifier: Apache-2.0

package reports

import (
	"bytes"
	"math"
	"strings"
	"testing"

	"headroom/harness/record"
	"headroom/harness/slo"
	"headroom/reports/compare"
	"headroom/scenarios"
)

func earlierLog(blocks int) *record.Log {
	log := &record.Log{Run: syntheticRun(), Trials: syntheticTrials(blocks), End: &record.End{}}
	log.Run.ID, log.Run.Blocks = "phase3-20261120-080000", blocks
	return log
}

// Earlier runs change what is detectable, by rate and of the capacity, and nothing
// else.
func TestEarlierRunsLendTheirScatter(t *testing.T) {
	build := func(earlier ...*record.Log) Report {
		r, err := Build(&record.Log{Run: syntheticRun(), Trials: syntheticTrials(3), End: &record.End{}}, examplePrices(), earlier...)
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	lender := earlierLog(5)
	other, err := Build(lender, examplePrices())
	if err != nil {
		t.Fatal(err)
	}
	alone, pooled := build(), build(lender)
	squares := func(e compare.Effect) (sum float64, freedom int) {
		var d []float64
		mean := 0.0
		for _, p := range e.Pairs {
			d = append(d, math.Log(p.After/p.Before))
			mean += d[len(d)-1] / float64(len(e.Pairs))
		}
		for _, x := range d {
			sum += (x - mean) * (x - mean)
		}
		return sum, len(d) - 1
	}
	find := func(rows []Row, key scenarios.MetricKey) compare.Effect {
		for _, row := range rows {
			if row.Key == key {
				return row.Effect
			}
		}
		t.Fatalf("no row %s", key)
		return compare.Effect{}
	}
	for _, test := range []struct {
		key        scenarios.MetricKey
		rows       func(Report) []Row
		resolution float64
	}{
		{"p95_ms", func(r Report) []Row { return r.Rates[0].Rows }, 0},
		{"cpu_ms_per_request[app-1]", func(r Report) []Row { return r.Rates[0].Details }, 0},
		{compare.CapacityRPS, func(r Report) []Row { return r.Overall }, slo.Resolution},
	} {
		own, got := find(test.rows(alone), test.key), find(test.rows(pooled), test.key)
		a, n := squares(own)
		b, m := squares(find(test.rows(other), test.key))
		want := math.Exp(max(3.264*math.Sqrt((a+b)/float64(n+m)), 2*test.resolution)) // of three blocks
		if math.Abs(got.DetectableRatio-want) > 1e-6 || n != 2 || m != 4 {
			t.Errorf("%s: detectable %v, want %v", test.key, got.DetectableRatio, want)
		}
		if got.Ratio != own.Ratio || *got.Interval != *own.Interval || got.Survives != own.Survives {
			t.Errorf("%s: %+v, alone %+v", test.key, got, own)
		}
	}
	var page bytes.Buffer
	if err := WriteHTML(&page, pooled); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(page.String(), "together with those of the earlier runs phase3-20261120-080000") || len(alone.Earlier) != 0 {
		t.Errorf("the page does not name the earlier run, or %v lent to the one alone", alone.Earlier)
	}
}

func TestRunsThatLendNothing(t *testing.T) {
	tests := map[string]func(*record.Run){
		"it is this run":                      func(r *record.Run) { r.ID = syntheticRun().ID },
		"quick run":                           func(r *record.Run) { r.Quick = true },
		"its scenario differs":                func(r *record.Run) { r.Scenario.After.Machines = r.Scenario.After.Machines[1:] },
		"shared out the machine":              func(r *record.Run) { r.Shares.VariantCPUs = map[scenarios.Variant]float64{scenarios.Before: 0.5} },
		"its own images are others":           func(r *record.Run) { r.Environment.Images = map[string]string{"build .": "sha256:1"} },
		`CPU "another", the run "a CPU"`:      func(r *record.Run) { r.Environment.CPUModel = "another" },
		`headroom "older", the run "test"; l`: func(r *record.Run) { r.Environment.Headroom = "older" },
	}
	for want, change := range tests {
		log := earlierLog(3)
		change(&log.Run)
		_, err := Build(&record.Log{Run: syntheticRun(), Trials: syntheticTrials(3), End: &record.End{}}, examplePrices(), log)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want ...%s...", err, want)
		}
	}
	log := earlierLog(3)
	log.Run.Scenario.Claims, log.Run.Scenario.Title = nil, "Renamed"
	if _, err := Build(&record.Log{Run: syntheticRun(), Trials: syntheticTrials(3), End: &record.End{}}, examplePrices(), log); err != nil {
		t.Errorf("other claims about the same systems: %v", err)
	}
	if _, err := Build(&record.Log{Run: syntheticRun(), Trials: syntheticTrials(3), End: &record.End{}}, examplePrices(), log, log); err == nil {
		t.Error("a run lends its scatter twice")
	}
}
