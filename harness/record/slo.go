package record

import (
	"fmt"
	"math"
	"strings"

	"headroom/scenarios"
)

// Judgement is what a measurement says about an SLO.
type Judgement string

// The judgements.
const (
	SLOHolds        Judgement = "holds"
	SLOFails        Judgement = "fails"
	SLOInsufficient Judgement = "insufficient" // too few samples to say that it holds
)

// sampleRisk is the chance that Judge takes of calling an SLO held which is
// not: docs/measurement.md, the sample rule.
const sampleRisk = 0.05

// Judge says whether m held the SLO, and why not when it did not. It does not
// ask whether m is valid: Trial.Judge does.
//
// A latency condition counts every planned request that was not answered
// correctly within the limit: slow, failed or unsent. With t of n such
// requests the quantile q holds when P[Bin(n, 1-q) <= t] <= 0.05, fails when
// t exceeds n(1-q), and is insufficient between. An error condition compares
// the share that was seen, as no bearable slice could prove 0.1%. An oracle's
// condition is judged by what it found (judgeOracle).
func Judge(m Measurement, slo scenarios.SLO) (Judgement, string) {
	return judge(m, m.Oracles, slo)
}

func judge(m Measurement, oracles []Oracle, slo scenarios.SLO) (Judgement, string) {
	if m.Planned == 0 {
		return SLOInsufficient, "no request was planned"
	}
	var failed, insufficient []string
	for _, c := range slo.Conditions {
		judgement, reason := judgeCondition(m, oracles, c)
		switch judgement {
		case SLOFails:
			failed = append(failed, reason)
		case SLOInsufficient:
			insufficient = append(insufficient, reason)
		}
	}
	switch {
	case len(failed) > 0:
		return SLOFails, strings.Join(failed, "; ")
	case len(insufficient) > 0:
		return SLOInsufficient, strings.Join(insufficient, "; ")
	}
	return SLOHolds, ""
}

// Judge says whether the trial's rate held the SLO. counts is false when the
// trial is invalid and so says nothing, and when it failed while the hypervisor
// took much. There are two exceptions. Requests that the in-flight cap kept back
// are the system's failure, if the hypervisor took little. And a driver that was
// late, or a host that lost time, only makes response times longer, as they run
// from when a request was due: where the SLO held all the same, it holds.
func (t *Trial) Judge(slo scenarios.SLO) (judgement Judgement, reason string, counts bool) {
	oracles := t.Oracles
	if len(oracles) == 0 {
		oracles = t.Measurement.Oracles
	}
	judgement, reason = judge(t.Measurement, oracles, slo)
	switch {
	case t.Measurement.Interrupted:
	case judgement == SLOFails && t.Measurement.Driver.Stolen():
	case t.Valid():
		counts = true
	case judgement == SLOFails:
		counts = t.Overloaded()
	default:
		counts = t.disturbed()
	}
	return judgement, reason, counts
}

// disturbed says that all that is wrong with the trial is that the driver was
// late, with reserves left, or that the host lost time.
func (t *Trial) disturbed() bool {
	return len(t.Invalid) == len(t.Measurement.InvalidReasons) && !t.Measurement.Driver.Saturated
}

// Overloaded says that requests were due and could not be sent, because as
// many as the cap allows were still unanswered.
func (t *Trial) Overloaded() bool { return t.Measurement.Unsent > 0 && !t.Measurement.Interrupted }

// counted is what a condition counts: n requests of which so many are bad. For
// a quantile those are slow, failed or unsent, else failed or unsent.
type counted struct {
	name    string
	n, bad  int64
	allowed float64 // share of n that may be bad
}

// count counts for a condition; false when there is nothing to count.
func count(m Measurement, c scenarios.SLOCondition) (counted, bool) {
	out := counted{name: "requests", n: m.Planned, bad: m.Failed + m.Unsent, allowed: c.ErrorShare}
	slow := m.Planned - (m.ResponseSuccess.Count() - m.ResponseSuccess.CountAbove(c.Latency))
	if c.Endpoint != "" {
		e, ok := m.Endpoint(c.Endpoint)
		if !ok || e.Sent == 0 {
			return counted{}, false
		}
		// Failures have no histogram of their own here, so one that was slow
		// as well counts twice: rather too strict than too kind.
		out.n, out.name, out.bad = e.Sent, c.Endpoint, e.Failed
		slow = min(out.n, e.Sent-e.Response.Count()+e.Response.CountAbove(c.Latency)+e.Failed)
	}
	if c.Quantile > 0 {
		out.bad, out.allowed = slow, 1-c.Quantile
	}
	return out, out.n > 0
}

// Bad is how near m is to the SLO's limit: bad of n requests, of which a share
// may be. It is that of the condition that is nearest to breaking, or broken by
// most; all 0 when nothing was counted, or when an oracle has a say: then there
// is only the judgement.
func Bad(m Measurement, slo scenarios.SLO) (bad, n int64, allowed float64) {
	worst := -1.0
	for _, c := range slo.Conditions {
		if c.Oracle != "" {
			return 0, 0, 0
		}
		counts, ok := count(m, c)
		if !ok || !(counts.allowed > 0) {
			continue
		}
		if excess := float64(counts.bad) / (float64(counts.n) * counts.allowed); excess > worst {
			worst, bad, n, allowed = excess, counts.bad, counts.n, counts.allowed
		}
	}
	return bad, n, allowed
}

// FailsByMoreThanChance says that so many bad requests of n are not to be
// expected where the share of allowed is kept: P[Poisson(n allowed) >= bad] <=
// 2%. Who looks for a limit with short steps asks this; who measures, Judge.
// Without a count a failure is one.
func FailsByMoreThanChance(bad, n int64, allowed float64) bool {
	if n == 0 {
		return true
	}
	const chance, many = 0.02, 1000
	expected := float64(n) * allowed
	if expected > many {
		return float64(bad) > expected+2*math.Sqrt(expected) // the same, by the normal distribution
	}
	below, term := 0.0, math.Exp(-expected)
	for k := range min(bad, many*many) {
		below += term
		if term *= expected / float64(k+1); term == 0 {
			break
		}
	}
	return 1-below <= chance
}

func judgeCondition(m Measurement, oracles []Oracle, c scenarios.SLOCondition) (Judgement, string) {
	if c.Oracle != "" {
		return judgeOracle(oracles, c)
	}
	k, ok := count(m, c)
	if !ok {
		return SLOInsufficient, fmt.Sprintf("%s: no request was sent", c.Endpoint)
	}
	if c.Quantile == 0 {
		if share := float64(k.bad) / float64(k.n); share >= c.ErrorShare {
			return SLOFails, fmt.Sprintf("%.3g%% of %d %s failed or were not sent, the limit is %.3g%%",
				share*100, k.n, k.name, c.ErrorShare*100)
		}
		return SLOHolds, ""
	}
	seen := fmt.Sprintf("p%.6g of %s: %d of %d took longer than %v, failed or were not sent",
		c.Quantile*100, k.name, k.bad, k.n, c.Latency)
	switch {
	case float64(k.bad) > float64(k.n)*k.allowed:
		return SLOFails, seen
	case binomialAtMost(k.bad, k.n, k.allowed) > sampleRisk:
		return SLOInsufficient, fmt.Sprintf("%s; too few to say that it holds", seen)
	}
	return SLOHolds, ""
}

// Endpoint returns the measurement of the endpoint of that name.
func (m Measurement) Endpoint(name string) (EndpointMeasurement, bool) {
	for _, e := range m.Endpoints {
		if e.Name == name {
			return e, true
		}
	}
	return EndpointMeasurement{}, false
}

// SamplesNeeded is the smallest number of requests with which quantile q
// (0 < q < 1) can be shown to hold, or is worth printing: ceil(ln 0.05 / ln q),
// 299 for p99.
func SamplesNeeded(q float64) int64 {
	return int64(math.Ceil(math.Log(sampleRisk) / math.Log(q)))
}

// binomialAtMost is P[Bin(n, p) <= t], summed from the largest term down so
// that n in the millions neither overflows nor takes long.
func binomialAtMost(t, n int64, p float64) float64 {
	if t >= n {
		return 1
	}
	sum := 0.0
	for k := t; k >= 0; k-- {
		term := math.Exp(logChoose(n, k) + float64(k)*math.Log(p) + float64(n-k)*math.Log1p(-p))
		sum += term
		// Terms fall away from the mean; below it they shrink towards k = 0.
		if float64(k) < float64(n)*p && term < sum*1e-12 {
			break
		}
	}
	return math.Min(sum, 1)
}

func logChoose(n, k int64) float64 {
	a, _ := math.Lgamma(float64(n + 1))
	b, _ := math.Lgamma(float64(k + 1))
	c, _ := math.Lgamma(float64(n - k + 1))
	return a - b - c
}
