// SPDX-License-Identifier: Apache-2.0

package gate

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"

	"headroom/harness/record"
	"headroom/reports/compare"
	"headroom/scenarios"
)

// slicesOfBlock are needed of each side in a block. A block with an invalid slice is
// left out, but not too many: a machine that disturbs more blocks is not fit to measure
// on.
const (
	slicesOfBlock    = 3
	maxInvalidBlocks = 3
)

// The driver's own CPU time by request tells how fast the host was in a slice. The
// host's speed cancels in the ratio where both sides gave the driver the same work:
// docs/measurement.md, "Comparing before and after".
const (
	sameBytes    = 0.01
	sameInFlight = 0.10
)

// Gated are the machine groups whose CPU time gates: those that the scenario
// names, else every priced group that both variants have.
func Gated(s *scenarios.Scenario) []string {
	if len(s.Gate) > 0 {
		return s.Gate
	}
	var groups []string
	after := s.After.PricedGroups()
	for _, g := range s.Before.PricedGroups() {
		if slices.ContainsFunc(after, func(o scenarios.Group) bool { return o.GroupName() == g.GroupName() }) {
			groups = append(groups, g.GroupName())
		}
	}
	return groups
}

// side is what one variant did in one block, or in one slice of it.
type side struct {
	succeeded, sent    float64
	bytes, driverCPU   float64
	inFlight, duration float64            // in flight: summed over time
	cpu                map[string]float64 // by group; NaN where that of a machine is not known
	slices             []record.Trial
}

func sideOf(trials []record.Trial) side {
	s := side{cpu: map[string]float64{}, slices: trials}
	for _, t := range trials {
		m := t.Measurement
		s.succeeded += float64(m.Succeeded)
		s.sent += float64(m.Sent)
		s.bytes += float64(m.BytesIn)
		s.driverCPU += m.Driver.CPUSeconds.OrNaN()
		s.inFlight += float64(m.Sent) * m.Response.Mean().Seconds() // Little's law
		s.duration += m.DurationS
		for _, use := range t.Machines {
			s.cpu[use.GroupName()] += use.CPUSeconds.OrNaN()
		}
	}
	return s
}

// lnRatio is ln(after/before) of a group's CPU seconds by success; adjusted, minus that
// of the driver's by request.
func lnRatio(before, after side, group string, adjusted bool) float64 {
	d := math.Log(after.cpu[group]/after.succeeded) - math.Log(before.cpu[group]/before.succeeded)
	if adjusted {
		d -= math.Log(after.driverCPU/after.sent) - math.Log(before.driverCPU/before.sent)
	}
	return d
}

// sameWork says that both sides gave the driver the same work, so that its CPU time
// tells the host's speed. The first blocks together decide for all blocks of a gate: if
// each block decided, a ratio near the bound would change its measure from block to
// block.
func sameWork(blocks []block) bool {
	var trials [2][]record.Trial
	used := 0
	for _, b := range blocks {
		if b.invalid() != "" {
			continue
		}
		for i, v := range scenarios.Variants() {
			for _, t := range b.slices[v] {
				if m := t.Measurement; m.Sent == 0 || !(m.Driver.CPUSeconds.OrNaN() > 0) {
					return false
				}
			}
			if used < FirstLook {
				trials[i] = append(trials[i], b.slices[v]...)
			}
		}
		used++
	}
	before, after := sideOf(trials[0]), sideOf(trials[1])
	return nearlyEqual(before.bytes/before.succeeded, after.bytes/after.succeeded, sameBytes) &&
		nearlyEqual(before.inFlight/before.duration, after.inFlight/after.duration, sameInFlight)
}

func nearlyEqual(a, b, within float64) bool { return math.Abs(a-b) <= within*max(a, b) }

// keyCPU and labelCPU stand before a group's name, in the key and in the label of
// its CPU time.
const (
	keyCPU   = "cpu "
	labelCPU = "CPU per request of "
	keyP50   = "p50"
)

// timedKeys are the keys of a scenario's timed metrics, in order.
func timedKeys(s *scenarios.Scenario) []string {
	var keys []string
	for _, group := range Gated(s) {
		keys = append(keys, keyCPU+group)
	}
	return append(keys, keyP50)
}

// metric is a timed metric before it is filled.
type metric struct {
	Series
	ln lnOf
}

// lnOf is ln(after/before) of a metric, or of whatever else two sides are.
type lnOf func(before, after side) float64

func metricsOf(blocks []block, s *scenarios.Scenario) []metric {
	adjusted := sameWork(blocks)
	var out []metric
	for _, group := range Gated(s) {
		out = append(out, metric{Series{Key: keyCPU + group, Label: labelCPU + group, Adjusted: adjusted, Missing: cpuMissing(blocks, group)}, func(before, after side) float64 {
			return lnRatio(before, after, group, adjusted)
		}})
	}
	return append(out, metric{Series{Key: keyP50, Label: keyP50}, func(before, after side) float64 {
		b, a := compare.Pool(before.slices, nil).Quantile(0.5), compare.Pool(after.slices, nil).Quantile(0.5)
		if !b.OK() || !a.OK() {
			return math.NaN()
		}
		return math.Log(a.V) - math.Log(b.V)
	}})
}

// cpuMissing names the machine of a group whose CPU time is not known in a block that
// is used; "" when all are known.
func cpuMissing(blocks []block, group string) string {
	for _, b := range blocks {
		if b.invalid() != "" {
			continue
		}
		for _, v := range scenarios.Variants() {
			for _, t := range b.slices[v] {
				for _, use := range t.Machines {
					if use.GroupName() == group && !use.CPUSeconds.Known() {
						return fmt.Sprintf("the CPU time of machine %s is not known in trial %d (block %d of %s): %s", use.Machine, t.Order, b.number, v,
							cmp.Or(strings.Join(use.Unread, "; "), "it could not be read"))
					}
				}
			}
		}
	}
	return ""
}

// TimedSeries turns a gate's slices into its metrics: the CPU time of each gated
// group, and p50.
func TimedSeries(trials []record.Trial, s *scenarios.Scenario) []Series {
	blocks := blocksOf(trials)
	var out []Series
	for _, m := range metricsOf(blocks, s) {
		m.fill(blocks, m.ln)
		out = append(out, m.Series)
	}
	return out
}

// Warming compares each side's first slice of every block with its other slices of that
// block: D is ln(first/others). Where its mean is not 0, a block began before its sides
// were warm.
func Warming(trials []record.Trial, s *scenarios.Scenario) []Series {
	blocks := blocksOf(trials)
	var out []Series
	for _, m := range metricsOf(blocks, s) {
		for _, b := range blocks {
			if b.invalid() != "" {
				continue
			}
			for _, v := range scenarios.Variants() {
				if d := m.ln(sideOf(b.slices[v][1:]), sideOf(b.slices[v][:1])); finite(d) {
					m.D = append(m.D, d)
				}
			}
		}
		out = append(out, m.Series)
	}
	return out
}

// Interval is the mean of D as a ratio, and Student's 95% interval about it. It
// takes two values.
func (s Series) Interval() (ratio, low, high float64) {
	ratio, low, high = studentInterval(s.D, 0.95)
	return math.Exp(ratio), math.Exp(low), math.Exp(high)
}

// block has the valid slices of one block, by variant, in order.
type block struct {
	number int
	slices map[scenarios.Variant][]record.Trial
}

func isGateSlice(t record.Trial) bool {
	return t.Kind == record.KindSlice && t.RateName == record.RateGate
}

func blocksOf(trials []record.Trial) []block {
	byNumber := map[int]*block{}
	for _, t := range trials {
		if !isGateSlice(t) {
			continue
		}
		b := byNumber[t.Block]
		if b == nil {
			b = &block{t.Block, map[scenarios.Variant][]record.Trial{}}
			byNumber[t.Block] = b
		}
		if t.Valid() {
			b.slices[t.Variant] = append(b.slices[t.Variant], t)
		}
	}
	var out []block
	for _, b := range byNumber {
		for _, s := range b.slices {
			slices.SortFunc(s, func(x, y record.Trial) int { return cmp.Compare(x.Order, y.Order) })
		}
		out = append(out, *b)
	}
	slices.SortFunc(out, func(x, y block) int { return cmp.Compare(x.number, y.number) })
	return out
}

// fill computes the metric's D of every block, and its null control.
func (s *Series) fill(blocks []block, ln lnOf) {
	if len(blocks) == 0 {
		s.Missing = "no block was measured"
	}
	invalid := invalidBlocks(blocks)
	if len(invalid) > maxInvalidBlocks {
		s.Missing = fmt.Sprintf("%d of %d blocks have an invalid slice, at most %d may: %s", len(invalid), len(blocks), maxInvalidBlocks, invalid[0])
		return
	}
	if s.Missing != "" {
		return
	}
	for _, b := range blocks {
		if b.invalid() != "" {
			continue
		}
		for i, v := range scenarios.Variants() {
			if d := nullOf(b.slices[v], ln); finite(d) {
				s.Null[i] = append(s.Null[i], d)
			}
		}
		s.D = append(s.D, ln(sideOf(b.slices[scenarios.Before]), sideOf(b.slices[scenarios.After])))
	}
}

// invalid says why the block can't be used; "" when it can.
func (b block) invalid() string {
	for _, v := range scenarios.Variants() {
		if n := len(b.slices[v]); n < slicesOfBlock {
			return fmt.Sprintf("block %d has %d valid slices of %s, of %d", b.number, n, v, slicesOfBlock)
		}
	}
	return ""
}

// invalidBlocks says why each unusable block is invalid.
func invalidBlocks(blocks []block) []string {
	var out []string
	for _, b := range blocks {
		if why := b.invalid(); why != "" {
			out = append(out, why)
		}
	}
	return out
}

// InvalidBlocks says why each of a gate's left-out blocks is invalid.
func InvalidBlocks(trials []record.Trial) []string { return invalidBlocks(blocksOf(trials)) }

// nullOf compares two neighbouring slices of one side, the later with the
// earlier. In ABBAAB each side has one such pair; where a slice of it was
// repeated there is no number.
func nullOf(of []record.Trial, ln lnOf) float64 {
	for i := 1; i < len(of); i++ {
		if of[i].Order == of[i-1].Order+1 {
			return ln(sideOf(of[i-1:i]), sideOf(of[i:i+1]))
		}
	}
	return math.NaN()
}

// ShownOf are the metrics that do not gate, over all blocks.
func ShownOf(trials []record.Trial) []ShownMetric {
	all := map[scenarios.Variant][]record.Trial{}
	for _, b := range blocksOf(trials) {
		for v, s := range b.slices {
			all[v] = append(all[v], s...)
		}
	}
	before, after := compare.Pool(all[scenarios.Before], nil), compare.Pool(all[scenarios.After], nil)
	var out []ShownMetric
	for label, q := range map[string]float64{"p95": 0.95, "p99": 0.99} {
		b, a := before.Quantile(q), after.Quantile(q)
		if b.OK() && a.OK() {
			out = append(out, ShownMetric{Label: label, Before: b.V, After: a.V, Unit: "ms"})
		}
	}
	slices.SortFunc(out, func(x, y ShownMetric) int { return cmp.Compare(x.Label, y.Label) })
	return out
}
