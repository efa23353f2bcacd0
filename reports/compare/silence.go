// SPDX-License-Identifier: Apache-2.0

package compare

import (
	"math"
	"slices"
	"time"

	"headroom/harness/record"
	"headroom/scenarios"
)

// Thresholds from which a stretch without a correct answer is named.
const (
	shortestSilence = time.Second
	// minDue requests, and minDueRPS a second, must have been due in it:
	// exp(-15) of the gaps between Poisson arrivals are as long by chance.
	minDue    = 15
	minDueRPS = 5
	// queueDelay times the SLO's latency is what a queue alone may delay an answer
	// by: a step's in-flight cap lets hardly more wait (docs/measurement.md,
	// "Capacity under an SLO", 9).
	queueDelay = 2
)

// Silence is a stretch of one trial in which no correct answer came, although
// requests were due.
type Silence struct {
	Variant  scenarios.Variant  `json:"variant"`
	At       time.Time          `json:"at"` // when it began
	Seconds  float64            `json:"seconds"`
	Due      float64            `json:"due"` // requests in it, by the offered rate
	Block    int                `json:"block,omitempty"`
	RateName scenarios.RateName `json:"rate_name"`
	RateRPS  float64            `json:"rate_rps"`
	Order    int                `json:"order"`               // of the trial
	SetAside bool               `json:"set_aside,omitempty"` // the trial was invalid
}

// Silences finds the silences of all trials, in their order. Overloaded steps take
// part: an overloaded server still answers at the rate that it can, so silence means
// that the server stood still or broke down. Only the time before their first answer is
// left out: where all requests share a CPU, the first one is late for all the others. A
// step without any answer is named. Invalid trials take part too: what stopped the
// variant may be why they are invalid. What came before a trial's first request or
// after its last is not seen, nor is any silence of an old trial, which does not store
// when answers came.
func Silences(trials []record.Trial, slo scenarios.SLO) []Silence {
	shortest := max(shortestSilence, queueDelay*slo.LoosestLatency())
	var found []Silence
	for i := range trials {
		found = append(found, silencesOf(&trials[i], shortest)...)
	}
	return found
}

func silencesOf(t *record.Trial, shortest time.Duration) []Silence {
	m := t.Measurement
	if m.OfferedRPS < minDueRPS {
		return nil
	}
	var found []Silence
	counts := m.Answers.Counts
	window := m.WarmupS + m.DurationS // the last count is of what is left of it
	from := 0
	if t.RateName == record.RateBracket || t.RateName == record.RateOverload {
		from = max(slices.IndexFunc(counts, answered), 0)
	}
	for ; from < len(counts); from++ {
		length := slices.IndexFunc(counts[from:], answered)
		if length < 0 {
			length = len(counts) - from
		}
		seconds := toMillis(min(float64(from+length)*m.Answers.StepS, window) - float64(from)*m.Answers.StepS)
		if due := m.OfferedRPS * seconds; seconds >= shortest.Seconds() && due >= minDue {
			found = append(found, Silence{Variant: t.Variant, At: answersBegan(t, from), Seconds: seconds, Due: due,
				Block: t.Block, RateName: t.RateName, RateRPS: m.OfferedRPS, Order: t.Order, SetAside: setAside(t)})
		}
		from += length
	}
	return found
}

// setAside says that a trial takes no part: a step by its verdict, a slice by its
// validity.
func setAside(t *record.Trial) bool {
	if t.Kind == record.KindProbe && t.Verdict != nil {
		return judged(t) == ""
	}
	return len(invalidReasons(t)) > 0
}

func answered(n int64) bool { return n > 0 }

// answersBegan is when a trial's count of answers of that number began.
func answersBegan(t *record.Trial, number int) time.Time {
	since := toMillis(float64(number) * t.Measurement.Answers.StepS)
	return t.Measurement.Began.Add(time.Duration(math.Round(since * float64(time.Second)))).UTC()
}

// toMillis rounds seconds: ten tenths are not quite 1 to the computer.
func toMillis(seconds float64) float64 { return math.Round(seconds*1e3) / 1e3 }
