// SPDX-License-Identifier: Apache-2.0

package compare

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"time"

	"headroom/harness/record"
	"headroom/scenarios"
)

// lagQuantiles are the metrics of a replica's lag.
var lagQuantiles = map[scenarios.MetricKey]float64{scenarios.MetricLagP50: 0.5, scenarios.MetricLagP99: 0.99}

// notMeasured begins the reason why there is no figure, once: a check's own reason may
// begin with it.
const notMeasured = "not measured: "

// addOracle adds what a check found in one slice. Counts add up and ages are
// merged; quantiles of bytes can't be, so the worst slice's stand.
func (s *Sample) addOracle(o record.Oracle) {
	sum := entry(&s.oracles, func(have record.Oracle) bool { return have.Name == o.Name && have.Scope == o.Scope },
		record.Oracle{Name: o.Name, Scope: o.Scope})
	sum.Checked += o.Checked
	sum.Violations += o.Violations
	if sum.Example == "" {
		sum.Example = o.Example
	}
	switch reason := strings.TrimPrefix(o.Unknown, notMeasured); {
	case reason == "" || strings.Contains(sum.Unknown, reason):
	case sum.Unknown == "":
		sum.Unknown = reason
	default:
		sum.Unknown += "; " + reason
	}
	if o.Age != nil {
		if sum.Age == nil {
			sum.Age = &record.Histogram{}
		}
		sum.Age.Merge(*o.Age)
	}
	for quantile, bytes := range o.LagBytes {
		if sum.LagBytes == nil {
			sum.LagBytes = map[string]float64{}
		}
		sum.LagBytes[quantile] = max(sum.LagBytes[quantile], bytes)
	}
}

// Oracles returns what each check found over the sample's slices, in the order
// of scenarios.Oracles and within it as stored. They are the sample's own: not
// to be changed.
func (s Sample) Oracles() []record.Oracle {
	sorted := slices.Clone(s.oracles)
	order := scenarios.Oracles()
	slices.SortStableFunc(sorted, func(a, b record.Oracle) int {
		return slices.Index(order, a.Name) - slices.Index(order, b.Name)
	})
	return sorted
}

// Oracle is one check over all of its scopes; with nothing checked, Unknown
// says why. A check that has a sum of its own, without a scope, is that sum.
func (s Sample) Oracle(name scenarios.OracleName) record.Oracle {
	var parts []record.Oracle
	for _, o := range s.oracles {
		if o.Name == name {
			parts = append(parts, o)
		}
	}
	if i := slices.IndexFunc(parts, func(o record.Oracle) bool { return o.Scope == "" }); i >= 0 {
		parts = parts[i : i+1]
	}
	var all Sample
	for _, o := range parts {
		o.Scope = ""
		all.addOracle(o)
	}
	sum := record.Oracle{Name: name, Unknown: "no slice has this check: is it under the scenario's oracles?"}
	if len(all.oracles) > 0 {
		sum = all.oracles[0]
	}
	if sum.Checked == 0 && sum.Unknown == "" {
		sum.Unknown = "nothing was checked"
	}
	return sum
}

func (s Sample) oracleShare(name scenarios.OracleName) Value {
	o := s.Oracle(name)
	return share(float64(o.Violations), float64(o.Checked), notMeasured+o.Unknown)
}

func (s Sample) lagMS(q float64) Value {
	o := s.Oracle(scenarios.OracleLag)
	if o.Age == nil || o.Age.Count() == 0 {
		if o.Unknown == "" {
			o.Unknown = "no sample of the lag"
		}
		return missing("%s%s", notMeasured, o.Unknown)
	}
	return QuantileMillis(*o.Age, o.Age.Count(), q)
}

// dbCPUShare is the part of its machine's CPUs that the database used, the busiest one
// if there are several. It is not known when one database's CPU time is not.
func (s Sample) dbCPUShare() Value {
	busiest, limited := 0.0, false
	found := s.each(isDatabase, func(m record.MachineUse, p record.ProcessUse) {
		if all := m.WindowS * m.QuotaCPUs; all > 0 {
			busiest, limited = max(busiest, processCPU(m, p).OrNaN()/all), true // NaN stays NaN
		}
	})
	switch {
	case !found:
		return s.noDatabase()
	case math.IsNaN(busiest):
		return cpuNotKnown(s.labels(isDatabase, "the database"))
	case !limited:
		return missing("%s's CPU quota is not known", s.labels(isDatabase, "the database"))
	}
	return Value{V: busiest}
}

// headerShare is the share of the requests sent whose answer had a header,
// given as "X-Cache: hit".
func (s Sample) headerShare(header string) Value {
	count, counted := s.headers[header]
	if !counted {
		return missing("no answer had %s", header)
	}
	return share(float64(count), float64(s.Sent), "no request was sent")
}

// Headers lists the response headers that were counted, sorted.
func (s Sample) Headers() []string { return slices.Sorted(maps.Keys(s.headers)) }

// maxUnseenShare is the share of violations that a claim of none must rule out.
const maxUnseenShare = 0.01

// judgeNone decides a claim that a check finds no violation in the variant's valid
// slices, at any rate. A single violation refutes the claim. Confirming it takes enough
// checks in at least three blocks: the share must be below 1% even if violations come
// in bursts.
func (r *Result) judgeNone(table Table, name scenarios.OracleName) {
	variant := scenarios.Variant(r.Compare)
	checks := table.Checks(variant)
	if reason := table.AllInvalid(r.At, variant); checks.Slices == 0 && reason != "" {
		*r = r.without(NoVerdict, reason)
		return
	}
	o := checks.Oracle(name)
	if o.Checked == 0 {
		*r = r.without(Inconclusive, notMeasured+o.Unknown)
		return
	}
	point := o.Share()
	r.Point, r.Interval = &point, checks.Interval(o)
	seen := CountText(o, r.Interval)
	if o.Violations == 0 {
		seen = fmt.Sprintf("none seen in %s checks (below %s if they are independent, below %s if violations come in bursts of %d)", FormatCount(int(o.Checked)),
			FormatShare(noneBelow(float64(o.Checked))), FormatShare(noneBelow(float64(o.Checked)/burst)), burst)
	}
	switch {
	case o.Violations > 0:
		r.Verdict, r.Summary = Refuted, "none: no, "+seen
	case checks.blocksWith(o) < MinBlocks:
		r.Verdict, r.Summary, r.Reason = Inconclusive, "none: unclear, "+seen, "fewer than three blocks with checks"
	case r.Interval.High < maxUnseenShare:
		r.Verdict, r.Summary = Confirmed, seen
	default:
		r.Verdict, r.Summary = Inconclusive, "none: unclear, "+seen
		r.Reason = fmt.Sprintf("too few checks: without a violation it takes %s to rule out %s in bursts of %d",
			FormatCount(checksNeeded()), FormatShare(maxUnseenShare), burst)
	}
	if o.Unknown != "" && r.Reason == "" {
		r.Reason = "not all could be checked: " + o.Unknown
	}
}

// checksNeeded is how many checks without a violation rule out maxUnseenShare, if
// violations come in bursts.
func checksNeeded() int {
	return int(math.Ceil(burst * math.Log((1-Confidence)/2) / math.Log(1-maxUnseenShare)))
}

// CountText is "none seen in 8,000 (< 0.046%, in bursts < 0.92%)" or "98 of
// 12,340: 0.79% (0.41-1.4%)"; without an interval the share alone.
func CountText(o record.Oracle, i *Interval) string {
	if o.Violations == 0 {
		return fmt.Sprintf("none seen in %s (< %s, in bursts < %s)", FormatCount(int(o.Checked)),
			FormatShare(noneBelow(float64(o.Checked))), FormatShare(noneBelow(float64(o.Checked)/burst)))
	}
	return fmt.Sprintf("%s of %s: %s", FormatCount(int(o.Violations)), FormatCount(int(o.Checked)), ShareText(o, i))
}

// ShareText is "0.79% (0.41-1.4%)", without an interval "0.79%".
func ShareText(o record.Oracle, i *Interval) string {
	text := FormatShare(o.Share())
	if i == nil {
		return text
	}
	return fmt.Sprintf("%s (%s-%s)", text, strings.TrimSuffix(FormatShare(i.Low), "%"), FormatShare(i.High))
}

// measureLag finds a quantile of the lag over all valid slices at a rate, as
// one slice's samples are too few for p99.
func (r *Result) measureLag(table Table, q float64) {
	comparison := table.At(r.At)
	variant := scenarios.Variant(r.Compare)
	sample := comparison.Pooled(variant)
	v := sample.lagMS(q)
	if !v.OK() {
		*r = r.without(Inconclusive, fmt.Sprintf("%s: %s", r.Compare, v.Missing))
		return
	}
	r.Point, r.Interval = &v.V, lagInterval(*sample.Oracle(scenarios.OracleLag).Age, comparison.inOrder(variant), q, v.V)
}

// lagInterval is the 95% interval of a quantile of the lag over blocks (Woodruff 1952);
// nil with fewer than three. The scatter of the blocks' shares above quantileMS gives
// an interval of the share 1-q; the samples that leave its two ends above them are the
// interval of the lag. Where many samples are alike, fewer than 1-q lie above the
// quantile, so the interval is not about their share. Lag lasts for seconds and
// replicas lag together, so samples are not independent; blocks are.
func lagInterval(all record.Histogram, blocks []Sample, q, quantileMS float64) *Interval {
	limit := time.Duration(math.Round(quantileMS * float64(time.Millisecond)))
	var above, from []tally // more than the quantile, and at least as much
	for _, b := range blocks {
		if age := b.Oracle(scenarios.OracleLag).Age; age != nil && age.Count() > 0 {
			of := float64(age.Count())
			above = append(above, tally{count: float64(age.CountAbove(limit)), of: of})
			from = append(from, tally{count: float64(age.CountAbove(limit - limit/500)), of: of}) // a histogram's step below
		}
	}
	// Where many samples are alike, the blocks may agree on the one share and not on
	// the other.
	share, other := intervalAbout(above, 1-q), intervalAbout(from, 1-q)
	if share == nil || other == nil {
		return nil
	}
	share.Low, share.High = min(share.Low, other.Low), max(share.High, other.High)
	n := all.Count()
	at := func(above int64) float64 { return all.AtRank(max(1, n-above)).Seconds() * 1e3 }
	i := &Interval{Low: at(int64(share.High * float64(n))), High: math.Inf(1), Confidence: Confidence,
		Method: fmt.Sprintf("Woodruff's over %d blocks", len(above))}
	if most := int64(share.Low * float64(n)); most > 0 {
		i.High = at(most)
	}
	step := Value{V: quantileMS}.step()
	i.Low, i.High = max(0, min(i.Low, quantileMS-step)), max(i.High, quantileMS+step)
	return i
}

// Checks is what the oracles found in several slices of a variant: all
// together, and by block.
type Checks struct {
	Sample
	blocks []Sample
}

// Checks adds up what the oracles found in all valid slices of a variant, at
// whatever rate.
func (t Table) Checks(variant scenarios.Variant) Checks { return t.checksOf(t.valid, variant) }

// InvalidChecks does the same for the invalid slices: what went wrong there did happen.
func (t Table) InvalidChecks(variant scenarios.Variant) Checks {
	return t.checksOf(t.invalid, variant)
}

func (t Table) checksOf(trials map[cell][]record.Trial, variant scenarios.Variant) Checks {
	var c Checks
	byBlock := map[int]Sample{}
	for _, rate := range slices.Concat(t.rates, []scenarios.RateName{scenarios.RateHigh}) {
		for _, trial := range trials[cell{rate, variant}] {
			c.Slices++
			block := byBlock[trial.Block]
			for _, o := range trial.Oracles {
				c.addOracle(o)
				block.addOracle(o)
			}
			byBlock[trial.Block] = block
		}
	}
	for _, block := range slices.Sorted(maps.Keys(byBlock)) {
		c.blocks = append(c.blocks, byBlock[block])
	}
	return c
}

// Interval is the 95% interval of the share of violations of a check that Oracle or
// Oracles gave. With a violation the blocks give the interval; nil with fewer than
// three. Without a violation the interval is what bursts may hide.
func (c Checks) Interval(o record.Oracle) *Interval {
	counts := c.tallies(o)
	if o.Violations == 0 && o.Checked > 0 && len(counts) < MinBlocks {
		return &Interval{Low: 0, High: noneBelow(float64(o.Checked) / burst), Confidence: Confidence, Method: unseenMethod}
	}
	return shareInterval(counts)
}

// blocksWith counts the blocks in which something was checked.
func (c Checks) blocksWith(o record.Oracle) int { return len(c.tallies(o)) }

// tallies is what a check found in each block that checked anything.
func (c Checks) tallies(o record.Oracle) []tally {
	var counts []tally
	for _, block := range c.blocks {
		if in := block.scoped(o.Name, o.Scope); in.Checked > 0 {
			counts = append(counts, tally{count: float64(in.Violations), of: float64(in.Checked)})
		}
	}
	return counts
}

// scoped is one check of one scope, or over all scopes where none is named.
func (s Sample) scoped(name scenarios.OracleName, scope string) record.Oracle {
	if scope == "" {
		return s.Oracle(name)
	}
	i := slices.IndexFunc(s.oracles, func(o record.Oracle) bool { return o.Name == name && o.Scope == scope })
	if i < 0 {
		return record.Oracle{}
	}
	return s.oracles[i]
}
