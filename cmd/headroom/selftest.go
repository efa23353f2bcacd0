package main

import (
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
	compare := &cobra.Command{
		Use:   "compare",
		Short: "Simulate searches and pairs of known systems, and count how often what is printed is true",
		Long: `Simulate searches and pairs of known systems, and count how often what is
printed is true. The systems are queues that scatter, drift, stall and break;
searches and comparisons run the code that a real run uses. It sends no load and
takes some minutes. docs/truth.md has its table.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
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
	cmd.AddCommand(compare)
	return cmd
}
