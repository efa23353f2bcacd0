// SPDX-License-Identifier: Apache-2.0

package plan

import (
	"strings"
	"testing"

	"headroom/harness/record"
	"headroom/scenarios"
)

// ownSLO is synthetic by another name, with an SLO of its own; "" is none.
func ownSLO(t *testing.T, id, text string) *record.Log {
	t.Helper()
	log := synthetic()
	log.Run.ID, log.Run.Scenario.SLO = id, scenarios.SLO{}
	if text != "" {
		log.Run.Scenario.SLO = parseSLO(t, text)
	}
	return log
}

// Without an SLO each run is judged by its own, and where they differ it is
// said whose is which.
func TestRunsOwnSLO(t *testing.T) {
	loose, tight := ownSLO(t, "loose", "p99<250ms,errors<0.1%"), ownSLO(t, "tight", "p99<50ms")
	alike := ownSLO(t, "alike", "p99<250ms, errors<0.1%") // written in another way
	for _, test := range []struct {
		name   string
		asked  string
		runs   []*record.Log
		slo    string          // of all
		soaked map[string]bool // with this SLO
		says   string
	}{
		{"of one run", "", []*record.Log{tight}, "p99<50ms", map[string]bool{}, "users under p99<50ms\n"},
		{"the same of two", "", []*record.Log{loose, alike}, "p99<250ms,errors<0.1%", map[string]bool{"loose": true, "alike": true}, "users under p99<250ms,errors<0.1%\n"},
		{"of each", "", []*record.Log{loose, tight, alike}, "", map[string]bool{"loose": true, "alike": true},
			"they differ: p99<250ms,errors<0.1% (loose, alike); p99<50ms (tight); give one with --slo"},
		{"the one that is given", "p99<250ms", []*record.Log{loose, tight}, "p99<250ms", map[string]bool{}, "users under p99<250ms\n"},
	} {
		t.Run(test.name, func(t *testing.T) {
			ask := Ask{Users: usersAt(100), Prices: prices(t)}
			if test.asked != "" {
				ask.SLO = parseSLO(t, test.asked)
			}
			p, err := For(ask, test.runs)
			if err != nil {
				t.Fatal(err)
			}
			if p.SLO != test.slo || p.Best == nil {
				t.Errorf("SLO %q, want %q; best %+v", p.SLO, test.slo, p.Best)
			}
			for _, o := range p.Options {
				if o.Capacity.Confirmed != test.soaked[o.RunID] || o.Capacity.Confirmed != (o.Capacity.RPS == heldRPS) {
					t.Errorf("%s is planned with %v by %q, confirmed %v", o.RunID, o.Capacity.RPS, o.SLO, o.Capacity.Confirmed)
				}
			}
			var text strings.Builder
			if err := p.WriteText(&text); err != nil {
				t.Fatal(err)
			}
			if !strings.Contains(text.String(), test.says) {
				t.Errorf("it does not say %q:\n%s", test.says, text.String())
			}
			if said, own := strings.Count(text.String(), "\n  SLO  "), test.slo == ""; own && said != len(p.Options) || !own && (said > 0 || strings.Contains(text.String(), "differ")) {
				t.Errorf("the SLO of its own stands at %d of %d variants:\n%s", said, len(p.Options), text.String())
			}
		})
	}
	if _, err := For(Ask{Users: 1, Prices: prices(t)}, []*record.Log{loose, ownSLO(t, "old", "")}); err == nil || !strings.Contains(err.Error(), "run old does not say its SLO: give one with --slo") {
		t.Errorf("a run without an SLO: %v", err)
	}
}
