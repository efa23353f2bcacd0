// SPDX-License-Identifier: Apache-2.0

package compare

import (
	"strings"
	"testing"

	"headroom/harness/record"
	"headroom/scenarios"
	"headroom/targets/kinds"
)

// The interval against a value: on the claimed side the value itself counts, unless
// strictly more is asked for.
func TestAgainst(t *testing.T) {
	for _, test := range []struct {
		op         string
		low, high  float64
		value      float64
		want       string
		wantStrict string
	}{
		{"<=", 1, 2, 2.1, "yes", "yes"},
		{"<=", 1, 2, 2, "yes", "unclear"},
		{"<=", 1, 2, 1.5, "unclear", "unclear"},
		{"<=", 1, 2, 1, "unclear", "no"},
		{"<=", 1, 2, 0.9, "no", "no"},
		{">=", 1, 2, 0.9, "yes", "yes"},
		{">=", 1, 2, 1, "yes", "unclear"},
		{">=", 1, 2, 1.5, "unclear", "unclear"},
		{">=", 1, 2, 2, "unclear", "no"},
		{">=", 1, 2, 2.1, "no", "no"},
		{"<=", 2, 2, 2, "yes", "no"},
	} {
		r := Result{Claim: scenarios.Claim{Op: test.op}, Interval: &Interval{Low: test.low, High: test.high}}
		if got, strict := r.against(test.value, false), r.against(test.value, true); got != test.want || strict != test.wantStrict {
			t.Errorf("%v to %v %s %v: %s, strictly %s; want %s, %s", test.low, test.high, test.op, test.value, got, strict, test.want, test.wantStrict)
		}
	}
	if got := (&Result{Claim: scenarios.Claim{Op: "<="}}).against(1, false); got != "unclear" {
		t.Errorf("without an interval: %s", got)
	}
}

// A direction is told where the whole table shows it, or where the claimed value
// itself lies between the interval and 1, or is 1.
func TestDirectionOfAClaim(t *testing.T) {
	for _, test := range []struct {
		op              string
		value           float64
		low, high       float64
		alone, together string
	}{
		{"<=", 0.5, 0.2, 0.3, "yes", "yes"},
		{"<=", 0.5, 0.7, 0.8, "unclear", "yes"}, // refuted, and a change for that side all the same
		{"<=", 0.5, 1.2, 1.3, "unclear", "no"},
		{"<=", 0.5, 0.4, 0.6, "unclear", "yes"},
		{"<=", 1, 0.7, 0.8, "yes", "yes"},
		{"<=", 1, 1.2, 1.3, "no", "no"},
		{"<=", 2, 1.2, 1.3, "unclear", "no"},
		{"<=", 2, 2.5, 3, "no", "no"},
		{"<=", 2, 0.9, 1.1, "unclear", "unclear"},
		{">=", 2, 2.5, 3, "yes", "yes"},
		{">=", 2, 1.2, 1.3, "unclear", "yes"},
		{">=", 1, 1.2, 1.3, "yes", "yes"},
		{">=", 1, 0.7, 0.8, "no", "no"},
		{">=", 0.5, 0.7, 0.8, "unclear", "no"},
		{">=", 0.5, 0.2, 0.3, "no", "no"},
	} {
		r := Result{Claim: scenarios.Claim{Op: test.op, Value: test.value, Compare: "ratio"}, Interval: &Interval{Low: test.low, High: test.high}}
		size := r.against(test.value, false)
		alone := r.direction(size)
		r.together = true
		if together := r.direction(size); alone != test.alone || together != test.together {
			t.Errorf("%s %v by %v to %v: %s alone and %s with its table, want %s and %s",
				test.op, test.value, test.low, test.high, alone, together, test.alone, test.together)
		}
	}
}

// A claim's number is shown with all of its digits.
func TestClaimedNumber(t *testing.T) {
	for v, want := range map[float64]string{0.3: "0.30", 0.225: "0.225", 4: "4.00", 1234: "1,234", 1234.5: "1234.5", 12.34: "12.34", 0: "0"} {
		if got := claimed(v); got != want {
			t.Errorf("%v is %q, want %q", v, got, want)
		}
	}
}

// The levels of units: a share and a count have none.
func TestUnitOfALevel(t *testing.T) {
	table := tableOfKinds(noisy(3, 1, 5), kinds.Data())
	for metric, ends := range map[scenarios.MetricKey]string{"p95_ms": " ms", "throughput_rps": " requests/s", "error_rate": ")", "statements_per_request": ")"} {
		claim := scenarios.Claim{Metric: metric, At: "common", Compare: "after", Op: "<=", Value: 1000}
		if r := Judge(claim, table, nil, false); r.Verdict != Confirmed || !strings.HasSuffix(r.Summary, ends) || r.Direction != "" {
			t.Errorf("%s: %s, %q, direction %q", metric, r.Verdict, r.Summary, r.Direction)
		}
	}
	higher := scenarios.Claim{Metric: "p95_ms", At: "common", Compare: "ratio", Op: ">=", Value: 0.1}
	if r := Judge(higher, table, nil, false); !strings.HasPrefix(r.Summary, "higher: ") {
		t.Errorf("a claim of more: %q", r.Summary)
	}
}

// A quick run changes no claim that can't be judged at all.
func TestQuickLeavesTheInvalid(t *testing.T) {
	trials := noisy(3, 0.5, 1)
	for i := range trials {
		trials[i].Invalid = []string{"late"}
	}
	for _, compare := range []string{"ratio", "after"} {
		claim := scenarios.Claim{Metric: "p95_ms", At: "common", Compare: compare, Op: "<=", Value: 1}
		if r := Judge(claim, tableOfKinds(trials, kinds.Data()), nil, true); r.Verdict != NoVerdict || !strings.Contains(r.Reason, "late") || r.Summary != r.Reason {
			t.Errorf("%s: %s, %q (%q)", compare, r.Verdict, r.Summary, r.Reason)
		}
	}
	if r := Judge(scenarios.Claim{Metric: "p95_ms", At: "common", Compare: "after", Op: "<=", Value: 1}, tableOfKinds(nil, kinds.Data()), nil, false); r.Reason != "after: no block has a valid slice" {
		t.Errorf("no slices: %q", r.Reason)
	}
}

// Where a claim says that there is none, soaks count like slices, and a single block
// does not.
func TestNoneInSoaksToo(t *testing.T) {
	none := scenarios.Claim{Metric: "lost_share", At: "common", Compare: "after", Op: "<=", Value: 0}
	trials := with(3, record.Oracle{Name: scenarios.OracleLost, Checked: 3000})
	if r := Judge(none, tableOfKinds(trials, kinds.Data()), nil, false); r.Verdict != Confirmed {
		t.Fatalf("no job was lost: %s, %q", r.Verdict, r.Summary)
	}
	soak := record.Trial{Kind: record.KindProbe, Variant: scenarios.After, Block: 9, RateName: record.RateSoak,
		Oracles: []record.Oracle{{Name: scenarios.OracleLost, Checked: 10, Violations: 1}}}
	if r := Judge(none, tableOfKinds(append(trials, soak), kinds.Data()), nil, false); r.Verdict != Refuted || !strings.Contains(r.Summary, "1 of 9,010") {
		t.Errorf("a soak lost one: %s, %q", r.Verdict, r.Summary)
	}
	soak.Invalid = []string{"late"}
	table := tableOfKinds(append(trials, soak), kinds.Data())
	if r := Judge(none, table, nil, false); r.Verdict != Confirmed {
		t.Errorf("a soak that was set aside lost one: %s, %q", r.Verdict, r.Summary)
	}
	if invalid := table.InvalidChecks(scenarios.After); invalid.Slices != 1 || invalid.Oracle(scenarios.OracleLost).Violations != 1 {
		t.Errorf("what was set aside: %+v", invalid.Oracle(scenarios.OracleLost))
	}
	if checks := table.Checks(scenarios.After); checks.Slices != 3 {
		t.Errorf("%d slices with checks, want 3", checks.Slices)
	}
}

// The interval of a check by its scope, and of too few blocks.
func TestIntervalOfChecks(t *testing.T) {
	trial := func(block int, cache, replica int64) record.Trial {
		return record.Trial{Kind: record.KindSlice, Variant: scenarios.After, Block: block, RateName: "common", Oracles: []record.Oracle{
			{Name: "stale", Scope: "cache", Checked: 400, Violations: cache}, {Name: "stale", Scope: "replica", Checked: 400, Violations: replica}}}
	}
	checks := tableOfKinds([]record.Trial{trial(1, 40, 0), trial(2, 40, 0), trial(3, 40, 0)}, kinds.Data()).Checks(scenarios.After)
	want := shareInterval([]tally{{40, 400}, {40, 400}, {40, 400}})
	scopes := checks.Oracles()
	if got := checks.Interval(scopes[0]); *got != *want {
		t.Errorf("of the cache %+v, want %+v", got, want)
	}
	if got := checks.Interval(scopes[1]); got.Low != 0 || got.High != noneBelow(60) {
		t.Errorf("of the replica %+v, want none of 60", got)
	}
	all := checks.Oracle("stale")
	if got, want := checks.Interval(all), shareInterval([]tally{{40, 800}, {40, 800}, {40, 800}}); *got != *want {
		t.Errorf("of both %+v, want %+v", got, want)
	}
	two := tableOfKinds([]record.Trial{trial(1, 40, 0), trial(2, 40, 0)}, kinds.Data()).Checks(scenarios.After)
	if got := two.Interval(two.Oracles()[0]); got != nil {
		t.Errorf("two blocks with violations: %+v", got)
	}
	if got := two.Interval(two.Oracles()[1]); got.Low != 0 || got.High != noneBelow(40) || got.Method != unseenMethod {
		t.Errorf("two blocks without: %+v, want none of 40", got)
	}
	if got := two.Interval(record.Oracle{Name: "stale", Scope: "nowhere"}); got != nil {
		t.Errorf("nothing was checked: %+v", got)
	}
}

// What oracles could not check is told once each, without "not measured" before it.
func TestUnknownOfSlices(t *testing.T) {
	unknown := func(texts ...string) record.Oracle {
		var trials []record.Trial
		for _, text := range texts {
			trials = append(trials, record.Trial{Oracles: []record.Oracle{{Name: "lost", Unknown: text}}})
		}
		return Pool(trials, kinds.Data()).Oracle("lost")
	}
	for want, texts := range map[string][]string{
		"not drained":          {"not measured: not drained", "not drained", ""},
		"not drained; no post": {"not drained", "not measured: no post", "no post"},
		"nothing was checked":  {""},
		"no slice has this check: is it under the scenario's oracles?": nil,
	} {
		if got := unknown(texts...).Unknown; got != want {
			t.Errorf("%q are %q, want %q", texts, got, want)
		}
	}
	s := Pool([]record.Trial{{Oracles: []record.Oracle{{Name: "lost", Checked: 2, Violations: 1, Example: "a"}, {Name: "lost", Checked: 2, Example: "b"}}}}, kinds.Data())
	if got := s.Oracle("lost"); got.Example != "a" || got.Unknown != "" || got.Checked != 4 {
		t.Errorf("%+v", got)
	}
}
