// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"headroom/harness"
	"headroom/harness/record"
	"headroom/reports/compare"
	"headroom/scenarios"
)

// checkProve refuses --prove with a word that is no variant, and where there
// are no CPU quotas to change.
func checkProve(cmd *cobra.Command, prove, stage string) error {
	switch {
	case prove == "":
		return nil
	case prove != string(scenarios.Before) && prove != string(scenarios.After):
		return usageError(cmd, fmt.Errorf("--prove=%s: want %s or %s, or --prove alone for %s",
			prove, scenarios.After, scenarios.Before, scenarios.After))
	case !hasQuotas(stage):
		return usageError(cmd, fmt.Errorf("--prove makes machines larger by their CPU quota, and on the process stage they have none: leave it out, or use --stage %s", stageDocker))
	}
	return nil
}

// prove measures for the proof of v's bottleneck what the trials so far name.
// Where they name nothing there is no proof, and the report says why; the run
// stays good.
func prove(ctx context.Context, dir string, conductor *harness.Conductor, v scenarios.Variant) error {
	log, err := record.ReadFile(dir)
	if err != nil {
		return err
	}
	aim, err := compare.AimProof(log.Run, log.Trials, v)
	if err != nil {
		conductor.Progress.Note("no proof of %s's bottleneck: %v", v, err)
		return nil
	}
	return conductor.Prove(ctx, harness.Proof{
		Variant: v, Named: aim.Named, Other: aim.Other, Groups: aim.Groups,
		Factor: compare.ProofFactor, Scale: aim.Scale, CapacityRPS: aim.CapacityRPS,
	})
}
