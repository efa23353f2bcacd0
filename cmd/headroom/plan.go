// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"headroom/harness/record"
	"headroom/reports/plan"
	"headroom/scenarios"
)

type planFlags struct {
	users, slo, perUser, priceFile string
	json                           bool
	ownSLO                         bool // of each run
}

func newPlan() *cobra.Command {
	var f planFlags
	cmd := &cobra.Command{
		Use:   "plan RUN_DIR... --users N [--slo SLO]",
		Short: "From stored runs: the cheapest measured variant for so many users, its copies and its price",
		Long: `From stored runs, without any load: the cheapest measured variant that carries so
many users under an SLO, how many copies of its stateless machines that takes,
and what it costs a month. Machines with data (PostgreSQL, Valkey) and with a
queue (NATS) stay as measured, and bound what the rest can do.

Without --slo each run's variants are judged by the SLO of its own scenario. Where
these differ, the answer names them.

Every number is marked measured, interpolated or extrapolated. Beyond 4 times
the largest rate that was seen to hold there is none: exit code 3.`,
		Example: `  headroom plan out/phase2-* out/phase3-* --users 500000 --slo 'p99<250ms,errors<0.1%'
  headroom plan out/phase3-20260102-150405 --users 2M --slo 'p95<100ms' --requests-per-user 0.02/s --prices mine.yaml --json`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return usageError(cmd, errors.New("no run given; needed: the folder of a run or several, for example: headroom plan out/phase3-20260102-150405 --users 500000 --slo 'p99<250ms'"))
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			f.ownSLO = !cmd.Flags().Changed("slo")
			return runPlan(cmd, f, args)
		},
	}
	cmd.Flags().StringVar(&f.users, "users", "", "how many are to be carried, for example 500000, 500k or 2M")
	cmd.Flags().StringVar(&f.slo, "slo", "", "what must hold, for example 'p99<250ms,errors<0.1%' (default: what each run's scenario says)")
	cmd.Flags().StringVar(&f.perUser, "requests-per-user", "", "for example 0.01/s (default: what the run's scenario says)")
	addPrices(cmd, &f.priceFile)
	cmd.Flags().BoolVar(&f.json, "json", false, "print one JSON object instead of the text")
	return cmd
}

func runPlan(cmd *cobra.Command, f planFlags, dirs []string) error {
	ask, err := f.ask()
	if err != nil {
		return usageError(cmd, err)
	}
	if ask.Prices, err = readPrices(f.priceFile); err != nil {
		return err
	}
	var runs []*record.Log
	for _, dir := range dirs {
		log, err := record.ReadFile(dir)
		if err != nil {
			return err
		}
		if len(log.Trials) == 0 {
			return fmt.Errorf("%s has no trials: nothing was measured, so it can't be planned with; leave it out, or run its scenario again, for example headroom run phase3", dir)
		}
		runs = append(runs, log)
	}
	answer, err := plan.For(ask, runs)
	if err != nil {
		return err
	}
	write := answer.WriteText
	if f.json {
		write = answer.WriteJSON
	}
	if err := write(cmd.OutOrStdout()); err != nil {
		return err
	}
	if answer.Best == nil {
		return &exitError{exitInconclusive, errors.New("no number is given: none of the measured variants is known to carry that; the reasons are above")}
	}
	return nil
}

func (f planFlags) ask() (plan.Ask, error) {
	ask := plan.Ask{}
	var err error
	if ask.Users, err = parseUsers(f.users); err != nil {
		return ask, fmt.Errorf("--users: %w", err)
	}
	if !f.ownSLO {
		if ask.SLO, err = scenarios.ParseSLO(f.slo); err != nil {
			return ask, fmt.Errorf("--slo: %w", err)
		}
	}
	if f.perUser != "" {
		if ask.RequestsPerUserPerS, err = scenarios.ParseRate(f.perUser); err != nil {
			return ask, fmt.Errorf("--requests-per-user: %w; a user who makes a request every 100 seconds is 0.01/s", err)
		}
	}
	return ask, nil
}

// maxUsers is more than there are people, and keeps sums exact.
const maxUsers = 1e11

// parseUsers reads a number of users: 500000, 500,000, 500k or 2M.
func parseUsers(text string) (float64, error) {
	const example = "write a whole number above 0, for example --users 500000, 500k or 2M"
	number, factor := strings.ReplaceAll(strings.TrimSpace(text), ",", ""), 1.0
	if number == "" {
		return 0, errors.New("how many users is missing: " + example)
	}
	switch number[len(number)-1] {
	case 'k', 'K':
		number, factor = number[:len(number)-1], 1e3
	case 'm', 'M':
		number, factor = number[:len(number)-1], 1e6
	}
	v, err := strconv.ParseFloat(number, 64)
	v *= factor
	if err != nil || !(v >= 1) || v > maxUsers || v != math.Trunc(v) {
		return 0, fmt.Errorf("%q is no number of users: %s", text, example)
	}
	return v, nil
}
