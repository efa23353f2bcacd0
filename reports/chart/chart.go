// SPDX-License-Identifier: Apache-2.0

// Package chart draws the report's figures as SVG to stand inside an HTML page.
//
// It is pure, and the same data give the same bytes. Colours are CSS variables
// (--chart-ink, --chart-grid, --before, --after), so that the page decides
// them, for light and dark alike; the background is transparent.
package chart

import (
	"bytes"
	"fmt"
	"html"
	"image/color"
	"math"
	"regexp"
	"strconv"
	"strings"

	"github.com/dustin/go-humanize"
	"gonum.org/v1/plot"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgsvg"

	"headroom/scenarios"
)

// Sizes in points, the unit of a viewBox; the page scales it.
const (
	lineWidth  = 460
	lineHeight = 250
	barWidth   = 940
)

// The colours that are drawn with stand for CSS variables. No chart draws with
// any other, and no data can make one.
var (
	ink    = color.NRGBA{R: 1, A: 255}
	grid   = color.NRGBA{R: 2, A: 255}
	before = color.NRGBA{R: 3, A: 255}
	after  = color.NRGBA{R: 4, A: 255}

	variables = strings.NewReplacer(
		"#010000", "var(--chart-ink)",
		"#020000", "var(--chart-grid)",
		"#030000", "var(--before)",
		"#040000", "var(--after)",
	)
)

func colourOf(v scenarios.Variant) color.NRGBA {
	if v == scenarios.After {
		return after
	}
	return before
}

var (
	svgHead = regexp.MustCompile(`(?s)^.*?<svg [^>]*?viewBox="([^"]*)"[^>]*>`)
	svgFont = regexp.MustCompile(`font-family:[^;]*;font-variant:[^;]*;font-weight:[^;]*;font-style:[^;]*;`)
)

// render draws p and makes it part of a page: no XML prelude, no fixed size,
// the page's font and colours, and a description for those who cannot see it.
func render(p *plot.Plot, width, height vg.Length, description string) (string, error) {
	canvas := vgsvg.New(width, height)
	p.Draw(draw.New(canvas))
	var raw bytes.Buffer
	if _, err := canvas.WriteTo(&raw); err != nil {
		return "", fmt.Errorf("draw chart: %w", err)
	}
	svg := raw.String()
	head := svgHead.FindStringSubmatch(svg)
	if head == nil {
		return "", fmt.Errorf("draw chart: the drawing library's SVG has no viewBox")
	}
	svg = fmt.Sprintf(`<svg class="chart" role="img" aria-label="%s" viewBox="%s" xmlns="http://www.w3.org/2000/svg">`,
		html.EscapeString(description), head[1]) + svg[len(head[0]):]
	return variables.Replace(svgFont.ReplaceAllString(svg, "")), nil
}

// newPlot is an empty plot in the house style.
func newPlot(xLabel, yLabel string) *plot.Plot {
	p := plot.New()
	p.BackgroundColor = color.Transparent
	p.X.Label.Text, p.Y.Label.Text = xLabel, yLabel
	for _, axis := range []*plot.Axis{&p.X, &p.Y} {
		axis.Color = grid
		axis.Width = vg.Points(0.8)
		axis.Padding = 0
		axis.Label.TextStyle.Color = ink
		axis.Label.TextStyle.Font.Variant = "Sans"
		axis.Label.TextStyle.Font.Size = 10
		axis.Label.Padding = 4
		axis.Tick.Label.Color = ink
		axis.Tick.Label.Font.Variant = "Sans"
		axis.Tick.Label.Font.Size = 9.5
		axis.Tick.Color = grid
		axis.Tick.Width = vg.Points(0.8)
		axis.Tick.Length = 3
	}
	return p
}

// logTicks are the ticks 1, 2, 5, 10, 20, 50, ... between two positive ends,
// or, over many decades, powers of ten alone.
func logTicks(low, high float64) []plot.Tick {
	steps := []float64{1, 2, 5}
	if high/low > 2e3 {
		steps = steps[:1]
	}
	var ticks []plot.Tick
	for decade := math.Floor(math.Log10(low)); decade <= math.Ceil(math.Log10(high)); decade++ {
		for _, step := range steps {
			v := step * math.Pow(10, decade)
			if v >= low*(1-1e-9) && v <= high*(1+1e-9) {
				ticks = append(ticks, plot.Tick{Value: v, Label: tickLabel(v)})
			}
		}
	}
	return ticks
}

// linearTicks are four to ten ticks from 0 to a positive end, at round
// distances.
func linearTicks(high float64) []plot.Tick {
	step := math.Pow(10, math.Floor(math.Log10(high)))
	for _, by := range []float64{2, 2.5, 2} { // 5, 2, 1 of the next lower decade
		if high/step < 4 {
			step /= by
		}
	}
	var ticks []plot.Tick
	for i := 0; float64(i)*step <= high*(1+1e-9); i++ {
		ticks = append(ticks, plot.Tick{Value: float64(i) * step, Label: tickLabel(float64(i) * step)})
	}
	return ticks
}

// logBounds widens a range of positive values to the nearest ticks.
func logBounds(low, high float64) (float64, float64) {
	down, up := math.Pow(10, math.Floor(math.Log10(low))), math.Pow(10, math.Ceil(math.Log10(high)))
	bottom, top := down, up
	for _, step := range []float64{2, 5} {
		if down*step <= low {
			bottom = down * step
		}
	}
	for _, step := range []float64{5, 2} {
		if up/10*step >= high {
			top = up / 10 * step
		}
	}
	if bottom == top {
		top *= 2
	}
	return bottom, top
}

func tickLabel(v float64) string {
	text := strconv.FormatFloat(v, 'g', 6, 64)
	if whole, err := strconv.Atoi(text); err == nil && whole >= 1000 {
		return humanize.Comma(int64(whole))
	}
	return text
}

// bigLabel shortens thousands and millions: 20k, 5M.
func bigLabel(v float64) string {
	switch {
	case v >= 1e6:
		return tickLabel(v/1e6) + "M"
	case v >= 1e3:
		return tickLabel(v/1e3) + "k"
	}
	return tickLabel(v)
}
