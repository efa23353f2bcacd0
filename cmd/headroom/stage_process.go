// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"

	"headroom/harness/record"
	"headroom/harness/stage"
	"headroom/harness/stage/process"
	"headroom/scenarios"
	"headroom/targets/machine"
	"headroom/targets/shop/dataset"
)

// openProcess looks for the server programs, waits for its turn, and makes the
// stage and the dataset.
func openProcess(ctx context.Context, s *scenarios.Scenario, shares record.Shares, progress *progress, turn *turn) (_ stage.Stage, err error) {
	kinds := kindsOf(s)
	if err := machine.CheckPrograms(kinds); err != nil {
		return nil, err
	}
	versions, err := machine.Versions(ctx, kinds)
	if err != nil {
		return nil, err
	}
	if err := turn.take(ctx); err != nil {
		return nil, err
	}
	opened, err := process.Open(ctx, process.Options{
		// Another server's files are another dataset.
		DatasetVersion: dataset.Version + " " + versions["postgres"], Progress: progress,
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
	progress.seeding(s.Dataset)
	if err := ensureDatasets(ctx, s, opened.EnsureDataset); err != nil {
		return nil, err
	}
	return opened, nil
}

// kindsOf returns the kinds of all processes of a scenario.
func kindsOf(s *scenarios.Scenario) []scenarios.Kind {
	var kinds []scenarios.Kind
	for _, v := range scenarios.Variants() {
		for _, m := range s.Topology(v).Machines {
			for _, p := range m.Processes {
				kinds = append(kinds, p.Kind)
			}
		}
	}
	return kinds
}
