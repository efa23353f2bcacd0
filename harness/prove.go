// SPDX-License-Identifier: Apache-2.0

package harness

import (
	"context"
	"errors"
	"fmt"
	"time"

	"headroom/harness/record"
	"headroom/harness/search"
	"headroom/harness/slo"
	"headroom/harness/stage"
	"headroom/scenarios"
)

// Proof says which machines of a variant are thought to be its bottleneck, and how
// they are to be resized.
type Proof struct {
	Variant     scenarios.Variant
	Named       string   // the group thought to be the bottleneck
	Other       string   // the group that is made larger for comparison
	Groups      []string // all groups whose machines are scaled
	Factor      float64  // how many times as large
	Scale       float64  // of all machines, so that the larger ones fit in
	CapacityRPS float64  // of the variant at full scale
}

// Prove measures a variant's capacity three times: with the machines of the named
// group larger, with those of the other group larger, and with neither. All three are
// the same running system with different CPU quotas. They take turns, so that drift
// meets all three alike. Each has an up-and-down search of its own
// (docs/measurement.md). Every step is a trial on file with what was resized. The
// report says what the trials prove.
func (c *Conductor) Prove(ctx context.Context, of Proof) (err error) {
	step := c.proofStep(of)
	rounds, turns := c.Plan.Proof.fit(step + c.Plan.Search.Pause)
	about := time.Duration(rounds*turns*len(proofSteps)) * (step + c.Plan.Search.Pause)
	c.Progress.Note("proof of %s's bottleneck: capacity again with %s %.2fx as large, with %s %.2fx as large, and with neither; %d rounds, about %v",
		of.Variant, of.Named, of.Factor, of.Other, of.Factor, rounds, about.Round(time.Second))
	c.Progress.Begin(fmt.Sprintf("proof: start %s afresh", of.Variant), 8*time.Second)
	s, err := c.start(ctx, of.Variant, c.Plan.Blocks+1)
	if err != nil {
		return fmt.Errorf("proof: %w", err)
	}
	defer func() {
		c.Progress.Begin(fmt.Sprintf("proof: stop %s", of.Variant), 2*time.Second)
		err = errors.Join(err, s.Close(ctx))
	}()
	resizer, ok := s.(stage.Resizer)
	if !ok {
		return errors.New("proof: machines have no CPU limits here that could be changed; measure on the docker stage")
	}
	p := &prover{conductor: c, of: of, system: s, resizer: resizer, step: step, factors: map[string]float64{}}
	if err = p.warm(ctx); err == nil {
		err = p.rounds(ctx, rounds, turns)
	}
	return withDeath(ctx, map[scenarios.Variant]stage.System{of.Variant: s}, err)
}

// proofStep is how long a step takes: long enough for its samples, and longer than
// the SLO's latency.
func (c *Conductor) proofStep(of Proof) time.Duration {
	return max(c.Plan.Proof.Step, c.Plan.Search.Length(search.KindStairs, of.CapacityRPS*of.Scale))
}

// proofRounds is the fewest rounds that give an interval.
const proofRounds = 3

// fit returns how many rounds of how many turns the time allows. It prefers shorter
// rounds to fewer rounds.
func (p ProofPlan) fit(step time.Duration) (rounds, turns int) {
	steps := int(p.Total / step)
	turns = min(p.Turns, max(1, steps/(len(proofSteps)*proofRounds)))
	return min(p.Rounds, max(1, steps/(len(proofSteps)*turns))), turns
}

// proofSteps are the three systems, in the order of the first turn.
var proofSteps = []record.ResizeStep{record.ResizeBase, record.ResizeNamed, record.ResizeOther}

// prover runs one proof.
type prover struct {
	conductor *Conductor
	of        Proof
	system    stage.System
	resizer   stage.Resizer
	step      time.Duration
	factors   map[string]float64 // of the groups, as set
	stairs    map[record.ResizeStep]*search.Staircase
}

// warm warms up the freshly started system.
func (p *prover) warm(ctx context.Context) error {
	if err := p.conductor.makeReady(ctx, 0, map[scenarios.Variant]stage.System{p.of.Variant: p.system}); err != nil {
		return err
	}
	if err := p.set(ctx, "", 1); err != nil {
		return err
	}
	rps := p.of.CapacityRPS * p.of.Scale
	p.stairs = map[record.ResizeStep]*search.Staircase{}
	for _, step := range proofSteps {
		p.stairs[step] = search.NewStaircase(rps, 0) // none is given a head start
	}
	of := sliceOf{variant: p.of.Variant, rateName: "warm-up", rps: rps * commonShare, duration: p.conductor.Plan.Warmup}
	return p.conductor.warmUp(ctx, of, p.system)
}

func (p *prover) rounds(ctx context.Context, rounds, turns int) error {
	began, longest := time.Now(), time.Duration(0)
	for round := 1; round <= rounds; round++ {
		if spent := time.Since(began); spent+longest > p.conductor.Plan.Proof.Total {
			p.conductor.Progress.Note("proof: the time is up after %d of %d rounds", round-1, rounds)
			return nil
		}
		roundBegan := time.Now()
		for i := range turns {
			turn := (round-1)*turns + i
			for k := range proofSteps { // each comes first, second and last alike
				if err := p.measure(ctx, proofSteps[(turn+k)%len(proofSteps)], round, turn+1); err != nil {
					return err
				}
			}
		}
		longest = max(longest, time.Since(roundBegan))
	}
	return nil
}

// measure takes one step with one of the three systems.
func (p *prover) measure(ctx context.Context, step record.ResizeStep, round, turn int) error {
	c, stair := p.conductor, p.stairs[step]
	resize := record.Resize{Step: step, Factor: p.of.Factor, Scale: p.of.Scale, Round: round}
	what := "all machines alike"
	switch step {
	case record.ResizeNamed:
		resize.Group = p.of.Named
	case record.ResizeOther:
		resize.Group = p.of.Other
	default:
		resize.Factor = 1
	}
	if resize.Group != "" {
		what = fmt.Sprintf("%s %.2fx as large", resize.Group, resize.Factor)
	}
	if err := p.set(ctx, resize.Group, resize.Factor); err != nil {
		return err
	}
	rps := stair.RPS()
	c.Progress.Begin(fmt.Sprintf("proof: round %d, %s at %.0f requests/s", round, what, rps), p.step)
	trial, err := c.slice(ctx, sliceOf{kind: record.KindProbe, variant: p.of.Variant, block: turn, rateName: record.RateProof, rps: rps, duration: p.step,
		inFlight: inFlightCap(rps, p.of.CapacityRPS, c.Scenario.SLO), resize: &resize}, p.system)
	if err != nil {
		return err
	}
	stair.Observe(slo.StepOf(&trial, c.Scenario.SLO, true))
	return sleep(ctx, c.Plan.Search.Pause)
}

// set makes one group larger, and puts the others back.
func (p *prover) set(ctx context.Context, larger string, factor float64) error {
	for _, group := range p.of.Groups {
		want := p.of.Scale
		if group == larger {
			want *= factor
		}
		if p.factors[group] == want {
			continue
		}
		if err := p.resizer.Resize(ctx, group, want); err != nil {
			return fmt.Errorf("proof: %w", err)
		}
		p.factors[group] = want
	}
	return nil
}
