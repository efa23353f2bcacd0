// SPDX-License-Identifier: Apache-2.0

package main

import (
	"github.com/spf13/cobra"

	"headroom/harness"
)

func newRoot() *cobra.Command {
	root := &cobra.Command{
		Use:   "headroom",
		Short: "Measure what an architecture change buys, what it costs and what it breaks",
		Long: `headroom runs a before and an after of a system in containers, pushes the same
open-loop traffic at both, and reports latency, throughput, cost and the
bottleneck, with verdicts on the claims made for the change.

Start with:  headroom list   then   headroom run phase3`,
		Version:       harness.Version(),
		SilenceErrors: true, // run prints them, once
		SilenceUsage:  true, // a failed run is no reason to print the manual
	}
	root.CompletionOptions.HiddenDefaultCmd = true
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return usageError(cmd, err)
	})
	root.AddCommand(newList(), newShow(), newKinds(), newTopology(), newRun(), newReport(), newBaseline(), newGate(), newDrive(), newCapacity(), newSelftest(), newPlan(), newImage(), newClean())
	root.AddCommand(insideCommands()...)
	return root
}
