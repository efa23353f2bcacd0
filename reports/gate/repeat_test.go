// SPDX-License-Identifier: Apache-2.0

package gate

import (
	"testing"

	"headroom/scenarios"
)

func countedAs(status Status, measured float64, metric string) CountResult {
	r := CountResult{Count: Count{Variant: scenarios.After, Endpoint: "GET /", Metric: metric, Value: 1}, Status: status}
	if status != StatusAbsent {
		r.Measured = &measured
	}
	return r
}

// The second count can but acquit.
func TestRepeated(t *testing.T) {
	const once = "differed once in two counts: 2.0, 1.0"
	for _, test := range []struct {
		first, second Status
		metric        string
		want          Status
		measured      float64
		why           string
	}{
		{StatusRegression, StatusRegression, "statements", StatusRegression, 2, ""},
		{StatusRegression, StatusSame, "statements", StatusSame, 1, once},
		{StatusRegression, StatusBetter, "statements", StatusBetter, 1, once},
		{StatusRegression, StatusImplausible, "statements", StatusImplausible, 1, once},
		{StatusRegression, StatusAbsent, "statements", StatusAbsent, 0, ""},
		{StatusRegression, StatusSame, errorsKey, StatusRegression, 2, ""},
		{StatusImplausible, StatusImplausible, "statements", StatusImplausible, 2, ""},
		{StatusImplausible, StatusSame, "statements", StatusSame, 1, once},
		{StatusImplausible, StatusRegression, "statements", StatusImplausible, 1, once},
		{StatusSame, StatusRegression, "statements", StatusSame, 2, ""},
		{StatusBetter, StatusImplausible, "statements", StatusBetter, 2, ""},
		{StatusSame, StatusAbsent, "statements", StatusSame, 2, ""},
		{StatusAbsent, StatusSame, "statements", StatusSame, 1, ""},
		{StatusAbsent, StatusRegression, "statements", StatusRegression, 1, ""},
		{StatusAbsent, StatusAbsent, "statements", StatusAbsent, 0, ""},
	} {
		got := Repeated([]CountResult{countedAs(test.first, 2, test.metric)}, []CountResult{countedAs(test.second, 1, test.metric)})
		if len(got) != 1 || got[0].Status != test.want || got[0].Why != test.why || test.measured > 0 && *got[0].Measured != test.measured {
			t.Errorf("%s, then %s of %s: %+v, want %s", test.first, test.second, test.metric, got, test.want)
		}
	}
}

// A name that only the first count has was not there in the second, if that
// counted; one that only the second has was not asked about.
func TestRepeatedNames(t *testing.T) {
	first := countedAs(StatusRegression, 0.01, "statement calls")
	first.Of, first.New, first.Value = authorSQL, true, 0
	other := countedAs(StatusRegression, 0.01, "statement calls")
	other.Of, other.New = feedSQL, true
	got := Repeated([]CountResult{first}, []CountResult{countedAs(StatusSame, 1, "statements"), other})
	if len(got) != 1 || got[0].Status != StatusSame || *got[0].Measured != 0 || got[0].Why != "differed once in two counts: 0.01, 0.0" {
		t.Errorf("%+v", got)
	}
	lacking := countedAs(StatusAbsent, 0, "statements")
	lacking.Why = "machine app restarted"
	got = Repeated([]CountResult{first}, []CountResult{lacking})
	if len(got) != 1 || got[0].Status != StatusAbsent || got[0].Measured != nil || got[0].Why != "machine app restarted" {
		t.Errorf("%+v", got)
	}
}

func TestSuspects(t *testing.T) {
	for status, want := range map[Status]bool{
		StatusRegression: true, StatusImplausible: true, StatusSame: false, StatusBetter: false, StatusAbsent: false,
	} {
		if got := Suspects([]CountResult{countedAs(StatusSame, 1, "messages"), countedAs(status, 1, "statements")}); got != want {
			t.Errorf("%s is suspect: %v", status, got)
		}
	}
}
