// SPDX-License-Identifier: Apache-2.0

package harness

import (
	"cmp"
	"fmt"
	"maps"
	"slices"

	"headroom/harness/record"
)

// UnusableTargetError says why no capacity can be measured from a target's answers.
type UnusableTargetError struct{ Reason string }

func (e *UnusableTargetError) Error() string { return e.Reason }

// redirects are the statuses that send a client elsewhere.
var redirects = []string{"301", "302", "303", "307", "308"}

// unusable is an error when no rate can give a capacity: the target does not answer,
// answers with errors or redirects only, or can't be reached. Timeouts alone prove
// nothing, because a lower rate may end them. One step with failures proves nothing
// either, because the target may have been about to start.
func (c Capacity) unusable(m *record.Measurement, stepsBefore int) error {
	if !c.StopIfUnusable || m.Sent == 0 {
		return nil
	}
	var answered, led int64
	for status, n := range m.Status {
		answered += n
		if slices.Contains(redirects, status) {
			led += n
		}
	}
	if led > 0 && led == answered && led == m.Succeeded {
		return &UnusableTargetError{fmt.Sprintf("every answer was a redirect (%s): give the URL that it leads to, or follow it with --redirects",
			mostFrequent(m.Status))}
	}
	if m.Succeeded > 0 || stepsBefore == 0 {
		return nil
	}
	worst := mostFrequent(m.Errors)
	text := m.ErrorTexts[worst]
	if text != "" {
		text = ": " + text
	}
	switch limit := m.Driver.Limit; {
	case limit == record.LimitPorts, limit == record.LimitFiles:
		return &UnusableTargetError{fmt.Sprintf("the driver ran out of %s: all %d requests of the last step failed (%s%s)", limit, m.Sent, worst, text)}
	case answered > 0:
		return &UnusableTargetError{fmt.Sprintf("no answer was a correct one, all %d of the last step were failures (%s%s)", m.Sent, worst, text)}
	case worst == "timeout":
		return nil
	}
	return &UnusableTargetError{fmt.Sprintf("nobody answers: all %d requests of the last step failed (%s%s)", m.Sent, worst, text)}
}

// mostFrequent is the name that was counted most often.
func mostFrequent(counts map[string]int64) string {
	names := slices.SortedFunc(maps.Keys(counts), func(a, b string) int {
		return cmp.Or(cmp.Compare(counts[b], counts[a]), cmp.Compare(a, b))
	})
	if len(names) == 0 {
		return ""
	}
	return names[0]
}
