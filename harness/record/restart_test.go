// SPDX-License-Identifier: Apache-2.0

package record

import (
	"slices"
	"testing"
)

// From the first void trial on nothing counts: neither a slice nor the verdict of a step.
// Earlier trials stay, and so do other copies of a verdict.
func TestVoid(t *testing.T) {
	held := &Verdict{Outcome: Held, Reason: "fast"}
	trials := []Trial{{Order: 2, Verdict: held}, {Order: 3, Verdict: held, Invalid: []string{"late"}}, {Order: 4}}
	late := trials[1].Invalid
	Restart{Block: 1, Part: "block 1", FromOrder: 3, Reason: "app died"}.Void(trials)
	const reason = "block 1 was started anew: app died"
	for i, want := range [][]string{nil, {"late", reason}, {reason}} {
		if !slices.Equal(trials[i].Invalid, want) || trials[i].Valid() != (want == nil) {
			t.Errorf("trial %d is invalid for %q, want %q", i, trials[i].Invalid, want)
		}
	}
	if trials[0].Verdict != held || held.Outcome != Held || held.Reason != "fast" {
		t.Errorf("the verdict before is %+v", held)
	}
	if v := trials[1].Verdict; v.Outcome != Invalid || v.Reason != reason {
		t.Errorf("the verdict of a void step is %+v", v)
	}
	if trials[2].Verdict != nil {
		t.Errorf("a slice has the verdict %+v", trials[2].Verdict)
	}
	if len(late) != 1 {
		t.Errorf("the reasons that somebody else holds are %q", late)
	}
}

func TestNamesAndSums(t *testing.T) {
	for _, test := range []struct {
		m    MachineUse
		want string
	}{{MachineUse{Machine: "app-1", Group: "app"}, "app"}, {MachineUse{Machine: "server"}, "server"}} {
		if got := test.m.GroupName(); got != test.want {
			t.Errorf("%+v is of the group %q, want %q", test.m, got, test.want)
		}
	}
	p := ProcessUse{Counts: map[string]float64{"hits": 3, "misses": 4, "keys": 100}}
	if got := p.Sum([]string{"hits", "misses", "never told"}); got != 7 {
		t.Errorf("3 hits and 4 misses are %v", got)
	}
	for stage, want := range map[string]bool{StageDocker: true, StageProcess: false, "": true} {
		if got := (Environment{Stage: stage}).HasQuotas(); got != want {
			t.Errorf("the stage %q has quotas: %v", stage, got)
		}
	}
}
