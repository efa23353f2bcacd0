package compare

import (
	"fmt"
	"math"
	"strings"

	"headroom/harness/record"
	"headroom/scenarios"
)

// Limit is what a run found of one variant: the highest rate that was itself
// seen to hold the SLO, in a probe or a slice, and the lowest above it that
// failed.
type Limit struct {
	Variant      scenarios.Variant `json:"variant"`
	HeldRPS      float64           `json:"held_rps,omitempty"`   // 0: no rate held
	FailedRPS    float64           `json:"failed_rps,omitempty"` // 0: no rate failed
	FailedReason string            `json:"failed_reason,omitempty"`
	Probes       []Probe           `json:"probes"`
}

// Probe is one rate that was tried: a step of the search or a slice.
type Probe struct {
	Order      int              `json:"order"`
	OfferedRPS float64          `json:"offered_rps"`
	Judgement  record.Judgement `json:"judgement"`
	Reason     string           `json:"reason,omitempty"`
	Counts     bool             `json:"counts"` // an invalid one counts only as an overload
	Invalid    []string         `json:"invalid,omitempty"`
}

// FindLimit reads variant's limit off its probes and slices. Invalid ones are
// kept, and do not count: a driver in distress says nothing of the target.
// Warnings tell when the rates were not monotone.
func FindLimit(trials []record.Trial, variant scenarios.Variant, slo scenarios.SLO) (Limit, []string) {
	limit := Limit{Variant: variant, Probes: []Probe{}}
	for _, t := range trials {
		if t.Variant != variant {
			continue
		}
		p := Probe{Order: t.Order, OfferedRPS: t.Measurement.OfferedRPS, Invalid: invalidReasons(&t)}
		p.Judgement, p.Reason, p.Counts = t.Judge(slo)
		limit.Probes = append(limit.Probes, p)
		if p.Counts && p.Judgement == record.SLOHolds {
			limit.HeldRPS = max(limit.HeldRPS, p.OfferedRPS)
		}
	}
	var warnings []string
	for _, p := range limit.Probes {
		if !p.Counts || p.Judgement != record.SLOFails {
			continue
		}
		if p.OfferedRPS <= limit.HeldRPS {
			warnings = append(warnings, fmt.Sprintf("%s failed at %.4g requests/s and held at %.4g: its limit is not sharp",
				variant, p.OfferedRPS, limit.HeldRPS))
			continue
		}
		if limit.FailedRPS == 0 || p.OfferedRPS < limit.FailedRPS {
			limit.FailedRPS, limit.FailedReason = p.OfferedRPS, p.Reason
		}
	}
	return limit, warnings
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
	if t.Valid() && t.Measurement.Interrupted {
		return []string{"interrupted"}
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
