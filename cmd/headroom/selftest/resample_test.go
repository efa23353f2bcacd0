// SPDX-License-Identifier: Apache-2.0

package selftest

import (
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
	"headroom/reports/compare"
	"headroom/scenarios"
)

// fiveBlocks writes a run of five blocks whose capacities are 1,000 requests/s by
// so much in ln, of before and of after, and whose app needs as much CPU a request.
func fiveBlocks(t *testing.T, dir, afterSize string, before, after []float64) string {
	t.Helper()
	topology := func(size string) scenarios.Topology {
		return scenarios.Topology{Label: size, Entry: "app/shop", Machines: []scenarios.Machine{{Name: "app", Size: size,
			Processes: []scenarios.Process{{Name: "shop", Kind: "shop"}}}}}
	}
	writer, err := record.Create(dir, record.Run{ID: filepath.Base(dir), Blocks: len(before),
		Scenario: scenarios.Scenario{Before: topology("small"), After: topology(afterSize)}})
	if err != nil {
		t.Fatal(err)
	}
	order := 0
	write := func(trial record.Trial) {
		order++
		trial.Order = order
		if err := writer.WriteTrial(trial); err != nil {
			t.Fatal(err)
		}
	}
	for i := range before {
		for v, by := range map[scenarios.Variant]float64{scenarios.Before: before[i], scenarios.After: after[i]} {
			for turn := range 2 {
				outcome := []record.Outcome{record.Held, record.Failed}[turn]
				write(record.Trial{Kind: record.KindProbe, Variant: v, Block: i + 1, RateName: record.RateStairs,
					Measurement: record.Measurement{OfferedRPS: 1000 * math.Exp(by), DurationS: 3},
					Verdict:     &record.Verdict{Outcome: outcome, Counts: []record.Count{{Condition: "p99", Bad: 30, Of: 3000, Allowed: 0.01}}}})
			}
			m := record.Measurement{OfferedRPS: 100, DurationS: 1, Planned: 100, Sent: 100, Succeeded: 100}
			for range 100 {
				m.Response.Record(time.Millisecond)
				m.ResponseSuccess.Record(time.Millisecond)
			}
			write(record.Trial{Kind: record.KindSlice, Variant: v, Block: i + 1, RateName: record.RateCommon, Measurement: m,
				Machines: []record.MachineUse{{Machine: "app", WindowS: 1, QuotaCPUs: 1, CPUSeconds: maybe.Of(0.1 * math.Exp(by))}}})
		}
	}
	if err := writer.Finish(record.End{}); err != nil {
		t.Fatal(err)
	}
	return dir
}

// scattered is so many values about a centre.
func scattered(random *rand.Rand, n int, centre, sd float64) []float64 {
	out := make([]float64, n)
	for i := range out {
		out[i] = centre + sd*random.NormFloat64()
	}
	return out
}

func row(t *testing.T, w Way, key string) Share {
	t.Helper()
	i := slices.IndexFunc(w.Rows, func(s Share) bool { return s.Key == key })
	if i < 0 {
		t.Fatalf("no %s among %+v", key, w.Rows)
	}
	return w.Rows[i]
}

const appCPU = "cpu_ms_per_request[app]"

// Of five blocks that differ by nearly as much, only the two of 32 exchanges in
// which all point one way exclude 1.
func TestExchangesAreExact(t *testing.T) {
	dir := fiveBlocks(t, filepath.Join(t.TempDir(), "equal"), "small", make([]float64, 5), []float64{0.2, 0.21, 0.22, 0.23, 0.24})
	r, err := Resample(t.Context(), []string{dir}, 4)
	if err != nil {
		t.Fatal(err)
	}
	if r.Equal != 1 || r.Unequal != 0 || len(r.Ways) != 1 {
		t.Fatalf("%+v", r)
	}
	for _, key := range []string{"limit_rps", appCPU} {
		s := row(t, r.Ways[0], key)
		if share := float64(s.Bad) / float64(s.Of); s.Of != 4*resamples || math.Abs(share-2./32) > 0.012 {
			t.Errorf("%s: %d of %d, want 2 of 32", key, s.Bad, s.Of)
		}
		if s.Least > s.Most || s.Least == 0 {
			t.Errorf("%s: seeds from %v to %v", key, s.Least, s.Most)
		}
	}
	if p50 := row(t, r.Ways[0], "p50_ms"); p50.Bad != 0 || p50.Of != 4*resamples {
		t.Errorf("p50, which never differs: %+v", p50)
	}
	// The exchange holds for all rows of a block: the capacity and the CPU exclude 1
	// in the same resamples.
	if capacity := row(t, r.Ways[0], "limit_rps"); r.Ways[0].Claimed.Bad != capacity.Bad {
		t.Errorf("claimed in %d, the capacity excludes 1 in %d", r.Ways[0].Claimed.Bad, capacity.Bad)
	}
	var table strings.Builder
	if err := WriteResampled(&table, r); err != nil || !strings.Contains(table.String(), fmt.Sprintf("| limit_rps | %d of 4000 |", row(t, r.Ways[0], "limit_rps").Bad)) {
		t.Errorf("%v\n%s", err, table.String())
	}
}

// What scatters normally excludes 1 in a twentieth, whatever the two variants
// differ by.
func TestResamplesOfNormalBlocks(t *testing.T) {
	random := rand.New(rand.NewPCG(5, 6))
	for _, test := range []struct {
		name, after string
		ratio       float64
		runs, ways  int
	}{{"equal", "small", 0, 40, 1}, {"twice as fast", "large", math.Log(2), 40, 2}} {
		var dirs []string
		for i := range test.runs {
			day := 0.3 * random.NormFloat64() // the run's machine is faster, or slower
			dirs = append(dirs, fiveBlocks(t, filepath.Join(t.TempDir(), fmt.Sprint(test.name, i)), test.after,
				scattered(random, 5, day, 0.04), scattered(random, 5, day+test.ratio, 0.04)))
		}
		r, err := Resample(t.Context(), dirs, 2)
		if err != nil {
			t.Fatal(err)
		}
		if len(r.Ways) != test.ways {
			t.Fatalf("%s: %+v", test.name, r)
		}
		for _, w := range r.Ways {
			s := row(t, w, "limit_rps")
			if share := float64(s.Bad) / float64(s.Of); share < 0.03 || share > 0.075 {
				t.Errorf("%s, %s: %d of %d", test.name, w.Words, s.Bad, s.Of)
			}
		}
	}
}

func TestResampleNeedsEnough(t *testing.T) {
	zero := []float64{-0.02, 0, 0.02, 0.01, -0.01}
	dir := func(name, after string, blocks int) string {
		return fiveBlocks(t, filepath.Join(t.TempDir(), name), after, zero[:blocks], zero[:blocks])
	}
	one := dir("one", "large", 5)
	for _, test := range []struct {
		dirs []string
		says string
	}{
		{[]string{filepath.Join(t.TempDir(), "none")}, "does not exist"},
		{[]string{dir("short", "small", 2)}, "2 blocks have a capacity of both variants, and an interval takes 3"},
		{[]string{one, dir("two", "large", 5)}, "there are 2 in all"},
		{[]string{one, one}, "twice"},
	} {
		if _, err := Resample(t.Context(), test.dirs, 1); err == nil || !strings.Contains(err.Error(), test.says) {
			t.Errorf("%v: %v, want %q", test.dirs, err, test.says)
		}
	}
}

// The driver's CPU goes with the variant's value: it is of the same slices.
func TestDriverGoesWithTheValue(t *testing.T) {
	pairs := []compare.Pair{
		{Block: 1, Before: 1, After: 2, DriverBefore: 10, DriverAfter: 20},
		{Block: 2, Before: 3, After: 4, DriverBefore: 30, DriverAfter: 40},
	}
	for _, test := range []struct {
		of   drawn
		want compare.Pair
	}{
		{drawn{block: 1}, compare.Pair{Block: 9, Before: 1, After: 2, DriverBefore: 10, DriverAfter: 20}},
		{drawn{block: 1, flip: true}, compare.Pair{Block: 9, Before: 2, After: 1, DriverBefore: 20, DriverAfter: 10}},
		{drawn{block: 1, secondary: 2, variant: scenarios.After}, compare.Pair{Block: 9, Before: 2, After: 4, DriverBefore: 20, DriverAfter: 40}},
	} {
		if got, ok := test.of.pair(pairs, 9); !ok || got != test.want {
			t.Errorf("%+v: %+v, %v; want %+v", test.of, got, ok, test.want)
		}
	}
	if _, ok := (drawn{block: 3}).pair(pairs, 9); ok {
		t.Error("a block that is not there gave a pair")
	}
}
