// SPDX-License-Identifier: Apache-2.0

package selftest

import (
	"math/rand/v2"
	"time"

	"headroom/harness"
	"headroom/harness/record"
	"headroom/harness/search"
	"headroom/harness/slo"
	"headroom/reports/compare"
	"headroom/scenarios"
)

// found is what a simulated run of two variants of a system found.
type found struct {
	capacities map[scenarios.Variant]slo.Capacity
	ratio      compare.Effect
	// failsAfter says that the rate confirmed for before failed its SLO in the
	// minute that followed.
	failsAfter bool
}

// config has the lengths of a run's steps.
func (s System) config() search.Config {
	c := harness.FullPlan().Search
	c.Latency = time.Duration(s.latencyS * float64(time.Second))
	return c
}

// simulateRun conducts a run of two variants of the system as package harness
// does: brackets, then a staircase of each in turns in every block, and soaks on
// the last block's systems. After's speed is factor times before's; each fresh
// start scatters.
func (s System) simulateRun(scatter, factor float64, random *rand.Rand) found {
	plan, config := harness.FullPlan(), s.config()
	var trials []record.Trial
	stairs := search.Staircases[scenarios.Variant]{}
	var running map[scenarios.Variant]*Running
	load := func(v scenarios.Variant, block int, name scenarios.RateName, rps float64, d time.Duration) slo.Step {
		step := running[v].Load(rps, 0, d)
		for other, r := range running {
			if other != v {
				r.Pause(d)
			}
		}
		verdict := step.Verdict
		trials = append(trials, record.Trial{Kind: record.KindProbe, Variant: v, Block: block, RateName: name,
			Measurement: record.Measurement{OfferedRPS: rps, DurationS: d.Seconds()}, Verdict: &verdict})
		return step
	}
	climb := func(block, turns int) {
		_ = stairs.Block(scenarios.Variants(), turns, random.Float64, func(v scenarios.Variant, s *search.Staircase) error {
			s.Observe(load(v, block, record.RateStairs, s.RPS(), config.Length(search.KindStairs, s.RPS())))
			return nil
		})
	}
	for block := 1; block <= plan.Blocks; block++ {
		running = map[scenarios.Variant]*Running{
			scenarios.Before: s.Start(1, scatter, random), scenarios.After: s.Start(factor, scatter, random),
		}
		if block == 1 {
			for _, v := range scenarios.Variants() {
				b := search.NewBracket(startShare*s.TruthRPS, config.MinRPS, 0)
				for rps, more := b.RPS(); more; rps, more = b.RPS() {
					b.Observe(load(v, 0, record.RateBracket, rps, config.Length(search.KindBracket, rps)))
				}
				stairs[v] = search.NewStaircase(max(b.Middle(), config.MinRPS), 0)
			}
		}
		if block == 1 {
			climb(0, plan.LeadTurns)
		}
		climb(block, plan.Turns)
	}
	out := found{capacities: map[scenarios.Variant]slo.Capacity{}}
	soaks := search.NewSoaks(slo.CapacityOf(trials, scenarios.Before, scenarios.SLO{}, true).PointRPS)
	for rps, more := soaks.RPS(); more; rps, more = soaks.RPS() {
		step := load(scenarios.Before, plan.Blocks, record.RateSoak, rps, config.Soak)
		soaks.Observe(step.Outcome)
		if step.Outcome == record.Held {
			out.failsAfter = running[scenarios.Before].Load(rps, 0, config.Soak).Outcome == record.Failed
		}
	}
	ranges := map[scenarios.Variant]compare.Range{}
	for _, v := range scenarios.Variants() {
		out.capacities[v] = slo.CapacityOf(trials, v, scenarios.SLO{}, true)
		ranges[v] = compare.RangeOf(out.capacities[v])
	}
	out.ratio = compare.RunMetrics{compare.CapacityRPS: ranges}.Ratio(compare.CapacityRPS)
	return out
}

// startShare is where brackets begin, by the CPU's bound in a run.
const startShare = 0.35

// simulateSearch searches one start of the system as `headroom capacity --url`
// does.
func (s System) simulateSearch(scatter float64, total time.Duration, random *rand.Rand) (out search.Outcome, failsAfter bool) {
	c := harness.SearchWithin(total, time.Minute, 0).For(350, time.Duration(s.latencyS*float64(time.Second)))
	running, machine := s.Start(1, scatter, random), search.New(c)
	for step, more := machine.Next(); more; step, more = machine.Next() {
		result := running.Load(step.RPS, 0, step.Duration)
		running.Pause(c.Pause)
		machine.Observe(step, result, step.Duration+c.Pause)
	}
	out = machine.Outcome()
	if soak, ok := out.Confirmed(); ok {
		failsAfter = running.Load(soak.RPS, 0, time.Minute).Outcome == record.Failed
	}
	return out, failsAfter
}
