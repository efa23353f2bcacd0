// SPDX-License-Identifier: Apache-2.0

package reports

import (
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"headroom/reports/compare"
	"headroom/scenarios"
)

// Terminal says how to write for one.
type Terminal struct {
	Width    int    // columns; 0 means 96, and less than 72 is taken as 72
	Colour   bool   // ask for it only on a terminal
	HTMLPath string // where report.html is, named at the end unless empty
}

// Columns of the table: label, before, after, ratio, detectable.
const (
	labelColumns      = 28
	valueColumns      = 13
	ratioColumns      = 25
	detectableColumns = 11
	defaultWidth      = 96
	narrowest         = 72
)

// terminalWriter collects the text; writing to it can't fail.
type terminalWriter struct {
	strings.Builder
	Terminal
}

func newTerminalWriter(t Terminal) *terminalWriter {
	if t.Width == 0 {
		t.Width = defaultWidth
	}
	t.Width = max(t.Width, narrowest)
	return &terminalWriter{Terminal: t}
}

// end names the page and writes the text; what names the text in an error.
func (t *terminalWriter) end(w io.Writer, what string) error {
	if t.HTMLPath != "" {
		t.line("")
		t.line("report: %s", t.HTMLPath)
	}
	if _, err := io.WriteString(w, t.String()); err != nil {
		return fmt.Errorf("write %s: %w", what, err)
	}
	return nil
}

// WriteTerminal writes the report as plain text.
func WriteTerminal(w io.Writer, r Report, t Terminal) error {
	out := newTerminalWriter(t)
	out.head(r)
	out.heading("Capacity and cost")
	out.columns()
	out.rows(r.Overall)
	for _, v := range r.Variants {
		out.line("  capacity of %s under %s: %s", v.Variant, r.Scenario.SLO, v.CapacityText)
	}
	for _, v := range r.Variants {
		if v.Bottleneck != "" {
			out.line("  bottleneck of %s: %s", v.Variant, v.Bottleneck)
		}
		if v.ProofText != "" {
			out.line("    %s", v.ProofText)
		}
	}
	out.line("  break-even: %s", r.BreakEven)
	if r.NotCharged != "" {
		out.line("  not charged: %s", r.NotCharged)
	}
	out.oracles(r.Oracles)
	for _, rate := range r.Rates {
		out.rate(rate)
	}
	if r.Chance != "" {
		out.line("")
		out.line("%s", r.Chance)
	}
	out.demands(r.Variants)
	out.claims(r.Claims)
	out.validity(r.Validity)
	out.list("Without a correct answer", silenceLines(r.Silences))
	out.list("Warnings", r.Warnings)
	return out.end(w, "the report")
}

func (t *terminalWriter) line(format string, a ...any) {
	text := fmt.Sprintf(format, a...)
	indent := text[:len(text)-len(strings.TrimLeft(text, " "))]
	for i, part := range wrap(strings.TrimSpace(text), t.Width-len(indent)-2) {
		if i > 0 {
			t.WriteString("  ")
		}
		t.WriteString(indent + part + "\n")
	}
}

func (t *terminalWriter) heading(text string) {
	t.WriteString("\n")
	t.WriteString(t.styled("1", text) + "\n")
}

// styled wraps text in an ANSI style when colour was asked for.
func (t *terminalWriter) styled(style, text string) string {
	if !t.Colour {
		return text
	}
	return "\x1b[" + style + "m" + text + "\x1b[0m"
}

func (t *terminalWriter) head(r Report) {
	t.WriteString(t.styled("1", r.Scenario.Title) + "\n")
	t.line("%s", r.Scenario.Question)
	for _, mark := range r.AllMarks() {
		for _, line := range wrap("** "+mark+" **", t.Width) {
			t.WriteString(t.styled("1;33", line) + "\n")
		}
	}
	t.WriteString("\n")
	for _, sentence := range r.Answer {
		t.line("%s", sentence)
	}
	t.WriteString("\n")
	for _, v := range r.Variants {
		t.line("%-6s  %s", v.Variant, v.Label)
	}
	t.line("run     %s", r.RunID)
	if text := scaleText(r.Shares.UnitCPUs); text != "" {
		t.line("scale   %s", text)
	}
}

func (t *terminalWriter) columns() {
	header := pad("", labelColumns) + padLeft("before", valueColumns) + padLeft("after", valueColumns) +
		"  " + pad("after/before (95%)", ratioColumns) + padLeft("detectable", detectableColumns)
	t.WriteString(t.styled("2", "  "+header) + "\n")
}

func (t *terminalWriter) rows(rows []Row) {
	for _, row := range rows {
		t.row(row.Label, levelText(row.Before, row.Unit), levelText(row.After, row.Unit),
			markedRatio(row.Effect), detectableText(row.Effect))
	}
}

func (t *terminalWriter) row(label, before, after, ratio, detectable string) {
	text := "  " + pad(label, labelColumns) + padLeft(before, valueColumns) + padLeft(after, valueColumns) +
		"  " + pad(ratio, ratioColumns) + padLeft(detectable, detectableColumns)
	t.WriteString(strings.TrimRight(text, " ") + "\n")
}

func (t *terminalWriter) rate(rate Rate) {
	t.heading(rateHeading(rate))
	t.line("  %s", rateNote(rate))
	for _, reason := range rate.Invalid {
		t.line("  no figures: %s", reason)
	}
	t.columns()
	t.rows(rate.Rows)
	t.row("busiest machine at this rate", orNone(rate.Bottleneck.Before), orNone(rate.Bottleneck.After), "", "")
	for _, row := range rate.Rows {
		if row.Effect.Basis != "" {
			t.line("  %s: its ratio is %s", row.Label, row.Effect.Basis)
		}
	}
}

// demands is a table of machines and processes for each variant.
func (t *terminalWriter) demands(variants []Variant) {
	for _, v := range variants {
		if len(v.Demand.Machines) == 0 {
			continue
		}
		t.heading("CPU of " + string(v.Variant) + " near its capacity")
		t.line("  %s", demandNote(v))
		t.demandRow("2", "machine", "process", "CPU/request", "busy", "CPUs here", "throttled")
		for _, row := range v.Demand.rows() {
			t.demandRow("", row.Machine, row.Process, row.Millis, row.Share, row.CPUs, row.Throttled)
		}
	}
}

func (t *terminalWriter) demandRow(style, machine, process string, figures ...string) {
	text := "  " + pad(machine, 22) + " " + pad(process, 14)
	for _, figure := range figures {
		text += padLeft(figure, 12)
	}
	text = strings.TrimRight(text, " ") + "\n"
	if style != "" {
		text = t.styled(style, strings.TrimSuffix(text, "\n")) + "\n"
	}
	t.WriteString(text)
}

// rateHeading names a rate with what was offered: "Common rate: 40 requests/s".
func rateHeading(rate Rate) string {
	before, after := compare.FormatRate(rate.BeforeRPS), compare.FormatRate(rate.AfterRPS)
	offered := before + " requests/s to before, " + after + " to after"
	switch {
	case rate.BeforeRPS == 0 && rate.AfterRPS == 0:
		offered = "no valid slice"
	case before == after || rate.BeforeRPS == 0:
		offered = after + " requests/s"
	case rate.AfterRPS == 0:
		offered = before + " requests/s"
	}
	return capital(string(rate.Name)) + " rate: " + offered
}

// rateNote says what the rate stands for and how often it was measured.
func rateNote(rate Rate) string {
	blocks := fmt.Sprintf("%d blocks with valid slices of both", len(rate.Blocks))
	if len(rate.Blocks) == 1 {
		blocks = "1 block with valid slices of both"
	}
	if rate.Meaning == "" {
		return blocks
	}
	return rate.Meaning + "; " + blocks
}

func (t *terminalWriter) claims(claims []compare.Result) {
	if len(claims) == 0 {
		return
	}
	t.heading("Claims")
	for _, c := range claims {
		t.verdict(c.Verdict, fmt.Sprintf("%s (%s)", c.Text, c.Source), claimDetail(c))
	}
}

// verdict writes a claim's verdict beside its text, and what was measured
// below.
func (t *terminalWriter) verdict(v compare.Verdict, text, detail string) {
	styles := map[compare.Verdict]string{compare.Confirmed: "32", compare.Refuted: "31",
		compare.Inconclusive: "33", compare.NoVerdict: "33"}
	indent := strings.Repeat(" ", len(compare.Inconclusive)+4)
	for i, line := range wrap(text, t.Width-len(indent)) {
		first := indent
		if i == 0 {
			first = "  " + t.styled(styles[v], pad(string(v), len(compare.Inconclusive))) + "  "
		}
		t.WriteString(first + line + "\n")
	}
	t.line("%s%s", indent, detail)
}

// claimDetail is what was measured for a claim: "database CPU per request at
// the common rate, lower: yes; <= 0.30x: yes, 0.22x (0.20-0.24)".
func claimDetail(c compare.Result) string {
	label := string(c.Metric)
	if metric, ok := compare.Describe(c.Metric); ok {
		label = metric.Label
	}
	switch _, counted := scenarios.OracleOf(c.Metric); {
	case counted && c.Value == 0:
		label += ", at any rate"
	case c.At != "" && !compare.Rateless(c.Metric):
		label += " at the " + string(c.At) + " rate"
	}
	detail := label + ": " + c.Summary
	if c.Reason != "" && c.Reason != c.Summary {
		detail += "; " + c.Reason
	}
	return detail
}

// maxSetAside slices and steps are named one by one on a terminal.
const maxSetAside = 5

func (t *terminalWriter) validity(v Validity) {
	t.heading("Validity")
	t.line("  %s", validityText(v))
	aside := v.SetAside()
	for _, i := range aside[:min(len(aside), maxSetAside)] {
		t.line("  %s: %s", invalidName(i), strings.Join(i.Reasons, "; "))
	}
	if more := len(aside) - maxSetAside; more > 0 {
		t.line("  and %d more: the page lists them", more)
	}
}

func validityText(v Validity) string {
	text := fmt.Sprintf("%d of %d slices and %d of %d steps of the search were invalid and take no part",
		v.InvalidSlices, v.Slices, v.InvalidProbes, v.Probes)
	if v.JudgedProbes > 0 {
		text += fmt.Sprintf("; in %d more steps the driver was late; they count all the same, because their answers alone say whether the SLO held", v.JudgedProbes)
	}
	return text
}

func invalidName(i compare.Invalid) string {
	name := fmt.Sprintf("%s %d, %s", i.Kind, i.Order, i.Variant)
	if i.Block > 0 {
		name += fmt.Sprintf(", block %d, %s rate", i.Block, i.RateName)
	}
	return fmt.Sprintf("%s (%s requests/s)", name, compare.FormatRate(i.RateRPS))
}

func (t *terminalWriter) list(title string, items []string) {
	if len(items) == 0 {
		return
	}
	t.heading(title)
	for _, item := range items {
		t.line("  %s", item)
	}
}

func orNone(s string) string {
	if s == "" {
		return none
	}
	return s
}

func capital(s string) string {
	if s == "" {
		return s
	}
	return strings.ToUpper(s[:1]) + s[1:]
}

func pad(s string, columns int) string {
	return s + strings.Repeat(" ", max(0, columns-utf8.RuneCountInString(s)))
}

func padLeft(s string, columns int) string {
	return strings.Repeat(" ", max(0, columns-utf8.RuneCountInString(s))) + s
}

// wrap breaks text at spaces into lines of at most so many columns; a longer
// word stands alone. It returns at least one line.
func wrap(text string, columns int) []string {
	lines := []string{""}
	for _, word := range strings.Split(text, " ") {
		last := &lines[len(lines)-1]
		switch {
		case *last == "":
			*last = word
		case utf8.RuneCountInString(*last)+1+utf8.RuneCountInString(word) <= columns:
			*last += " " + word
		default:
			lines = append(lines, word)
		}
	}
	return lines
}
