package reports

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"headroom/harness/record"
	"headroom/scenarios"
)

// Every output says of a ratio of CPU whether it is less the driver's, or raw and
// why.
func TestOutputsSayWhatACPURatioRestsOn(t *testing.T) {
	alike := syntheticTrials(3) // as many in flight for after as for before
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
		"less the driver's CPU per request":       alike,
		"raw: mean requests in flight differ, 3.": syntheticTrials(3),
	} {
		r, err := Build(syntheticRun(), trials, &record.End{}, examplePrices())
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
