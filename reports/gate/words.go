// SPDX-License-Identifier: Apache-2.0

package gate

import (
	"cmp"
	"fmt"
	"math"
	"path/filepath"
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
	said := []string{"No regression."}
	if len(r.Counted) > 0 {
		said = append(said, r.countsHeld())
	}
	if timed := r.compared(); len(timed) > 0 {
		if labels := labelsOf(timed, StatusSame); len(labels) > 0 {
			said = append(said, "10% or more is excluded in "+joinAnd(labels)+".")
		}
		said = append(said, couldHaveFound(timed), "p95 and p99 do not gate.")
	} else {
		said = append(said, "Nothing was timed: CPU time and latency are not gated.")
	}
	for _, t := range r.Timed {
		if t.Status == StatusAccepted {
			said = append(said, fmt.Sprintf("Accepted: %s %s, %s.", t.Label, t.words(), t.Accepted))
		}
	}
	switch better := r.count(StatusBetter); {
	case better == 1:
		said = append(said, "1 count is better than the baseline: renew the baseline, or the gain can be lost unseen.")
	case better > 1:
		said = append(said, fmt.Sprintf("%d counts are better than the baseline: renew the baseline, or the gain can be lost unseen.", better))
	}
	return strings.Join(said, " ")
}

// countsHeld says how exactly the counts are compared, so that nobody takes a loose
// count for an exact one.
func (r Result) countsHeld() string {
	exact := 0
	var loosest CountResult
	for _, c := range r.Counted {
		if c.Within == 0 {
			exact++
		}
		if c.relativeTolerance() > loosest.relativeTolerance() {
			loosest = c
		}
	}
	switch n := len(r.Counted); {
	case exact == n:
		return fmt.Sprintf("%d counts agree with the baseline to the digit.", n)
	case loosest.relativeTolerance() == 0:
		return fmt.Sprintf("%d counts are held against the baseline, %d of them to the digit.", n, exact)
	default:
		return fmt.Sprintf("%d counts are held against the baseline, %d of them to the digit, the others to within %.2g%% at most (%s).",
			n, exact, 100*loosest.relativeTolerance(), loosest.name())
	}
}

// relativeTolerance is the count's tolerance as a share of its value.
func (c CountResult) relativeTolerance() float64 {
	if c.Value == 0 {
		return 0
	}
	return c.Within / c.Value
}

// compared are the timed metrics without what tells whether answers were right.
func (r Result) compared() []Timed {
	return slices.DeleteFunc(slices.Clone(r.Timed), Timed.correctness)
}

// couldHaveFound says what a pass is worth, for the metric that scattered most.
func couldHaveFound(timed []Timed) string {
	worst := timed[0]
	for _, t := range timed {
		if t.SDAtMost > worst.SDAtMost {
			worst = t
		}
	}
	find := func(slowdown float64) float64 { return 100 * Power(slowdown, worst.SDAtMost, len(timed)) }
	return fmt.Sprintf("Blocks scatter by up to %.1f%% (%s). Of 100 such gates %.0f find 5%% more, %.0f find 10%% and %.0f find 20%%.",
		100*worst.SDAtMost, worst.Label, find(0.05), find(0.10), find(0.20))
}

func labelsOf(timed []Timed, of Status) []string {
	var labels []string
	for _, t := range timed {
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

// joinAnd joins words as people do.
func joinAnd(words []string) string {
	if len(words) < 2 {
		return strings.Join(words, "")
	}
	return strings.Join(words[:len(words)-1], ", ") + " and " + words[len(words)-1]
}

// worst names the first failing endpoint with what its requests do more of, and
// the timed metrics.
func (r Result) worst() string {
	var said []string
	if failing := r.failing(); len(failing) > 0 {
		said = append(said, endpointWords(failing))
	}
	for _, t := range r.Timed {
		if t.Status == StatusRegression {
			said = append(said, t.Label+": "+t.Why)
		}
	}
	return strings.Join(said, ". ")
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

// maxNamedMetrics is how many metrics of an endpoint the sentence names.
const maxNamedMetrics = 3

// endpointWords says what a request of the first failing endpoint costs more of.
// A statement is named once.
func endpointWords(failing []CountResult) string {
	first := failing[0]
	var parts []string
	seen, named := map[string]bool{}, map[string]bool{}
	for _, c := range failing {
		sameEndpoint := c.Variant == first.Variant && c.Endpoint == first.Endpoint
		if !sameEndpoint || seen[c.Metric] || c.Of != "" && named[c.Of] || len(parts) == maxNamedMetrics {
			continue
		}
		seen[c.Metric], named[c.Of] = true, true
		parts = append(parts, c.change())
	}
	out := fmt.Sprintf("a request of %s (%s) costs %s", first.Endpoint, first.Variant, strings.Join(parts, "; "))
	switch more := len(failing) - len(parts); {
	case more == 1:
		out += "; 1 more count stands in the table"
	case more > 1:
		out += fmt.Sprintf("; %d more counts stand in the table", more)
	}
	return out
}

// change is a metric's change in words: "51.0 statements, was 1.0".
func (c CountResult) change() string {
	subject := c.Unit
	if c.Of != "" {
		subject += " of " + quoted(c.Of)
	}
	if c.New {
		return fmt.Sprintf("%s %s, new", figure(c.Measured), subject)
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
	for _, s := range []Status{StatusAbsent, StatusImplausible} {
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
	if c.Status == StatusImplausible {
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
		if t.correctness() {
			return "pass: " + t.Why
		}
		return "pass: 10% excluded"
	case StatusAccepted:
		return "accepted: " + t.Accepted
	case StatusRegression:
		if t.correctness() {
			return "REGRESSION: " + t.Why
		}
		return "REGRESSION"
	}
	return string(t.Status) + ": " + t.Why
}

// name is the label, and the key by which headroom.accept.yaml calls the metric.
func (t Timed) name() string {
	if t.Key == t.Label || t.correctness() {
		return t.Label
	}
	return t.Label + " (" + t.Key + ")"
}

// next says what a reader does now: a sentence or two for each cause.
func (r Result) next() string {
	var said []string
	if len(r.failing()) > 0 {
		said = append(said, fmt.Sprintf("If the counts were not meant to grow, undo the change. If they were, run `%s` and commit its diff in the same change.", r.renewal()))
	}
	for _, t := range r.Timed {
		switch {
		case t.Status != StatusRegression:
		case t.correctness():
			said = append(said, "Find out why after answers wrongly: trials.jsonl beside this page names the errors.")
		default:
			said = append(said, fmt.Sprintf("If %s was not meant to grow, undo the change. If it was, add to `headroom.accept.yaml`: `- {metric: %s, up_to: %.0f%%, reason: WHY, until: %s}`.",
				t.Label, t.Key, math.Ceil(percent(t.Ratio)+1), r.At.AddDate(0, 3, 0).Format(dayFormat)))
		}
	}
	if r.Verdict == Regression {
		return strings.Join(said, " ")
	}
	if r.count(StatusImplausible) > 0 {
		said = append(said, fmt.Sprintf("If the change is meant to do less work, or work of another name, run `%s` and commit its diff in the same change. If not, find out why the work was not done.", r.renewal()))
	}
	if r.count(StatusAbsent) > 0 {
		said = append(said, "Repair what gave no number: nothing was gated for that.")
	}
	if r.Unfit != "" || slices.ContainsFunc(r.statuses(), Status.ofNoise) {
		said = append(said, "Run the gate again when this machine is idle. If it stays undecided, this machine is too noisy to see 10%.")
	}
	return strings.Join(said, " ")
}

// renewal is the command that accepts changed counts.
func (r Result) renewal() string {
	command := "headroom baseline --update " + r.Scenario
	if r.Baseline != "" && filepath.ToSlash(filepath.Clean(r.Baseline)) != "baselines/"+r.Scenario+".json" {
		command += " --file " + r.Baseline
	}
	return command
}
