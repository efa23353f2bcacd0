// SPDX-License-Identifier: Apache-2.0

package gate

import (
	_ "embed"
	"html/template"
	"io"
	"strings"
)

//go:embed page.html
var page string

var pageTemplate = template.Must(template.New("page.html").Funcs(template.FuncMap{"text": withCode}).Parse(page))

// withCode turns what stands between backticks into code.
func withCode(text string) template.HTML {
	parts := strings.Split(text, "`")
	var out strings.Builder
	for i, part := range parts {
		escaped := template.HTMLEscapeString(part)
		if i%2 == 1 && i < len(parts)-1 {
			escaped = "<code>" + escaped + "</code>"
		}
		out.WriteString(escaped)
	}
	return template.HTML(out.String())
}

// countRow and timedRow are rows of the page, in words.
type (
	countRow struct{ Name, Baseline, Figure, Saying string }
	timedRow struct {
		Timed
		Name, Words, Saying string
	}
)

// WriteHTML writes the result as one page that loads nothing, in a style.
func WriteHTML(w io.Writer, r Result, style string) error {
	view := struct {
		Result
		Style         template.CSS
		Heading, Next string
		About         string
		Alarm         float64
		Telling, Same []countRow
		Timed         []timedRow
	}{Result: r, Style: template.CSS(style), Next: r.next(), About: r.about(), Alarm: evidenceThreshold * float64(len(r.compared())), Telling: rowsOfPage(r.differing())}
	view.Heading = map[Verdict]string{Pass: "No regression", Regression: "A regression", NoVerdict: "No verdict"}[r.Verdict]
	var same []CountResult
	for _, c := range r.Counted {
		if c.Status == StatusSame {
			same = append(same, c)
		}
	}
	view.Same = rowsOfPage(same)
	for _, t := range r.Timed {
		view.Timed = append(view.Timed, timedRow{t, t.name(), t.words(), t.verdict()})
	}
	return pageTemplate.Execute(w, view)
}

func rowsOfPage(counted []CountResult) []countRow {
	var rows []countRow
	for _, c := range counted {
		rows = append(rows, countRow{c.name(), baselineFigure(c), figure(c.Measured), c.verdict()})
	}
	return rows
}
