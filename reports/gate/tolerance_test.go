// SPDX-License-Identifier: Apache-2.0

package gate

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"testing"

	"headroom/scenarios"
)

// runsOf are counted runs of some metrics of one endpoint: by name the values.
func runsOf(metric string, values map[string][]float64) []Counts {
	var runs []Counts
	for of, all := range values {
		for i, v := range all {
			if len(runs) <= i {
				runs = append(runs, Counts{requests: requests})
			}
			runs[i].metrics = append(runs[i].metrics, Count{Variant: scenarios.After, Endpoint: "GET /", Metric: metric, Of: of, Value: v})
		}
	}
	return runs
}

func renewed(t *testing.T, old []Count, runs []Counts, fresh bool) (map[string]Count, Changes) {
	t.Helper()
	lines, changes, err := Renew(old, runs, fresh)
	if err != nil {
		t.Fatal(err)
	}
	byName := map[string]Count{}
	for _, l := range lines {
		byName[l.Of] = l
	}
	return byName, changes
}

// A row that scatters widens no other; what a run counts a few times lends
// nothing.
func TestOneRowPoisonsNoOther(t *testing.T) {
	values := map[string][]float64{
		"wild": {90, 100, 110, 95, 105}, "rare": {0.02, 0.04, 0.02, 0.06, 0.02},
	}
	for i := range 5 {
		values[fmt.Sprintf("calm %d", i)] = []float64{100, 100.1, 100, 100.2, 100.1}
	}
	got := tolerances(t, runsOf("allocations", values))
	calm := got["calm 0"]
	if calm < 0.2 || calm > 1 {
		t.Errorf("a calm row has the tolerance %v", calm)
	}
	if got["wild"] < 35 { // 7.9% times Student's t
		t.Errorf("the wild row has the tolerance %v", got["wild"])
	}
	delete(values, "wild")
	delete(values, "rare")
	// Two rows more to raise an alarm widen all by a little.
	if alone := tolerances(t, runsOf("allocations", values))["calm 0"]; alone > calm || alone < calm*0.9 {
		t.Errorf("among calm rows it has %v, beside the others %v", alone, calm)
	}
}

// tolerances of the runs' metrics by their names, too wide or not.
func tolerances(t *testing.T, runs []Counts) map[string]float64 {
	t.Helper()
	rows, err := mergeRows(runs)
	if err != nil {
		t.Fatal(err)
	}
	within := map[string]float64{}
	for _, r := range rows {
		within[r.Of] = r.Within
	}
	return within
}

// What is not exact is allowed its source's least, however well a few runs agreed.
func TestLeastTolerance(t *testing.T) {
	same := []float64{40, 40, 40}
	for metric, want := range map[string]float64{"statement blocks": 0.4, "response": 0.02, "statement calls": 0, "origin requests": 0.4} {
		if got, _ := renewed(t, nil, runsOf(metric, map[string][]float64{"x": same}), false); got["x"].Within != want {
			t.Errorf("%s has the tolerance %v, want %v", metric, got["x"].Within, want)
		}
	}
}

func TestTooWideIsRefused(t *testing.T) {
	for name, test := range map[string]struct {
		metric string
		values []float64
		want   string // "": it is taken
	}{
		"exact, a few in a hundred": {"cache commands", []float64{0.25, 0.29, 0.33}, "after, GET /: cache commands of `x`: equal runs differ so much that its tolerance would be "},
		"exact, one in a hundred":   {"cache commands", []float64{0.29, 0.29, 0.3, 0.29, 0.29}, ""},
		"exact, large and close":    {"statement calls", []float64{500, 501, 500, 501, 500}, ""},
		"blocks by a quarter":       {"statement blocks", []float64{100, 125, 110}, "statement blocks of `x`"},
		"few blocks":                {"statement blocks", []float64{0.1, 0.11, 0.1, 0.11, 0.1}, ""},
		"allocations, a little":     {"allocations", []float64{50, 51, 52, 51, 50}, ""},
		"allocations, a lot":        {"allocations", []float64{200, 250, 220, 210, 240}, "allocations of `x`"},
	} {
		_, _, err := Renew(nil, runsOf(test.metric, map[string][]float64{"x": test.values}), false)
		switch {
		case test.want == "" && err != nil:
			t.Errorf("%s: %v", name, err)
		case test.want != "" && (err == nil || !strings.Contains(err.Error(), test.want) || !strings.HasSuffix(err.Error(), "%: find out why, or raise --runs")):
			t.Errorf("%s: %v, want %s", name, err, test.want)
		}
	}
	many := map[string][]float64{}
	for i := range 8 {
		many[fmt.Sprint(i)] = []float64{1, 2, 3}
	}
	if _, _, err := Renew(nil, runsOf("statement calls", many), false); err == nil || strings.Count(err.Error(), "\n") != 5 || !strings.HasSuffix(err.Error(), "and 3 more such metrics") {
		t.Errorf("many: %v", err)
	}
}

// A value has the digits of its tolerance.
func TestValuesAreRounded(t *testing.T) {
	for _, test := range []struct{ value, within, want float64 }{
		{161.246387, 15.4, 161.2}, {23785.666667, 15.5, 23785.7}, {0.893333, 0.284, 0.893}, {3, 0.0469, 3}, {0.333333, 0, 0.333333}, {459.73316, 40, 459.7},
	} {
		if got := roundLike(test.value, test.within); math.Abs(got-test.want) > 1e-9 {
			t.Errorf("%v ± %v becomes %v, want %v", test.value, test.within, got, test.want)
		}
	}
}

// Lines that still hold stay as they are; what has changed, is new or is gone is
// counted.
func TestRenewKeepsWhatHolds(t *testing.T) {
	line := func(of string, value, within float64) Count {
		return Count{Variant: scenarios.After, Endpoint: "GET /", Metric: "statement blocks", Of: of, Value: value, Within: within}
	}
	old := []Count{line("holds", 100, 3), line("moved", 100, 3), line("scatters", 100, 1), line("gone", 7, 0.1), line("too wide", 10, 5)}
	runs := runsOf("statement blocks", map[string][]float64{
		"holds": {101, 102, 102.9}, "moved": {110, 110, 110}, "scatters": {100, 100.5, 101.5}, "new": {5, 5, 5}, "too wide": {10, 10, 10},
	})
	got, changes := renewed(t, old, runs, false)
	if want := (Changes{Changed: 3, New: 1, Gone: 1, Kept: 1}); changes != want {
		t.Errorf("%s, want %s", changes, want)
	}
	if got["holds"] != old[0] {
		t.Errorf("what holds is written anew: %+v", got["holds"])
	}
	for of, least := range map[string]float64{"moved": 1.1, "scatters": 4, "too wide": 0.1} {
		if l := got[of]; l == old[slices.IndexFunc(old, func(o Count) bool { return o.Of == of })] || l.Within < least {
			t.Errorf("%s stays %+v", of, l)
		}
	}
	if _, stays := got["gone"]; stays {
		t.Error("what is gone stays")
	}
	if changes.String() != "3 metrics changed, 1 new, 1 gone, 1 kept" {
		t.Error(changes)
	}
	got, changes = renewed(t, old, runs, true)
	if want := (Changes{Changed: 4, New: 1, Gone: 1}); changes != want || got["holds"].Value < 101 {
		t.Errorf("fresh: %s, want %s: %+v", changes, want, got["holds"])
	}
	// Written again, nothing changes: no line creeps.
	again, changes := renewed(t, slices.Collect(maps.Values(got)), runs, false)
	if want := (Changes{Kept: 5}); changes != want {
		t.Errorf("again: %s, want %s: %+v", changes, want, again)
	}
}

// A tolerance by its definition: of three runs that scatter by a tenth, with what the
// source lends, Student's t of 2 + 4 degrees is 3.70743 at 99.5% where one row may
// raise an alarm, and 4.31683 at 99.75% where two may; one more run scatters by the
// square root of 1 + 1/3 as much.
func TestToleranceByItsDefinition(t *testing.T) {
	one, two := 3.70743*math.Sqrt(4.0/3), 4.31683*math.Sqrt(4.0/3)
	wild, calm, few := []float64{90, 100, 110}, []float64{100, 100, 100}, []float64{0.09, 0.099, 0.099}
	for _, test := range []struct {
		name   string
		values map[string][]float64
		want   map[string]float64
	}{
		{"alone", map[string][]float64{"wild": wild}, map[string]float64{"wild": one * 10}},
		// The median of 0.01 and 0 is lent; the wild row's own is more than what comes of both.
		{"two", map[string][]float64{"wild": wild, "calm": calm}, map[string]float64{"wild": two * 10, "calm": two * 100 * math.Sqrt(4*0.005/6)}},
		// What is counted fewer than ten times in a run lends nothing.
		{"few", map[string][]float64{"few": few, "calm": calm}, map[string]float64{"calm": 0}},
		{"just enough", map[string][]float64{"few": {0.09, 0.1, 0.11}, "calm": calm}, map[string]float64{"calm": two * 100 * math.Sqrt(4*0.005/6)}},
	} {
		got := tolerances(t, runsOf("allocations", test.values))
		for of, want := range test.want {
			unit := 0.1 // three digits, rounded up
			if got[of] < want-1e-3 || got[of] > want+unit {
				t.Errorf("%s: %s has the tolerance %v, want %v and less than %v more", test.name, of, got[of], want, unit)
			}
		}
	}
}

// At the bounds of what is of use: a share of the value, or a number by request.
func TestTooWideAtItsBounds(t *testing.T) {
	for _, test := range []struct {
		metric        string
		value, within float64
		want          bool
	}{
		{"statements", 10, 0.3, false}, {"statements", 10, 0.31, true},
		{"statements", 1, 0.05, false}, {"statements", 1, 0.051, true},
		{"statement blocks", 10, 1, false}, {"statement blocks", 10, 1.01, true},
		{"statement blocks", 1, 0.2, false}, {"statement blocks", 1, 0.21, true},
		{"response", 100, 10, false}, {"response", 100, 10.1, true}, {"response", 1, 1, false}, {"response", 1, 1.1, true},
		{"allocations", 100, 20, false}, {"allocations", 100, 20.1, true}, {"allocations", 10, 15, false}, {"allocations", 10, 15.1, true},
		{"table rows", 1, 0.2, false}, {"table rows", 1, 0.21, true},
	} {
		if got := (Count{Metric: test.metric, Value: test.value, Within: test.within}).tooWide(); got != test.want {
			t.Errorf("%s %v ± %v is too wide: %v", test.metric, test.value, test.within, got)
		}
	}
}

func TestFiguresOfTolerances(t *testing.T) {
	for v, want := range map[float64]float64{42.81: 42.9, 42.9: 42.9, 0.01234: 0.0124, 100: 100, 100.2: 101, 9.991: 10, 1234: 1240, 0: 0, -1: 0} {
		near(t, "three digits, rounded up", roundUp(v), want, 1e-9)
	}
	for _, test := range []struct {
		values []float64
		want   float64
	}{{nil, 0}, {[]float64{5}, 5}, {[]float64{3, 1, 2}, 2}, {[]float64{4, 1, 2, 3}, 2.5}} {
		near(t, "median", median(test.values), test.want, 1e-12)
	}
	near(t, "variance as a share", row{values: []float64{90, 100, 110}}.variance(), 0.01, 1e-12)
	near(t, "variance of nothing", row{values: []float64{0, 0}}.variance(), 0, 0)
	near(t, "spread", row{values: []float64{3, 1, 2}}.spread(), 2, 0)
	line := Count{Value: 10, Within: 1}
	for _, test := range []struct {
		values []float64
		want   bool
	}{{[]float64{9, 11}, true}, {[]float64{9, 11.001}, false}, {[]float64{8.999, 11}, false}} {
		if got := (row{values: test.values}).within(line); got != test.want {
			t.Errorf("%v is within %v ± %v: %v", test.values, line.Value, line.Within, got)
		}
	}
	for metric, want := range map[string]bool{"allocations": true, "statements": false} {
		if got := (row{Count: Count{Metric: metric}, values: []float64{1, 1}}).toleranced(); got != want {
			t.Errorf("equal runs of %s have a tolerance: %v", metric, got)
		}
	}
	if !(row{Count: Count{Metric: "statements"}, values: []float64{1, 2}}).toleranced() {
		t.Error("runs that differ have none")
	}
}
