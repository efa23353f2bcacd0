// SPDX-License-Identifier: Apache-2.0

package reports

import (
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"time"

	"headroom/harness/record"
	"headroom/internal/maybe"
	"headroom/scenarios"
	"headroom/targets/kinds"
)

// finalRun is a run of a scenario of the size of the final architecture.
func finalRun() record.Run {
	path := filepath.Join("testdata", "final.yaml")
	data, err := os.ReadFile(path)
	if err != nil {
		panic(err)
	}
	scenario, err := scenarios.Parse(path, data, kinds.Data())
	if err != nil {
		panic(err)
	}
	run := syntheticRun()
	run.ID, run.Scenario, run.Shares.UnitCPUs = "final-20261123-150000", *scenario, 0.05
	run.StartedAt = started.Add(45 * time.Minute)
	return run
}

// finalTrials are the synthetic trials on the final topology's machines, with
// what its oracles found: before cannot go wrong, after has a few stale reads.
func finalTrials() []record.Trial {
	s := &synthetic{random: rand.New(rand.NewPCG(3, 5))}
	trials := syntheticTrials(3)
	for i := range trials {
		t := &trials[i]
		t.Machines = s.finalMachines(t.Variant, float64(t.Measurement.Succeeded), t.Measurement.DurationS)
		if t.Kind == record.KindSlice || t.RateName == record.RateSoak {
			t.Oracles = s.oracles(t.Variant, t.Measurement.Sent, t.Measurement.DurationS)
			t.Measurement.Counts = map[string]int64{"X-Cache: hit": t.Measurement.Sent / 2}
			if t.Variant == scenarios.Before {
				t.Measurement.Counts = nil
			}
		}
	}
	return trials
}

func (s *synthetic) finalMachines(v scenarios.Variant, requests, seconds float64) []record.MachineUse {
	var all []record.MachineUse
	zero := maybe.Of(0)
	scenario := finalRun().Scenario
	topology := scenario.Topology(v)
	for _, m := range topology.Machines {
		use := record.MachineUse{Machine: m.Name, Group: m.Group, External: m.External, WindowS: seconds,
			QuotaCPUs: m.VCPU * 0.05, CPUSeconds: zero, Periods: maybe.Of(float64(int64(seconds * 100))), ThrottledPeriods: zero,
			ThrottledS: zero, MemoryBytes: maybe.Of(1 << 26), OOMKills: zero, NetRxBytes: zero, NetTxBytes: zero}
		for _, p := range m.Processes {
			copies := 0.0
			for _, other := range topology.Machines {
				if other.Group == m.Group {
					copies++
				}
			}
			cpu := requests * 0.12e-3 / copies * math.Exp(0.03*s.random.NormFloat64())
			counts := map[string]float64{}
			switch p.Kind {
			case "postgres":
				counts["statements"], counts["rows"], counts["tuples_read"] = requests*0.4/copies, requests*4/copies, requests*5/copies
				if v == scenarios.Before {
					cpu *= 20
				}
			case "shop":
				counts["requests"] = requests * 0.45 / copies
				if v == scenarios.Before {
					counts["requests"] = requests
				}
			case "varnish":
				counts["hits"], counts["misses"] = requests*0.3, requests*0.04
			}
			use.CPUSeconds = use.CPUSeconds.Plus(maybe.Of(cpu))
			use.Processes = append(use.Processes, record.ProcessUse{Name: p.Name, Kind: p.Kind, CPUSeconds: maybe.Of(cpu * 0.98), RSSBytes: maybe.Of(1 << 25), Counts: counts})
		}
		all = append(all, use)
	}
	return all
}

func (s *synthetic) oracles(v scenarios.Variant, requests int64, seconds float64) []record.Oracle {
	ages := func(n int64, typicalMS float64) *record.Histogram {
		h := &record.Histogram{}
		for range n {
			h.Record(time.Duration(typicalMS * math.Exp(0.9*s.random.NormFloat64()) * float64(time.Millisecond)))
		}
		return h
	}
	if v == scenarios.Before {
		return []record.Oracle{
			{Name: scenarios.OracleStale, Checked: requests / 2}, {Name: scenarios.OracleReadYourWrites, Checked: requests / 20},
			{Name: scenarios.OracleMonotonic, Checked: requests / 4}, {Name: scenarios.OracleLag, Unknown: "there is no replica"},
			{Name: scenarios.OracleMisplaced, Unknown: "there are no shards"},
			{Name: scenarios.OracleLost, Unknown: "there is no queue"}, {Name: scenarios.OracleDuplicated, Unknown: "there is no queue"},
			{Name: scenarios.OracleOverLimit, Unknown: "there is no rate limiter"},
		}
	}
	stale := record.Oracle{Name: scenarios.OracleStale, Checked: requests / 2, Violations: requests / 150, Age: ages(requests/150, 14),
		Example: "user 4711 showed version 2, 31 ms after version 3 was acknowledged"}
	found := []record.Oracle{stale, {Name: scenarios.OracleReadYourWrites, Checked: requests / 20},
		{Name: scenarios.OracleMonotonic, Checked: requests / 4, Violations: requests / 400}}
	for copy := 1; copy <= 2; copy++ {
		samples := int64(seconds * 10)
		h := ages(samples, 3*float64(copy))
		found = append(found, record.Oracle{Name: scenarios.OracleLag, Scope: fmt.Sprintf("replica-%d", copy), Checked: samples, Age: h,
			LagBytes: map[string]float64{"p50": 3100 * float64(copy), "p99": 24000 * float64(copy), "max": 1.2e6 * float64(copy)}})
	}
	return append(found, record.Oracle{Name: scenarios.OracleMisplaced, Scope: "orders", Checked: requests / 10},
		record.Oracle{Name: scenarios.OracleMisplaced, Scope: "posts", Checked: requests / 8},
		record.Oracle{Name: scenarios.OracleLost, Unknown: "the queue was not drained within 20 s"},
		record.Oracle{Name: scenarios.OracleDuplicated, Checked: requests / 10, Unknown: "2 slices were not audited"},
		record.Oracle{Name: scenarios.OracleOverLimit, Checked: requests})
}
