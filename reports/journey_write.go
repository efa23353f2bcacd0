// SPDX-License-Identifier: Apache-2.0

package reports

import (
	_ "embed"
	"fmt"
	"html/template"
	"io"
	"strings"

	"headroom/reports/chart"
	"headroom/reports/compare"
	"headroom/scenarios"
)

//go:embed journey.html
var journeyPage string

var journeyTemplate = template.Must(template.New("journey.html").Funcs(pageFuncs).Funcs(template.FuncMap{
	"capacity": stepCapacity, "gain": Gain.gainText, "users": usersText,
	"rps": compare.FormatRate, "value": func(v float64) compare.Level { return compare.Level{Value: &v} },
}).Parse(journeyPage))

// WriteJourneyHTML writes the journey as one self-contained page that loads
// nothing.
func WriteJourneyHTML(w io.Writer, j Journey) error {
	view := struct {
		Journey
		Capacity, Cost template.HTML
	}{Journey: j}
	var capacity, perUser []chart.Step
	for _, s := range j.Steps {
		capacity = append(capacity, chart.Step{Name: s.Name, Value: s.CapacityRPS, Text: compare.FormatRate(s.CapacityRPS)})
		step := chart.Step{Name: s.Name}
		if v := s.CostPerUserUSD.Value; v != nil {
			step.Value, step.Text = *v, dollars(*v)
		}
		perUser = append(perUser, step)
	}
	var errs [2]error
	view.Capacity, errs[0] = drawing(chart.Steps("Capacity after each phase", "requests/s under the SLO, full scale (log)", capacity))
	view.Cost, errs[1] = drawing(chart.Steps("Cost per user after each phase", "$ per user and month (log)", perUser))
	return writePage(w, "the journey's page", journeyTemplate, view, errs[:]...)
}

// WriteJourneyTerminal writes the journey as plain text.
func WriteJourneyTerminal(w io.Writer, j Journey, t Terminal) error {
	out := newTerminalWriter(t)
	out.WriteString(out.styled("1", "The whole way") + "\n")
	for _, mark := range j.Marks {
		out.WriteString(out.styled("1;33", "** "+mark+" **") + "\n")
	}
	out.WriteString("\n")
	for _, sentence := range j.Answer {
		out.line("%s", sentence)
	}
	out.steps(j.Steps)
	for _, missing := range j.Missing {
		out.line("  %s", missing)
	}
	out.promises(j.Promises)
	out.gains(j.Gains)
	out.journeyClaims(j)
	out.list("How to compare the rows", j.Notes)
	return out.end(w, "the journey")
}

// Columns of the table of steps.
var stepColumns = []int{10, 10, 12, 11, 9, 10, 10, 12, 8}

func (t *terminalWriter) cells(cells ...string) {
	line := "  " + pad(cells[0], stepColumns[0])
	for i, cell := range cells[1:] {
		line += padLeft(cell, stepColumns[i+1])
	}
	t.WriteString(strings.TrimRight(line, " ") + "\n")
}

func (t *terminalWriter) steps(steps []Step) {
	t.heading("After each phase, at full scale")
	t.cells("", "p95", "requests/s", "users", "DB CPU", "a month", "per user", "x capacity", "x p95")
	for _, s := range steps {
		held := none
		if s.CapacityRPS > 0 {
			held = compare.FormatRate(s.CapacityRPS)
		}
		t.cells(s.Name, levelText(s.P95, scenarios.UnitMillis), held, usersText(s), levelText(s.DBCPUShare, scenarios.UnitShare),
			dollars(s.MonthlyUSD), levelText(s.CostPerUserUSD, scenarios.UnitUSD), plainRatio(s.Capacity), plainRatio(s.Latency))
	}
	for _, s := range steps {
		mark := ""
		if len(s.Marks) > 0 {
			mark = "; " + strings.Join(s.Marks, "; ")
		}
		t.line("  %s: %s; %s requests/s under %s; p95 and DB CPU at %s; unit %s CPUs; %s%s", s.Name, s.Label, stepCapacity(s), s.SLO,
			compare.FormatRate(s.RateRPS), compare.FormatNumber(s.UnitCPUs), s.RunID, mark)
	}
}

// plainRatio is a step's change without its interval.
func plainRatio(e *compare.Effect) string {
	if e == nil || e.Missing != "" {
		return none
	}
	return compare.FormatNumber(e.Ratio) + "x"
}

func (t *terminalWriter) promises(promises []Promise) {
	t.heading("Beside the article's figures (B, first server against final architecture)")
	for _, p := range promises {
		article := levelText(compare.Level{Value: &p.From}, p.Unit) + " to " + levelText(compare.Level{Value: &p.To}, p.Unit)
		measured := levelText(p.MeasuredFrom, p.Unit) + " to " + levelText(p.MeasuredTo, p.Unit)
		t.WriteString("  " + pad(p.Label, 14) + "  article " + pad(article, 20) + "  here " + measured + "\n")
		t.line("                  %s", p.Summary)
	}
}

func (t *terminalWriter) gains(gains []Gain) {
	t.heading("Capacity per unit of cost, by phase")
	for _, g := range gains { // not numbered: intervals may touch
		if g.Missing != "" {
			t.line("  %s (%s): %s", g.Name, g.Title, g.Missing)
			continue
		}
		t.line("  %s (%s): %s; capacity %sx for %sx the cost", g.Name, g.Title, g.gainText(),
			compare.FormatNumber(g.Capacity), compare.FormatNumber(g.Cost))
	}
}

func (t *terminalWriter) journeyClaims(j Journey) {
	if len(j.Claims) > 0 {
		t.heading("Claims about several phases")
	}
	for _, c := range j.Claims {
		t.verdict(c.Verdict, fmt.Sprintf("%s (%s)", c.Text, c.Source), c.Summary)
	}
	for _, r := range j.Runs {
		t.heading(fmt.Sprintf("Claims of %s: %s", r.Scenario, r.Title))
		for _, mark := range r.Marks {
			t.line("  ** %s **", mark)
		}
		for _, c := range r.Claims {
			t.verdict(c.Verdict, fmt.Sprintf("%s (%s)", c.Text, c.Source), claimDetail(c))
		}
	}
}
