// SPDX-License-Identifier: Apache-2.0

package compare

import (
	"math"
	"testing"
)

// Figures at the bounds between one number of digits and the next.
func TestFormatAtItsBounds(t *testing.T) {
	for v, want := range map[float64]string{
		0.00951: "0.0095", 0.0994: "0.099", 0.0996: "0.10", -0.0996: "-0.10", 9.99: "9.99", 9.996: "10.0", 99.94: "99.9", 99.96: "100", -99.96: "-100",
		123: "123", 999: "999", 1000: "1,000", 1000.5: "1,000", 1001.5: "1,002", 1000.51: "1,001", 1e20: "100,000,000,000,000,000,000", 999_999: "999,999", 1_000_000: "1,000,000", -123_456: "-123,456",
	} {
		if got := FormatNumber(v); got != want {
			t.Errorf("FormatNumber(%v) = %q, want %q", v, got, want)
		}
	}
	for v, want := range map[float64]string{80: "80", 8: "8", 8.5: "8.50", 80.5: "80.5", 800: "800", 0: "0"} {
		if got := FormatRate(v); got != want {
			t.Errorf("FormatRate(%v) = %q, want %q", v, got, want)
		}
	}
	for v, want := range map[float64]string{
		0: "$0", 0.0123456: "$0.0123", 0.999: "$0.999", 1: "$1.00", -1.5: "$-1.50", 9.99: "$9.99", 9.996: "$10", 12.5: "$13", 12_345.4: "$12,345", 0.00002: "$0.0000200",
	} {
		if got := FormatDollars(v); got != want {
			t.Errorf("FormatDollars(%v) = %q, want %q", v, got, want)
		}
	}
	for v, want := range map[float64]string{0.0994: "9.9%", 0.0996: "10%", 0.01: "1%", 0.015: "1.5%", 0.104: "10%", 0.999: "100%", -0.02: "-2%", 0.00123: "0.12%"} {
		if got := FormatShare(v); got != want {
			t.Errorf("FormatShare(%v) = %q, want %q", v, got, want)
		}
	}
	for n, want := range map[int]string{0: "0", 999: "999", 1000: "1,000", 1_234_567: "1,234,567", -1000: "-1,000", -20: "-20"} {
		if got := FormatCount(n); got != want {
			t.Errorf("FormatCount(%d) = %q, want %q", n, got, want)
		}
	}
}

// An interval holds its ends; a range of one value is exact.
func TestIntervalHoldsItsEnds(t *testing.T) {
	i := Interval{Low: 1, High: 2}
	for v, want := range map[float64]bool{0.999: false, 1: true, 1.5: true, 2: true, 2.001: false} {
		if got := i.holds(v); got != want {
			t.Errorf("it holds %v: %v", v, got)
		}
	}
	if i.Exact() || !(Interval{Low: 1, High: 1}).Exact() {
		t.Error("exact is what has one value")
	}
	for _, test := range []struct {
		e    Effect
		want bool
	}{{Effect{}, false}, {Effect{Interval: &i}, true}, {Effect{Interval: &Interval{Low: 1.1, High: 2}}, false}} {
		if got := test.e.Spans1(); got != test.want {
			t.Errorf("%+v spans 1: %v", test.e.Interval, got)
		}
	}
	if got := WithInterval(0.5, "x", nil); got != "0.50x" {
		t.Errorf("without an interval: %q", got)
	}
	// Ends alike in twelve decimals are written as alike.
	if got := (Interval{Low: 1, High: 1 + 1e-14}).String(); got != "1.000000000000-1.000000000000" {
		t.Errorf("ends that are hardly apart: %q", got)
	}
}

// A pair's ratio is less the driver's where both are known; without a value above 0
// there is none.
func TestLogRatios(t *testing.T) {
	pair := Pair{Block: 4, Before: 2, After: 6, DriverBefore: 1, DriverAfter: 1.5}
	near(t, "less the driver's", pair.logRatio(), math.Log(2), 1e-14)
	for _, p := range []Pair{{Before: 2, After: 6, DriverBefore: 1}, {Before: 2, After: 6, DriverAfter: 1}, {Before: 2, After: 6}} {
		near(t, "raw", p.logRatio(), math.Log(3), 1e-14)
	}
	for want, pairs := range map[string][]Pair{
		"": {pair},
		"no block has a valid value of both variants": nil,
		"block 5 has no ratio: before 0, after 1":     {pair, {Block: 5, After: 1}},
		"block 5 has no ratio: before 1, after 0":     {pair, {Block: 5, Before: 1}},
		"block 5 has no ratio: before 1, after -1":    {pair, {Block: 5, Before: 1, After: -1}},
		"block 5 has no ratio: before NaN, after 1":   {{Block: 5, Before: math.NaN(), After: 1}},
	} {
		if _, got := logRatios(pairs); got != want {
			t.Errorf("%+v: %q, want %q", pairs, got, want)
		}
	}
}

// Other pairs are judged by the same resolution.
func TestWithPairs(t *testing.T) {
	alike := func(ratio float64) (pairs []Pair) {
		for block := 1; block <= 4; block++ {
			pairs = append(pairs, Pair{Block: block, Before: 1, After: ratio})
		}
		return pairs
	}
	e := ratioOf(alike(2), 0.03).WithPairs(alike(3))
	near(t, "ratio", e.Ratio, 3, 1e-12)
	near(t, "low", e.Interval.Low, 3*math.Exp(-0.03), 1e-12)
	near(t, "high", e.Interval.High, 3*math.Exp(0.03), 1e-12)
	effects := []Effect{ratioOf(alike(2), 0.03), ratioOf(alike(1), 0.03)}
	JudgeTogether(effects)
	if !effects[0].Survives || effects[0].PAdjusted <= 0 || effects[1].Survives {
		t.Errorf("judged together: %+v", effects)
	}
}
