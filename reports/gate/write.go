// SPDX-License-Identifier: Apache-2.0

package gate

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
)

// WriteJSON writes gate.json, as gate.schema.json describes it.
func WriteJSON(w io.Writer, r Result) error {
	encoder := json.NewEncoder(w)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	if r.Counted == nil {
		r.Counted = []CountResult{}
	}
	if r.Timed == nil {
		r.Timed = []Timed{}
	}
	return encoder.Encode(r)
}

// WriteTable writes the sentence and a table as benchstat's: what is not the
// same of the counted metrics, and every timed one.
func WriteTable(w io.Writer, r Result) error {
	var out strings.Builder
	out.WriteString(r.Sentence + "\n")
	table := tabwriter.NewWriter(&out, 0, 0, 2, ' ', 0)
	if rows := r.differing(); len(rows) > 0 {
		fmt.Fprint(table, "\ncounted, a request\tbaseline\tmeasured\t\n")
		for _, c := range rows {
			fmt.Fprintf(table, "%s\t%s\t%s\t%s\n", c.name(), baselineFigure(c), figure(c.Measured), c.verdict())
		}
	}
	if n := r.sameCounts(); n > 0 {
		fmt.Fprintf(table, "\n%d counts are the same as in the baseline.\n", n)
	}
	if len(r.Timed) > 0 {
		fmt.Fprintf(table, "\ntimed, after/before, %d blocks\tchange (95%%)\t\n", r.Blocks)
		for _, t := range r.Timed {
			fmt.Fprintf(table, "%s\t%s\t%s\n", t.name(), t.words(), t.verdict())
		}
	}
	for _, s := range r.Shown {
		fmt.Fprintf(table, "%s\t%.4g → %.4g %s\tdoes not gate\n", s.Label, s.Before, s.After, s.Unit)
	}
	for _, n := range r.Notes {
		fmt.Fprintf(table, "\nnote: %s\n", n)
	}
	if err := table.Flush(); err != nil {
		return err
	}
	_, err := io.WriteString(w, out.String())
	return err
}

// differing are the counted metrics that are not the same, regressions first. What
// an endpoint lacks for one reason is one row.
func (r Result) differing() []CountResult {
	rows := r.failing()
	type lack struct {
		place
		why string
	}
	first, more := map[lack]int{}, map[int]int{}
	for _, c := range r.Counted {
		switch c.Status {
		case StatusSame, StatusRegression:
			continue
		case StatusAbsent:
			id := lack{place{c.Variant, c.Endpoint}, c.Why}
			if i, seen := first[id]; seen {
				more[i]++
				continue
			}
			first[id] = len(rows)
		}
		rows = append(rows, c)
	}
	for i, n := range more {
		rows[i].Why += fmt.Sprintf(" (and %d more counts of this endpoint)", n)
	}
	return rows
}

func (r Result) sameCounts() int {
	n := 0
	for _, c := range r.Counted {
		if c.Status == StatusSame {
			n++
		}
	}
	return n
}

func baselineFigure(c CountResult) string {
	switch {
	case c.New:
		return "none"
	case c.Within > 0:
		return fmt.Sprintf("%s ± %.3g", figure(&c.Value), c.Within)
	}
	return figure(&c.Value)
}

// verdict of a counted metric in words.
func (c CountResult) verdict() string {
	switch {
	case c.Status == StatusRegression && c.New:
		return "REGRESSION: new"
	case c.Status == StatusRegression:
		return "REGRESSION"
	case c.Why != "":
		return string(c.Status) + ": " + c.Why
	}
	return string(c.Status)
}

const (
	// maxMarkdownBytes is below what GitHub takes as a comment (65,536 characters).
	maxMarkdownBytes = 60_000 // bytes
	maxAnnotations   = 10     // that GitHub shows of one step
	maxUnfoldedRows  = 15     // rows that are not folded
)

// Marker finds a gate's comment again, so that CI updates one.
func Marker(scenario string) string { return "<!-- headroom-gate:" + scenario + " -->" }

// WriteMarkdown writes a summary for a pull request, below 60 kB.
func WriteMarkdown(w io.Writer, r Result) error {
	sign := map[Verdict]string{Pass: "✅", Regression: "❌", NoVerdict: "❔"}[r.Verdict]
	var out strings.Builder
	fmt.Fprintf(&out, "%s\n### %s headroom gate: %s: %s\n\n%s\n", Marker(r.Scenario), sign, r.Scenario, r.Verdict, escapeCell(r.Sentence))
	if next := r.next(); next != "" {
		out.WriteString("\n**What to do:** " + next + "\n")
	}
	rows := r.differing()
	first := rows[:min(len(rows), maxUnfoldedRows)]
	if len(first) > 0 {
		out.WriteString("\n| counted, a request | baseline | measured | |\n|---|---:|---:|---|\n")
		for _, c := range first {
			out.WriteString(c.cells())
		}
	}
	if len(r.Timed) > 0 {
		fmt.Fprintf(&out, "\n| timed, after/before, %d blocks | change (95%%) | |\n|---|---|---|\n", r.Blocks)
		for _, t := range r.Timed {
			fmt.Fprintf(&out, "| %s | %s | %s |\n", escapeCell(t.name()), t.words(), escapeCell(t.verdict()))
		}
	}
	for _, s := range r.Shown {
		fmt.Fprintf(&out, "\n%s: %.4g → %.4g %s (does not gate)\n", escapeCell(s.Label), s.Before, s.After, s.Unit)
	}
	for _, n := range r.Notes {
		out.WriteString("\nNote: " + escapeCell(n) + "\n")
	}
	out.WriteString("\n<sub>" + escapeCell(r.about()) + "</sub>\n")
	r.fold(&out, len(first) > 0, rows[len(first):])
	_, err := io.WriteString(w, out.String())
	return err
}

// about says what was gated and how, so that nobody takes an earlier commit's
// answer for this one's.
func (r Result) about() string {
	var said []string
	if r.Commit != "" {
		said = append(said, "commit "+r.Commit)
	}
	if r.Baseline != "" {
		said = append(said, "held against "+r.Baseline)
	}
	said = append(said, fmt.Sprintf("%.0f s", r.Seconds), "headroom "+r.Headroom, fmt.Sprintf("seed %d", r.Seed))
	return strings.Join(said, ", ")
}

// fold adds the other rows behind a click, as many as there is room for.
func (r Result) fold(out *strings.Builder, more bool, rest []CountResult) {
	for _, c := range r.Counted {
		if c.Status == StatusSame {
			rest = append(rest, c)
		}
	}
	if len(rest) == 0 {
		return
	}
	what := "counts"
	if more {
		what = "more counts"
	}
	fmt.Fprintf(out, "\n<details><summary>%d %s</summary>\n\n| counted, a request | baseline | measured | |\n|---|---:|---:|---|\n", len(rest), what)
	const end = "\n</details>\n"
	for i, c := range rest {
		cells := c.cells()
		left := fmt.Sprintf("\n%d more stand in gate.json.\n", len(rest)-i)
		if out.Len()+len(cells)+len(left)+len(end) > maxMarkdownBytes {
			out.WriteString(left)
			break
		}
		out.WriteString(cells)
	}
	out.WriteString(end)
}

func (c CountResult) cells() string {
	return fmt.Sprintf("| %s | %s | %s | %s |\n", escapeCell(c.name()), baselineFigure(c), figure(c.Measured), escapeCell(c.verdict()))
}

// escapeCell keeps a text within its cell.
func escapeCell(text string) string {
	return strings.NewReplacer("|", "\\|", "\n", " ", "\r", " ").Replace(text)
}

// WriteAnnotations writes GitHub's workflow commands, at most ten.
func WriteAnnotations(w io.Writer, r Result) error {
	var lines []string
	add := func(level, title, text string) {
		lines = append(lines, fmt.Sprintf("::%s title=%s::%s\n", level, escapeProperty(title), escapeData(text)))
	}
	for _, c := range r.differing() {
		switch c.Status {
		case StatusRegression:
			add("error", "headroom gate: "+string(c.Variant)+" "+c.Endpoint, c.change())
		case StatusAbsent, StatusImplausible:
			add("warning", "headroom gate: "+string(c.Variant)+" "+c.Endpoint, c.whyUndecided(1))
		}
	}
	for _, t := range r.Timed {
		switch t.Status {
		case StatusRegression:
			add("error", "headroom gate: "+t.Label, t.Why)
		case StatusAbsent, StatusOpen, StatusUnmeasurable:
			add("warning", "headroom gate: "+t.Label, t.Why)
		}
	}
	if r.Unfit != "" {
		add("warning", "headroom gate", r.Unfit)
	}
	if more := len(lines) - maxAnnotations; more > 0 {
		lines = lines[:maxAnnotations-1]
		add("notice", "headroom gate", fmt.Sprintf("%d more findings stand in the summary", more+1))
	}
	_, err := io.WriteString(w, strings.Join(lines, ""))
	return err
}

// WriteNotice writes one of GitHub's notices.
func WriteNotice(w io.Writer, text string) error {
	_, err := fmt.Fprintf(w, "::notice title=headroom gate::%s\n", escapeData(text))
	return err
}

func escapeData(text string) string {
	return strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A").Replace(text)
}

func escapeProperty(text string) string {
	return strings.NewReplacer(":", "%3A", ",", "%2C").Replace(escapeData(text))
}
