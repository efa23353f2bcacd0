// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"headroom/cmd/headroom/selftest"
)

func newSelftestGate() *cobra.Command {
	var gates, live int
	var recorded []string
	var only, stage string
	cmd := &cobra.Command{
		Use:   "gate",
		Short: "Simulate timed gates, and count false alarms, regressions found and gates left open",
		Long: `Simulate timed gates of equal sides and of planted regressions, by the rule that
headroom gate uses, and count false alarms, regressions found and gates left
open. It sends no load and takes some minutes. docs/truth.md has its table.

With --recorded, once for each, it plays gates of the blocks in the folders of
gates of equal sides (headroom gate gate-shop --all-blocks 24), of three sittings
at the least, each of 20 whole blocks or more.

With --live N it runs headroom gate N times with equal sides, counted and timed,
and with each of the planted differences, and counts how often the answer is the
right one. That takes some minutes for each N. It ends with exit code 1 when equal
sides raised an alarm, or a planted difference was not named.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if gates < 1 {
				return usageError(cmd, fmt.Errorf("--gates %d: give 1 or more", gates))
			}
			if live < 0 || live > 0 && len(recorded) > 0 {
				return usageError(cmd, fmt.Errorf("--live %d: give 1 or more, and no --recorded", live))
			}
			if live > 0 {
				if err := checkStage(cmd, stage); err != nil {
					return err
				}
				return runLive(cmd, live, only, stage)
			}
			if len(recorded) > 0 {
				return resampleGates(cmd, recorded, gates)
			}
			var results []selftest.GateResult
			err := selftest.SimulateGates(cmd.Context(), gates, func(r selftest.GateResult) error {
				results = append(results, r)
				return nil
			})
			if err != nil {
				return err
			}
			return selftest.WriteGateTable(cmd.OutOrStdout(), results)
		},
	}
	cmd.Flags().IntVar(&gates, "gates", 40_000, "of each row and size of regression, seeds 1 to that")
	cmd.Flags().IntVar(&live, "live", 0, "run so many gates of every case")
	cmd.Flags().StringVar(&only, "only", "", "of --live, one case alone, for example N+1")
	cmd.Flags().StringVar(&stage, "stage", stageDocker, "of --live, where the machines stand: docker, auto or process")
	cmd.Flags().StringArrayVar(&recorded, "recorded", nil, "folder of a gate of equal sides; again for each sitting")
	return cmd
}

func resampleGates(cmd *cobra.Command, dirs []string, gates int) error {
	var sittings []selftest.Sitting
	for _, dir := range dirs {
		s, err := selftest.ReadSitting(dir)
		if err != nil {
			return err
		}
		sittings = append(sittings, s)
	}
	found, err := selftest.ResampleGates(cmd.Context(), sittings, gates)
	if err != nil {
		return err
	}
	return found.Write(cmd.OutOrStdout())
}
