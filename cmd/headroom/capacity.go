// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"headroom/harness"
	"headroom/harness/drive"
	"headroom/harness/drive/mix"
	"headroom/harness/drive/schedule"
	"headroom/harness/record"
	"headroom/harness/search"
	"headroom/scenarios"
)

type capacityFlags struct {
	targetFlags
	variantFlags
	slo, maxRate  string
	maxTime, soak time.Duration
	json, beside  bool
}

func newCapacity() *cobra.Command {
	var f capacityFlags
	cmd := &cobra.Command{
		Use:   "capacity {--url URL --slo SLO | SCENARIO}",
		Short: "Find the highest rate at which a URL, or a scenario's variant, holds an SLO, and soak just below it",
		Long: `Find the highest rate at which any URL holds an SLO. The rate grows until the
SLO fails. Then a staircase hovers about the capacity: a little more after a step
that held, a little less after one that failed. All steps together make the
capacity and its 95% range. A soak follows just below it, and only a rate that
held its soak is called confirmed. At last the target gets 1.3 times as much, and
0.7 times: does it recover?

The search keeps to --max-time. Where that is too short for an answer, what held
is a lower bound, and the search says how much more time it needs.

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
	cmd.Flags().DurationVar(&f.soak, "soak", time.Minute, "how long a rate must hold to be called confirmed, at most a third of --max-time; 0 leaves it out")
	addBeside(cmd, &f.beside)
	cmd.Flags().BoolVar(&f.json, "json", false, "print one JSON object instead of the summary")
	return cmd
}

// Bounds of a search for any URL.
const (
	minSearchTime = 30 * time.Second
	// scenarioSearchTime is longer: the capacity of a real system on a shared host varies
	// by some percent in ten seconds, and only more time averages that out.
	scenarioSearchTime = 150 * time.Second
	firstRPS           = 20
	lowestRPS          = 1
	// searchTimeoutFactor times the SLO's latency is a request's timeout: the request has
	// failed long before, but the queue is to drain.
	searchTimeoutFactor = 20
	minSearchTimeout    = 2 * time.Second
	// secureWarmup goes unrecorded before each step over TLS: the connections
	// that a higher rate needs make their handshakes in it.
	secureWarmup = 500 * time.Millisecond
)

func (f *capacityFlags) config(slo scenarios.SLO, maxRPS float64) search.Config {
	return harness.SearchWithin(f.maxTime, f.soak, maxRPS).For(harness.SLOSamples(slo), slo.LoosestLatency())
}

// bounds reads what bounds a search: its time, and the highest rate, 0 when
// there is none.
func (f *capacityFlags) bounds(cmd *cobra.Command) (maxRPS float64, err error) {
	if f.maxTime < minSearchTime {
		return 0, usageError(cmd, fmt.Errorf("--max-time %v is too short for a search: give %v or more", f.maxTime, minSearchTime))
	}
	if f.soak < 0 {
		return 0, usageError(cmd, fmt.Errorf("--soak %v is negative: give a time, or 0 to leave the soak out", f.soak))
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
	base, err := f.job(cmd)
	if err != nil {
		return usageError(cmd, err)
	}
	base.Arrivals, base.SLOLatency = schedule.Poisson, slo.TightestLatency()
	if strings.HasPrefix(base.Targets[0].URL, "https:") {
		base.Warmup = secureWarmup
	}

	probe := base
	probe.RateRPS, probe.Duration = firstRPS, time.Second
	if err := checkJob(probe); err != nil {
		return usageError(cmd, err)
	}
	base.Timeout = min(base.Timeout, max(minSearchTimeout, searchTimeoutFactor*slo.LoosestLatency()))

	turn, err := takeTurn(cmd, "capacity "+mix.Shown(base.Targets[0].URL), f.beside)
	if err != nil {
		return err
	}
	defer turn.release()
	var client drive.Client
	defer client.Close()
	report := newCapacityReport(slo, turn)
	capacity := harness.Capacity{
		SLO: slo, Config: f.config(slo, maxRPS), StopIfUnusable: true,
		Drive: func(ctx context.Context, step search.Step, maxInFlight int) (record.Trial, error) {
			job := base
			job.RateRPS, job.Duration, job.MaxInFlight = step.RPS, step.Duration, min(maxInFlight, f.maxInFlight)
			job.Seed += uint64(len(report.Probes)) // one unlucky schedule must not lean on every step
			m, err := client.Drive(ctx, job)
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
	var unusable *harness.UnusableTargetError
	if errors.As(err, &unusable) {
		report.Reason, report.unusable = unusable.Reason, true
	} else if err != nil && !interrupted {
		return err
	}
	return report.conclude(cmd, found.Outcome(), time.Since(began), interrupted, f.json)
}
