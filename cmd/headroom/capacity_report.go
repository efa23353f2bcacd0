// SPDX-License-Identifier: Apache-2.0

package main

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"headroom/harness"
	"headroom/harness/record"
	"headroom/harness/search"
	"headroom/harness/slo"
	"headroom/internal/maybe"
	"headroom/reports/compare"
	"headroom/scenarios"
)

// capacityReport is what --json prints.
type capacityReport struct {
	Capacity struct {
		Value     *float64 `json:"value"`     // the estimate; null: there is none
		Low       *float64 `json:"low"`       // its 95% range; without a value a lower bound
		High      *float64 `json:"high"`      // null: nothing bounds it
		Confirmed *float64 `json:"confirmed"` // the rate that held its soak; null: none did
		Failed    *float64 `json:"failed"`    // the lowest rate that failed; null: none did
	} `json:"capacity_rps"`
	SLO           string     `json:"slo"`
	Soaks         []slo.Soak `json:"soaks"`
	Confirmed     bool       `json:"confirmed"`
	NeedsS        float64    `json:"needs_s"` // how much more time an answer takes; 0: none
	Recovered     bool       `json:"recovered"`
	Metastable    bool       `json:"metastable"`
	Unbounded     bool       `json:"unbounded"` // nothing failed up to the highest rate that was sent
	DriverLimited bool       `json:"driver_limited"`
	// DriverLimit is what the driver ran out of: connections, local ports, open
	// files or CPU.
	DriverLimit string          `json:"driver_limit,omitempty"`
	BelowMin    bool            `json:"below_min"`
	Interrupted bool            `json:"interrupted"`
	Beside      string          `json:"beside"`           // why other measurements on this machine were not waited for; "" they were
	Reason      string          `json:"reason,omitempty"` // why there is no capacity
	unusable    bool            // nothing that the target answers makes a capacity
	Probes      []capacityProbe `json:"probes"`
	ElapsedS    float64         `json:"elapsed_s"`
	Warnings    []string        `json:"warnings,omitempty"` // of figures that could not be read
	trials      []record.Trial
}

type capacityProbe struct {
	Kind      search.Kind `json:"kind"`
	RateRPS   float64     `json:"rate_rps"`
	DurationS float64     `json:"duration_s"`
	Verdict   string      `json:"verdict"`
	Reason    string      `json:"reason,omitempty"`
	P50       *float64    `json:"p50_ms"`
	P95       *float64    `json:"p95_ms"`
	P99       *float64    `json:"p99_ms"`
	Errors    float64     `json:"error_share"` // failed and unsent of planned
	Sent      int64       `json:"sent"`
	Unsent    int64       `json:"unsent"`
	Achieved  float64     `json:"achieved_rps"`

	Status      map[string]int64  `json:"status"` // by code
	Failures    map[string]int64  `json:"errors"` // by class
	ErrorTexts  map[string]string `json:"error_texts"`
	Retried     int64             `json:"retried"`
	Waited      int64             `json:"waited"` // for a connection of the driver's
	Protocol    string            `json:"protocol"`
	DriverLimit string            `json:"driver_limit,omitempty"`

	Connections record.Connections `json:"connections"`
	// What the hypervisor took of all cores' time, and of the second in which it
	// took most; 0 to 1.
	Stolen       maybe.Number `json:"stolen_share,omitzero"`
	StolenSecond maybe.Number `json:"stolen_worst_second,omitzero"`
}

func (r *capacityReport) add(step harness.CapacityStep) {
	r.trials = append(r.trials, step.Trial)
	r.Warnings = record.NotKnownOf(r.trials) // of all steps at once: each may lack something else
	s := record.Summarise(step.Trial.Measurement)
	r.Probes = append(r.Probes, capacityProbe{
		Kind: step.Kind, RateRPS: step.RPS, DurationS: s.DurationS, Verdict: string(step.Trial.Verdict.Outcome), Reason: step.Trial.Verdict.Reason,
		P50: s.ResponseMS.P50, P95: s.ResponseMS.P95, P99: s.ResponseMS.P99,
		Errors: float64(s.Failed+s.Unsent) / float64(max(s.Planned, 1)),
		Sent:   s.Sent, Unsent: s.Unsent, Achieved: s.AchievedRPS,
		Status: s.Status, Failures: s.Errors, ErrorTexts: s.ErrorTexts, Retried: s.Retried, Waited: s.Waited,
		Protocol: s.Protocol, DriverLimit: s.Driver.Limit, Connections: s.Connections,
		Stolen: step.Trial.Measurement.Driver.StolenShare, StolenSecond: step.Trial.Measurement.Driver.StolenWorstSecond,
	})
}

func (p capacityProbe) line() string {
	verdict := p.Verdict
	if verdict == string(record.Invalid) {
		verdict = "invalid" // files have another word
	}
	text := fmt.Sprintf("%-8s %9s/s for %4.1f s: %s", p.Kind, compare.FormatRate(p.RateRPS), p.DurationS, verdict)
	if p.P99 != nil {
		text += fmt.Sprintf(", p99 %s ms", compare.FormatNumber(*p.P99))
	}
	if p.Reason != "" {
		text += " (" + p.Reason + ")"
	}
	return text
}

func newCapacityReport(s scenarios.SLO, turn *turn) *capacityReport {
	return &capacityReport{SLO: s.Text, Beside: turn.beside, Probes: []capacityProbe{}, Soaks: []slo.Soak{}}
}

// lastLine tells of the last step.
func (r *capacityReport) lastLine() string { return r.Probes[len(r.Probes)-1].line() }

// conclude prints the report, and returns what the exit code is made from.
func (r *capacityReport) conclude(cmd *cobra.Command, o search.Outcome, elapsed time.Duration, interrupted, asJSON bool) error {
	r.finish(o, elapsed, interrupted)
	if err := r.write(cmd.OutOrStdout(), asJSON); err != nil {
		return err
	}
	return r.verdict()
}

// lastDriverLimit is what the driver ran out of in the last step that it could not carry.
func (r *capacityReport) lastDriverLimit() string {
	for _, p := range slices.Backward(r.Probes) {
		if p.Verdict == string(record.Saturated) {
			return p.DriverLimit
		}
	}
	return ""
}

func (r *capacityReport) finish(o search.Outcome, elapsed time.Duration, interrupted bool) {
	known := func(rps float64) *float64 {
		if rps > 0 {
			return &rps
		}
		return nil
	}
	c := &r.Capacity
	c.Value, c.Low, c.High, c.Failed = known(o.PointRPS), known(o.LowRPS), known(o.HighRPS), known(o.FailedRPS)
	if soak, ok := o.Capacity.Confirmed(); ok {
		c.Confirmed, r.Confirmed = &soak.RPS, true
	}
	r.Soaks = append(r.Soaks, o.Soaks...)
	r.NeedsS = o.Needs.Seconds()
	r.Recovered, r.Metastable = o.Recovered, o.Metastable
	r.Unbounded, r.DriverLimited, r.BelowMin = o.AtMax || o.DriverLimited, o.DriverLimited, o.BelowMin
	r.Interrupted, r.ElapsedS = interrupted, elapsed.Seconds()
	if o.DriverLimited || c.Low == nil {
		r.DriverLimit = r.lastDriverLimit()
	}
	if r.Reason == "" && c.Value == nil && !r.BelowMin {
		r.Reason = o.Missing
		if n := len(r.Probes); c.Low == nil && n > 0 && r.Probes[n-1].Reason != "" {
			r.Reason = r.Probes[n-1].Reason
		}
	}
}

func (r *capacityReport) write(w io.Writer, asJSON bool) error {
	if asJSON {
		encoder := json.NewEncoder(w)
		encoder.SetIndent("", "  ")
		return encoder.Encode(r)
	}
	_, err := fmt.Fprintf(w, "%s\n", strings.Join(r.sentences(), "\n"))
	return err
}

func (r *capacityReport) sentences() []string {
	out := []string{fmt.Sprintf("Capacity under %s: %s", r.SLO, r.capacityWords())}
	out = append(out, r.soakWords()...)
	switch {
	case r.Metastable:
		out = append(out, "Metastable: after 1.3 times that load it did not recover at 0.7 times")
	case r.Recovered:
		out = append(out, "After 1.3 times that load it recovered at 0.7 times")
	}
	if r.NeedsS > 0 {
		out = append(out, fmt.Sprintf("The time was too short: give --max-time about %s s more", compare.FormatNumber(math.Ceil(r.NeedsS/10)*10)))
	}
	if n := len(r.Probes); n > 0 && r.Probes[n-1].Protocol != "" {
		p := r.Probes[n-1]
		out = append(out, fmt.Sprintf("Protocol %s, up to %s connections open at once (at most %s)", p.Protocol, count(p.Connections.Most), count(int64(p.Connections.Cap))))
	}
	if note := record.BesideNote(r.Beside); note != "" {
		out = append(out, "Warning: "+note)
	}
	for _, warning := range r.Warnings {
		out = append(out, "Warning: "+warning)
	}
	return append(out, fmt.Sprintf("%d steps in %s s", len(r.Probes), compare.FormatNumber(r.ElapsedS)))
}

// capacityWords is the capacity with its range, or what is known in its place.
func (r *capacityReport) capacityWords() string {
	c := r.Capacity
	switch {
	case r.BelowMin:
		return fmt.Sprintf("< %s requests/s, the lowest rate tried failed", compare.FormatRate(*c.Failed))
	case r.unusable:
		return "none, as " + r.Reason
	case c.Low == nil && r.DriverLimit != "":
		return fmt.Sprintf("unknown, the driver ran out of %s first", r.DriverLimit)
	case c.Low == nil:
		return "unknown, no rate held"
	case r.DriverLimited:
		return fmt.Sprintf(">= %s requests/s, limited by the driver, which ran out of %s", compare.FormatRate(*c.Low), cmp.Or(r.DriverLimit, record.LimitCPU))
	case r.Unbounded:
		return fmt.Sprintf(">= %s requests/s, the highest rate allowed", compare.FormatRate(*c.Low))
	case c.Value == nil:
		return fmt.Sprintf(">= %s requests/s, a lower bound: %s", compare.FormatRate(*c.Low), r.Reason)
	case c.High == nil:
		return fmt.Sprintf(">= %s requests/s: no rate that was tried failed", compare.FormatRate(*c.Low))
	}
	return fmt.Sprintf("about %s requests/s, 95%% range %s to %s", compare.FormatRate(*c.Value), compare.FormatRate(*c.Low), compare.FormatRate(*c.High))
}

// soakWords say which rate is confirmed, and for how long it was looked at.
func (r *capacityReport) soakWords() []string {
	var out []string
	for _, s := range r.Soaks {
		if s.Outcome == record.Held {
			out = append(out, fmt.Sprintf("Confirmed: %s requests/s held for %.0f s", compare.FormatRate(s.RPS), s.Seconds))
		} else {
			out = append(out, fmt.Sprintf("Not confirmed: %s requests/s did not hold for %.0f s (%s)", compare.FormatRate(s.RPS), s.Seconds, s.Reason))
		}
	}
	if len(r.Soaks) == 0 && r.Capacity.Low != nil {
		out = append(out, "Not confirmed: no rate was soaked")
	}
	return out
}

// verdict turns what cannot be used into an exit code.
func (r *capacityReport) verdict() error {
	switch {
	case r.Interrupted:
		return &exitError{exitInconclusive, errors.New("interrupted: what is printed is what was known by then")}
	case r.Capacity.Low == nil && !r.BelowMin:
		return &exitError{exitInconclusive, fmt.Errorf("no capacity was found: %s", r.Reason)}
	}
	return nil
}
