package main

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"headroom/harness"
	"headroom/harness/record"
	"headroom/harness/search"
	"headroom/reports/compare"
	"headroom/scenarios"
)

// capacityReport is what --json prints.
type capacityReport struct {
	Capacity struct {
		Value  *float64 `json:"value"`  // the highest rate that held its own confirmation; null: none did
		Held   *float64 `json:"held"`   // the same
		Failed *float64 `json:"failed"` // the lowest above it that failed; null: none did
	} `json:"capacity_rps"`
	SLO           string `json:"slo"`
	Confirmed     bool   `json:"confirmed"`
	Recovered     bool   `json:"recovered"`
	Metastable    bool   `json:"metastable"`
	Unbounded     bool   `json:"unbounded"` // nothing failed up to the highest rate that was sent
	DriverLimited bool   `json:"driver_limited"`
	// DriverLimit is what the driver ran out of: connections, local ports, open
	// files or CPU.
	DriverLimit string          `json:"driver_limit,omitempty"`
	BelowMin    bool            `json:"below_min"`
	Interrupted bool            `json:"interrupted"`
	Reason      string          `json:"reason,omitempty"` // why there is no capacity
	useless     bool            // nothing that the target answers makes a capacity
	Probes      []capacityProbe `json:"probes"`
	ElapsedS    float64         `json:"elapsed_s"`
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

	Status     map[string]int64  `json:"status"` // by code
	Failures   map[string]int64  `json:"errors"` // by class
	ErrorTexts map[string]string `json:"error_texts"`
	Retried    int64             `json:"retried"`
	Waited     int64             `json:"waited"` // for a connection of the driver's
	Protocol   string            `json:"protocol"`
	Limit      string            `json:"driver_limit,omitempty"`

	Connections record.Connections `json:"connections"`
	// What the hypervisor took of all cores' time, and of the second in which it
	// took most; 0 to 1.
	Stolen       float64 `json:"stolen_share"`
	StolenSecond float64 `json:"stolen_worst_second"`
}

var verdictNames = map[search.Verdict]string{search.Held: "held", search.Failed: "failed", search.Insufficient: "insufficient", search.Spoiled: "spoiled", search.Saturated: "saturated"}

func (r *capacityReport) add(step harness.CapacityStep) {
	s := record.Summarise(step.Trial.Measurement)
	r.Probes = append(r.Probes, capacityProbe{
		Kind: step.Kind, RateRPS: step.RPS, DurationS: s.DurationS, Verdict: verdictNames[step.Verdict], Reason: step.Reason,
		P50: s.ResponseMS.P50, P95: s.ResponseMS.P95, P99: s.ResponseMS.P99,
		Errors: float64(s.Failed+s.Unsent) / float64(max(s.Planned, 1)),
		Sent:   s.Sent, Unsent: s.Unsent, Achieved: s.AchievedRPS,
		Status: s.Status, Failures: s.Errors, ErrorTexts: s.ErrorTexts, Retried: s.Retried, Waited: s.Waited,
		Protocol: s.Protocol, Limit: s.Driver.Limit, Connections: s.Connections,
		Stolen: step.Trial.Measurement.Driver.StolenShare, StolenSecond: step.Trial.Measurement.Driver.StolenWorstSecond,
	})
}

func (p capacityProbe) line() string {
	text := fmt.Sprintf("%-8s %9s/s for %4.1f s: %s", p.Kind, compare.FormatRate(p.RateRPS), p.DurationS, p.Verdict)
	if p.P99 != nil {
		text += fmt.Sprintf(", p99 %s ms", compare.FormatNumber(*p.P99))
	}
	if p.Reason != "" {
		text += " (" + p.Reason + ")"
	}
	return text
}

func newCapacityReport(slo scenarios.SLO) *capacityReport {
	return &capacityReport{SLO: slo.Text, Probes: []capacityProbe{}}
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

// limit is what the driver ran out of in the last step that it could not carry.
func (r *capacityReport) limit() string {
	for _, p := range slices.Backward(r.Probes) {
		if p.Verdict == verdictNames[search.Saturated] {
			return p.Limit
		}
	}
	return ""
}

func (r *capacityReport) finish(o search.Outcome, elapsed time.Duration, interrupted bool) {
	if o.Confirmed {
		r.Capacity.Value, r.Capacity.Held = &o.HeldRPS, &o.HeldRPS
	}
	if o.FailedRPS > 0 {
		r.Capacity.Failed = &o.FailedRPS
	}
	r.Confirmed, r.Recovered, r.Metastable = o.Confirmed, o.Recovered, o.Metastable
	r.Unbounded, r.DriverLimited, r.BelowMin = o.Unbounded, o.DriverLimited, o.BelowMin
	r.Interrupted, r.ElapsedS = interrupted, elapsed.Seconds()
	if limit := r.limit(); o.DriverLimited || r.Capacity.Held == nil {
		r.DriverLimit = limit
	}
	if r.Reason == "" && r.Capacity.Held == nil && !r.BelowMin {
		r.Reason = "the time was too short"
		if n := len(r.Probes); n > 0 && r.Probes[n-1].Reason != "" {
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
	var out []string
	switch c := r.Capacity; {
	case r.BelowMin:
		out = append(out, fmt.Sprintf("Capacity under %s: < %s requests/s, the lowest rate tried failed", r.SLO, compare.FormatRate(*c.Failed)))
	case r.useless:
		out = append(out, fmt.Sprintf("Capacity under %s: none, as %s", r.SLO, r.Reason))
	case c.Held == nil && r.DriverLimit != "":
		out = append(out, fmt.Sprintf("Capacity under %s: unknown, the driver ran out of %s first", r.SLO, r.DriverLimit))
	case c.Held == nil:
		out = append(out, fmt.Sprintf("Capacity under %s: unknown, no rate held its confirmation", r.SLO))
	case r.DriverLimited:
		out = append(out, fmt.Sprintf("Capacity under %s: >= %s requests/s, limited by the driver, which ran out of %s", r.SLO,
			compare.FormatRate(*c.Held), cmp.Or(r.DriverLimit, record.LimitCPU)))
	case r.Unbounded:
		out = append(out, fmt.Sprintf("Capacity under %s: >= %s requests/s, the highest rate allowed", r.SLO, compare.FormatRate(*c.Held)))
	case c.Failed != nil:
		out = append(out, fmt.Sprintf("Capacity under %s: %s requests/s (%s held, %s failed), confirmed", r.SLO,
			compare.FormatRate(*c.Value), compare.FormatRate(*c.Held), compare.FormatRate(*c.Failed)))
	default:
		out = append(out, fmt.Sprintf("Capacity under %s: %s requests/s, confirmed", r.SLO, compare.FormatRate(*c.Value)))
	}
	switch {
	case r.Metastable:
		out = append(out, "Metastable: after 1.3 times that load it did not recover at 0.7 times")
	case r.Recovered:
		out = append(out, "After 1.3 times that load it recovered at 0.7 times")
	}
	if n := len(r.Probes); n > 0 && r.Probes[n-1].Protocol != "" {
		p := r.Probes[n-1]
		out = append(out, fmt.Sprintf("Protocol %s, up to %s connections open at once (at most %s)", p.Protocol, count(p.Connections.Most), count(int64(p.Connections.Cap))))
	}
	return append(out, fmt.Sprintf("%d steps in %s s", len(r.Probes), compare.FormatNumber(r.ElapsedS)))
}

// verdict turns what cannot be used into an exit code.
func (r *capacityReport) verdict() error {
	switch {
	case r.Interrupted:
		return &exitError{exitInconclusive, errors.New("interrupted: there is no capacity without its confirmation")}
	case r.Capacity.Held == nil && !r.BelowMin:
		return &exitError{exitInconclusive, fmt.Errorf("no capacity was found: %s", r.Reason)}
	}
	return nil
}
