package gate

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// sentence is the one line that is always said, on a pass too.
func (r Result) sentence() string {
	switch r.Verdict {
	case Regression:
		return "Regression: " + r.worst() + "."
	case Pass:
		return r.passed()
	}
	return "No verdict: " + r.undecided() + "."
}

// passed says what was excluded, what could have been missed, and what was let
// pass.
func (r Result) passed() string {
	var excludes []string
	if labels := r.timedLabels(StatusSame); len(labels) > 0 {
		excludes = append(excludes, "10% or more in "+listed(labels))
	}
	if n := len(r.Counted); n > 0 {
		excludes = append(excludes, fmt.Sprintf("any change of %d counted metrics beyond what equal runs differ by", n))
	}
	out := "No regression."
	if len(excludes) > 0 {
		out += " Excluded: " + strings.Join(excludes, ", and ") + "."
	}
	if len(r.Timed) > 0 {
		out += r.couldHaveFound() + " p95, p99 and capacity do not gate."
	}
	if better := r.count(StatusBetter); better > 0 {
		out += fmt.Sprintf(" %d counted metrics are better than the baseline: renew it, or the gain can be lost unseen.", better)
	}
	if accepted := r.count(StatusAccepted); accepted > 0 {
		out += fmt.Sprintf(" %d accepted.", accepted)
	}
	return out
}

// couldHaveFound says what a pass is worth, for the metric that scattered most.
func (r Result) couldHaveFound() string {
	worst := r.Timed[0]
	for _, t := range r.Timed {
		if t.SD > worst.SD {
			worst = t
		}
	}
	find := func(slowdown float64) float64 { return 100 * Chance(slowdown, worst.SD, len(r.Timed)) }
	return fmt.Sprintf(" Blocks scattered by %.1f%% at most (%s): so a regression by 5%% is found in %.0f%% of gates, by 10%% in %.0f%%, by 20%% in %.0f%%.",
		100*worst.SD, worst.Label, find(0.05), find(0.10), find(0.20))
}

func (r Result) timedLabels(of Status) []string {
	var labels []string
	for _, t := range r.Timed {
		if t.Status == of {
			labels = append(labels, t.Label)
		}
	}
	return labels
}

func (r Result) count(of Status) int {
	n := 0
	for _, s := range r.statuses() {
		if s == of {
			n++
		}
	}
	return n
}

// listed joins words as people do.
func listed(words []string) string {
	if len(words) < 2 {
		return strings.Join(words, "")
	}
	return strings.Join(words[:len(words)-1], ", ") + " and " + words[len(words)-1]
}

// worst names the first failing endpoint with what its requests do more of, or
// the timed metrics.
func (r Result) worst() string {
	var said []string
	failing := r.failing()
	if len(failing) > 0 {
		said = append(said, endpointWords(failing))
	}
	for _, t := range r.Timed {
		if t.Status == StatusRegression {
			said = append(said, t.Label+" "+t.Why)
		}
	}
	return strings.Join(said, "; ")
}

// failing are the counted regressions, the worst of each endpoint first: its own
// sums, then the parts that grew most.
func (r Result) failing() []CountResult {
	var out []CountResult
	for _, c := range r.Counted {
		if c.Status == StatusRegression {
			out = append(out, c)
		}
	}
	slices.SortStableFunc(out, func(a, b CountResult) int {
		return cmp.Or(cmp.Compare(a.Variant, b.Variant), cmp.Compare(a.Endpoint, b.Endpoint),
			cmp.Compare(weight(a), weight(b)), cmp.Compare(b.growth(), a.growth()))
	})
	return out
}

// weight orders metrics: the place in the table of sources, what is new or has
// a name of its own behind the sum that it belongs to.
func weight(c CountResult) int {
	return slices.IndexFunc(sources, func(s source) bool { return s.key == c.Metric })
}

func (c CountResult) growth() float64 {
	if c.Measured == nil {
		return 0
	}
	return *c.Measured - c.Value
}

// mostSaid is how many metrics of an endpoint the sentence names.
const mostSaid = 3

func endpointWords(failing []CountResult) string {
	first := failing[0]
	var parts []string
	seen := map[string]bool{}
	more := 0
	for _, c := range failing {
		sameEndpoint := c.Variant == first.Variant && c.Endpoint == first.Endpoint
		if !sameEndpoint || seen[c.Metric] || len(parts) == mostSaid {
			more++
			continue
		}
		seen[c.Metric] = true
		parts = append(parts, c.change())
	}
	out := fmt.Sprintf("%s, %s: %s", first.Variant, first.Endpoint, strings.Join(parts, "; "))
	if more > 0 {
		out += fmt.Sprintf(" (and %d more counted metrics)", more)
	}
	return out
}

// change is a metric's change in words: "51.0 statements, was 1.0".
func (c CountResult) change() string {
	subject := c.Unit
	if c.Of != "" {
		subject += " of " + quoted(c.Of)
	}
	return fmt.Sprintf("%s %s, was %s", figure(c.Measured), subject, figure(&c.Value))
}

// figure keeps a digit behind the point, and of small values three digits.
func figure(v *float64) string {
	switch {
	case v == nil:
		return "none"
	case *v != 0 && *v < 10 && *v != float64(int(*v)):
		return fmt.Sprintf("%.3g", *v)
	}
	return fmt.Sprintf("%.1f", *v)
}

// undecided says why there is no verdict, by the first reason of each kind.
func (r Result) undecided() string {
	var said []string
	if r.Unfit != "" {
		said = append(said, r.Unfit)
	} else if len(r.Counted)+len(r.Timed) == 0 {
		return "nothing was measured"
	}
	for _, s := range []Status{StatusAbsent, StatusUnbelievable} {
		var first *CountResult
		n := 0
		for i := range r.Counted {
			if r.Counted[i].Status != s {
				continue
			}
			if n++; first == nil {
				first = &r.Counted[i]
			}
		}
		if first != nil {
			said = append(said, first.whyUndecided(n))
		}
	}
	for _, t := range r.Timed {
		switch t.Status {
		case StatusAbsent, StatusOpen, StatusUnmeasurable:
			said = append(said, t.Label+": "+t.Why)
		}
	}
	return strings.Join(said, "; ")
}

func (c CountResult) whyUndecided(n int) string {
	out := fmt.Sprintf("%s: %s", c.name(), c.Why)
	if c.Status == StatusUnbelievable {
		out = fmt.Sprintf("%s: %s instead of %s; %s", c.name(), figure(c.Measured), figure(&c.Value), c.Why)
	}
	if n > 1 {
		out += fmt.Sprintf(" (and %d more)", n-1)
	}
	return out
}

// words of a timed metric's range.
func (t Timed) words() string {
	if t.Ratio == 0 {
		return "-"
	}
	return fmt.Sprintf("%+.1f%% (%+.1f%% to %+.1f%%)", percent(t.Ratio), percent(t.Low), percent(t.High))
}

// verdict of a timed metric in words.
func (t Timed) verdict() string {
	switch t.Status {
	case StatusSame:
		return "pass: 10% excluded"
	case StatusAccepted:
		return "accepted: " + t.Accepted
	case StatusRegression:
		return "REGRESSION"
	}
	return string(t.Status) + ": " + t.Why
}
