// SPDX-License-Identifier: Apache-2.0

package chart

import (
	"encoding/xml"
	"errors"
	"io"
	"math"
	"regexp"
	"strings"
	"testing"

	"headroom/scenarios"
)

func sampleLines() []Line {
	return []Line{
		{Variant: scenarios.Before, Points: []Point{{50, 12}, {90, 40}, {99, 420}}},
		{Variant: scenarios.After, Dashed: true, Points: []Point{{50, 3}, {75, math.NaN()}, {90, 9}, {99, 31}}},
	}
}

func sampleMachines() []Machine {
	return []Machine{{"server", 0.92, math.NaN()}, {"app-1", math.NaN(), 0.31}, {"database", math.NaN(), 1.2}}
}

// drawAll makes every kind of chart.
func drawAll(t *testing.T) map[string]string {
	t.Helper()
	charts := map[string]string{}
	var err error
	if charts["percentiles"], err = Percentiles(`p50 < "p99"`, sampleLines()); err != nil {
		t.Fatal(err)
	}
	if charts["timeline"], err = Timeline("over time", sampleLines()); err != nil {
		t.Fatal(err)
	}
	if charts["cost"], err = CostPerUser("cost", []Line{
		{Variant: scenarios.Before, Points: []Point{{1000, 0.02}, {50000, 0.004}, {50001, 0.008}, {2e6, 0.004}}},
		{Variant: scenarios.After, Points: []Point{{1000, 0.03}, {2e6, 0.002}}}}); err != nil {
		t.Fatal(err)
	}
	if charts["lag"], err = Lag("lag", sampleLines()); err != nil {
		t.Fatal(err)
	}
	if charts["steps"], err = Steps("the way", "requests/s", []Step{{"start", 80, "80"}, {"phase 1", 0, ""}, {"phase 2", 32000, "32,000"}}); err != nil {
		t.Fatal(err)
	}
	if charts["utilisation"], err = Utilisation("CPU", sampleMachines()); err != nil {
		t.Fatal(err)
	}
	return charts
}

func TestChartsAreDeterministic(t *testing.T) {
	first := drawAll(t)
	for range 10 {
		for name, svg := range drawAll(t) {
			if svg != first[name] {
				t.Fatalf("%s differs between two drawings of the same data", name)
			}
		}
	}
}

func TestChartsFitIntoThePage(t *testing.T) {
	colour := regexp.MustCompile(`#[0-9A-Fa-f]{6}`)
	for name, svg := range drawAll(t) {
		decoder := xml.NewDecoder(strings.NewReader(svg))
		for {
			if _, err := decoder.Token(); errors.Is(err, io.EOF) {
				break
			} else if err != nil {
				t.Fatalf("%s is not well-formed: %v", name, err)
			}
		}
		if !strings.HasPrefix(svg, `<svg class="chart"`) {
			t.Errorf("%s starts with %.60q", name, svg)
		}
		if fixed := colour.FindString(svg); fixed != "" {
			t.Errorf("%s has the fixed colour %s, which light or dark would hide", name, fixed)
		}
		for _, want := range []string{"var(--before)", "var(--after)", "var(--chart-ink)"} {
			if !strings.Contains(svg, want) {
				t.Errorf("%s does not use %s", name, want)
			}
		}
		if strings.Contains(svg, "font-family") || strings.Contains(svg, "NaN") {
			t.Errorf("%s names a font or holds a NaN", name)
		}
	}
}

func TestNoData(t *testing.T) {
	if _, err := Percentiles("", []Line{{Points: []Point{{50, math.NaN()}, {99, 0}}}}); !errors.Is(err, ErrNoData) {
		t.Errorf("percentiles: %v", err)
	}
	if _, err := CostPerUser("", []Line{{Points: []Point{{100, math.NaN()}}}}); !errors.Is(err, ErrNoData) {
		t.Errorf("cost: %v", err)
	}
	if _, err := Timeline("", nil); !errors.Is(err, ErrNoData) {
		t.Errorf("timeline: %v", err)
	}
	if _, err := Steps("", "", []Step{{"start", 0, ""}, {"final", math.NaN(), ""}}); !errors.Is(err, ErrNoData) {
		t.Errorf("steps: %v", err)
	}
	if _, err := Utilisation("", []Machine{{"a", math.NaN(), math.NaN()}}); !errors.Is(err, ErrNoData) {
		t.Errorf("utilisation: %v", err)
	}
}

func TestLogBounds(t *testing.T) {
	tests := []struct{ low, high, wantLow, wantHigh float64 }{
		{3, 420, 2, 500},
		{1, 10, 1, 10},
		{7, 7, 5, 10},
		{0.4, 0.6, 0.2, 1},
		{10, 10, 10, 20},
	}
	for _, tt := range tests {
		low, high := logBounds(tt.low, tt.high)
		if math.Abs(low-tt.wantLow) > 1e-9 || math.Abs(high-tt.wantHigh) > 1e-9 {
			t.Errorf("logBounds(%v, %v) = %v, %v, want %v, %v", tt.low, tt.high, low, high, tt.wantLow, tt.wantHigh)
		}
	}
}

func TestUnbroken(t *testing.T) {
	runs := unbroken([]Point{{1, 1}, {2, 0}, {3, math.Inf(1)}, {4, 2}, {5, 3}})
	if len(runs) != 2 || len(runs[0]) != 1 || len(runs[1]) != 2 {
		t.Errorf("got %v, want a run of one and a run of two points", runs)
	}
}

func TestBigLabel(t *testing.T) {
	for v, want := range map[float64]string{500: "500", 1000: "1k", 20000: "20k", 5e6: "5M", 2e9: "2,000M"} {
		if got := bigLabel(v); got != want {
			t.Errorf("bigLabel(%v) = %q, want %q", v, got, want)
		}
	}
}

func TestLinearTicks(t *testing.T) {
	for high, want := range map[float64]string{
		2746: "0 500 1,000 1,500 2,000 2,500", 1000: "0 200 400 600 800 1,000", 37: "0 5 10 15 20 25 30 35",
		450: "0 100 200 300 400", 0.9: "0 0.1 0.2 0.3 0.4 0.5 0.6 0.7 0.8 0.9", 8: "0 1 2 3 4 5 6 7 8",
	} {
		var labels []string
		for _, tick := range linearTicks(high) {
			labels = append(labels, tick.Label)
		}
		if got := strings.Join(labels, " "); got != want {
			t.Errorf("up to %v: %s, want %s", high, got, want)
		}
	}
}

// Ticks stand at 1, 2 and 5 of each decade, the ends included; over more than 2,000
// times at powers of ten alone.
func TestLogTicks(t *testing.T) {
	for _, test := range []struct {
		low, high float64
		want      string
	}{
		{2, 500, "2 5 10 20 50 100 200 500"}, {3, 40, "5 10 20"}, {1, 1, "1"}, {0.2, 1, "0.2 0.5 1"},
		{1, 2000, "1 2 5 10 20 50 100 200 500 1,000 2,000"}, {1, 2001, "1 10 100 1,000"},
	} {
		var labels []string
		for _, tick := range logTicks(test.low, test.high) {
			labels = append(labels, tick.Label)
		}
		if got := strings.Join(labels, " "); got != test.want {
			t.Errorf("from %v to %v: %s, want %s", test.low, test.high, got, test.want)
		}
	}
}

func TestTickLabels(t *testing.T) {
	for v, want := range map[float64]string{0: "0", 0.25: "0.25", 999: "999", 1000: "1,000", 12_345: "12,345", 100_007: "100,007", 1234.5: "1234.5"} {
		if got := tickLabel(v); got != want {
			t.Errorf("tickLabel(%v) = %q, want %q", v, got, want)
		}
	}
	for v, want := range map[float64]string{999: "999", 1000: "1k", 999_000: "999k", 1e6: "1M", 2.5e6: "2.5M"} {
		if got := bigLabel(v); got != want {
			t.Errorf("bigLabel(%v) = %q, want %q", v, got, want)
		}
	}
	for percentile, want := range map[float64]float64{0: 0, 90: 1, 99: 2, 99.9: 3, 50: math.Log10(2)} {
		if got := nines(percentile); math.Abs(got-want) > 1e-9 {
			t.Errorf("p%g has %v nines, want %v", percentile, got, want)
		}
	}
}
