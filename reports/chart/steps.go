// SPDX-License-Identifier: Apache-2.0

package chart

import (
	"fmt"
	"math"
	"slices"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
)

// Step is one row of a way: a value, positive, with its text. The first row is
// where the way begins.
type Step struct {
	Name  string
	Value float64 // NaN or 0: not known
	Text  string
}

// Room of a chart of steps, in points.
const (
	stepPoints = 26
	stepWidth  = 460
)

// Steps draws a dot a row, from the top down, on a logarithmic axis, joined by
// a line. ErrNoData when no row has a value.
func Steps(description, label string, steps []Step) (string, error) {
	rows := slices.Clone(steps)
	slices.Reverse(rows) // the axis runs upwards
	var points plotter.XYs
	var texts []string
	names := make([]string, len(rows))
	low, high := math.Inf(1), 0.0
	for i, s := range rows {
		names[i] = s.Name
		if !(s.Value > 0) || math.IsInf(s.Value, 0) {
			continue
		}
		low, high = math.Min(low, s.Value), math.Max(high, s.Value)
		points = append(points, plotter.XY{X: s.Value, Y: float64(i)})
		texts = append(texts, s.Text)
	}
	if len(points) == 0 {
		return "", ErrNoData
	}
	low, high = logBounds(low, high)
	p := newPlot(label, "")
	if err := addSteps(p, points, texts, len(rows)-1); err != nil {
		return "", err
	}
	p.NominalY(names...)
	p.X.Padding, p.Y.Padding = 0, 5
	p.Y.Min, p.Y.Max = -0.6, float64(len(names))-0.4
	p.X.Scale = plot.LogScale{}
	// Room at the right for the last label.
	p.X.Min, p.X.Max = low/1.15, high*math.Pow(high/low, 0.18)
	ticks := logTicks(low, high)
	for i := range ticks {
		ticks[i].Label = bigLabel(ticks[i].Value)
	}
	p.X.Tick.Marker = plot.ConstantTicks(ticks)
	return render(p, stepWidth, vg.Length(axisPoints+stepPoints*len(rows)), description)
}

// addSteps adds the line, the dots with their texts, and a rule a tick.
func addSteps(p *plot.Plot, points plotter.XYs, texts []string, first int) error {
	line, err := plotter.NewLine(points)
	if err != nil {
		return fmt.Errorf("draw steps: %w", err)
	}
	line.Color, line.Width = grid, 1.2
	lattice := plotter.NewGrid()
	lattice.Vertical.Color, lattice.Horizontal.Color = grid, grid
	lattice.Vertical.Width, lattice.Horizontal.Width = 0.5, 0
	p.Add(lattice, line)
	for i, point := range points {
		dot, err := plotter.NewScatter(plotter.XYs{point})
		if err != nil {
			return fmt.Errorf("draw steps: %w", err)
		}
		colour := after
		if int(point.Y) == first {
			colour = before
		}
		dot.Color, dot.Radius, dot.Shape = colour, 4, draw.CircleGlyph{}
		label, err := plotter.NewLabels(plotter.XYLabels{XYs: plotter.XYs{point}, Labels: texts[i : i+1]})
		if err != nil {
			return fmt.Errorf("draw steps: %w", err)
		}
		label.TextStyle[0].Color = ink
		label.TextStyle[0].Font.Variant = "Sans"
		label.TextStyle[0].Font.Size = 9
		label.Offset = vg.Point{X: 7, Y: -3}
		p.Add(dot, label)
	}
	return nil
}
