package compare

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"

	"gonum.org/v1/gonum/stat/distuv"

	"headroom/harness/record"
	"headroom/scenarios"
)

// lagQuantiles are the metrics of a replica's lag.
var lagQuantiles = map[string]float64{"replication_lag_p50_ms": 0.5, "replication_lag_p99_ms": 0.99}

// notMeasured begins a reason that no figure can be given. A check that says
// so itself is not to say it twice.
const notMeasured = "not measured: "

// addOracle adds what a check found in one slice. Counts add up and ages are
// merged; quantiles of bytes can't be, so the worst slice's stand.
func (s *Sample) addOracle(o record.Oracle) {
	i := slices.IndexFunc(s.oracles, func(have record.Oracle) bool { return have.Name == o.Name && have.Scope == o.Scope })
	if i < 0 {
		i = len(s.oracles)
		s.oracles = append(s.oracles, record.Oracle{Name: o.Name, Scope: o.Scope})
	}
	sum := &s.oracles[i]
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
func (s Sample) Oracle(name string) record.Oracle {
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

func (s Sample) oracleShare(name string) Value {
	o := s.Oracle(name)
	return per(float64(o.Violations), float64(o.Checked), notMeasured+o.Unknown)
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

// dbCPUShare is how much of what its machine may use PostgreSQL used, the
// busiest if there are several.
func (s Sample) dbCPUShare() Value {
	busiest, known := 0.0, false
	found := s.each(scenarios.KindPostgres, func(m record.MachineUse, p record.ProcessUse) {
		if all := m.WindowS * m.QuotaCPUs; all > 0 {
			busiest, known = max(busiest, processCPU(m, p)/all), true
		}
	})
	switch {
	case !found:
		return missing("no PostgreSQL")
	case !known:
		return missing("PostgreSQL's CPU quota is not known")
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
	return per(float64(count), float64(s.Sent), "no request was sent")
}

// Headers lists the response headers that were counted, sorted.
func (s Sample) Headers() []string { return slices.Sorted(maps.Keys(s.headers)) }

// mostUnseen is the share of violations that a claim of none must rule out.
const mostUnseen = 0.01

// judgeNone decides a claim that a check finds no violation in the variant's
// valid slices, at whatever rate: what may not happen may happen nowhere. A
// single one refutes it. Without any it takes enough checks to confirm: the
// interval's upper end must be below 1%.
func (r *Result) judgeNone(table Table, name string) {
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
	low, high := o.Interval()
	point := float64(o.Violations) / float64(o.Checked)
	r.Point = &point
	r.Interval = &Interval{Low: low, High: high, Confidence: Confidence, Method: "Clopper-Pearson over the checks of all valid slices"}
	seen := CountText(o)
	switch {
	case o.Violations > 0:
		r.Verdict, r.Summary = Refuted, "none: no, "+seen
	case high < mostUnseen:
		r.Verdict, r.Summary = Confirmed, "none: yes, "+seen
	default:
		r.Verdict, r.Summary = Inconclusive, "none: unclear, "+seen
		r.Reason = fmt.Sprintf("too few checks: without a violation it takes enough to rule out %s", FormatShare(mostUnseen))
	}
	if o.Unknown != "" && r.Reason == "" {
		r.Reason = "not all could be checked: " + o.Unknown
	}
}

// CountText is "none of 8,000 (< 0.05%)" or "98 of 12,340: 0.79% (0.65-0.97%)".
func CountText(o record.Oracle) string {
	low, high := o.Interval()
	if o.Violations == 0 {
		return fmt.Sprintf("none of %s (< %s)", FormatCount(int(o.Checked)), FormatShare(high))
	}
	return fmt.Sprintf("%s of %s: %s (%s-%s)", FormatCount(int(o.Violations)), FormatCount(int(o.Checked)),
		FormatShare(float64(o.Violations)/float64(o.Checked)), strings.TrimSuffix(FormatShare(low), "%"), FormatShare(high))
}

// measureLag finds a quantile of the lag over all valid slices at a rate, as
// one slice's samples are too few for p99. The interval's ends are order
// statistics.
func (r *Result) measureLag(table Table, q float64) {
	sample := table.Pooled(r.At, scenarios.Variant(r.Compare))
	v := sample.lagMS(q)
	if !v.OK() {
		*r = r.without(Inconclusive, fmt.Sprintf("%s: %s", r.Compare, v.Missing))
		return
	}
	samples := sample.Oracle(scenarios.OracleLag).Age
	r.Point = &v.V
	r.Interval = orderInterval(*samples, q)
}

// orderInterval is the distribution-free 95% interval of a quantile: the
// samples of the ranks that a binomial count of samples below it leaves.
func orderInterval(h record.Histogram, q float64) *Interval {
	n := h.Count()
	below := distuv.Binomial{N: float64(n), P: q}
	const tail = (1 - Confidence) / 2
	low, high := int64(math.Ceil(q*float64(n))), int64(math.Ceil(q*float64(n)))
	for low > 0 && below.CDF(float64(low-1)) > tail {
		low--
	}
	for high <= n && below.CDF(float64(high-1)) < 1-tail {
		high++
	}
	i := &Interval{Low: 0, High: math.Inf(1), Confidence: Confidence,
		Method: fmt.Sprintf("order statistics of %s samples, taken as independent", FormatCount(int(n)))}
	at := func(rank int64) float64 { return h.Quantile(float64(rank)/float64(n)).Seconds() * 1e3 }
	if low > 0 {
		i.Low = at(low)
	}
	if high <= n {
		i.High = at(high)
	}
	return i
}

// Checks adds up what the oracles found in all valid slices of a variant, at
// whatever rate.
func (t Table) Checks(variant scenarios.Variant) Sample { return t.checksOf(t.valid, variant) }

// SpoiledChecks does the same for the slices that were set aside: what went
// wrong there went wrong all the same.
func (t Table) SpoiledChecks(variant scenarios.Variant) Sample {
	return t.checksOf(t.spoiled, variant)
}

func (t Table) checksOf(trials map[cell][]record.Trial, variant scenarios.Variant) Sample {
	var s Sample
	for _, rate := range t.rates {
		for _, trial := range trials[cell{rate, variant}] {
			s.Slices++
			for _, o := range trial.Oracles {
				s.addOracle(o)
			}
		}
	}
	return s
}
