// SPDX-License-Identifier: Apache-2.0

package reports

import (
	"bytes"
	"errors"
	"html"
	"strings"
	"testing"
	"unicode/utf8"

	"headroom/harness/record"
)

// A run that did not wait for its turn says so on every output,
// and is no evidence on the page of the whole way.
func TestBesideStandsOnEveryOutput(t *testing.T) {
	const mark = "id not wait for its turn (the lock can't be taken: permission denied): another measurement may have run beside it"
	outputs := func(beside string) map[string]string {
		run, trials := syntheticRun(), syntheticTrials(1)
		run.Environment.Beside = beside
		r := build(t, run, trials, &record.End{})
		var terminal, page, machine bytes.Buffer
		if err := errors.Join(WriteTerminal(&terminal, r, Terminal{}), WriteHTML(&page, r), WriteJSON(&machine, r)); err != nil {
			t.Fatal(err)
		}
		way, wayPage, _ := written(t, journey(t, []Report{r}))
		for _, line := range strings.Split(terminal.String(), "\n") {
			if utf8.RuneCountInString(line) > defaultWidth {
				t.Errorf("a line of %d columns: %s", utf8.RuneCountInString(line), line)
			}
		}
		if !strings.Contains(machine.String(), `"beside": "`+beside) != (beside == "") {
			t.Errorf("the JSON of %q:\n%s", beside, machine.String())
		}
		return map[string]string{
			"terminal": strings.ReplaceAll(terminal.String(), "\n", " "), "page": html.UnescapeString(page.String()),
			"journey's terminal": string(way), "journey's page": html.UnescapeString(string(wayPage)),
		}
	}
	for name, text := range outputs("the lock can't be taken: permission denied") {
		if !strings.Contains(text, mark) {
			t.Errorf("the %s does not say %q", name, mark)
		}
	}
	for name, text := range outputs("") {
		if strings.Contains(text, "its turn") {
			t.Errorf("the %s speaks of a turn that was not missed", name)
		}
	}
}
