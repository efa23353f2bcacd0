package record

import (
	"strings"
	"testing"
	"time"

	"headroom/scenarios"
)

func TestOracleInvariants(t *testing.T) {
	for _, test := range []struct {
		oracle Oracle
		says   string
	}{
		{Oracle{Name: "stale", Checked: 5, Violations: 5}, ""},
		{Oracle{Name: "stale", Unknown: "not measured: nothing was read"}, ""},
		{Oracle{Name: "stale", Checked: 5, Violations: 6}, "oracle stale: 6 violations of 5 checks"},
		{Oracle{Name: "lost", Scope: "order", Checked: -1, Unknown: "x"}, "oracle lost of order: a count is negative"},
		{Oracle{Name: "stale", Checked: 5, Violations: -1}, "negative"},
		{Oracle{Name: "stale"}, "no reason is given"},
	} {
		for where, trial := range map[string]Trial{
			"trial": {Oracles: []Oracle{test.oracle}}, "measurement": {Measurement: Measurement{Oracles: []Oracle{test.oracle}}},
		} {
			err := trial.Check()
			if (err == nil) != (test.says == "") || err != nil && !strings.Contains(err.Error(), test.says) {
				t.Errorf("%s with %+v: %v, want %q", where, test.oracle, err, test.says)
			}
		}
	}
}

// A file is refused with its line, on write and on read.
func TestOraclesThatDoNotAddUpAreRefused(t *testing.T) {
	dir := t.TempDir()
	writer, err := Create(dir, Run{ID: "test"})
	if err != nil {
		t.Fatal(err)
	}
	if err := writer.WriteTrial(Trial{Oracles: []Oracle{{Name: "stale"}}}); err == nil {
		t.Error("a finding without checks and reason was written")
	}
	if err := writer.WriteTrial(Trial{Oracles: []Oracle{{Name: "stale", Checked: 1}}}); err != nil {
		t.Error(err)
	}
	if err := writer.Finish(End{}); err != nil {
		t.Fatal(err)
	}
	text := `{"schema":1,"run":{}}` + "\n" + `{"schema":1,"trial":{"oracles":[{"name":"stale","checked":1,"violations":2}]}}` + "\n"
	if _, err := Read("f", strings.NewReader(text)); err == nil || !strings.Contains(err.Error(), "2 violations of 1 checks") || !strings.Contains(err.Error(), "f:2") {
		t.Errorf("error %v", err)
	}
	if _, err := ReadFile(dir); err != nil {
		t.Error(err)
	}
}

func TestJudgeOracles(t *testing.T) {
	const stale, lost = scenarios.OracleStale, scenarios.OracleLost
	one := func(name string, checked, violations int64, unknown string) []Oracle {
		return []Oracle{{Name: name, Checked: checked, Violations: violations, Unknown: unknown}}
	}
	for _, test := range []struct {
		name    string
		oracles []Oracle
		slo     string
		want    Judgement
		reason  string
	}{
		{"none of 299 shows less than 1%", one(stale, 299, 0, ""), "stale<1%", SLOHolds, ""},
		{"none of 298 does not yet", one(stale, 298, 0, ""), "stale<1%", SLOInsufficient, "0 violations in 298 checks; too few"},
		{"one of 473 holds", one(stale, 473, 1, ""), "stale<1%", SLOHolds, ""},
		{"one of 472 does not yet", one(stale, 472, 1, ""), "stale<1%", SLOInsufficient, "too few"},
		{"one of 100 is not below 1%", one(stale, 100, 1, ""), "stale<1%", SLOFails, "1 violations in 100 checks"},
		{"2% fail", one(stale, 1000, 20, ""), "stale<1%", SLOFails, "the limit is 1%"},
		{"failure outranks the unknown", one(stale, 1000, 20, "some answers"), "stale<1%", SLOFails, "20"},
		{"partly unknown never holds", one(stale, 1000, 0, "3 answers showed no version"), "stale<1%", SLOInsufficient, "3 answers"},
		{"no loss in one check", one(lost, 1, 0, ""), "lost=0", SLOHolds, ""},
		{"one loss in a million", one(lost, 1_000_000, 1, ""), "lost=0", SLOFails, "lost: 1 violations"},
		{"not drained", one(lost, 0, 0, "not measured: the queue was not drained"), "lost=0", SLOInsufficient, "not drained"},
		{"not asked", one(stale, 299, 0, ""), "lost=0", SLOInsufficient, "lost was not measured"},
		{"nothing at all", nil, "lost=0", SLOInsufficient, "lost was not measured"},
		{"scopes add up", append(one(lost, 10, 0, ""), one(lost, 10, 1, "")...), "lost=0", SLOFails, "1 violations in 20"},
		{"one scope is unknown", append(one(lost, 10, 0, ""), one(lost, 0, 0, "not measured: no post")...), "lost=0", SLOInsufficient, "no post"},
	} {
		slo, err := scenarios.ParseSLO("p99<250ms," + test.slo)
		if err != nil {
			t.Fatal(err)
		}
		trial := Trial{Measurement: measured(1000, 0, 0, 0), Oracles: test.oracles}
		got, reason, counts := trial.Judge(slo)
		if got != test.want || !strings.Contains(reason, test.reason) || !counts {
			t.Errorf("%s: %s (%s), want %s (%s)", test.name, got, reason, test.want, test.reason)
		}
		// What the driver found itself is as good.
		m := trial.Measurement
		m.Oracles = test.oracles
		if alone, _ := Judge(m, slo); alone != got {
			t.Errorf("%s: the measurement alone %s, the trial %s", test.name, alone, got)
		}
	}
	slo, err := scenarios.ParseSLO("p99<250ms,stale<1%")
	if err != nil {
		t.Fatal(err)
	}
	slow := Trial{Measurement: measured(10, 990, 0, 0), Oracles: one(stale, 1000, 0, "")}
	if got, reason, _ := slow.Judge(slo); got != SLOFails || !strings.Contains(reason, (250*time.Millisecond).String()) {
		t.Errorf("slow and fresh: %s (%s)", got, reason)
	}
}
