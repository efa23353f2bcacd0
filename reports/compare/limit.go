package compare

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"headroom/harness/record"
	"headroom/scenarios"
)

// Limit is a variant's capacity under the SLO as a run found it: the highest
// rate that was itself seen to hold, and the lowest above it that failed.
type Limit struct {
	Variant      scenarios.Variant `json:"variant"`
	HeldRPS      float64           `json:"held_rps,omitempty"`   // 0: no rate held
	FailedRPS    float64           `json:"failed_rps,omitempty"` // 0: no rate failed
	FailedReason string            `json:"failed_reason,omitempty"`
	Confirmed    bool              `json:"confirmed"`  // HeldRPS held in a longer step of its own, or in a slice
	Recovered    bool              `json:"recovered"`  // the SLO came back after an overload
	Metastable   bool              `json:"metastable"` // it did not
	Probes       []Probe           `json:"probes"`
}

// Probe is one rate that was tried: a step of the search or a slice.
type Probe struct {
	Order      int              `json:"order"`
	Kind       string           `json:"kind"` // the step's, or the slice's rate
	OfferedRPS float64          `json:"offered_rps"`
	Judgement  record.Judgement `json:"judgement"`
	Reason     string           `json:"reason,omitempty"`
	Counts     bool             `json:"counts"` // an invalid one counts only as an overload
	Invalid    []string         `json:"invalid,omitempty"`
}

// The search's kinds of steps that are read here; see package search, which
// reports must not reach.
const (
	stepConfirm  = "confirm"
	stepOverload = "overload"
	stepRecover  = "recover"
)

// FindLimit reads variant's limit off its steps and slices. Invalid ones are
// kept, and do not count: a driver in distress says nothing of the target.
// Where the search came to confirm, only confirmations and slices show that a
// rate holds: a short step is too kind. Warnings tell when the rates were not
// monotone.
func FindLimit(trials []record.Trial, variant scenarios.Variant, slo scenarios.SLO) (Limit, []string) {
	limit := Limit{Variant: variant, Probes: []Probe{}}
	confirming := slices.ContainsFunc(trials, func(t record.Trial) bool {
		return t.Variant == variant && t.Kind == record.KindProbe && t.RateName == stepConfirm
	})
	for _, t := range trials {
		if t.Variant != variant || t.Resize != nil {
			continue
		}
		p := Probe{Order: t.Order, Kind: t.RateName, OfferedRPS: t.Measurement.OfferedRPS, Invalid: invalidReasons(&t)}
		p.Judgement, p.Reason, p.Counts = t.Judge(slo)
		long := t.Kind == record.KindSlice || t.RateName == stepConfirm
		if p.Judgement == record.SLOFails && !long && !record.FailsByMoreThanChance(record.Bad(t.Measurement, slo)) {
			p.Judgement = record.SLOInsufficient
		}
		limit.Probes = append(limit.Probes, p)
		if p.Counts && p.Judgement == record.SLOHolds && (long || !confirming) && p.OfferedRPS >= limit.HeldRPS && !failedConfirmation(trials, variant, slo, p.OfferedRPS) {
			limit.HeldRPS, limit.Confirmed = p.OfferedRPS, long
		}
		if t.RateName == stepRecover && p.Counts {
			limit.Metastable = p.Judgement == record.SLOFails
			limit.Recovered = !limit.Metastable
		}
	}
	return limit, limit.findFailure()
}

// failedConfirmation says whether the rate failed in one of its confirmations:
// then others that it held count for nothing.
func failedConfirmation(trials []record.Trial, variant scenarios.Variant, slo scenarios.SLO, rps float64) bool {
	return slices.ContainsFunc(trials, func(t record.Trial) bool {
		if t.Variant != variant || t.RateName != stepConfirm || t.Measurement.OfferedRPS != rps {
			return false
		}
		judgement, _, counts := t.Judge(slo)
		return counts && judgement == record.SLOFails
	})
}

// NearRates is the ratio up to which two rates are one.
const NearRates = 1.02

// AtLimit returns the trials at the limit's rate that held: what the machines
// did then is their demand at the capacity. Steps of a proof take no part.
func AtLimit(trials []record.Trial, limit Limit, slo scenarios.SLO) []record.Trial {
	var at []record.Trial
	for _, t := range trials {
		rps := t.Measurement.OfferedRPS
		if t.Variant != limit.Variant || t.Resize != nil || rps > limit.HeldRPS*NearRates || rps < limit.HeldRPS/NearRates {
			continue
		}
		if judgement, _, counts := t.Judge(slo); counts && judgement == record.SLOHolds {
			at = append(at, t)
		}
	}
	return at
}

// findFailure finds the lowest rate above the held one that failed.
func (l *Limit) findFailure() (warnings []string) {
	below, lowest := 0, math.Inf(1)
	for _, p := range l.Probes {
		switch {
		case !p.Counts || p.Judgement != record.SLOFails || p.Kind == stepOverload || p.Kind == stepRecover:
		case p.OfferedRPS <= l.HeldRPS:
			below, lowest = below+1, min(lowest, p.OfferedRPS)
		case l.FailedRPS == 0 || p.OfferedRPS < l.FailedRPS:
			l.FailedRPS, l.FailedReason = p.OfferedRPS, p.Reason
		}
	}
	if below > 0 {
		warnings = append(warnings, fmt.Sprintf("%s held %.4g requests/s and failed %s at or below that, the lowest at %.4g: its limit is not sharp",
			l.Variant, l.HeldRPS, times(below), lowest))
	}
	if l.Metastable {
		warnings = append(warnings, fmt.Sprintf("%s is metastable: after 1.3 times its limit it did not recover at 0.7 times", l.Variant))
	}
	return warnings
}

func times(n int) string {
	if n == 1 {
		return "once"
	}
	return fmt.Sprintf("%d times", n)
}

// Range is a value with what it may lie between.
type Range struct {
	Point   float64
	Low     float64
	High    float64 // +Inf when nothing bounds it
	Missing string  // why there is none
}

// Range is the limit as held, up to what failed.
func (l Limit) Range() Range {
	switch {
	case l.HeldRPS == 0 && l.FailedRPS > 0:
		return Range{Missing: fmt.Sprintf("the SLO failed at the lowest rate tried, %.4g requests/s", l.FailedRPS)}
	case l.HeldRPS == 0:
		return Range{Missing: "no probe held the SLO"}
	case l.FailedRPS == 0:
		return Range{Point: l.HeldRPS, Low: l.HeldRPS, High: math.Inf(1)}
	}
	return Range{Point: l.HeldRPS, Low: l.HeldRPS, High: l.FailedRPS}
}

// invalidReasons is why a trial must not be averaged in, nil when it may. An
// interrupted one is invalid even when nobody had the time to say so.
func invalidReasons(t *record.Trial) []string {
	switch m := t.Measurement; {
	case t.Valid() && m.Interrupted:
		return []string{"interrupted"}
	case t.Valid() && t.Kind == record.KindSlice && t.Overloaded():
		// Its response times are those of the requests that were sent: an
		// average over them would leave out the slowest.
		return []string{fmt.Sprintf("%d of %d requests (%.2f%%) were due and could not be sent: up to %d were in flight, the cap is %d",
			m.Unsent, m.Planned, 100*float64(m.Unsent)/float64(m.Planned), m.MaxInFlight, m.InFlightCap)}
	}
	return t.Invalid
}

// maxJoined reasons are spelt out; the rest stand under Validity.
const maxJoined = 2

// joined lists reasons once each.
func joined(reasons []string) string {
	seen := map[string]bool{}
	var once []string
	for _, r := range reasons {
		if !seen[r] {
			seen[r] = true
			once = append(once, r)
		}
	}
	if more := len(once) - maxJoined; more > 0 {
		once = append(once[:maxJoined], fmt.Sprintf("and %d more under Validity", more))
	}
	return strings.Join(once, "; ")
}
