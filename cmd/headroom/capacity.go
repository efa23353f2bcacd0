package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"headroom/harness"
	"headroom/harness/drive"
	"headroom/harness/drive/schedule"
	"headroom/harness/record"
	"headroom/harness/search"
	"headroom/reports/compare"
	"headroom/scenarios"
)

type capacityFlags struct {
	targetFlags
	variantFlags
	slo, maxRate string
	maxTime      time.Duration
	json         bool
}

func newCapacity() *cobra.Command {
	var f capacityFlags
	cmd := &cobra.Command{
		Use:   "capacity {--url URL --slo SLO | SCENARIO}",
		Short: "Find the highest rate at which a URL, or a scenario's variant, holds an SLO, and confirm it",
		Long: `Find the highest rate at which any URL holds an SLO. The rate grows until the
SLO fails, is probed in between, and what comes out is confirmed in longer
stretches of its own; only a rate that held one, and failed none, is published.
At last the target gets 1.3 times as much, and 0.7 times: does it recover?

An SLO is text: p99<250ms,errors<0.1%. Any percentile, several conditions.

In place of a URL a scenario may be named: its variant is started, searched with
the scenario's own traffic and SLO, and stopped.`,
		Example: `  headroom capacity --url http://127.0.0.1:8080/ --slo 'p99<50ms,errors<0.1%'
  headroom capacity --url http://127.0.0.1:8080/ --slo 'p95<20ms' --max-time 3m --max-rate 5000/s --json
  headroom capacity phase3 --variant after`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return nil
			}
			return exactly(1, "a scenario's name, or none with --url")(cmd, args)
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 1 {
				return scenarioCapacity(cmd, args[0], f)
			}
			return runCapacity(cmd, f)
		},
	}
	f.targetFlags.add(cmd)
	f.variantFlags.add(cmd)
	cmd.Flags().StringVar(&f.slo, "slo", "", "what must hold, for example 'p99<50ms,errors<0.1%'")
	cmd.Flags().StringVar(&f.maxRate, "max-rate", "", "never send more than this, for example 5000/s")
	cmd.Flags().DurationVar(&f.maxTime, "max-time", 90*time.Second, "of the whole search, at least 30s; of a scenario's 2m30s when not given")
	cmd.Flags().BoolVar(&f.json, "json", false, "print one JSON object instead of the summary")
	return cmd
}

// Bounds of a search for any URL.
const (
	minSearchTime = 30 * time.Second
	// scenarioSearchTime is longer: what a real system on a shared host carries
	// wanders by some percent in ten seconds, and only more of them help.
	scenarioSearchTime = 150 * time.Second
	firstRPS           = 20
	lowestRPS          = 1
	// searchTimeoutFactor of the SLO's latency is how long a request may take:
	// it has failed long before, and the queue is to drain.
	searchTimeoutFactor = 20
	minSearchTimeout    = 2 * time.Second
)

func (f *capacityFlags) config(slo scenarios.SLO, maxRPS float64) search.Config {
	scale := func(share float64) time.Duration {
		return (time.Duration(share*float64(f.maxTime)) / 100 * 100).Round(100 * time.Millisecond)
	}
	return search.Config{
		StartRPS: firstRPS, MinRPS: lowestRPS, MaxRPS: maxRPS, Probes: 3, Samples: harness.SLOSamples(slo), MaxStep: scale(0.17),
		Grow: scale(0.0155), Probe: scale(0.0555), Confirm: scale(0.111), Recover: scale(0.05), Total: scale(0.96), Pause: 200 * time.Millisecond,
	}
}

// bounds reads what bounds a search: its time, and the highest rate, 0 when
// there is none.
func (f *capacityFlags) bounds(cmd *cobra.Command) (maxRPS float64, err error) {
	if f.maxTime < minSearchTime {
		return 0, usageError(cmd, fmt.Errorf("--max-time %v is too short for a search with its confirmation: give %v or more", f.maxTime, minSearchTime))
	}
	if f.maxRate == "" {
		return 0, nil
	}
	if maxRPS, err = scenarios.ParseRate(f.maxRate); err != nil {
		return 0, usageError(cmd, fmt.Errorf("--max-rate: %w", err))
	}
	return maxRPS, nil
}

func runCapacity(cmd *cobra.Command, f capacityFlags) error {
	slo, err := scenarios.ParseSLO(f.slo)
	if err != nil {
		return usageError(cmd, fmt.Errorf("--slo: %w", err))
	}
	for _, c := range slo.Conditions {
		if c.Oracle != "" {
			return usageError(cmd, fmt.Errorf("--slo: %q rests on an oracle, which only a scenario's run can ask: leave %s out", slo.Text, c.Oracle))
		}
		if c.Endpoint != "" {
			return usageError(cmd, fmt.Errorf("--slo: %q is for one endpoint of a scenario; here all requests count: leave %q out", slo.Text, c.Endpoint))
		}
	}
	maxRPS, err := f.bounds(cmd)
	if err != nil {
		return err
	}
	base, err := f.job(cmd.Context())
	if err != nil {
		return usageError(cmd, err)
	}
	base.Arrivals, base.SLOLatency = schedule.Poisson, slo.TightestLatency()
	base.Timeout = min(base.Timeout, max(minSearchTimeout, searchTimeoutFactor*slo.LoosestLatency()))

	report := newCapacityReport(slo)
	capacity := harness.Capacity{
		SLO: slo, Config: f.config(slo, maxRPS),
		Drive: func(ctx context.Context, step search.Step, maxInFlight int) (record.Trial, error) {
			job := base
			job.RateRPS, job.Duration, job.MaxInFlight = step.RPS, step.Duration, min(maxInFlight, f.maxInFlight)
			job.Seed += uint64(len(report.Probes)) // one unlucky schedule must not lean on every step
			m, err := drive.Drive(ctx, job)
			return record.Trial{Measurement: m, Invalid: m.InvalidReasons}, err
		},
		OnStep: func(step harness.CapacityStep) {
			report.add(step)
			if !f.json {
				fmt.Fprintf(cmd.ErrOrStderr(), "%s\n", report.lastLine())
			}
		},
	}
	began := time.Now()
	found, err := capacity.Search(cmd.Context())
	interrupted := errors.Is(err, context.Canceled)
	if err != nil && !interrupted {
		return err
	}
	return report.conclude(cmd, found.Outcome(), time.Since(began), interrupted, f.json)
}

// capacityReport is what --json prints.
type capacityReport struct {
	Capacity struct {
		Value  *float64 `json:"value"`  // the highest rate that held its own confirmation; null: none did
		Held   *float64 `json:"held"`   // the same
		Failed *float64 `json:"failed"` // the lowest above it that failed; null: none did
	} `json:"capacity_rps"`
	SLO           string          `json:"slo"`
	Confirmed     bool            `json:"confirmed"`
	Recovered     bool            `json:"recovered"`
	Metastable    bool            `json:"metastable"`
	Unbounded     bool            `json:"unbounded"` // nothing failed up to the highest rate that was sent
	DriverLimited bool            `json:"driver_limited"`
	BelowMin      bool            `json:"below_min"`
	Interrupted   bool            `json:"interrupted"`
	Probes        []capacityProbe `json:"probes"`
	ElapsedS      float64         `json:"elapsed_s"`
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
	case c.Held == nil:
		out = append(out, fmt.Sprintf("Capacity under %s: unknown, no rate held its confirmation", r.SLO))
	case r.DriverLimited:
		out = append(out, fmt.Sprintf("Capacity under %s: >= %s requests/s, limited by the driver", r.SLO, compare.FormatRate(*c.Held)))
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
	return append(out, fmt.Sprintf("%d steps in %s s", len(r.Probes), compare.FormatNumber(r.ElapsedS)))
}

// verdict turns what cannot be used into an exit code.
func (r *capacityReport) verdict() error {
	switch {
	case r.Interrupted:
		return &exitError{exitInconclusive, errors.New("interrupted: there is no capacity without its confirmation")}
	case r.Capacity.Held == nil && !r.BelowMin:
		reason := "the time was too short"
		if n := len(r.Probes); n > 0 && r.Probes[n-1].Reason != "" {
			reason = r.Probes[n-1].Reason
		}
		return &exitError{exitInconclusive, fmt.Errorf("no capacity was found: %s", reason)}
	}
	return nil
}
