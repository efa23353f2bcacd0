// SPDX-License-Identifier: Apache-2.0

package record

import (
	"strings"
	"testing"
)

func TestOracleInvariants(t *testing.T) {
	for _, test := range []struct {
		oracle Oracle
		says   string
	}{
		{Oracle{Name: "stale", Checked: 5, Violations: 5}, ""},
		{Oracle{Name: "stale", Unknown: "not measured: nothing was read"}, ""},
		{Oracle{Name: "stale", Checked: 5, Violations: 6}, "oracle stale: 6 violations of 5 checks"},
		{Oracle{Name: "lost", Scope: "orders", Checked: -1, Unknown: "x"}, "oracle lost of orders: a count is negative"},
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
	text := `{"schema":2,"run":{}}` + "\n" + `{"schema":2,"trial":{"oracles":[{"name":"stale","checked":1,"violations":2}]}}` + "\n"
	if _, err := Read("f", strings.NewReader(text)); err == nil || !strings.Contains(err.Error(), "2 violations of 1 checks") || !strings.Contains(err.Error(), "f:2") {
		t.Errorf("error %v", err)
	}
	if _, err := ReadFile(dir); err != nil {
		t.Error(err)
	}
}
