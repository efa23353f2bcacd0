// SPDX-License-Identifier: Apache-2.0

// Package harness conducts a run: it starts both variants of a scenario on a
// stage, lets a driver push the same traffic at each, reads what every machine
// used, and writes one trial per slice.
//
// The order of a run (docs/measurement.md):
//
//  1. For each block both variants start afresh and warm up. In the first block
//     short steps find the neighbourhood of each variant's capacity.
//  2. In every block a staircase of each variant hovers about its capacity, a
//     step of one and a step of the other in turns.
//  3. Then both get slices at the common rate, 80% of the smaller capacity, in
//     the order ABBAAB or its mirror image. One is loaded while the other idles.
//  4. The systems of the last block are then soaked just below their capacities,
//     overloaded, and measured along the load-latency curve. If a machine dies
//     there, these steps are measured again on fresh systems.
//  5. Every step and slice is a line of the trials file before the next begins.
//  6. On request the bottleneck that the trials name is put to the proof (Prove).
package harness

import (
	"context"
	"errors"
	"fmt"
	"hash/crc32"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"headroom/harness/drive"
	"headroom/harness/observe"
	"headroom/harness/record"
	"headroom/harness/search"
	"headroom/harness/slo"
	"headroom/harness/stage"
	"headroom/scenarios"
	"headroom/targets/machine/spec"
)

// Progress is told what is being done, and about how long that will take.
type Progress interface {
	Begin(what string, about time.Duration)
	Note(format string, args ...any)
}

// TrialWriter keeps trials. A record.Writer keeps them in a run's file.
type TrialWriter interface {
	WriteTrial(t record.Trial) error
	// WriteRestart makes earlier trials void.
	WriteRestart(r record.Restart) error
}

// Conductor runs one scenario.
type Conductor struct {
	Scenario    *scenarios.Scenario
	Plan        Plan
	Seed        uint64
	Environment record.Environment
	Stage       stage.Stage
	Writer      TrialWriter
	Progress    Progress
	Auditor     Auditor // nil: the machines' agents

	coin      *rand.Rand
	order     int                           // of the last trial
	repeats   int                           // of slices, so far
	bounds    map[scenarios.Variant]float64 // of throughput, by CPU demand while it warmed up; 0: not known
	fillRPS   float64                       // the rate that caches are filled for; 0: not known yet
	pages     map[string][]cachedPage       // of caches, once they are known
	stairs    search.Staircases[scenarios.Variant]
	trials    []record.Trial // of brackets, staircases and soaks, without their histograms
	commonRPS float64        // 0: not known yet
	idle      time.Duration  // of a counted run; 0: countIdle
	drain     time.Duration  // how long a queue is waited for; 0: drainTimeout
	counting  bool           // caches are filled whole, for as long as their TTL
	part      part           // what is being measured
	restarts  int            // because a machine died
}

// commonShare of the smaller capacity is the rate at which both are compared.
const commonShare = 0.8

// Run measures, and returns when every slice is in the file. A cancelled ctx
// stops it at once; the trials so far stay.
func (c *Conductor) Run(ctx context.Context) error {
	c.coin = rand.New(rand.NewPCG(c.Seed, 0x636f696e)) // "coin"
	first := scenarios.Variants()
	if c.coin.IntN(2) == 1 {
		first[0], first[1] = first[1], first[0]
	}
	for block := 1; block <= c.Plan.Blocks; block++ {
		order := slices.Clone(first)
		if block%2 == 0 { // its mirror image
			order[0], order[1] = order[1], order[0]
		}
		if err := c.wholeBlock(ctx, block, order); err != nil {
			return err
		}
	}
	return nil
}

// wholeBlock measures a block on fresh systems. After the last block the last
// measurements follow on the same systems. When a machine dies in these, the block's
// own trials stay, and only the last measurements are repeated on fresh systems.
func (c *Conductor) wholeBlock(ctx context.Context, block int, order []scenarios.Variant) error {
	measured := false
	return c.withRestarts(ctx, block, func() error {
		return c.withReady(ctx, block, func(running map[scenarios.Variant]stage.System) error {
			if !measured {
				if err := c.block(ctx, block, running, order); err != nil {
					return err
				}
			}
			measured = true
			if block < c.Plan.Blocks {
				return nil
			}
			c.beginPart("what follows block %d", block)
			return c.lastMeasurements(ctx, block, running, order)
		})
	})
}

// block measures one block: the staircases, then the slices at the common rate.
func (c *Conductor) block(ctx context.Context, block int, running map[scenarios.Variant]stage.System, order []scenarios.Variant) error {
	if c.stairs == nil {
		c.stairs = search.Staircases[scenarios.Variant]{}
		for _, v := range order {
			if err := c.bracket(ctx, v, running[v]); err != nil {
				return err
			}
		}
		if err := c.runStaircases(ctx, 0, c.Plan.LeadTurns, running, order); err != nil {
			return err
		}
	}
	if err := c.runStaircases(ctx, block, c.Plan.Turns, running, order); err != nil {
		return err
	}
	c.noteCapacities(block)
	return c.slices(ctx, block, running, order, record.RateCommon)
}

// sliceOf says which slice is measured.
type sliceOf struct {
	kind     record.TrialKind
	variant  scenarios.Variant
	block    int
	rateName scenarios.RateName
	rps      float64
	duration time.Duration
	take     int            // which of the variant's slices of its block, from 0
	again    bool           // it is measured again
	inFlight int            // at most; 0: the scenario's
	resize   *record.Resize // of a proof's system; else nil
}

// slice measures one slice and writes its trial.
func (c *Conductor) slice(ctx context.Context, of sliceOf, s stage.System) (record.Trial, error) {
	trial := record.Trial{
		Kind: of.kind, Variant: of.variant, Block: of.block, RateName: of.rateName,
		StartedAt: time.Now().UTC(), Environment: c.Environment, Resize: of.resize,
	}
	machines := s.Machines()
	before, err := readAll(ctx, s)
	if err != nil {
		return trial, err
	}
	var middle []spec.Counters
	trial.Measurement, middle, trial.Queues, err = c.driveWatched(ctx, of, c.job(of, s), machines)
	if err != nil {
		return trial, fmt.Errorf("drive %s: %w", of.variant, err)
	}
	trial.Invalid = append(trial.Invalid, trial.Measurement.InvalidReasons...)
	if trial.Measurement.Interrupted {
		trial.Invalid = append(trial.Invalid, "interrupted")
	}
	// The readings after an interrupted slice are still wanted, but get little time.
	lastReadTimeout := time.Minute
	if ctx.Err() != nil {
		lastReadTimeout = 3 * time.Second
	}
	readCtx, cancel := context.WithTimeout(context.WithoutCancel(ctx), lastReadTimeout)
	defer cancel()
	after, err := readAll(readCtx, s)
	died := deathBehind(ctx, map[scenarios.Variant]stage.System{of.variant: s}, err)
	if died == nil {
		died = diedOf(of.variant, s)
	}
	if err != nil {
		trial.Invalid = append(trial.Invalid, err.Error())
	} else {
		trial.Machines = uses(machines, before, after, &trial.Invalid)
		for i, counters := range middle {
			observe.ReplaceGauges(&trial.Machines[i], counters)
		}
	}
	if died != nil { // the oracles of a dead system are not asked, and its queues not waited for
		trial.Invalid = append(trial.Invalid, died.Brief())
		trial.Oracles = trial.Measurement.Oracles
		trial.Measurement.Oracles, trial.Measurement.Created = nil, nil
	} else {
		c.audit(ctx, of, s, &trial, before, after)
		c.drainQueues(ctx, of.variant, machines)
	}
	verdict := slo.Judge(&trial, c.Scenario.SLO)
	trial.Verdict = &verdict
	c.order++
	trial.Order = c.order
	if err := errors.Join(c.Writer.WriteTrial(trial), ctx.Err()); err != nil || died == nil {
		return trial, err
	}
	return trial, died
}

// readAttempts bounds how often a reading is tried. After an overload a machine's
// agent has to wait until the queue has drained.
const readAttempts = 3

// readAll reads all machines, and at the same moment those of which a stage.Meter can
// tell more.
func readAll(ctx context.Context, s stage.System) ([]spec.Counters, error) {
	targets := agentTargets(s.Machines())
	var counters []spec.Counters
	var err error
	for range readAttempts {
		var counted map[string]spec.Counters
		var metering sync.WaitGroup
		if meter, meters := s.(stage.Meter); meters {
			metering.Go(func() { counted = meter.Meter(ctx) })
		}
		counters, err = observe.ReadAll(ctx, targets)
		metering.Wait()
		for i := range counters {
			if more, metered := counted[counters[i].Machine]; metered {
				observe.Supplement(&counters[i], more)
			}
		}
		if err == nil || ctx.Err() != nil {
			break
		}
	}
	return counters, err
}

func uses(machines []stage.Machine, before, after []spec.Counters, invalid *[]string) []record.MachineUse {
	out := make([]record.MachineUse, len(machines))
	for i, m := range machines {
		use, reasons := observe.Use(before[i], after[i], m.QuotaCPUs, m.MemoryLimitBytes, m.Group, m.External)
		out[i] = use
		*invalid = append(*invalid, reasons...)
	}
	return out
}

// job is the traffic of one slice. The seed depends on the block, the rate and the
// slice's number within its variant, so both variants see the same arrivals and the
// same keys. Probes and repetitions have seeds of their own.
func (c *Conductor) job(of sliceOf, s stage.System) drive.Job {
	schedule := fmt.Sprintf("%s %d", of.rateName, of.take)
	switch {
	case of.kind == record.KindProbe:
		// Each step has a schedule of its own: an unlucky schedule must not bias every
		// step. A repeated step also asks for other keys, because the keys of the first
		// attempt are in the cache now.
		schedule = fmt.Sprintf("%s at %g, trial %d", of.rateName, of.rps, c.order)
	case of.again:
		schedule = fmt.Sprintf("%s again, trial %d", schedule, c.order)
	}
	load := c.Scenario.Load
	inFlight := load.MaxInFlight
	if of.inFlight > 0 {
		inFlight = min(inFlight, of.inFlight)
	}
	job := drive.Job{
		BaseURL:     s.EntryURL(""),
		Arrivals:    load.Arrivals,
		RateRPS:     of.rps,
		Duration:    of.duration,
		Seed:        mixSeed(c.Seed, uint64(of.block), uint64(crc32.ChecksumIEEE([]byte(schedule)))),
		Mix:         load.Mix,
		Keys:        load.Keys,
		Timeout:     load.Timeout,
		Connections: load.Connections,
		MaxInFlight: inFlight,
		MaxBody:     4 << 20,
		SLOLatency:  c.Scenario.SLO.TightestLatency(),
	}
	for from := range c.Scenario.Topology(of.variant).Entries {
		if job.Entries == nil {
			job.Entries = map[string]string{}
		}
		job.Entries[from] = s.EntryURL(from)
	}
	c.watch(&job, of)
	return job
}

// mixSeed derives one seed from several numbers.
func mixSeed(parts ...uint64) uint64 {
	var out uint64 = 0x9e3779b97f4a7c15
	for _, p := range parts {
		out = rand.New(rand.NewPCG(out, p)).Uint64()
	}
	return out
}
