package main

import (
	"context"
	"errors"

	"headroom/harness"
	"headroom/harness/drive"
	"headroom/harness/observe"
	"headroom/harness/record"
	"headroom/harness/stage/process"
	"headroom/scenarios"
	"headroom/targets/machine"
	"headroom/targets/shop/dataset"
)

// processStage is the process stage as the conductor wants it.
type processStage struct {
	*process.Stage
	scenario *scenarios.Scenario
	shares   record.Shares
	versions map[string]string // of the server programs
}

// openProcess looks for the server programs, waits for its turn, and makes the
// stage and the dataset.
func openProcess(ctx context.Context, s *scenarios.Scenario, shares record.Shares, progress *progress, turn *turn) (_ *processStage, err error) {
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
	stage, err := process.Open(ctx, process.Options{
		// Another server's files are another dataset.
		DatasetVersion: dataset.Version + " " + versions["postgres"], Progress: progress,
	})
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, stage.Close(ctx))
		}
	}()
	progress.seeding(s.Dataset)
	if err := ensureDatasets(ctx, s, stage.EnsureDataset); err != nil {
		return nil, err
	}
	return &processStage{Stage: stage, scenario: s, shares: shares, versions: versions}, nil
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

func (p *processStage) describe(_ context.Context, e *record.Environment) error {
	e.Stage = record.StageProcess
	e.Packages = p.versions
	e.NetworkPath = "loopback"
	return nil
}

// Start starts variant v afresh for a block.
func (p *processStage) Start(ctx context.Context, v scenarios.Variant, _ int) (harness.System, error) {
	system, err := p.Stage.Start(ctx, v, p.scenario.Topology(v), process.StartOptions{Dataset: p.scenario.DatasetOf(v)})
	if err != nil {
		return nil, err
	}
	return processSystem{system, p.shares.HostCPUs}, nil
}

// Drive sends the job from a process of its own.
func (p *processStage) Drive(ctx context.Context, job drive.Job) (record.Measurement, error) {
	return driveJob(ctx, job, p.Stage.Drive)
}

// processSystem is a running system as the conductor wants it. Each of its
// machines may use all of the host.
type processSystem struct {
	*process.System
	hostCPUs float64
}

// Limit has nothing to do: processes have no CPU quotas.
func (s processSystem) Limit(context.Context) error { return nil }

// Machines adds to each machine what it may use.
func (s processSystem) Machines() []harness.Machine {
	var out []harness.Machine
	for _, m := range s.System.Machines() {
		out = append(out, harness.Machine{
			Name: m.Name, Group: m.Group, External: m.External, QuotaCPUs: s.hostCPUs,
			Agent: observe.Target{Machine: m.Name, AgentURL: m.AgentURL, Nonce: s.Nonce()},
		})
	}
	return out
}
