// SPDX-License-Identifier: Apache-2.0

package chart

import (
	"errors"
	"fmt"
	"math"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"

	"headroom/scenarios"
)

// Point is one point of a line; a Y that is not positive, or NaN, is a gap.
type Point struct{ X, Y float64 }

// Line is one line of a chart in its variant's colour.
type Line struct {
	Variant scenarios.Variant
	Dashed  bool
	Points  []Point
}

// ErrNoData says that there is nothing to draw.
var ErrNoData = errors.New("no data to draw")

// Percentiles draws response time in ms (Y) by percentile 0..100 (X), on an
// axis that gives each further nine the same room. ErrNoData when no line has
// a point.
func Percentiles(description string, lines []Line) (string, error) {
	return distribution(description, "percentile of requests", "response time (ms, log scale)", lines)
}

// Lag draws a replica's lag in ms (Y) by percentile of its samples (X), as
// Percentiles does.
func Lag(description string, lines []Line) (string, error) {
	return distribution(description, "percentile of samples", "lag (ms, log scale)", lines)
}

func distribution(description, xLabel, yLabel string, lines []Line) (string, error) {
	var scaled []Line
	for _, line := range lines {
		points := make([]Point, len(line.Points))
		for i, p := range line.Points {
			points[i] = Point{X: nines(p.X), Y: p.Y}
		}
		line.Points = points
		scaled = append(scaled, line)
	}
	p := newPlot(xLabel, yLabel)
	var ticks []plot.Tick
	for _, percentile := range []float64{50, 75, 90, 95, 99, 99.9} {
		ticks = append(ticks, plot.Tick{Value: nines(percentile), Label: fmt.Sprintf("p%g", percentile)})
	}
	p.X.Tick.Marker = plot.ConstantTicks(ticks)
	return drawLines(p, description, scaled)
}

// nines is 1 for 90, 2 for 99, 3 for 99.9.
func nines(percentile float64) float64 { return -math.Log10(1 - percentile/100) }

// Timeline draws response time in ms (Y) by second of the slice (X).
// ErrNoData when no line has a point.
func Timeline(description string, lines []Line) (string, error) {
	p := newPlot("second of the slice, by intended send", "response time (ms, log scale)")
	return drawLines(p, description, lines)
}

// CostPerUser draws dollars a month (Y) by number of users (X), both on
// logarithmic axes. ErrNoData when no line has a point.
func CostPerUser(description string, lines []Line) (string, error) {
	low, high := math.Inf(1), 0.0
	for _, line := range lines {
		for _, run := range unbroken(line.Points) {
			low, high = math.Min(low, run[0].X), math.Max(high, run[len(run)-1].X)
		}
	}
	if high == 0 {
		return "", ErrNoData
	}
	p := newPlot("number of users (log scale)", "$ per user and month (log scale)")
	p.X.Scale = plot.LogScale{}
	ticks := logTicks(low, high)
	for i := range ticks {
		ticks[i].Label = bigLabel(ticks[i].Value)
	}
	p.X.Tick.Marker = plot.ConstantTicks(ticks)
	p.X.Min, p.X.Max = low, high
	return renderLines(p, barWidth, description, lines)
}

// Load draws response time in ms (Y) by offered load in requests/s (X), with a
// rule at limit, the SLO's latency in ms; 0: no rule. ErrNoData when no line
// has a point.
func Load(description string, lines []Line, limit float64) (string, error) {
	p := newPlot("offered load (requests/s)", "response time (ms, log scale)")
	p.X.Min = 0
	highest := 0.0
	for _, line := range lines {
		for _, point := range line.Points {
			highest = max(highest, point.X)
		}
	}
	if highest > 0 {
		p.X.Tick.Marker = plot.ConstantTicks(linearTicks(highest))
	}
	if limit <= 0 {
		return renderLines(p, barWidth, description, lines)
	}
	rule, err := plotter.NewLine(plotter.XYs{{X: 0, Y: limit}, {X: highest, Y: limit}})
	if err != nil {
		return "", fmt.Errorf("draw rule: %w", err)
	}
	rule.Color, rule.Width, rule.Dashes = ink, vg.Points(1), []vg.Length{2, 3}
	return renderLines(p, barWidth, description, lines, rule)
}

func drawLines(p *plot.Plot, description string, lines []Line) (string, error) {
	return renderLines(p, lineWidth, description, lines)
}

func renderLines(p *plot.Plot, width vg.Length, description string, lines []Line, rules ...*plotter.Line) (string, error) {
	low, high := math.Inf(1), 0.0
	var drawn []plot.Plotter
	for _, line := range lines {
		for _, run := range unbroken(line.Points) {
			for _, point := range run {
				low, high = math.Min(low, point.Y), math.Max(high, point.Y)
			}
			stroke, dot, err := plotter.NewLinePoints(run)
			if err != nil {
				return "", fmt.Errorf("draw line: %w", err)
			}
			stroke.Color = colourOf(line.Variant)
			stroke.Width = vg.Points(2)
			if line.Dashed {
				stroke.Width = vg.Points(1.4)
				stroke.Dashes = []vg.Length{4, 3}
			}
			drawn = append(drawn, stroke)
			if len(run) == 1 { // a line of one point would not be seen
				dot.Color, dot.Radius = colourOf(line.Variant), 2
				drawn = append(drawn, dot)
			}
		}
	}
	if len(drawn) == 0 {
		return "", ErrNoData
	}
	for _, rule := range rules {
		low, high = math.Min(low, rule.XYs[0].Y), math.Max(high, rule.XYs[0].Y)
		drawn = append(drawn, rule)
	}
	low, high = logBounds(low, high)
	lattice := plotter.NewGrid()
	lattice.Horizontal.Color, lattice.Vertical.Color = grid, grid
	lattice.Horizontal.Width, lattice.Vertical.Width = 0.5, 0
	p.Add(lattice)
	p.Add(drawn...)
	p.Y.Scale = plot.LogScale{}
	p.Y.Min, p.Y.Max = low, high
	p.Y.Tick.Marker = plot.ConstantTicks(logTicks(low, high))
	if p.X.Min == p.X.Max {
		p.X.Min -= 0.5
	}
	p.X.Max += (p.X.Max - p.X.Min) * 0.05 // room for half of the last label
	return render(p, width, lineHeight, description)
}

// unbroken splits points at gaps.
func unbroken(points []Point) []plotter.XYs {
	var runs []plotter.XYs
	open := false
	for _, p := range points {
		if !(p.Y > 0) || math.IsInf(p.Y, 0) {
			open = false
			continue
		}
		if !open {
			runs = append(runs, nil)
			open = true
		}
		runs[len(runs)-1] = append(runs[len(runs)-1], plotter.XY{X: p.X, Y: p.Y})
	}
	return runs
}
