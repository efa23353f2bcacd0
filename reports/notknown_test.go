// SPDX-License-Identifier: Apache-2.0

package reports

import (
	"bytes"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"

	"headroom/harness/record"
	"headroom/internal/maybe"
	"headroom/reports/compare"
)

// without is a run's trials from which a figure of the machine database, of its
// process or of the driver was taken away.
func without(blocks int, of func(*record.Trial, *record.MachineUse) *maybe.Number) []record.Trial {
	trials := syntheticTrials(blocks)
	for i := range trials {
		t := &trials[i]
		t.Machines = slices.Clone(t.Machines)
		for k := range t.Machines {
			m := &t.Machines[k]
			m.Processes = slices.Clone(m.Processes)
			if m.Machine == "database" {
				*of(t, m) = maybe.Number{}
			}
		}
	}
	return trials
}

// quantities are all that may not be read, with what of a report rests on each: the
// keys of the database's demand, and the metrics.
var quantities = []struct {
	warning string
	of      func(*record.Trial, *record.MachineUse) *maybe.Number
	keys    []string
	metrics []string
}{
	{"machine database: CPU time", func(_ *record.Trial, m *record.MachineUse) *maybe.Number { return &m.CPUSeconds },
		[]string{"cpu_ms_per_request", "utilisation"},
		[]string{"db_cpu_ms_per_request", "db_cpu_share", "database_demand_share", "cpu_ms_per_request[database]", "utilisation[database]"}},
	{"machine database: throttled time", func(_ *record.Trial, m *record.MachineUse) *maybe.Number { return &m.ThrottledS }, nil, nil},
	{"machine database: CPU periods", func(_ *record.Trial, m *record.MachineUse) *maybe.Number { return &m.Periods },
		[]string{"throttled_share"}, []string{"throttled_share[database]"}},
	{"machine database: throttled CPU periods", func(_ *record.Trial, m *record.MachineUse) *maybe.Number { return &m.ThrottledPeriods },
		[]string{"throttled_share"}, []string{"throttled_share[database]"}},
	{"machine database: memory", func(_ *record.Trial, m *record.MachineUse) *maybe.Number { return &m.MemoryBytes }, nil, nil},
	{"machine database: OOM kills", func(_ *record.Trial, m *record.MachineUse) *maybe.Number { return &m.OOMKills }, nil, nil},
	{"machine database: bytes received", func(_ *record.Trial, m *record.MachineUse) *maybe.Number { return &m.NetRxBytes }, nil, nil},
	{"machine database: bytes sent", func(_ *record.Trial, m *record.MachineUse) *maybe.Number { return &m.NetTxBytes }, nil, nil},
	// The CPU time of a process that is alone on its machine is the machine's.
	{"machine database: CPU time of process postgres", func(_ *record.Trial, m *record.MachineUse) *maybe.Number { return &m.Processes[0].CPUSeconds }, nil, nil},
	{"machine database: memory of process postgres", func(_ *record.Trial, m *record.MachineUse) *maybe.Number { return &m.Processes[0].RSSBytes }, nil, nil},
	{"the driver: CPU time", func(t *record.Trial, _ *record.MachineUse) *maybe.Number { return &t.Measurement.Driver.CPUSeconds }, nil, nil},
	{"the driver: peak memory", func(t *record.Trial, _ *record.MachineUse) *maybe.Number { return &t.Measurement.Driver.MaxRSSMB }, nil, nil},
	{"the driver: throttled time", func(t *record.Trial, _ *record.MachineUse) *maybe.Number { return &t.Measurement.Driver.ThrottledS }, nil, nil},
	{"the driver: stolen CPU time", func(t *record.Trial, _ *record.MachineUse) *maybe.Number { return &t.Measurement.Driver.StolenShare }, nil, nil},
	{"the driver: stolen CPU time of the worst second", func(t *record.Trial, _ *record.MachineUse) *maybe.Number {
		return &t.Measurement.Driver.StolenWorstSecond
	}, nil, nil},
}

// outputs are a report as a page, on a terminal and as JSON.
func outputs(t *testing.T, r Report) map[string]string {
	t.Helper()
	var page, terminal, machine bytes.Buffer
	if err := errors.Join(WriteHTML(&page, r), WriteTerminal(&terminal, r, Terminal{Width: 1000}), WriteJSON(&machine, r)); err != nil {
		t.Fatal(err)
	}
	return map[string]string{"page": page.String(), "terminal": terminal.String(), "JSON": machine.String()}
}

// Each figure that is taken away is warned of on every output, what rests on it is
// not known, and nothing else changes: not what is valid either.
func TestFigureTakenAway(t *testing.T) {
	whole := build(t, syntheticRun(), syntheticTrials(1), &record.End{})
	for name, text := range outputs(t, whole) {
		if strings.Contains(text, "not known of ") {
			t.Errorf("the %s warns of a figure, though all are known", name)
		}
	}
	for _, test := range quantities {
		r := build(t, syntheticRun(), without(1, test.of), &record.End{})
		want := "not known of " + test.warning + "; nothing is judged by that"
		texts := outputs(t, r)
		for name, text := range texts {
			times := 1
			if name == "JSON" {
				times = 2 // as a warning, and in what is valid
			}
			if got := strings.Count(text, want); got != times {
				t.Errorf("%s: the %s says %q %d times, want %d", test.warning, name, want, got, times)
			}
		}
		if !slices.Equal(r.Validity.NotKnown, []string{want}) {
			t.Errorf("%s: in what is valid stands %q", test.warning, r.Validity.NotKnown)
		}
		if r.Validity.InvalidSlices != whole.Validity.InvalidSlices || r.Validity.InvalidProbes != whole.Validity.InvalidProbes {
			t.Errorf("%s: what is not known makes slices invalid: %+v", test.warning, r.Validity)
		}
		checkDemandKeys(t, test.warning, texts["JSON"], test.keys)
		for _, rate := range r.Rates {
			for _, row := range slices.Concat(rate.Rows, rate.Details) {
				lost := slices.Contains(test.metrics, string(row.Key))
				if lost != (strings.HasSuffix(row.Before.Missing, " not known")) || lost != (levelText(row.Before, row.Unit) == maybe.NotKnown) || lost && row.Before.Value != nil {
					t.Errorf("%s: %s is %+v", test.warning, row.Key, row.Before)
				}
			}
		}
	}
}

// checkDemandKeys wants the keys that rest on a figure, and no others, to be missing
// in the JSON of the database's demand.
func checkDemandKeys(t *testing.T, name, text string, lost []string) {
	t.Helper()
	var report struct {
		Variants []struct {
			Demand struct {
				Machines []map[string]any `json:"machines"`
			} `json:"demand"`
		} `json:"variants"`
	}
	if err := json.Unmarshal([]byte(text), &report); err != nil {
		t.Fatal(err)
	}
	found := 0
	for _, v := range report.Variants {
		for _, machine := range v.Demand.Machines {
			if machine["machine"] != "database" {
				continue
			}
			found++
			for _, key := range []string{"cpu_ms_per_request", "utilisation", "throttled_share"} {
				if _, there := machine[key]; there == slices.Contains(lost, key) {
					t.Errorf("%s: the demand's %s is there: %v", name, key, there)
				}
			}
		}
	}
	if found != 2 {
		t.Errorf("%s: the database has %d demands, want one of each variant", name, found)
	}
}

// No verdict, no bottleneck and no bound rest on a machine whose CPU time is not
// known.
func TestNothingIsJudgedWithoutCPUTime(t *testing.T) {
	verdicts := func(r Report) map[string]compare.Verdict {
		by := map[string]compare.Verdict{}
		for _, c := range r.Claims {
			by[c.ID] = c.Verdict
		}
		return by
	}
	whole := verdicts(build(t, syntheticRun(), syntheticTrials(3), &record.End{}))
	r := build(t, syntheticRun(), without(3, quantities[0].of), &record.End{})
	lacking := verdicts(r)
	for _, id := range []string{"cache-db-load", "database-first"} {
		if v := lacking[id]; v == whole[id] || v == compare.Confirmed || v == compare.Refuted {
			t.Errorf("%s is %s without the CPU time, and %s with it", id, v, whole[id])
		}
	}
	if lacking["cache-latency"] != whole["cache-latency"] {
		t.Errorf("a claim that needs no CPU time is %s, and %s with it", lacking["cache-latency"], whole["cache-latency"])
	}
	for _, v := range r.Variants {
		if !strings.HasPrefix(v.Bottleneck, "not known: CPU not known of database; the busiest of the others is ") || v.Demand.BoundRPS.Known() {
			t.Errorf("%s: bottleneck %q, bound %v", v.Variant, v.Bottleneck, v.Demand.BoundRPS)
		}
		i := slices.IndexFunc(v.Demand.rows(), func(row demandRow) bool { return row.Machine == "database" })
		if row := v.Demand.rows()[i]; row.Millis != maybe.NotKnown || row.Share != maybe.NotKnown || row.Throttled == maybe.NotKnown {
			t.Errorf("%s: the database's row is %+v", v.Variant, row)
		}
	}
	for _, rate := range r.Rates {
		if rate.Bottleneck != (Bottleneck{Before: maybe.NotKnown, After: maybe.NotKnown}) {
			t.Errorf("%s: the busiest machines are %+v", rate.Name, rate.Bottleneck)
		}
	}
	if strings.Contains(outputs(t, r)["page"], "The machine at the top runs out of CPU first") {
		t.Error("the page names the first machine to run out")
	}
}
