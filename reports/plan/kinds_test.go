// SPDX-License-Identifier: Apache-2.0

package plan

import (
	"math"
	"slices"
	"strings"
	"testing"

	"headroom/harness/record"
	"headroom/internal/maybe"
	"headroom/scenarios"
)

// withMachine is synthetic with one more machine in before, of one kind, that
// is so busy at the held rate.
func withMachine(kind scenarios.KindName, share float64) *record.Log {
	const cpus = 0.2
	log := synthetic()
	before := &log.Run.Scenario.Before
	before.Machines = append(slices.Clone(before.Machines), scenarios.Machine{Name: "more", Size: "small", VCPU: 2, MemoryGiB: 4,
		Processes: []scenarios.Process{process(string(kind), nil)}})
	for i := range log.Trials {
		trial := &log.Trials[i]
		if trial.Variant == scenarios.Before {
			trial.Machines = append(trial.Machines, record.MachineUse{Machine: "more", WindowS: trial.Measurement.DurationS,
				QuotaCPUs: cpus, CPUSeconds: maybe.Of(float64(trial.Measurement.Succeeded) * share * cpus / heldRPS)})
		}
	}
	return log
}

// At the held rate an app is 75% busy. Of the machine in question there are as
// many at twice that rate as it takes to be no busier, or no number, where it
// can't be copied.
func TestEveryKindIsCopiedOrNot(t *testing.T) {
	for _, test := range []struct {
		kind   scenarios.KindName
		share  float64 // at the held rate
		copies float64 // at twice that; 0: no number
		says   string
	}{
		{"gateway", 0.6, 2, "can be copied"},
		{"gateway", 0.3, 1, "can be copied"},
		{"varnish", 0.6, 2, "can be copied"},
		{"worker", 0.75, 2, "can be copied"},
		{"link", 0.6, 2, "can be copied"},
		{"mail", 0.6, 2, "can be copied"},
		{"haproxy", 0.6, 2, "can be copied"},
		{"shop", 0.6, 2, "can be copied"},
		{"nats", 0.3, 1, "holds a queue, stays one"},
		{"nats", 0.45, 0, "its more, which can't be copied, would be 90% busy"},
		{"valkey", 0.3, 1, "holds data, stays one"},
		{"valkey", 0.6, 0, "can't be copied"},
		{"postgres", 0.6, 0, "can't be copied"},
	} {
		p := answer(t, usersAt(2*heldRPS), "p99<250ms,errors<0.1%", withMachine(test.kind, test.share))
		var text strings.Builder
		if err := p.WriteText(&text); err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(text.String(), test.says) {
			t.Errorf("%s, %.0f%% busy: it does not say %q:\n%s", test.kind, test.share*100, test.says, text.String())
		}
		before := p.Options[0]
		if before.Carries != (test.copies > 0) {
			t.Errorf("%s, %.0f%% busy: carries %v: %s", test.kind, test.share*100, before.Carries, before.Reason)
		}
		for _, m := range before.Machines {
			if m.Name == "more" && (math.Abs(m.Copies.Value-test.copies) > 0 || m.Share == nil || m.Share.Value > 0.75+1e-9) {
				t.Errorf("%s, %.0f%% busy: %+v, want %v of it", test.kind, test.share*100, m, test.copies)
			}
		}
		warned := strings.Contains(strings.Join(before.Warnings, "\n"), "each copy of more fills a cache of its own")
		if want := test.kind == "varnish"; warned != want {
			t.Errorf("%s: a warning of the copies' caches: %v, want %v", test.kind, warned, want)
		}
	}
}

// At the rate that was measured nothing is copied, and nothing warned of.
func TestEdgesAsMeasured(t *testing.T) {
	p := answer(t, usersAt(heldRPS), "p99<250ms,errors<0.1%", withMachine("varnish", 0.6))
	if before := p.Options[0]; !before.Carries || len(before.Warnings) > 0 {
		t.Errorf("carries %v, warnings %q", before.Carries, before.Warnings)
	}
}
