package harness

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"

	"headroom/harness/record"
	"headroom/harness/search"
	"headroom/scenarios"
)

// RateProof names the steps of a proof.
const RateProof = "proof"

// Resizer is a System whose machines' CPU quotas can be changed while it runs.
type Resizer interface {
	// Resize gives every machine of a group factor times the quota that it was
	// started with.
	Resize(ctx context.Context, group string, factor float64) error
}

// Proof says which machines of a variant are thought to limit it, and what is
// to be tried on them.
type Proof struct {
	Variant     scenarios.Variant
	Named       string   // the group thought to be the bottleneck
	Other       string   // the group that is made larger for comparison
	Groups      []string // all groups whose machines are scaled
	Factor      float64  // how many times as large
	Scale       float64  // of all machines, so that the larger ones fit in
	CapacityRPS float64  // of the variant at full scale
}

// Prove measures a variant's capacity with machines of the named group larger,
// with those of the other larger, and with neither. All three are the same
// running system, and differ in CPU quotas only. They take turns, so that
// whatever drifts meets all of them, and each looks for its own capacity in an
// up-and-down search (docs/measurement.md). Every step is a trial on file with
// what was resized; what they prove is for the report to say.
func (c *Conductor) Prove(ctx context.Context, of Proof) (err error) {
	step := c.proofStep(of)
	rounds, turns := c.Plan.Proof.fit(step + c.Plan.Search.Pause)
	about := time.Duration(rounds*turns*len(proofSteps)) * (step + c.Plan.Search.Pause)
	c.Progress.Note("proof of %s's bottleneck: capacity again with %s %.2fx as large, with %s %.2fx as large, and with neither; %d rounds, about %v",
		of.Variant, of.Named, of.Factor, of.Other, of.Factor, rounds, about.Round(time.Second))
	c.Progress.Begin(fmt.Sprintf("proof: start %s afresh", of.Variant), 15*time.Second)
	s, err := c.Stage.Start(ctx, of.Variant, c.Plan.Blocks+1)
	if err != nil {
		return fmt.Errorf("proof: start %s: %w", of.Variant, err)
	}
	defer func() {
		c.resize = nil
		c.Progress.Begin(fmt.Sprintf("proof: stop %s", of.Variant), 2*time.Second)
		err = errors.Join(err, s.Close(ctx))
	}()
	resizer, ok := s.(Resizer)
	if !ok {
		return errors.New("proof: machines have no CPU limits here that could be changed; measure on the docker stage")
	}
	p := &prover{conductor: c, of: of, system: s, resizer: resizer, step: step, factors: map[string]float64{}}
	if err := p.warm(ctx); err != nil {
		return err
	}
	return p.rounds(ctx, rounds, turns)
}

// proofStep is how long a step takes: long enough for its samples.
func (c *Conductor) proofStep(of Proof) time.Duration {
	needed := time.Duration(float64(c.Plan.Search.Samples) / (of.CapacityRPS * of.Scale) * float64(time.Second))
	return max(c.Plan.Proof.Step, min(needed, c.Plan.Search.MaxStep))
}

// proofRounds is the fewest rounds that give an interval.
const proofRounds = 3

// fit returns how many rounds of how many turns there is time for: rather
// shorter rounds than too few of them.
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
	system    System
	resizer   Resizer
	step      time.Duration
	factors   map[string]float64 // of the groups, as set
	stairs    map[record.ResizeStep]*staircase
}

// warm warms up the freshly started system.
func (p *prover) warm(ctx context.Context) error {
	if err := p.conductor.makeReady(ctx, 0, map[scenarios.Variant]System{p.of.Variant: p.system}); err != nil {
		return err
	}
	if err := p.set(ctx, "", 1); err != nil {
		return err
	}
	rps := p.of.CapacityRPS * p.of.Scale
	p.stairs = map[record.ResizeStep]*staircase{}
	for _, step := range proofSteps {
		p.stairs[step] = &staircase{rps: rps} // none is given a head start
	}
	return p.conductor.warmUp(ctx, p.of.Variant, p.system, rps*commonShare, 0)
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
	c.Progress.Begin(fmt.Sprintf("proof: round %d, %s at %.0f requests/s", round, what, stair.rps), p.step)
	c.resize = &resize
	trial, err := c.slice(ctx, sliceOf{record.KindProbe, p.of.Variant, turn, RateProof, stair.rps, p.step, inFlightCap(stair.rps, c.Scenario.SLO)}, p.system)
	if err != nil {
		return err
	}
	verdict, _ := JudgeStep(&trial, c.Scenario.SLO)
	stair.feed(verdict)
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

// Steps of a staircase, in ln(rate): large until the capacity was passed once.
const (
	stairFar  = 0.12
	stairNear = 0.05
)

// staircase is an up-and-down search (Dixon and Mood, 1948): a little more
// after a step that held, a little less after one that failed. It comes to hover
// about the rate that holds in half of the steps. It never ends and needs no
// memory, so three of them can take turns for as long as there is time.
type staircase struct {
	rps    float64
	last   search.Verdict
	fed    bool
	passed bool // both verdicts were seen
}

func (s *staircase) feed(v search.Verdict) {
	switch v {
	case search.Spoiled, search.Saturated:
		return // says nothing of the system
	case search.Insufficient:
		v = search.Held // too close to the limit to be sure, and not beyond
	}
	s.passed = s.passed || s.fed && v != s.last
	s.last, s.fed = v, true
	size := stairFar
	if s.passed {
		size = stairNear
	}
	if v == search.Failed {
		size = -size
	}
	s.rps *= math.Exp(size)
}
