// SPDX-License-Identifier: Apache-2.0

package chart

import (
	"fmt"
	"math"
	"slices"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"

	"headroom/scenarios"
)

// Machine is one machine's CPU utilisation, 1 for all that it may use. A
// variant that does not have the machine has NaN.
type Machine struct {
	Name   string
	Before float64
	After  float64
}

// Room of one machine with its two bars, and of the axis, in points.
const (
	bandPoints = 28
	barPoints  = 9
	axisPoints = 44
)

// Utilisation draws a pair of bars a machine. ErrNoData when none has a value.
func Utilisation(description string, machines []Machine) (string, error) {
	// The axis runs upwards, a list downwards.
	rows := slices.Clone(machines)
	slices.Reverse(rows)
	names := make([]string, len(rows))
	befores, afters := make([]float64, len(rows)), make([]float64, len(rows))
	for i, m := range rows {
		names[i], befores[i], afters[i] = m.Name, m.Before, m.After
	}
	highest := 0.0
	for _, v := range slices.Concat(befores, afters) {
		if v > highest { // false for NaN
			highest = v
		}
	}
	if highest == 0 {
		return "", ErrNoData
	}
	highest = max(highest, 1)
	p := newPlot("CPU utilisation (% of what the machine may use)", "")
	if err := addBars(p, scenarios.Before, befores); err != nil {
		return "", err
	}
	if err := addBars(p, scenarios.After, afters); err != nil {
		return "", err
	}
	p.NominalY(names...)
	p.X.Padding, p.Y.Padding = 0, 5
	p.Y.Min, p.Y.Max = -0.6, float64(len(names))-0.4
	p.X.Min, p.X.Max = 0, highest*1.1
	var ticks []plot.Tick
	for percent := 0; float64(percent) <= highest*100; percent += 25 * int(math.Ceil(highest/2)) {
		ticks = append(ticks, plot.Tick{Value: float64(percent) / 100, Label: fmt.Sprintf("%d%%", percent)})
	}
	p.X.Tick.Marker = plot.ConstantTicks(ticks)
	return render(p, barWidth, vg.Length(axisPoints+bandPoints*len(rows)), description)
}

// addBars adds one variant's bar of every row, before's above after's, each
// with its value at its end.
func addBars(p *plot.Plot, variant scenarios.Variant, values []float64) error {
	offset := vg.Length(barPoints/2 + 1)
	if variant == scenarios.After {
		offset = -offset
	}
	var ends plotter.XYLabels
	lengths := make(plotter.Values, len(values))
	for i, v := range values {
		if math.IsNaN(v) {
			continue
		}
		lengths[i] = v
		ends.XYs = append(ends.XYs, plotter.XY{X: v, Y: float64(i)})
		ends.Labels = append(ends.Labels, fmt.Sprintf("%.0f%%", v*100))
	}
	if len(ends.XYs) == 0 {
		return nil
	}
	bars, err := plotter.NewBarChart(lengths, barPoints)
	if err != nil {
		return fmt.Errorf("draw bars: %w", err)
	}
	bars.Horizontal = true
	bars.Color, bars.LineStyle.Width = colourOf(variant), 0
	bars.Offset = offset
	labels, err := plotter.NewLabels(ends)
	if err != nil {
		return fmt.Errorf("draw labels: %w", err)
	}
	for i := range labels.TextStyle {
		labels.TextStyle[i].Color = ink
		labels.TextStyle[i].Font.Variant = "Sans"
		labels.TextStyle[i].Font.Size = 8.5
	}
	labels.Offset = vg.Point{X: 3, Y: offset - 3}
	p.Add(bars, labels)
	return nil
}
