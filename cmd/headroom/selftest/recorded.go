// SPDX-License-Identifier: Apache-2.0

package selftest

import (
	"encoding/json"
	"fmt"
	"slices"

	"headroom/harness/record"
	"headroom/harness/slo"
	"headroom/reports/compare"
	"headroom/scenarios"
)

// recorded is what a finished run showed of each metric, a pair of values a block.
// The capacity is the first table's only row; the others are those of the common
// rate.
type recorded struct {
	dir    string
	blocks int                          // with a capacity of both variants
	kinds  map[scenarios.Variant]string // a topology in full, but for its label
	tables []table
}

// table is rows that the report judges together.
type table struct {
	keys    []scenarios.MetricKey
	effects []compare.Effect
}

func (t table) effect(key scenarios.MetricKey) (compare.Effect, bool) {
	if i := slices.Index(t.keys, key); i >= 0 {
		return t.effects[i], true
	}
	return compare.Effect{}, false
}

func (r recorded) equal() bool { return r.kinds[scenarios.Before] == r.kinds[scenarios.After] }

// readRecorded reads a finished run, or its trials file.
func readRecorded(dir string) (recorded, error) {
	log, err := record.ReadFile(dir)
	if err != nil {
		return recorded{}, err
	}
	r, err := recordedOf(dir, log)
	if err == nil && r.blocks < compare.MinBlocks {
		err = fmt.Errorf("%s: %d blocks have a capacity of both variants, and an interval takes %d: leave the run out of --runs", dir, r.blocks, compare.MinBlocks)
	}
	return r, err
}

func recordedOf(dir string, log *record.Log) (recorded, error) {
	r := recorded{dir: dir, kinds: map[scenarios.Variant]string{}}
	ranges := map[scenarios.Variant]compare.Range{}
	for _, v := range scenarios.Variants() {
		topology := log.Run.Scenario.Topology(v)
		topology.Label = ""
		text, err := json.Marshal(topology)
		if err != nil {
			return recorded{}, fmt.Errorf("%s: %s: %w", dir, v, err)
		}
		r.kinds[v] = string(text)
		ranges[v] = compare.RangeOf(slo.CapacityOf(log.Trials, v, log.Run.Scenario.SLO, true))
	}
	capacity := compare.RunMetrics{compare.CapacityRPS: ranges}.Ratio(compare.CapacityRPS)
	r.blocks = len(capacity.Pairs)
	r.tables = append(r.tables, table{[]scenarios.MetricKey{compare.CapacityRPS}, []compare.Effect{capacity}})
	comparison := compare.TableOf(log.Trials, &log.Run.Scenario).At(record.RateCommon)
	rows, details := comparison.Tables()
	for _, keys := range [][]scenarios.MetricKey{rows, details} {
		r.tables = append(r.tables, table{keys, comparison.Effects(keys)})
	}
	return r, nil
}
