// SPDX-License-Identifier: Apache-2.0

package compare

import (
	"slices"
	"strings"
	"testing"
	"time"

	"headroom/harness/record"
	"headroom/internal/maybe"
	"headroom/scenarios"
	"headroom/targets/kinds"
)

// Slices add up field by field; a rate is weighted by the time.
func TestPoolAddsUp(t *testing.T) {
	second := func(n int, sent, failed int64) record.Second {
		s := record.Second{Second: n, Sent: sent, Failed: failed}
		s.Response.Record(time.Duration(n+1) * time.Millisecond)
		return s
	}
	one := record.Trial{Measurement: record.Measurement{DurationS: 10, OfferedRPS: 100, Planned: 1000, Sent: 990, Succeeded: 980, Failed: 10, Unsent: 10,
		BytesIn: 5000, Timeline: []record.Second{second(0, 5, 1), second(1, 6, 0)}, Counts: map[string]int64{"X": 3},
		Endpoints: []record.EndpointMeasurement{{Name: "a", Sent: 40}, {Name: "b", Sent: 50}}, Driver: record.DriverUse{CPUSeconds: maybe.Of(2)}},
		Machines: []record.MachineUse{{Machine: "m", WindowS: 10, CPUSeconds: maybe.Of(4), Periods: maybe.Of(100), ThrottledPeriods: maybe.Of(20), QuotaCPUs: 1,
			Processes: []record.ProcessUse{{Name: "p", CPUSeconds: maybe.Of(1), Counts: map[string]float64{"k": 5}}, {Name: "q", CPUSeconds: maybe.Of(2)}}}}}
	two := record.Trial{Measurement: record.Measurement{DurationS: 30, OfferedRPS: 200, Planned: 6000, Sent: 6000, Succeeded: 6000,
		BytesIn: 1000, Timeline: []record.Second{second(1, 7, 2), second(2, 8, 0)}, Counts: map[string]int64{"X": 4, "Y": 1},
		Endpoints: []record.EndpointMeasurement{{Name: "b", Sent: 60}}, Driver: record.DriverUse{CPUSeconds: maybe.Of(3)}},
		Machines: []record.MachineUse{{Machine: "m", WindowS: 30, CPUSeconds: maybe.Of(6), Periods: maybe.Of(300), ThrottledPeriods: maybe.Of(10), QuotaCPUs: 1,
			Processes: []record.ProcessUse{{Name: "p", CPUSeconds: maybe.Of(3), Counts: map[string]float64{"k": 6}}}},
			{Machine: "n", External: true, WindowS: 30}}}
	s := Pool([]record.Trial{one, two}, kinds.Data())
	if s.Slices != 2 || s.DurationS != 40 || s.Planned != 7000 || s.Sent != 6990 || s.Succeeded != 6980 || s.Failed != 10 || s.Unsent != 10 || s.bytesIn != 6000 {
		t.Errorf("the counts are %+v", s)
	}
	if got := s.OfferedRPS(); got != 175 { // 100 for 10 s and 200 for 30 s
		t.Errorf("the rate is %v, want 175", got)
	}
	if s.driverCPU != maybe.Of(5) {
		t.Errorf("the driver used %v s, want 5", s.driverCPU)
	}
	if len(s.endpoints) != 2 || s.endpoints[0].sent != 40 || s.endpoints[1].sent != 110 || !slices.Equal(s.Endpoints(), []string{"a", "b"}) {
		t.Errorf("the endpoints are %+v", s.endpoints)
	}
	if s.headers["X"] != 7 || s.headers["Y"] != 1 || !slices.Equal(s.Headers(), []string{"X", "Y"}) {
		t.Errorf("the headers are %v", s.headers)
	}
	for i, want := range []record.Second{{Second: 0, Sent: 5, Failed: 1}, {Second: 1, Sent: 13, Failed: 2}, {Second: 2, Sent: 8}} {
		got := s.Timeline[i]
		count := int64(1 + i%2)
		if got.Second != want.Second || got.Sent != want.Sent || got.Failed != want.Failed || got.Response.Count() != count {
			t.Errorf("second %d is %+v, want %+v", i, got, want)
		}
	}
	m := s.machines[0]
	if m.WindowS != 40 || m.CPUSeconds != maybe.Of(10) || m.Periods != maybe.Of(400) || m.ThrottledPeriods != maybe.Of(30) || m.QuotaCPUs != 1 ||
		m.Processes[0].CPUSeconds != maybe.Of(4) || m.Processes[0].Counts["k"] != 11 || m.Processes[1].CPUSeconds != maybe.Of(2) {
		t.Errorf("the machine is %+v", m)
	}
	if !slices.Equal(s.Machines(), []string{"m"}) {
		t.Errorf("the machines are %v", s.Machines())
	}
	for _, lacking := range []maybe.Number{{}, maybe.Of(0)} { // a driver that sent used some
		two.Measurement.Driver.CPUSeconds = lacking
		if s := Pool([]record.Trial{two, one}, kinds.Data()); s.driverCPU.Known() || s.driverMillis().OK() {
			t.Errorf("the driver's CPU is known, though a slice has %v", lacking)
		}
	}
	if got := (Sample{}).OfferedRPS(); got != 0 {
		t.Errorf("the rate of nothing is %v", got)
	}
}

// The smallest change of a count is one of what it was divided by; of any figure its
// third digit.
func TestStepAndRelativeStep(t *testing.T) {
	for _, test := range []struct {
		v                  Value
		step, relativeStep float64
	}{
		{Value{V: 5}, 0.005, 0},
		{Value{V: -5}, 0.005, 0},
		{Value{}, 0.001, 0},
		{Value{V: 0, of: 50}, 0.02, 0},
		{Value{V: 0.5, of: 50}, 0.02, 0.04},
		{Value{V: 0.5, of: 10_000}, 0.0005, 0.0002},
	} {
		near(t, "step", test.v.step(), test.step, 1e-15)
		near(t, "relative step", test.v.relativeStep(), test.relativeStep, 1e-15)
	}
}

// A quantile may fall on the slowest that was recorded, not among those beyond.
func TestQuantileAmongTheClipped(t *testing.T) {
	var h record.Histogram
	for range 297 {
		h.Record(time.Millisecond)
	}
	// Of 300 three may lie above p99: rank 297 is the last recorded.
	v := QuantileMillis(h, 300, 0.99)
	if !v.OK() {
		t.Fatal(v.Missing)
	}
	near(t, "the last recorded", v.V, 1, 0.002)
	h = record.Histogram{}
	for range 296 {
		h.Record(time.Millisecond)
	}
	if v = QuantileMillis(h, 300, 0.99); !strings.HasPrefix(v.Missing, "beyond what was measured: 4 of 300") {
		t.Errorf("a quantile among the clipped is %v (%q)", v.V, v.Missing)
	}
	var s Sample
	s.all.response.Record(2 * time.Millisecond)
	s.all.response.Record(4 * time.Millisecond)
	near(t, "mean", s.MeanMS(), 3, 0.01)
}

// Alone on its machine a process has the machine's CPU time, else its own.
func TestCPUOfAProcess(t *testing.T) {
	p := record.ProcessUse{Name: "p", CPUSeconds: maybe.Of(3)}
	if got := processCPU(record.MachineUse{CPUSeconds: maybe.Of(4), Processes: []record.ProcessUse{p}}, p); got != maybe.Of(4) {
		t.Errorf("alone: %v", got)
	}
	if got := processCPU(record.MachineUse{CPUSeconds: maybe.Of(4), Processes: []record.ProcessUse{p, {Name: "q"}}}, p); got != maybe.Of(3) {
		t.Errorf("beside another: %v", got)
	}
}

// A metric whose figure could not be read in one slice of two is not known, and the
// others are.
func TestMetricsThatAreNotKnown(t *testing.T) {
	keys := []scenarios.MetricKey{"cpu_ms_per_request[server]", "utilisation[server]", "throttled_share[server]", "db_cpu_ms_per_request", "db_cpu_share", "database_demand_share"}
	for name, test := range map[string]struct {
		away func(*record.MachineUse)
		lost []scenarios.MetricKey
	}{
		"nothing":           {func(*record.MachineUse) {}, nil},
		"CPU time":          {func(m *record.MachineUse) { m.CPUSeconds = maybe.Number{} }, keys[:2]},
		"throttled periods": {func(m *record.MachineUse) { m.ThrottledPeriods = maybe.Number{} }, keys[2:3]},
		"periods":           {func(m *record.MachineUse) { m.Periods = maybe.Number{} }, keys[2:3]},
		"CPU of PostgreSQL": {func(m *record.MachineUse) { m.Processes[0].CPUSeconds = maybe.Number{} }, keys[3:]},
		"CPU of the shop":   {func(m *record.MachineUse) { m.Processes[1].CPUSeconds = maybe.Number{} }, keys[5:]},
	} {
		one, two := slice(scenarios.Before, 1, 400, 10, 2), slice(scenarios.Before, 1, 400, 10, 2)
		test.away(&two.Machines[0])
		s := Pool([]record.Trial{one, two}, kinds.Data())
		for _, key := range keys {
			v, lost := s.Value(key), slices.Contains(test.lost, key)
			if v.OK() == lost || lost && !strings.HasSuffix(v.Missing, " not known") {
				t.Errorf("without %s %s is %v (%q)", name, key, v.V, v.Missing)
			}
		}
	}
}

// A figure that needs two counters has none where either is missing, and none by
// nothing.
func TestRatiosOfCounters(t *testing.T) {
	of := func(kind scenarios.KindName, counts map[string]float64) Sample {
		return Pool([]record.Trial{{Measurement: record.Measurement{Planned: 10, Sent: 10, Succeeded: 10}, Machines: []record.MachineUse{
			{Machine: "m", CPUSeconds: maybe.Of(0), Periods: maybe.Of(0), ThrottledPeriods: maybe.Of(0),
				Processes: []record.ProcessUse{{Name: "p", Kind: kind, Counts: counts}}}}}}, kinds.Data())
	}
	for _, test := range []struct {
		key     scenarios.MetricKey
		kind    scenarios.KindName
		counts  map[string]float64
		want    float64
		missing string
	}{
		{"cache_hit_ratio", "valkey", map[string]float64{"hits": 3}, 0, "no cache"},
		{"cache_hit_ratio", "valkey", map[string]float64{"misses": 3}, 0, "no cache"},
		{"cache_hit_ratio", "valkey", map[string]float64{"hits": 0, "misses": 0}, 0, "the cache was not asked"},
		{"cache_hit_ratio", "valkey", map[string]float64{"hits": 0, "misses": 4}, 0, ""},
		{"cache_hit_ratio", "valkey", map[string]float64{"hits": 6, "misses": 4}, 0.6, ""},
		{"rows_read_per_row_returned", "postgres", map[string]float64{"rows": 4}, 0, "not counted"},
		{"rows_read_per_row_returned", "postgres", map[string]float64{"tuples_read": 4}, 0, "not counted"},
		{"rows_read_per_row_returned", "postgres", map[string]float64{"tuples_read": 4, "rows": 0}, 0, "no row was returned"},
		{"rows_read_per_row_returned", "postgres", map[string]float64{"tuples_read": 12, "rows": 4}, 3, ""},
		{"db_cpu_share", "postgres", nil, 0, "quota is not known"},
		{"db_cpu_share", "shop", nil, 0, "no PostgreSQL"},
		{"database_demand_share", "postgres", nil, 0, "no process but PostgreSQL"},
		{"utilisation[m]", "shop", nil, 0, "its CPU quota is not known"},
		{"throttled_share[m]", "shop", nil, 0, "its CPU periods were not counted"},
		{"p0_ms", "shop", nil, 0, "unknown quantile"},
	} {
		v := of(test.kind, test.counts).Value(test.key)
		if v.V != test.want || (v.Missing == "") != (test.missing == "") || !strings.Contains(v.Missing, test.missing) {
			t.Errorf("%s of %v: %v (%q), want %v (%q)", test.key, test.counts, v.V, v.Missing, test.want, test.missing)
		}
	}
}

// Of several databases the busiest counts, by what its own machine may use.
func TestTheBusiestDatabase(t *testing.T) {
	machine := func(name string, kind scenarios.KindName, quota, cpu float64) record.MachineUse {
		return record.MachineUse{Machine: name, WindowS: 10, QuotaCPUs: quota, CPUSeconds: maybe.Of(cpu), Processes: []record.ProcessUse{{Name: "p", Kind: kind}}}
	}
	for _, order := range [][]int{{0, 1, 2, 3}, {3, 2, 1, 0}} {
		all := []record.MachineUse{machine("a", "postgres", 1, 3), machine("b", "postgres", 0.1, 0.6),
			machine("c", "shop", 1, 2), machine("d", "shop", 0.1, 0.1)}
		trial := record.Trial{Measurement: record.Measurement{Succeeded: 10}}
		for _, i := range order {
			trial.Machines = append(trial.Machines, all[i])
		}
		s := Pool([]record.Trial{trial}, kinds.Data())
		near(t, "the busiest database", s.Value("db_cpu_share").V, 0.6, 1e-12)
		near(t, "its demand over the busiest shop's", s.Value("database_demand_share").V, 3, 1e-12)
	}
}

// A key has a description or is none.
func TestDescribe(t *testing.T) {
	for key, want := range map[scenarios.MetricKey]Metric{
		"p99.9_ms[GET /a]":    {Key: "p99.9_ms[GET /a]", Label: "p99.9 GET /a", Unit: scenarios.UnitMillis},
		"p5_ms":               {Key: "p5_ms", Label: "p5", Unit: scenarios.UnitMillis},
		"utilisation[app]":    {Key: "utilisation[app]", Label: "CPU utilisation app", Unit: scenarios.UnitShare},
		"throughput_rps":      {Key: "throughput_rps", Label: "throughput", Unit: scenarios.UnitPerSecond},
		"p0_ms":               {},
		"p100_ms":             {},
		"utilisation":         {},
		"throughput_rps[app]": {},
	} {
		if got, ok := Describe(key); got != want || ok != (want.Key != "") {
			t.Errorf("%s: %+v (%v), want %+v", key, got, ok, want)
		}
	}
	for key, want := range map[scenarios.MetricKey]bool{CapacityRPS: true, DownloadsPerUserUSD: true, "p50_ms": false} {
		if got := Rateless(key); got != want {
			t.Errorf("%s has no rate: %v", key, got)
		}
	}
}
