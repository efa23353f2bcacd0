// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"

	"headroom/harness/record"
	"headroom/harness/stage"
	"headroom/harness/stage/process"
	"headroom/scenarios"
	"headroom/targets/kinds"
	"headroom/targets/machine"
	"headroom/targets/shop/dataset"
)

// openProcess looks for the server programs, waits for its turn, and makes the
// stage and the dataset.
func openProcess(ctx context.Context, s *scenarios.Scenario, shares record.Shares, progress *progress, turn *turn) (_ stage.Stage, err error) {
	if err := machine.CheckPrograms(kinds.All(), namesOf(s.Kinds)); err != nil {
		return nil, err
	}
	versions, err := machine.Versions(ctx, kinds.All(), namesOf(s.Kinds))
	if err != nil {
		return nil, err
	}
	seeded, err := machine.Versions(ctx, kinds.All(), namesOf(seededOf(s.Kinds)))
	if err != nil {
		return nil, err
	}
	if err := turn.take(ctx); err != nil {
		return nil, err
	}
	opened, err := process.Open(ctx, process.Options{
		// The files of a server of another version are another dataset.
		DatasetVersion: dataset.Version + " " + strings.Join(slices.Sorted(maps.Values(seeded)), " "), Progress: progress,
		HostCPUs: shares.HostCPUs, Versions: versions,
	})
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, opened.Close(ctx))
		}
	}()
	if err := ensureDatasets(ctx, s, progress, opened.EnsureDataset); err != nil {
		return nil, err
	}
	return opened, nil
}

// namesOf are the names of kinds.
func namesOf(kinds []scenarios.Kind) []scenarios.KindName {
	var names []scenarios.KindName
	for _, k := range kinds {
		names = append(names, k.Name)
	}
	return names
}

// seededOf are those whose data a seed command makes.
func seededOf(kinds []scenarios.Kind) []scenarios.Kind {
	return slices.DeleteFunc(slices.Clone(kinds), func(k scenarios.Kind) bool { return !k.Facts.Seeds })
}
