// SPDX-License-Identifier: Apache-2.0

package reports

import (
	"bytes"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"

	"headroom/harness/record"
	"headroom/scenarios"
)

// withAnswers gives trials what a driver stores of when answers came; still says of a
// trial which tenths of its seconds had none.
func withAnswers(trials []record.Trial, still func(record.Trial) (from, to int)) []record.Trial {
	for i := range trials {
		m := &trials[i].Measurement
		m.Began = trials[i].StartedAt
		m.Answers = record.Answers{StepS: 0.1, Counts: make([]int64, int(m.DurationS*10))}
		from, to := still(trials[i])
		for tenth := range m.Answers.Counts {
			if tenth < from || tenth >= to {
				m.Answers.Counts[tenth] = int64(m.OfferedRPS)
			}
		}
	}
	return trials
}

// allOutputs are a report's three outputs, the terminal's and the page's white space
// evened out.
func allOutputs(t *testing.T, r Report) map[string]string {
	t.Helper()
	var terminal, page, machine bytes.Buffer
	if err := errors.Join(WriteTerminal(&terminal, r, Terminal{}), WriteHTML(&page, r), WriteJSON(&machine, r)); err != nil {
		t.Fatal(err)
	}
	even := func(s string) string { return regexp.MustCompile(`\s+`).ReplaceAllString(s, " ") }
	return map[string]string{"terminal": even(terminal.String()), "page": even(page.String()), "JSON": machine.String()}
}

// A database that was paused for 3 s in a step of before's second staircase stands
// on every output, and beside the capacity that was measured with it.
func TestSilenceStandsOnEveryOutput(t *testing.T) {
	paused := 0
	trials := withAnswers(syntheticTrials(3), func(t record.Trial) (int, int) {
		if paused == 0 && t.Variant == scenarios.Before && t.Block == 2 && t.RateName == record.RateStairs {
			paused = t.Order
			return 12, 42
		}
		return 0, 0
	})
	r := build(t, syntheticRun(), trials, &record.End{})
	at := started.Add(time.Duration(paused)*time.Minute + 1200*time.Millisecond)
	step := fmt.Sprintf("for 3.0 s (%s UTC, block 2, staircase&#39;s step %d at ", at.Format("15:04:05"), paused)
	outputs := allOutputs(t, r)
	for name, wants := range map[string][]string{
		"terminal": {"Without a correct answer before gave no correct answer " + step, "requests due", "Before gave no correct answer " + step,
			"; its staircases hold 3.00 s without a correct answer"},
		"page": {"<li>before gave no correct answer " + step, "<p>Before gave no correct answer " + step, "; its staircases hold 3.00 s without a correct answer"},
		"JSON": {`"at": "` + at.Format(time.RFC3339Nano) + `"`, `"order": ` + fmt.Sprint(paused)},
	} {
		for _, want := range wants {
			if name != "page" {
				want = strings.ReplaceAll(want, "&#39;", "'")
			}
			if !strings.Contains(outputs[name], want) {
				t.Errorf("the %s does not say %q:\n%s", name, want, outputs[name])
			}
		}
	}
	if strings.Contains(r.Variants[1].CapacityText, "without") || !strings.Contains(r.Answer[2], "Before gave no correct answer") {
		t.Errorf("after: %s; answer %q", r.Variants[1].CapacityText, r.Answer)
	}
}

func TestNothingIsSaidWhereAnswersCame(t *testing.T) {
	trials := withAnswers(syntheticTrials(3), func(record.Trial) (int, int) { return 0, 0 })
	for name, text := range allOutputs(t, build(t, syntheticRun(), trials, &record.End{})) {
		if strings.Contains(text, "orrect answer") || strings.Contains(text, "silences") {
			t.Errorf("the %s speaks of answers that did not come", name)
		}
	}
}

// Of many stretches the five longest are told one by one, and the headline is only
// for the staircases.
func TestOfManySilencesFiveAreTold(t *testing.T) {
	slices := 0
	trials := withAnswers(syntheticTrials(3), func(t record.Trial) (int, int) {
		if t.Variant != scenarios.After || t.Kind != record.KindSlice {
			return 0, 0
		}
		slices++
		return 5, 15 + slices
	})
	r := build(t, syntheticRun(), trials, &record.End{})
	lines := silenceLines(r.Silences)
	if len(r.Silences) != 9 || len(lines) != 6 || !strings.HasPrefix(lines[0], "after gave no correct answer for 1.9 s (") || lines[5] != "and 4 more, of 5.00 s in all" {
		t.Errorf("%d found; %q", len(r.Silences), lines)
	}
	if strings.Contains(strings.Join(r.Answer, " "), "no correct answer") || strings.Contains(r.Variants[1].CapacityText, "without a correct") {
		t.Errorf("slices at the common rate are no part of the capacity: %q, %q", r.Answer, r.Variants[1].CapacityText)
	}
}
