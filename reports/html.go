// SPDX-License-Identifier: Apache-2.0

package reports

import (
	"bytes"
	_ "embed"
	"errors"
	"fmt"
	"html/template"
	"io"
	"maps"
	"math"
	"slices"
	"strings"

	"headroom/reports/chart"
	"headroom/reports/compare"
	"headroom/scenarios"
)

//go:embed report.html
var page string

//go:embed style.css
var style string

// pageFuncs are what both pages' templates call.
var pageFuncs = template.FuncMap{
	"capital": func(s any) string { return capital(fmt.Sprint(s)) }, "count": compare.FormatCount, "claimDetail": claimDetail,
	"examples":   examples,
	"detectable": func(e compare.Effect) string { return detectableText(e) },
	"demandNote": demandNote, "demandRows": Demand.rows,
	"dollars": dollars, "invalidName": invalidName, "join": strings.Join,
	"loadCaption": loadCaption, "level": func(l compare.Level, u scenarios.Unit) string { return levelText(l, u) },
	"machineTitle": machineTitle, "oracle": oracleText, "oracleMore": oracleMore,
	"num": compare.FormatNumber, "orNone": orNone, "packages": packages, "processText": processText, "rateHeading": rateHeading, "rateNote": rateNote,
	"ratio": ratioParts, "silences": silenceLines, "style": func() template.CSS { return template.CSS(style) }, "validity": validityText,
}

var pageTemplate = template.Must(template.New("report.html").Funcs(pageFuncs).Parse(page))

// rateView is a rate with its drawings, each "" when there is nothing to draw.
type rateView struct {
	Rate
	Percentiles template.HTML
	Timeline    template.HTML
	Utilisation template.HTML
}

// WriteHTML writes the report as one self-contained page that loads nothing.
func WriteHTML(w io.Writer, r Report) error {
	view := struct {
		Report
		RateViews                      []rateView
		LoadCurve, CostChart, LagCurve template.HTML
	}{Report: r}
	var errs [3]error
	view.LagCurve, errs[2] = drawLag(r.Oracles)
	view.LoadCurve, errs[0] = drawLoad(r)
	view.CostChart, errs[1] = drawing(chart.CostPerUser("Cost per user by number of users, before and after", costLines(r.CostCurve)))
	failed := errs[:]
	for _, rate := range r.Rates {
		v, err := draw(rate)
		failed, view.RateViews = append(failed, err), append(view.RateViews, v)
	}
	return writePage(w, "the HTML report", pageTemplate, view, failed...)
}

// writePage writes a page, or nothing when a drawing or the template fails; what names
// the page in an error.
func writePage(w io.Writer, what string, layout *template.Template, view any, drawings ...error) error {
	var out bytes.Buffer
	err := errors.Join(drawings...)
	if err == nil {
		err = layout.Execute(&out, view)
	}
	if err == nil {
		_, err = out.WriteTo(w)
	}
	if err != nil {
		return fmt.Errorf("write %s: %w", what, err)
	}
	return nil
}

func draw(rate Rate) (rateView, error) {
	v := rateView{Rate: rate}
	before := chart.Line{Variant: scenarios.Before}
	after := chart.Line{Variant: scenarios.After}
	for _, c := range rate.Curves {
		before.Points = append(before.Points, chart.Point{X: c.Percentile, Y: orNaN(c.BeforeMS)})
		after.Points = append(after.Points, chart.Point{X: c.Percentile, Y: orNaN(c.AfterMS)})
	}
	lines := [4]chart.Line{
		{Variant: scenarios.Before}, {Variant: scenarios.Before, Dashed: true},
		{Variant: scenarios.After}, {Variant: scenarios.After, Dashed: true},
	}
	for _, s := range rate.Timeline {
		for i, y := range []*float64{s.BeforeP95MS, s.BeforeP50MS, s.AfterP95MS, s.AfterP50MS} {
			lines[i].Points = append(lines[i].Points, chart.Point{X: float64(s.Second), Y: orNaN(y)})
		}
	}
	var machines []chart.Machine
	for _, m := range rate.Machines {
		machines = append(machines, chart.Machine{Name: m.Machine, Before: orNaN(m.Before), After: orNaN(m.After)})
	}
	var errs [3]error
	v.Percentiles, errs[0] = drawing(chart.Percentiles("Response time by percentile, before and after", []chart.Line{before, after}))
	v.Timeline, errs[1] = drawing(chart.Timeline("Response time over the slice, p50 and p95, before and after", lines[:]))
	v.Utilisation, errs[2] = drawing(chart.Utilisation("CPU utilisation of each machine, before and after", machines))
	return v, errors.Join(errs[:]...)
}

// drawing trusts the chart package's SVG, which escapes its texts. Nothing to
// draw is no error: the page leaves the figure out.
func drawing(svg string, err error) (template.HTML, error) {
	if errors.Is(err, chart.ErrNoData) {
		return "", nil
	}
	return template.HTML(svg), err
}

func orNaN(v *float64) float64 {
	if v == nil {
		return math.NaN()
	}
	return *v
}

// ratioView is a ratio in the parts that the page styles apart.
type ratioView struct {
	Ratio    string
	Mark     string
	Interval string
	Basis    string // of a CPU metric: less the driver's, or raw and why
	Reason   string // why there is none
}

func ratioParts(e compare.Effect) ratioView {
	if e.Missing != "" {
		return ratioView{Reason: e.Missing}
	}
	v := ratioView{Ratio: compare.FormatNumber(e.Ratio) + "×", Basis: e.Basis}
	if e.Interval != nil && !e.Interval.Exact() {
		v.Ratio, v.Interval = e.Interval.Point(e.Ratio)+"×", e.Interval.String()
	}
	if e.Survives {
		v.Mark = survivesMark
	}
	return v
}

func settingsText(settings map[string]string) string {
	var parts []string
	for _, key := range slices.Sorted(maps.Keys(settings)) {
		parts = append(parts, key+": "+settings[key])
	}
	return strings.Join(parts, ", ")
}

func packages(versions map[string]string) string { return settingsText(versions) }
