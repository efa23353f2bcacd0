// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"headroom/harness"
	"headroom/harness/record"
	"headroom/harness/stage"
	"headroom/harness/stage/docker"
	"headroom/scenarios"
)

// The words of --stage.
const (
	stageDocker  = "docker"
	stageAuto    = "auto"
	stageProcess = "process"
)

var stageWords = []string{stageDocker, stageAuto, stageProcess}

// hasQuotas says whether a stage's systems are stage.Resizers.
func hasQuotas(word string) bool { return word != stageProcess }

// checkStage refuses a word that is no stage.
func checkStage(cmd *cobra.Command, word string) error {
	if slices.Contains(stageWords, word) {
		return nil
	}
	return usageError(cmd, fmt.Errorf("--stage %q: want one of %s", word, strings.Join(stageWords, ", ")))
}

// chooseStage turns auto into docker where that answers, and else into
// process, and says so.
func chooseStage(ctx context.Context, word string, progress *progress) (string, error) {
	if word != stageAuto {
		return word, nil
	}
	cli, err := docker.Connect(ctx)
	if err == nil {
		return stageDocker, cli.Close()
	}
	if !errors.Is(err, docker.ErrUnavailable) || ctx.Err() != nil {
		return "", err
	}
	progress.Note("took the process stage (local processes, no CPU limits): %s", shortReason(err))
	return stageProcess, nil
}

// shortReason is the first line of an error, cut to what fits on one.
func shortReason(err error) string {
	const most = 160 // bytes
	line, _, _ := strings.Cut(err.Error(), "\n")
	line, _, _ = strings.Cut(line, "; ") // what follows is the remedy
	if len(line) > most {
		line = strings.ToValidUTF8(line[:most], "") + "…"
	}
	return line
}

// shareOut says how the machine is shared out on a stage.
func shareOut(word string, s *scenarios.Scenario, hostCPUs float64) (record.Shares, error) {
	if !hasQuotas(word) {
		return harness.SharesWithoutQuotas(hostCPUs), nil
	}
	return harness.Share(s, hostCPUs)
}

// openStage makes all that a stage needs before its first block. It takes the turn
// after the work that other measurements hardly notice.
func openStage(ctx context.Context, word string, s *scenarios.Scenario, runID string, shares record.Shares, progress *progress, turn *turn) (stage.Stage, error) {
	for _, v := range scenarios.Variants() {
		if err := stage.CheckServices(s.Topology(v), word == stageDocker); err != nil {
			return nil, fmt.Errorf("%s: %w", v, err)
		}
	}
	if word == stageProcess {
		return openProcess(ctx, s, shares, progress, turn)
	}
	return openDocker(ctx, s, runID, shares, progress, turn)
}

// ensureDatasets makes what the processes of each variant begin with, each dataset
// once.
func ensureDatasets(ctx context.Context, s *scenarios.Scenario, progress *progress, ensure func(context.Context, scenarios.Dataset) error) error {
	made := map[string]bool{}
	for _, v := range scenarios.Variants() {
		for _, d := range s.Topology(v).Datasets() {
			if made[d.Key()] {
				continue
			}
			progress.seeding(d)
			if err := ensure(ctx, d); err != nil {
				return err
			}
			made[d.Key()] = true
		}
	}
	return nil
}
