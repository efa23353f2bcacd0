package main

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"headroom/harness"
	"headroom/harness/drive"
	"headroom/harness/observe"
	"headroom/harness/record"
	"headroom/harness/stage/docker"
	"headroom/scenarios"
)

// dockerStage is the Docker stage as the conductor wants it: systems of one
// scenario, and a driver in the same network.
type dockerStage struct {
	stage    *docker.Stage
	driver   *docker.Driver
	scenario *scenarios.Scenario
	shares   record.Shares
}

// Start starts variant v afresh for a block.
func (d *dockerStage) Start(ctx context.Context, v scenarios.Variant, block int) (harness.System, error) {
	system, err := d.stage.Start(ctx, v, d.scenario.Topology(v), docker.StartOptions{
		UnitCPUs: d.shares.UnitCPUs,
		Period:   time.Duration(d.shares.PeriodMicros) * time.Microsecond,
		Dataset:  d.scenario.Dataset,
		Instance: fmt.Sprintf("block-%d", block),
	})
	if err != nil {
		return nil, err
	}
	return dockerSystem{system}, nil
}

// Drive hands the job to `headroom job` in the driver's container.
func (d *dockerStage) Drive(ctx context.Context, job drive.Job) (record.Measurement, error) {
	var m record.Measurement
	encoded, err := json.Marshal(job)
	if err != nil {
		return m, fmt.Errorf("encode the job: %w", err)
	}
	out, _, err := d.driver.Run(ctx, encoded, "job")
	// An interrupted driver still says what it measured.
	if len(out) == 0 || (err != nil && ctx.Err() == nil) {
		return m, err
	}
	if err := json.Unmarshal(out, &m); err != nil {
		return m, fmt.Errorf("read the driver's measurement: %w", err)
	}
	return m, nil
}

// dockerSystem is a running system as the conductor wants it.
type dockerSystem struct{ *docker.System }

// Machines adds to each machine where its agent answers.
func (s dockerSystem) Machines() []harness.Machine {
	var out []harness.Machine
	for _, m := range s.System.Machines() {
		out = append(out, harness.Machine{
			Name: m.Name, Group: m.Group, External: m.External,
			QuotaCPUs: m.QuotaCPUs, MemoryLimitBytes: m.MemoryLimitBytes,
			Agent: observe.Target{Machine: m.Name, AgentURL: m.AgentURL, Nonce: s.Nonce()},
		})
	}
	return out
}
