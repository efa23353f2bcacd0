// SPDX-License-Identifier: Apache-2.0

package reports

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"headroom/harness/record"
	"headroom/reports/compare"
	"headroom/scenarios"
)

// How many stretches without an answer are told one by one, under Validity and
// beside the headline.
const (
	maxSilences   = 5
	maxInHeadline = 2
)

// trialNames are the trials' names for people, by the name of their rate.
var trialNames = map[scenarios.RateName]string{
	record.RateCommon: "slice", record.RateBracket: "bracket's step", record.RateStairs: "staircase's step",
	record.RateSoak: "soak", record.RateOverload: "overload", record.RateRecover: "recovery",
	record.RateCurve: "curve's step", record.RateProof: "proof's step",
}

// silenceLines tell of the stretches in which a variant gave no correct answer, the
// longest first.
func silenceLines(silences []compare.Silence) []string {
	longest := slices.Clone(silences)
	slices.SortStableFunc(longest, func(a, b compare.Silence) int { return cmp.Compare(b.Seconds, a.Seconds) })
	var lines []string
	for _, s := range longest[:min(len(longest), maxSilences)] {
		line := fmt.Sprintf("%s gave no correct answer for %s, with about %s requests due", s.Variant, silenceText(s), compare.FormatNumber(s.Due))
		if s.SetAside {
			line += "; set aside"
		}
		lines = append(lines, line)
	}
	if more := longest[len(lines):]; len(more) > 0 {
		lines = append(lines, fmt.Sprintf("and %d more, of %s s in all", len(more), compare.FormatNumber(silentSeconds(more))))
	}
	return lines
}

// silenceText is "3 s (03:41:07 UTC, block 2, staircase's step 17 at 80 requests/s)".
func silenceText(s compare.Silence) string {
	where := fmt.Sprintf("%s %d at %s requests/s", cmp.Or(trialNames[s.RateName], string(s.RateName)), s.Order, compare.FormatRate(s.RateRPS))
	switch {
	case s.RateName == record.RateProof:
		where = fmt.Sprintf("turn %d, %s", s.Block, where)
	case s.Block > 0:
		where = fmt.Sprintf("block %d, %s", s.Block, where)
	}
	return fmt.Sprintf("%.1f s (%s UTC, %s)", s.Seconds, s.At.Format("15:04:05"), where)
}

func silentSeconds(silences []compare.Silence) float64 {
	sum := 0.0
	for _, s := range silences {
		sum += s.Seconds
	}
	return sum
}

// inStairs are the silences in the steps that a variant's capacity is computed from.
// Block 0, which only leads to the capacity, has no part.
func inStairs(silences []compare.Silence, v scenarios.Variant) []compare.Silence {
	var in []compare.Silence
	for _, s := range silences {
		if s.Variant == v && s.RateName == record.RateStairs && s.Block > 0 && !s.SetAside {
			in = append(in, s)
		}
	}
	return in
}

// silenceClause is what a capacity's text says of silences; "" without any.
func silenceClause(silences []compare.Silence) string {
	if len(silences) == 0 {
		return ""
	}
	return fmt.Sprintf("; its staircases hold %s s without a correct answer", compare.FormatNumber(silentSeconds(silences)))
}

// silenceSentence is the warning beside the headline; "" when no staircase of the
// variant had a silence.
func silenceSentence(v scenarios.Variant, silences []compare.Silence) string {
	var texts []string
	for i, s := range inStairs(silences, v) {
		if i == maxInHeadline {
			texts = append(texts, fmt.Sprintf("%d more times", len(inStairs(silences, v))-i))
			break
		}
		texts = append(texts, "for "+silenceText(s))
	}
	if len(texts) == 0 {
		return ""
	}
	return fmt.Sprintf("%s gave no correct answer %s: its capacity was measured with that in it.", capital(string(v)), strings.Join(texts, " and "))
}
