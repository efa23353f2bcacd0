// SPDX-License-Identifier: Apache-2.0

package compare

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"

	"headroom/harness/record"
	"headroom/harness/slo"
	"headroom/scenarios"
)

// ProofFactor is how many times as large a proof makes machines.
const ProofFactor = 1.25

// Thresholds of a proof.
const (
	// minMovedRatio must lie below the whole interval of the named machines' effect. It
	// is less than ProofFactor, as there is always another bottleneck behind the first.
	minMovedRatio = 1.05
	// maxStayedRatio is how far from 1 the effect of the other machines may be: less than
	// a step of the search near saturation scatters.
	maxStayedRatio = 1.07
)

// Aim is what the proof of a variant's bottleneck is to try.
type Aim struct {
	Variant     scenarios.Variant
	Named       string   // the group of the machine with the largest demand per CPU
	Other       string   // the least busy other group
	Groups      []string // all but the external machines'
	Scale       float64  // of all machines, 1 or less, so that the larger ones fit in
	CapacityRPS float64  // of the variant as it is
}

// AimProof names the machines that a proof is to make larger, from the run's
// trials. The error says why there can be no proof.
func AimProof(run record.Run, trials []record.Trial, v scenarios.Variant) (Aim, error) {
	if run.Shares.PeriodMicros == 0 {
		return Aim{}, errors.New("machines had no CPU limits that could be changed: measure on the docker stage")
	}
	capacity := slo.CapacityOf(trials, v, run.Scenario.SLO, true)
	if !capacity.Known() {
		return Aim{}, errors.New("no rate held the SLO, so there is no capacity to move")
	}
	demands := PoolOf(AtCapacity(trials, v, capacity, run.Scenario.SLO), &run.Scenario).Demands()
	if len(demands) == 0 {
		return Aim{}, errors.New("no machine's CPU was measured at the capacity")
	}
	if unknown := CPUNotKnown(demands); len(unknown) > 0 {
		return Aim{}, fmt.Errorf("the CPU time of %s is not known at the capacity, so that no bottleneck can be named: see the report's warnings for why", strings.Join(unknown, ", "))
	}
	aim := Aim{Variant: v, Named: demands[0].Group, CapacityRPS: capacity.PointRPS}
	quotas, busiest := map[string]float64{}, map[string]float64{}
	for _, d := range demands {
		if !slices.Contains(aim.Groups, d.Group) {
			aim.Groups = append(aim.Groups, d.Group)
		}
		quotas[d.Group] += d.QuotaCPUs
		busiest[d.Group] = max(busiest[d.Group], d.Utilisation.OrNaN())
	}
	if len(aim.Groups) < 2 {
		return Aim{}, fmt.Errorf("there is no other machine to hold %s against", aim.Named)
	}
	aim.Other = slices.MinFunc(aim.Groups[1:], func(a, b string) int { return cmp.Compare(busiest[a], busiest[b]) })
	aim.Scale = proofScale(run.Shares, v, quotas, max(quotas[aim.Named], quotas[aim.Other]))
	return aim, nil
}

// proofScale is the factor of all machines that makes the larger ones fit into the CPUs
// that the variants may use. CPUs that are not there would be taken from the driver,
// and the proof would be about that.
func proofScale(shares record.Shares, v scenarios.Variant, quotas map[string]float64, largest float64) float64 {
	sum := 0.0
	for _, cpus := range quotas {
		sum += cpus
	}
	external := max(shares.VariantCPUs[v]-sum, 0)
	room := shares.HostCPUs - shares.DriverCPUs - shares.ReserveCPUs - external
	return min(1, room/(sum+(ProofFactor-1)*largest))
}

// Proof is what came of making the bottleneck larger, and another machine.
type Proof struct {
	Proved bool   `json:"proved"`
	Reason string `json:"reason,omitempty"` // why not
	Named  string `json:"named,omitempty"`
	Other  string `json:"other,omitempty"`
	// Factor is how many times as large they were made, Scale what all machines
	// were multiplied by.
	Factor float64 `json:"factor,omitempty"`
	Scale  float64 `json:"scale,omitempty"`
	// Capacities, estimated as the rate that holds in half of the steps.
	BaseRPS  float64 `json:"base_rps,omitempty"`
	NamedRPS float64 `json:"named_rps,omitempty"`
	OtherRPS float64 `json:"other_rps,omitempty"`
	// NamedEffect and OtherEffect are the capacities over the base's, by round.
	NamedEffect Effect `json:"named_effect"`
	OtherEffect Effect `json:"other_effect"`
	Steps       int    `json:"steps"`
	Invalid     int    `json:"disturbed"` // steps that say nothing
	// Warnings are what may have kept a machine from using what it was given.
	Warnings []string `json:"warnings,omitempty"`
}

// JudgeProof judges a proof by the steps that were measured for it; nil when none was
// asked for. The capacity moved with the named machines when the interval of its ratio
// lies above minMovedRatio. It stayed with the other machines when their ratio is
// within maxStayedRatio of 1, and the interval holds 1 or lies wholly within
// maxStayedRatio. Anything else proves nothing.
func JudgeProof(run record.Run, trials []record.Trial, v scenarios.Variant) *Proof {
	if run.Prove != v {
		return nil
	}
	p := &Proof{NamedEffect: Effect{Pairs: []Pair{}}, OtherEffect: Effect{Pairs: []Pair{}}}
	rounds := p.read(trials, v, run.Scenario.SLO)
	if p.Steps == 0 {
		p.Reason = "nothing was measured for it: the run ended before"
		if _, err := AimProof(run, trials, v); err != nil {
			p.Reason = err.Error()
		}
		return p
	}
	p.NamedEffect, p.OtherEffect = ratioOf(pairsOf(rounds, record.ResizeNamed), minResolution), ratioOf(pairsOf(rounds, record.ResizeOther), minResolution)
	p.BaseRPS, p.NamedRPS, p.OtherRPS = overRounds(rounds, record.ResizeBase), overRounds(rounds, record.ResizeNamed), overRounds(rounds, record.ResizeOther)
	p.Reason = p.doubt(run.Quick, len(rounds))
	p.Proved = p.Reason == ""
	for _, group := range []string{p.Named, p.Other} {
		if sizedAtStart(run.Scenario.Topology(v), group) {
			p.Warnings = append(p.Warnings, group+" "+mayBeSized)
		}
	}
	return p
}

// mayBeSized is what is said of a group with a service that sees its quota when it
// starts.
const mayBeSized = "may have sized itself at its start (limits: start): its answer to more CPU is not known"

// sizedAtStart says whether a group has such a service.
func sizedAtStart(t scenarios.Topology, group string) bool {
	return slices.ContainsFunc(t.Machines, func(m scenarios.Machine) bool {
		p, foreign := m.Foreign()
		return foreign && p.Service.Limits == scenarios.LimitsFromStart && cmp.Or(m.Group, m.Name) == group
	})
}

// round holds ln(capacity) of the three systems.
type round map[record.ResizeStep]float64

// read gathers the steps by round. A system's capacity in a round is the
// geometric mean of the rates that its staircase visited (Dixon and Mood,
// 1948); a round in which one of the three has none is left out.
func (p *Proof) read(trials []record.Trial, v scenarios.Variant, s scenarios.SLO) []round {
	type sum struct{ logs, n float64 }
	sums := map[int]map[record.ResizeStep]sum{}
	for _, t := range trials {
		if t.Resize == nil || t.Variant != v {
			continue
		}
		p.Steps++
		p.Scale = t.Resize.Scale
		switch t.Resize.Step {
		case record.ResizeNamed:
			p.Named, p.Factor = t.Resize.Group, t.Resize.Factor
		case record.ResizeOther:
			p.Other = t.Resize.Group
		}
		if o := slo.StepOf(&t, s, true).Outcome; o != record.Held && o != record.Failed || !(t.Measurement.OfferedRPS > 0) {
			p.Invalid++
			continue
		}
		of := sums[t.Resize.Round]
		if of == nil {
			of = map[record.ResizeStep]sum{}
			sums[t.Resize.Round] = of
		}
		so := of[t.Resize.Step]
		of[t.Resize.Step] = sum{so.logs + math.Log(t.Measurement.OfferedRPS), so.n + 1}
	}
	var rounds []round
	for _, number := range slices.Sorted(maps.Keys(sums)) {
		r := round{}
		for step, s := range sums[number] {
			r[step] = s.logs / s.n
		}
		if len(r) == 3 {
			rounds = append(rounds, r)
		}
	}
	return rounds
}

func pairsOf(rounds []round, step record.ResizeStep) []Pair {
	pairs := []Pair{}
	for i, r := range rounds {
		pairs = append(pairs, Pair{Block: i + 1, Before: math.Exp(r[record.ResizeBase]), After: math.Exp(r[step])})
	}
	return pairs
}

// overRounds is the geometric mean, 0 without a round.
func overRounds(rounds []round, step record.ResizeStep) float64 {
	if len(rounds) == 0 {
		return 0
	}
	sum := 0.0
	for _, r := range rounds {
		sum += r[step]
	}
	return math.Exp(sum / float64(len(rounds)))
}

// doubt is why the measured effects prove nothing, "" when they do.
func (p *Proof) doubt(quick bool, rounds int) string {
	named, other := p.NamedEffect.Interval, p.OtherEffect.Interval
	switch {
	case named == nil || other == nil:
		return fmt.Sprintf("%d rounds with all three systems, at the least %d are needed", rounds, MinBlocks)
	case quick:
		return "a quick run is not evidence"
	case named.High < minMovedRatio:
		return fmt.Sprintf("the capacity rose by less than %s with %s larger", percentOver(minMovedRatio), p.Named)
	case named.Low <= minMovedRatio:
		return fmt.Sprintf("whether the capacity rose by more than %s with %s larger can't be told from the scatter", percentOver(minMovedRatio), p.Named)
	case stayed(p.OtherEffect):
		return ""
	case other.Low > 1:
		return fmt.Sprintf("the capacity rose with %s larger too", p.Other)
	case other.High < 1:
		return fmt.Sprintf("the capacity fell with %s larger, which it can't: something else changed", p.Other)
	}
	return fmt.Sprintf("whether the capacity moved by less than %s with %s larger can't be told from the scatter", percentOver(maxStayedRatio), p.Other)
}

// percentOver is a ratio above 1 in percent of 1: "7%".
func percentOver(ratio float64) string { return fmt.Sprintf("%.0f%%", (ratio-1)*100) }

// StayedText says how little the capacity moved with the other machines: by the
// interval where that is narrow enough, else by the estimate.
func (p *Proof) StayedText() string {
	bound := percentOver(maxStayedRatio)
	if i := p.OtherEffect.Interval; withinStayed(i.Low) && withinStayed(i.High) {
		return fmt.Sprintf("the capacity moved by less than %s with %s", bound, p.Other)
	}
	return fmt.Sprintf("the capacity came out within %s of the same with %s, with an interval that goes further", bound, p.Other)
}

// withinStayed says that a ratio is no further from 1 than maxStayedRatio.
func withinStayed(ratio float64) bool { return ratio <= maxStayedRatio && ratio >= 1/maxStayedRatio }

func stayed(e Effect) bool {
	holdsOne := e.Interval.Low <= 1 && e.Interval.High >= 1
	return withinStayed(e.Ratio) && (holdsOne || withinStayed(e.Interval.Low) && withinStayed(e.Interval.High))
}
