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
// trial is invalid and so says nothing, with two exceptions. Requests that the
// in-flight cap kept back are the system's failure, whatever else went wrong.
// And a driver that was late, or a host that lost time, only makes response
// times longer, as they run from when a request was due: where the SLO held all
// the same, it holds.
func (t *Trial) Judge(slo scenarios.SLO) (judgement Judgement, reason string, counts bool) {
	oracles := t.Oracles
	if len(oracles) == 0 {
		oracles = t.Measurement.Oracles
	}
	judgement, reason = judge(t.Measurement, oracles, slo)
	switch {
	case t.Measurement.Interrupted:
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

func judgeCondition(m Measurement, oracles []Oracle, c scenarios.SLOCondition) (Judgement, string) {
	if c.Oracle != "" {
		return judgeOracle(oracles, c)
	}
	n, name := m.Planned, "requests"
	bad := m.Failed + m.Unsent
	slow := m.Planned - (m.ResponseSuccess.Count() - m.ResponseSuccess.CountAbove(c.Latency))
	if c.Endpoint != "" {
		e, ok := m.Endpoint(c.Endpoint)
		if !ok || e.Sent == 0 {
			return SLOInsufficient, fmt.Sprintf("%s: no request was sent", c.Endpoint)
		}
		// Failures have no histogram of their own here, so one that was slow
		// as well counts twice: rather too strict than too kind.
		n, name, bad = e.Sent, c.Endpoint, e.Failed
		slow = min(n, e.Sent-e.Response.Count()+e.Response.CountAbove(c.Latency)+e.Failed)
	}
	if c.Quantile == 0 {
		if share := float64(bad) / float64(n); share >= c.ErrorShare {
			return SLOFails, fmt.Sprintf("%.3g%% of %d %s failed or were not sent, the limit is %.3g%%",
				share*100, n, name, c.ErrorShare*100)
		}
		return SLOHolds, ""
	}
	allowed := 1 - c.Quantile
	seen := fmt.Sprintf("p%.6g of %s: %d of %d took longer than %v, failed or were not sent",
		c.Quantile*100, name, slow, n, c.Latency)
	switch {
	case float64(slow) > float64(n)*allowed:
		return SLOFails, seen
	case binomialAtMost(slow, n, allowed) > sampleRisk:
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
