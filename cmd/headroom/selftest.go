// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"headroom/cmd/headroom/selftest"
)

func newSelftest() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "selftest",
		Short: "Hold headroom's own statistics against systems whose truth is known",
	}
	var o selftest.Options
	var runs []string
	var seeds int
	compare := &cobra.Command{
		Use:   "compare",
		Short: "Simulate searches and pairs of known systems, and count how often what is printed is true",
		Long: `Simulate searches and pairs of known systems, and count how often what is
printed is true. The systems are queues that scatter, drift, stall and break;
searches and comparisons run the code that a real run uses. It sends no load and
takes some ten minutes on two cores. docs/truth.md has its table.

With --runs nothing is simulated: equal systems are made from the blocks of
finished runs, 1,000 with each seed, and it counts how often the interval of a
report excludes 1 all the same.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if cmd.Flags().Changed("runs") {
				return resample(cmd, runs, seeds)
			}
			if cmd.Flags().Changed("seeds") {
				return usageError(cmd, errors.New("--seeds is of --runs: name folders of finished runs, or leave it out"))
			}
			if o.Searches < 1 || o.Pairs < 1 {
				return usageError(cmd, fmt.Errorf("--searches %d, --pairs %d: give 1 or more of each", o.Searches, o.Pairs))
			}
			var results []selftest.Result
			err := selftest.Simulate(cmd.Context(), o, func(r selftest.Result) error {
				results = append(results, r)
				_, err := fmt.Fprintf(cmd.ErrOrStderr(), "system %s: done\n", r.System.Name)
				return err
			})
			if err != nil {
				return err
			}
			if len(results) == 0 {
				return usageError(cmd, fmt.Errorf("--only %q: no system is called that", o.Only))
			}
			return selftest.WriteTable(cmd.OutOrStdout(), results)
		},
	}
	compare.Flags().IntVar(&o.Searches, "searches", 240, "of each system, seeds 1 to that")
	compare.Flags().IntVar(&o.Pairs, "pairs", 400, "of each system, equal and with a planted difference")
	compare.Flags().StringVar(&o.Only, "only", "", "one system alone, by its name")
	compare.Flags().StringSliceVar(&runs, "runs", nil, "folders of finished runs, with commas between, whose blocks are resampled instead")
	compare.Flags().IntVar(&seeds, "seeds", 10, "of the resamples, seeds 1 to that")
	cmd.AddCommand(compare, newSelftestGate())
	return cmd
}

// resample writes how often equal systems made from recorded runs come out as
// different.
func resample(cmd *cobra.Command, runs []string, seeds int) error {
	for _, simulated := range []string{"searches", "pairs", "only"} {
		if cmd.Flags().Changed(simulated) {
			return usageError(cmd, fmt.Errorf("--%s is of the simulation and --runs simulates nothing: leave one of them out", simulated))
		}
	}
	switch {
	case len(runs) == 0:
		return usageError(cmd, errors.New("--runs names no folder: name those of finished runs, with commas between"))
	case seeds < 1:
		return usageError(cmd, fmt.Errorf("--seeds %d: give 1 or more", seeds))
	}
	result, err := selftest.Resample(cmd.Context(), runs, seeds)
	if err != nil {
		return err
	}
	return selftest.WriteResampled(cmd.OutOrStdout(), result)
}
