// SPDX-License-Identifier: Apache-2.0

package reports

import (
	"bytes"
	"errors"
	"slices"
	"strings"
	"testing"

	"headroom/harness/record"
	"headroom/scenarios"
)

// takes measures each slice three times, on a computer that is as fast, 10% slower and
// 10% faster: for the machines and for the driver.
func takes(trials []record.Trial) []record.Trial {
	var all []record.Trial
	for _, trial := range trials {
		if trial.Kind != record.KindSlice {
			all = append(all, trial)
			continue
		}
		for _, speed := range []float64{1, 1.1, 0.9} {
			take := trial
			take.Machines = slices.Clone(trial.Machines)
			for i := range take.Machines {
				m := &take.Machines[i]
				m.CPUSeconds = m.CPUSeconds.Times(speed)
				m.Processes = slices.Clone(m.Processes)
				for k := range m.Processes {
					m.Processes[k].CPUSeconds = m.Processes[k].CPUSeconds.Times(speed)
				}
			}
			take.Measurement.Driver.CPUSeconds = take.Measurement.Driver.CPUSeconds.Times(speed)
			all = append(all, take)
		}
	}
	return all
}

// Every output says of a ratio of CPU whether it is corrected by the driver's, or why
// not.
func TestOutputsSayWhatACPURatioRestsOn(t *testing.T) {
	alike := takes(syntheticTrials(3)) // as many in flight for after as for before
	var before []record.Trial
	for i := range alike {
		switch trial := &alike[i]; {
		case trial.Kind != record.KindSlice:
		case trial.Variant == scenarios.Before:
			before = append(before, *trial)
		default:
			trial.Measurement.Response = before[len(before)-1].Measurement.Response
		}
	}
	for want, trials := range map[string][]record.Trial{
		"divided by that of the driver's own CPU per request":                        alike,
		"not corrected for the computer's speed: mean requests in flight differ, 3.": syntheticTrials(3),
	} {
		r, err := Build(&record.Log{Run: syntheticRun(), Trials: trials, End: &record.End{}}, examplePrices())
		if err != nil {
			t.Fatal(err)
		}
		var page, terminal, machine bytes.Buffer
		if err := errors.Join(WriteHTML(&page, r), WriteTerminal(&terminal, r, Terminal{Width: 1000}), WriteJSON(&machine, r)); err != nil {
			t.Fatal(err)
		}
		html := strings.ReplaceAll(page.String(), "&#39;", "'")
		if told := strings.Count(html, "<small>"+want); told != 4 { // the database's CPU, its machine's, and two apps'
			t.Errorf("the page says %d times of a row that it is %q", told, want)
		}
		if told := strings.Count(machine.String(), `"basis": "`+want); told != 4 {
			t.Errorf("the JSON says %d times of a row that it is %q", told, want)
		}
		if !strings.Contains(terminal.String(), "database CPU per request: its ratio is "+want) {
			t.Errorf("the terminal does not say %q", want)
		}
	}
}
