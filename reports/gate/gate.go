// SPDX-License-Identifier: Apache-2.0

// Package gate holds a change against what was before it, and says pass,
// regression, or no verdict. It is pure: trials and a baseline in, a Result out,
// and writers for the places where teams read it.
//
//  1. What one request of an endpoint makes the system do is counted (Counted),
//     and held against a baseline's lines (Compare). Counts need no quiet machine.
//  2. CPU time and p50 are held against the other side of the same run, block by
//     block (Decide).
//  3. Both make one Result with its verdict and its sentence (NewResult).
//  4. The result is written for people, for machines and for CI (Write...).
//
// Without data there is no verdict. The rules are those of docs/measurement.md,
// "The gate".
package gate

import (
	"slices"
	"time"

	"headroom/scenarios"
)

// Verdict is a gate's answer.
type Verdict string

// The verdicts.
const (
	Pass       Verdict = "pass"
	Regression Verdict = "regression"
	NoVerdict  Verdict = "no verdict"
)

// Exit is the verdict's exit code; 2 is for what went wrong.
func (v Verdict) Exit() int {
	switch v {
	case Pass:
		return 0
	case Regression:
		return 1
	}
	return 3
}

// Status is what became of one metric.
type Status string

// The statuses.
const (
	StatusSame         Status = "same"
	StatusRegression   Status = "regression"
	StatusBetter       Status = "better"
	StatusImplausible  Status = "not believed" // less work, or work of another name, and not expected
	StatusAbsent       Status = "absent"       // declared, and there is no number
	StatusOpen         Status = "open"         // neither shown nor excluded
	StatusUnmeasurable Status = "unmeasurable here"
	StatusAccepted     Status = "accepted" // a regression that the accept file lets pass
)

// SchemaVersion is that of gate.json: gate.schema.json.
const SchemaVersion = 1

// Result is one gate.
type Result struct {
	Schema   int           `json:"schema"`
	Scenario string        `json:"scenario"`
	Hash     string        `json:"scenario_hash"`
	Seed     uint64        `json:"seed"`
	At       time.Time     `json:"at"`
	Commit   string        `json:"commit,omitempty"`
	Headroom string        `json:"headroom"`           // its version
	Baseline string        `json:"baseline,omitempty"` // the file; "" nothing was counted
	Blocks   int           `json:"blocks,omitempty"`   // of the timed part; 0 nothing was timed
	Seconds  float64       `json:"seconds"`
	Verdict  Verdict       `json:"verdict"`
	Sentence string        `json:"sentence"`
	Counted  []CountResult `json:"counted"`
	Timed    []Timed       `json:"timed"`
	Shown    []ShownMetric `json:"shown,omitempty"` // measured, and no part of the verdict
	Notes    []string      `json:"notes,omitempty"`
	Unfit    string        `json:"unfit,omitempty"` // why this machine could not be timed on
}

// ShownMetric does not gate: between equal systems it differs by tens of percent.
type ShownMetric struct {
	Label  string  `json:"label"`
	Before float64 `json:"before"`
	After  float64 `json:"after"`
	Unit   string  `json:"unit"`
}

// About is what a result says of itself before there are numbers.
type About struct {
	Scenario *scenarios.Scenario
	Seed     uint64
	At       time.Time
	Commit   string
	Headroom string
	Baseline string
	Blocks   int
	Took     time.Duration
	Unfit    string // why the machine could not be timed on; "" it could
}

// NewResult puts the parts together and finds the verdict: a regression
// anywhere, else no verdict where anything is missing, open or not to be
// believed, else a pass.
func NewResult(about About, counted []CountResult, timed []Timed, shown []ShownMetric, notes []string) Result {
	r := Result{
		Schema: SchemaVersion, Scenario: about.Scenario.Name, Hash: Hash(about.Scenario), Seed: about.Seed, At: about.At,
		Commit: about.Commit, Headroom: about.Headroom, Baseline: about.Baseline, Blocks: about.Blocks, Seconds: about.Took.Seconds(),
		Counted: counted, Timed: timed, Shown: shown, Notes: notes, Unfit: about.Unfit,
	}
	r.Verdict = r.verdict()
	r.Sentence = r.sentence()
	if r.Unfit != "" && r.Verdict == Regression {
		r.Notes = append(r.Notes, "nothing was timed: "+r.Unfit)
	}
	return r
}

func (r Result) verdict() Verdict {
	if len(r.Counted)+len(r.Timed) == 0 {
		return NoVerdict
	}
	verdict := Pass
	if r.Unfit != "" {
		verdict = NoVerdict
	}
	for _, s := range r.statuses() {
		switch s {
		case StatusRegression:
			return Regression
		case StatusSame, StatusBetter, StatusAccepted:
		default:
			verdict = NoVerdict
		}
	}
	return verdict
}

// Red says that one of the counts is a regression.
func Red(counted []CountResult) bool {
	return slices.ContainsFunc(counted, func(c CountResult) bool { return c.Status == StatusRegression })
}

// LacksData says that something that was to be gated gave no number, or an implausible
// one. A noisy machine is no reason for that, so no setting lets such a gate pass: else
// an endpoint that fails every request would be green.
func (r Result) LacksData() bool {
	return len(r.Counted)+len(r.Timed) == 0 && r.Unfit == "" || r.count(StatusAbsent)+r.count(StatusImplausible) > 0
}

// ofNoise says that a quieter machine could give the metric a verdict.
func (s Status) ofNoise() bool { return s == StatusOpen || s == StatusUnmeasurable }

func (r Result) statuses() []Status {
	var all []Status
	for _, c := range r.Counted {
		all = append(all, c.Status)
	}
	for _, t := range r.Timed {
		all = append(all, t.Status)
	}
	return all
}
