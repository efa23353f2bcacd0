// SPDX-License-Identifier: Apache-2.0

package reports

import (
	"compress/gzip"
	"os"
	"strings"
	"testing"

	"headroom/harness/record"
	"headroom/reports/compare"
	"headroom/reports/cost"
	"headroom/scenarios"
)

// recorded is a run of phase 1 as it was measured, on two cores.
func recorded(t *testing.T) *record.Log {
	t.Helper()
	file, err := os.Open("testdata/phase1-recorded.jsonl.gz")
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

func verdicts(t *testing.T, log *record.Log) map[string]compare.Verdict {
	t.Helper()
	prices, err := cost.Example()
	if err != nil {
		t.Fatal(err)
	}
	report, err := Build(log, prices)
	if err != nil {
		t.Fatal(err)
	}
	byClaim := map[string]compare.Verdict{}
	for _, claim := range report.Claims {
		byClaim[claim.ID] = claim.Verdict
	}
	return byClaim
}

// No verdict is written down anywhere: with before and after changed over, the
// same numbers refute what they confirmed.
func TestSwapSwapsTheVerdictsOfARecordedRun(t *testing.T) {
	log := recorded(t)
	forth := verdicts(t, log)
	other := map[scenarios.Variant]scenarios.Variant{scenarios.Before: scenarios.After, scenarios.After: scenarios.Before}
	for i := range log.Trials {
		log.Trials[i].Variant = other[log.Trials[i].Variant]
	}
	back := verdicts(t, log)
	swapped := 0
	for _, claim := range log.Run.Scenario.Claims {
		if strings.HasPrefix(string(claim.Metric), "database_demand_share") {
			continue // true of both variants
		}
		if forth[claim.ID] != compare.Confirmed {
			continue
		}
		swapped++
		if back[claim.ID] != compare.Refuted {
			t.Errorf("%s: confirmed, and with before and after changed over %s", claim.ID, back[claim.ID])
		}
	}
	if swapped < 5 {
		t.Errorf("only %d claims were confirmed to begin with: %v", swapped, forth)
	}
}
