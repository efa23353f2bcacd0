// SPDX-License-Identifier: Apache-2.0

package reports

import (
	"math/rand/v2"
	"strings"
	"testing"

	"headroom/harness/record"
	"headroom/reports/compare"
	"headroom/scenarios"
)

// Only what is shown for its whole table together has a direction, and what is
// not shown is not said not to be.
func TestChangeClause(t *testing.T) {
	row := func(e compare.Effect) Row {
		return Row{Metric: compare.Metric{Key: "p95_ms"}, Effect: e}
	}
	interval := func(low, high float64) *compare.Interval { return &compare.Interval{Low: low, High: high} }
	tests := []struct {
		name   string
		effect compare.Effect
		want   string
	}{
		{"shown", compare.Effect{Ratio: 0.5, Interval: interval(0.4, 0.6), Survives: true}, "the 95th percentile of response time is 0.50x (0.40-0.60) of before's"},
		{"shown alone", compare.Effect{Ratio: 0.5, Interval: interval(0.4, 0.9)}, "came out at 0.50x (0.40-0.90) of before's, which among the 14 rows of its table is no sure change"},
		{"spans 1", compare.Effect{Ratio: 0.9, Interval: interval(0.7, 1.1)}, "a change of the 95th percentile of response time is not shown (0.90x (0.70-1.10))"},
		{"two blocks", compare.Effect{Ratio: 0.9}, "came out at 0.90x of before's, from too few blocks to be sure"},
		{"nothing", compare.Effect{Missing: "no valid slice"}, "can't be compared (no valid slice)"},
	}
	for _, tt := range tests {
		if got := changeClause(row(tt.effect), 14); !strings.Contains(got, tt.want) {
			t.Errorf("%s: %q, want ...%q...", tt.name, got, tt.want)
		}
	}
}

func TestMarksAndChance(t *testing.T) {
	effect := compare.Effect{Ratio: 0.5, Interval: &compare.Interval{Low: 0.4, High: 0.6}, Survives: true}
	if got := markedRatio(effect); got != "0.50x (0.40-0.60) *" || ratioParts(effect).Mark != "*" {
		t.Errorf("%q, %+v", got, ratioParts(effect))
	}
	effect.Survives = false
	if got := markedRatio(effect); got != "0.50x (0.40-0.60)" || ratioParts(effect).Mark != "" {
		t.Errorf("%q, %+v", got, ratioParts(effect))
	}
	// Figures that agree to the last digit are no certainty, and no "exactly".
	alike := compare.Effect{Ratio: 1, Interval: &compare.Interval{Low: 0.999, High: 1.001}, DetectableRatio: 1.002}
	if got := ratioText(alike) + " " + detectableText(alike); got != "1.000x (0.999-1.001) 0.2%" {
		t.Errorf("%q", got)
	}
	rates := func(intervals int) []Rate {
		r := Rate{Rows: []Row{{Effect: compare.Effect{Missing: "x"}}}}
		for range intervals {
			r.Details = append(r.Details, Row{Effect: effect})
		}
		return []Rate{r}
	}
	for intervals, want := range map[int]string{40: "Of the 40 intervals of the tables by rate, details included, 2 can be expected", 9: "fewer than one can be expected", 0: ""} {
		if got := chanceOf(rates(intervals)); !strings.Contains(got, want) || (got == "") != (want == "") {
			t.Errorf("%d intervals: %q", intervals, got)
		}
	}
}

// A run of a system against itself claims no direction anywhere but by the 5%
// that its tables allow.
func TestAAClaimsNoDirection(t *testing.T) {
	run := syntheticRun()
	marked, intervals := 0, 0
	for seed := range uint64(20) {
		s := &synthetic{random: rand.New(rand.NewPCG(seed, 9))}
		var trials []record.Trial
		for block := 1; block <= 5; block++ {
			for _, v := range scenarios.Variants() {
				trial := s.trial(record.KindSlice, scenarios.Before, block, "common", 80, 0.65, 8)
				trial.Variant = v
				trials = append(trials, trial)
			}
		}
		r := build(t, run, trials, &record.End{})
		for _, row := range r.Rates[0].Rows {
			if row.Effect.Survives {
				marked++
			}
			if row.Effect.Interval != nil {
				intervals++
			}
		}
	}
	if intervals < 20*9 || marked > 3 {
		t.Errorf("%d of %d intervals of the same against itself are marked", marked, intervals)
	}
}

// A variant keeps up that answers what was due, however far the arrivals of a short
// slice scatter about their rate.
func TestWhoDoesNotKeepUp(t *testing.T) {
	trial := func(planned, succeeded int64) record.Trial {
		return record.Trial{Kind: record.KindSlice, RateName: record.RateCommon, Variant: scenarios.Before, Block: 1,
			Measurement: record.Measurement{OfferedRPS: 498, DurationS: 2, Planned: planned, Sent: planned, Succeeded: succeeded, Failed: planned - succeeded}}
	}
	for _, test := range []struct {
		planned, succeeded int64
		want               string
	}{
		{958, 958, ""}, {996, 977, ""},
		{996, 970, "at the common rate before answered 485 of 498 requests/s: it does not keep up"},
	} {
		table := compare.TableOf([]record.Trial{trial(test.planned, test.succeeded)}, &scenarios.Scenario{})
		got := strings.Join(rateWarnings(record.Run{}, table, record.RateCommon), "; ")
		if got != test.want {
			t.Errorf("%d of %d: %q, want %q", test.succeeded, test.planned, got, test.want)
		}
	}
}
