package gate

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"time"
)

// Outcome is one gate in a history.
type Outcome struct {
	At       time.Time `json:"at"`
	Scenario string    `json:"scenario"`
	Commit   string    `json:"commit"` // "": not known, so it tells nothing of false alarms
	Verdict  Verdict   `json:"verdict"`
	Sentence string    `json:"sentence"`
}

// OutcomeOf is what a history keeps of a result.
func OutcomeOf(r Result) Outcome {
	return Outcome{At: r.At, Scenario: r.Scenario, Commit: r.Commit, Verdict: r.Verdict, Sentence: r.Sentence}
}

// ReadHistory reads outcomes, a JSON line each, in the order in which they came.
func ReadHistory(file string, r io.Reader) ([]Outcome, error) {
	var out []Outcome
	scanner := bufio.NewScanner(r)
	for line := 1; scanner.Scan(); line++ {
		var o Outcome
		if err := json.Unmarshal(scanner.Bytes(), &o); err != nil {
			return nil, fmt.Errorf("%s:%d: is no outcome of a gate: %w; remove the line to use the others", file, line, err)
		}
		out = append(out, o)
	}
	return out, scanner.Err()
}

// Rate says how often a history's gates were red and turned green on the same
// commit, where nothing can have changed: false alarms.
type Rate struct {
	Gates, Red, FalseAlarms int
}

// FalseAlarms counts a history's.
func FalseAlarms(history []Outcome) Rate {
	type of struct{ scenario, commit string }
	var rate Rate
	red := map[of]int{}
	for _, o := range history {
		rate.Gates++
		at := of{o.Scenario, o.Commit}
		switch {
		case o.Verdict == Regression:
			rate.Red++
			if o.Commit != "" {
				red[at]++
			}
		case o.Verdict == Pass:
			rate.FalseAlarms += red[at]
			delete(red, at)
		}
	}
	return rate
}

func (r Rate) String() string {
	share := 0.0
	if r.Gates > 0 {
		share = 100 * float64(r.FalseAlarms) / float64(r.Gates)
	}
	return fmt.Sprintf("%d false alarms in %d gates (%.1f%%): red, and green later on the same commit; %d were red in all", r.FalseAlarms, r.Gates, share, r.Red)
}
