// SPDX-License-Identifier: Apache-2.0

package gate

import (
	"math"
	"strings"
	"testing"

	"headroom/harness/record"
	"headroom/scenarios"
)

// failing makes so many of each slice's 400 requests fail, by the number of the
// slice.
func failing(before, after func(order int) int64) func(*record.Trial) {
	return func(t *record.Trial) {
		n := before(t.Order)
		if t.Variant == scenarios.After {
			n = after(t.Order)
		}
		t.Measurement.Failed, t.Measurement.Succeeded = n, t.Measurement.Sent-n
	}
}

func inEach(n int64) func(int) int64 { return func(int) int64 { return n } }

func once(n int64) func(int) int64 {
	return func(order int) int64 {
		if order == 7 || order == 8 { // one of each side
			return n
		}
		return 0
	}
}

// What fails is cheap: an after that answers 40% with errors needs less CPU for
// what it does answer, and is red all the same, with the exact figures.
func TestFailuresAreNoSpeed(t *testing.T) {
	trials := gateRun(5, 0.7, failing(inEach(0), inEach(160)))
	rows := Correctness(trials, gateScenario(t))
	const figures = "before 0 of 6000 (0%), after 2400 of 6000 (40%); 0.1% are allowed"
	if len(rows) != 1 || rows[0].Status != StatusRegression || rows[0].Why != figures || !rows[0].correctness() {
		t.Errorf("%+v", rows)
	}
	timed := append(Decide(TimedSeries(trials, gateScenario(t)), nil), rows...)
	r := NewResult(About{Scenario: gateScenario(t)}, nil, timed, nil, nil)
	if r.Verdict != Regression || !strings.Contains(r.Sentence, "failed or unsent requests: "+figures) || !Finished(timed, 1) {
		t.Errorf("%s: %s", r.Verdict, r.Sentence)
	}
}

func TestCorrectness(t *testing.T) {
	for name, test := range map[string]struct {
		change func(*record.Trial)
		want   Status
		says   string
	}{
		"none fails":       {nil, StatusSame, "before 0 of 6000 (0%), after 0 of 6000 (0%); 0.1% are allowed"},
		"few fail":         {failing(once(3), once(3)), StatusSame, "(0.05%)"},
		"both fail":        {failing(inEach(40), inEach(40)), StatusAbsent, "both fail, so nothing can be timed: before 600 of 6000 (10%), after 600 of 6000 (10%)"},
		"both, after more": {failing(inEach(4), inEach(160)), StatusRegression, "before 60 of 6000 (1%), after 2400 of 6000 (40%)"},
		"before alone":     {failing(inEach(160), inEach(0)), StatusAbsent, "before fails, so nothing can be held against it"},
		"a single burst":   {failing(inEach(0), once(200)), StatusOpen, "after has more than are allowed, which may be chance: before 0 of 6000 (0%), after 200 of 6000 (3.33%)"},
		"a few by chance":  {failing(inEach(0), func(order int) int64 { return int64(order % 13 / 12) }), StatusSame, ""},
		"unsent": {func(t *record.Trial) {
			if t.Variant == scenarios.After {
				t.Measurement.Unsent, t.Measurement.Sent, t.Measurement.Succeeded = 100, 300, 300
			}
		}, StatusRegression, "after 1500 of 6000 (25%)"},
		"in slices that do not count": {func(t *record.Trial) {
			if t.Variant == scenarios.After && t.Block == 2 {
				t.Measurement.Failed, t.Invalid = 400, []string{"stolen"}
			}
		}, StatusSame, "after 0 of 4800 (0%)"},
		"after never counts": {func(t *record.Trial) {
			if t.Variant == scenarios.After {
				t.Invalid = []string{"restarted"}
			}
		}, StatusAbsent, "one side has nothing to be judged by: before 0 of 6000 (0%), after 0 of 0 (0%)"},
	} {
		rows := Correctness(gateRun(5, 1, test.change), gateScenario(t))
		if len(rows) != 1 || rows[0].Status != test.want || !strings.Contains(rows[0].Why, test.says) {
			t.Errorf("%s: %+v; want %s, %q", name, rows, test.want, test.says)
		}
	}
}

// Where the SLO allows more than a thousandth, after may still not fail twice as
// often unseen.
func TestCorrectnessWithinTheSLO(t *testing.T) {
	s := gateScenario(t)
	for text, want := range map[string]Status{"errors<5%": StatusOpen, "p99<250ms": StatusRegression, "p95<250ms": StatusOpen, "GET /api/feed p95<1s": StatusRegression} {
		var err error
		if s.SLO, err = scenarios.ParseSLO(text); err != nil {
			t.Fatal(err)
		}
		rows := Correctness(gateRun(5, 1, failing(inEach(0), inEach(8))), s)
		if rows[0].Status != want || !strings.Contains(rows[0].Why, "after 120 of 6000 (2%)") {
			t.Errorf("%s: %+v, want %s", text, rows[0], want)
		}
	}
}

// found makes an oracle's findings of each slice.
func found(name scenarios.OracleName, before, after record.Oracle) func(*record.Trial) {
	return func(t *record.Trial) {
		o := before
		if t.Variant == scenarios.After {
			o = after
		}
		o.Name = name
		t.Oracles = []record.Oracle{o}
	}
}

func TestWrongAnswers(t *testing.T) {
	none, some, many := record.Oracle{Checked: 100}, record.Oracle{Checked: 100, Violations: 2}, record.Oracle{Checked: 100, Violations: 50}
	unknown := record.Oracle{Unknown: "there is no worker"}
	for name, test := range map[string]struct {
		change func(*record.Trial)
		want   Status // of the oracle's row; "" there is none
		says   string
	}{
		"of after alone":    {found("stale", none, some), StatusRegression, "before 0 of 1500 (0%), after 30 of 1500 (2%); 0% are allowed"},
		"of both":           {found("stale", some, some), StatusSame, "before 30 of 1500 (2%), after 30 of 1500 (2%)"},
		"of before alone":   {found("stale", some, none), StatusSame, ""},
		"of both, more":     {found("stale", some, many), StatusRegression, "after 750 of 1500 (50%)"},
		"of none":           {found("lost", none, none), StatusSame, ""},
		"not looked for":    {found("lost", unknown, unknown), "", ""},
		"not after":         {found("lost", none, unknown), StatusAbsent, "one side has nothing to be judged by"},
		"a lag is no wrong": {found("replication_lag", none, none), "", ""},
		"a single one": {func(t *record.Trial) {
			t.Oracles = []record.Oracle{{Name: "duplicate_ids", Checked: 100}}
			if t.Variant == scenarios.After && t.Block == 3 && t.Order%6 < 3 {
				t.Oracles[0].Violations = int64(t.Order % 2)
			}
		}, StatusRegression, "before 0 of 1500 (0%), after 1 of 1500"},
	} {
		rows := Correctness(gateRun(5, 1, test.change), gateScenario(t))
		if rows[0].Status != StatusSame || len(rows) != 2 && test.want != "" || len(rows) != 1 && test.want == "" {
			t.Errorf("%s: %+v", name, rows)
			continue
		}
		if test.want == "" {
			continue
		}
		if got := rows[1]; got.Status != test.want || !strings.Contains(got.Why, test.says) || !strings.HasPrefix(got.Label, "wrong answers (") || !got.correctness() {
			t.Errorf("%s: %+v; want %s, %q", name, got, test.want, test.says)
		}
	}
	s := gateScenario(t)
	s.SLO.Conditions = append(s.SLO.Conditions, scenarios.SLOCondition{Oracle: "stale", ViolationShare: 0.05})
	if rows := Correctness(gateRun(5, 1, found("stale", none, some)), s); rows[1].Status != StatusOpen {
		t.Errorf("2%% where the SLO allows 5%%: %+v", rows[1])
	}
}

// Of equal sides both get the same share; 10 of 10 come to one side one time in
// 1,024, and 20 that came in two bursts one time in five.
func TestChanceOfFailures(t *testing.T) {
	single := func(n int) (out tally) {
		for range n {
			out.add(1, 100)
		}
		return out
	}
	even := tally{of: 1000, bySlice: make([]int64, 10)}
	bursts := tally{bad: 20, of: 1000, bySlice: []int64{10, 10, 0, 0, 0, 0, 0, 0, 0, 0}}
	burst := 160.0 / 9 / 2 // the variance by the mean
	for _, test := range []struct {
		before, after tally
		want          float64
	}{
		{even, single(10), math.Pow(0.5, 10)},
		{even, even, 1},
		{even, bursts, math.Pow(0.5, 20/burst)},
	} {
		if got := pValue(test.before, test.after); math.Abs(got-test.want) > 1e-9 {
			t.Errorf("%v and %v: %v, want %v", test.before, test.after, got, test.want)
		}
	}
}

// Of unequal sides chance goes by how much each was asked: all of five bad ones come
// to a quarter of the requests one time in 4^5. The side that burst more says how
// much each is worth.
func TestChanceOfUnequalSides(t *testing.T) {
	before := tally{of: 3000, bySlice: []int64{0, 0}}
	after := tally{bad: 5, of: 1000, bySlice: []int64{3, 2}}
	if got, want := pValue(before, after), math.Pow(0.25, 5); math.Abs(got-want) > 1e-9 {
		t.Errorf("five of a quarter: %v, want %v", got, want)
	}
	// 0 and 4 have the mean 2 and the variance 8: bursts of 4, whichever side they
	// came on. Two bursts against one are P[Beta(2, 2) < 1/2] = 1/2.
	burst, even := tally{bad: 4, of: 1000, bySlice: []int64{0, 4}}, tally{bad: 8, of: 1000, bySlice: []int64{4, 4}}
	if got := pValue(burst, even); math.Abs(got-0.5) > 1e-9 {
		t.Errorf("two bursts against one: %v, want 0.5", got)
	}
	// One burst against two: P[Beta(1, 3) < 1/2] = 1 - 1/8.
	if got := pValue(even, burst); math.Abs(got-0.875) > 1e-9 {
		t.Errorf("one burst against two: %v, want 0.875", got)
	}
}

// A row of correctness at the bounds of what is allowed, and of twice as many and a
// thousandth.
func TestJudgeCorrectness(t *testing.T) {
	side := func(bad, of int64) tally {
		out := tally{}
		for range 10 { // one by one, as good as that goes
			out.add(bad/10, of/10)
		}
		return out
	}
	requests, answers := check{key: keyFailures, allowed: 0.01, requests: true}, check{key: keyAnswers + "stale"}
	loose := check{key: keyAnswers + "stale", allowed: 0.01}
	for _, test := range []struct {
		name          string
		c             check
		before, after tally
		want          Status
		says          string
	}{
		{"just as many as may, and more than twice as many", requests, side(0, 100_000), side(1000, 100_000), StatusOpen, "after has more than twice as many"},
		{"more than may", requests, side(0, 100_000), side(1010, 100_000), StatusRegression, "before 0 of 100000 (0%), after 1010 of 100000 (1.01%); 1% are allowed"},
		{"twice as many and a thousandth", requests, side(400, 100_000), side(900, 100_000), StatusSame, "before 400"},
		{"a little more than that", requests, side(400, 100_000), side(910, 100_000), StatusOpen, "after has more than twice as many"},
		{"both too many, after more than twice", requests, side(2000, 100_000), side(4200, 100_000), StatusRegression, "before 2000"},
		{"both too many, after twice", requests, side(2000, 100_000), side(4000, 100_000), StatusAbsent, "both fail"},
		{"before too many", requests, side(2000, 100_000), side(1000, 100_000), StatusAbsent, "before fails"},
		{"before just as many as may", requests, side(1000, 100_000), side(1000, 100_000), StatusSame, ""},
		{"before was not asked", requests, side(0, 0), side(10, 100_000), StatusAbsent, "one side has nothing"},
		{"answers of before were not looked at", answers, side(0, 0), side(0, 100_000), StatusSame, ""},
		{"answers of after were not looked at", answers, side(0, 100_000), side(0, 0), StatusAbsent, "one side has nothing"},
		{"a wrong answer where none may be", answers, side(0, 100_000), side(10, 100_000), StatusRegression, "after 10 of 100000"},
		{"wrong answers on both sides where none may be", answers, side(10, 100_000), side(20, 100_000), StatusSame, ""},
		{"many more wrong answers on both sides", answers, side(10, 100_000), side(1000, 100_000), StatusRegression, ""},
		{"wrong answers of both, more than may", loose, side(2000, 100_000), side(2000, 100_000), StatusSame, ""},
		{"a little more than may, by chance", loose, side(1000, 100_000), side(1010, 100_000), StatusOpen, "which may be chance"},
	} {
		if got := test.c.judge(test.before, test.after); got.Status != test.want || !strings.Contains(got.Why, test.says) {
			t.Errorf("%s: %s (%s), want %s (%s)", test.name, got.Status, got.Why, test.want, test.says)
		}
	}
}

// What may fail is the least that a condition of all requests lets fail.
func TestAllowedFailures(t *testing.T) {
	for text, want := range map[string]float64{
		"p99<1s": 0.01, "errors<0.5%": 0.005, "errors<0.5%,p99<1s": 0.005, "p99.9<1s,errors<0.5%": 0.001,
		"GET /a errors<0.01%,p95<1s": 0.05, "stale<0.01%,p95<1s": 0.05, "GET /a p99<1s": 0.001,
	} {
		s, err := scenarios.ParseSLO(text)
		if err != nil {
			t.Fatal(err)
		}
		if got := allowedFailures(s); math.Abs(got-want) > 1e-12 {
			t.Errorf("%s lets %v fail, want %v", text, got, want)
		}
	}
	s, err := scenarios.ParseSLO("stale<2%,lost=0")
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[scenarios.OracleName]float64{"stale": 0.02, "lost": 0, "duplicated": 0} {
		if got := allowedViolations(s, name); got != want {
			t.Errorf("of %s %v may be, want %v", name, got, want)
		}
	}
}
