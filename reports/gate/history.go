// SPDX-License-Identifier: Apache-2.0

package gate

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"time"
)

// Outcome is one gate in a history. A gate with planted differences belongs in
// no history: what it finds tells nothing of the commit.
type Outcome struct {
	At       time.Time `json:"at"`
	Scenario string    `json:"scenario"`
	Commit   string    `json:"commit"` // "": not known, so it tells nothing of false alarms
	Counted  bool      `json:"counted,omitempty"`
	Timed    bool      `json:"timed,omitempty"`
	Hash     string    `json:"hash,omitempty"` // FileHash of the baseline; "" nothing was counted
	Seed     uint64    `json:"seed,omitempty"`
	Expect   bool      `json:"expect,omitempty"` // less work was expected
	Verdict  Verdict   `json:"verdict"`
	Sentence string    `json:"sentence"`
}

// OutcomeOf is what a history keeps of a result: hash is FileHash of the baseline,
// and expect says that less work was expected.
func OutcomeOf(r Result, hash string, expect bool) Outcome {
	return Outcome{At: r.At, Scenario: r.Scenario, Commit: r.Commit, Counted: r.Baseline != "", Timed: len(r.Timed) > 0 || r.Unfit != "",
		Hash: hash, Seed: r.Seed, Expect: expect, Verdict: r.Verdict, Sentence: r.Sentence}
}

// FileHash tells a baseline's file from another.
func FileHash(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:8])
}

// maxOutcomeBytes bounds a line of a history.
const maxOutcomeBytes = 1 << 20 // bytes

// ReadHistory reads outcomes, a JSON line each, in the order in which they came.
func ReadHistory(file string, r io.Reader) ([]Outcome, error) {
	var out []Outcome
	scanner := bufio.NewScanner(r)
	scanner.Buffer(nil, maxOutcomeBytes)
	line := 0
	for scanner.Scan() {
		line++
		text := bytes.TrimSpace(scanner.Bytes())
		if len(text) == 0 {
			continue
		}
		var o Outcome
		if err := json.Unmarshal(text, &o); err != nil {
			return nil, fmt.Errorf("%s:%d: is no outcome of a gate: %w; remove the line to use the others", file, line, err)
		}
		out = append(out, o)
	}
	if err := scanner.Err(); err != nil {
		return nil, fmt.Errorf("%s:%d: %w", file, line+1, err)
	}
	return out, nil
}

// Line is what is written behind a history's text to add the outcome: its line,
// and before it the end of the last one, where somebody left that out.
func (o Outcome) Line(history []byte) ([]byte, error) {
	line, err := json.Marshal(o)
	if err != nil {
		return nil, err
	}
	if len(history) > 0 && !bytes.HasSuffix(history, []byte("\n")) {
		line = append([]byte("\n"), line...)
	}
	return append(line, '\n'), nil
}

// subject is what a gate was of: two gates of the same differ by chance alone.
type subject struct {
	scenario, commit, hash string
	counted, timed, expect bool
	seed                   uint64
}

// subject leaves out the seed where nothing was counted: another seed counts other
// keys, but it times the same systems once more.
func (o Outcome) subject() subject {
	of := subject{o.Scenario, o.Commit, o.Hash, o.Counted, o.Timed, o.Expect, o.Seed}
	if !o.Counted {
		of.seed = 0
	}
	return of
}

// Rate says how often a history's gates were red and turned green with nothing
// changed: false alarms.
type Rate struct {
	Gates, Red, FalseAlarms int
}

// FalseAlarms counts a history's.
func FalseAlarms(history []Outcome) Rate {
	var rate Rate
	red := map[subject]int{}
	for _, o := range history {
		rate.Gates++
		of := o.subject()
		switch {
		case o.Verdict == Regression:
			rate.Red++
			if o.Commit != "" {
				red[of]++
			}
		case o.Verdict == Pass:
			rate.FalseAlarms += red[of]
			delete(red, of)
		}
	}
	return rate
}

// String is "History: 2 gates, 1 red, 1 false alarm (a commit that was red and
// then green)."
func (r Rate) String() string {
	counted := func(n int, what string) string {
		if n == 1 {
			return "1 " + what
		}
		return fmt.Sprintf("%d %ss", n, what)
	}
	out := fmt.Sprintf("History: %s, %d red, %s", counted(r.Gates, "gate"), r.Red, counted(r.FalseAlarms, "false alarm"))
	switch {
	case r.FalseAlarms == 1:
		out += " (a commit that was red and then green)"
	case r.FalseAlarms > 1:
		out += " (commits that were red and then green)"
	}
	return out + "."
}
