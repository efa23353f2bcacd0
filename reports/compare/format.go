// SPDX-License-Identifier: Apache-2.0

package compare

import (
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/dustin/go-humanize"
)

// FormatNumber writes a number for people: two decimals below 10, one below
// 100, none from 100 on, and two significant digits below 0.1.
func FormatNumber(v float64) string {
	a := math.Abs(v)
	switch {
	case v == 0:
		return "0"
	case a < 0.0995:
		return fmt.Sprintf("%.2g", v)
	case a < 9.995:
		return fmt.Sprintf("%.2f", v)
	case a < 99.95:
		return fmt.Sprintf("%.1f", v)
	}
	return humanize.Commaf(math.RoundToEven(v))
}

// WithInterval is a value with its interval: "0.42x (0.40-0.44)". What is exact
// stands alone.
func WithInterval(point float64, suffix string, i *Interval) string {
	if i == nil || i.Exact() {
		return FormatNumber(point) + suffix
	}
	return i.Point(point) + suffix + " (" + i.String() + ")"
}

// Exact says that the value was not measured, but is a price or made of prices.
func (i Interval) Exact() bool { return i.Low == i.High }

// String is the interval's ends, "0.40-0.44", with as many digits as it takes
// to tell them apart.
func (i Interval) String() string {
	if math.IsInf(i.High, 1) {
		return ">= " + FormatNumber(i.Low)
	}
	write := i.format()
	return write(i.Low) + "-" + write(i.High)
}

// Point is a value within the interval, with as many digits as its ends.
func (i Interval) Point(v float64) string { return i.format()(v) }

// format is FormatNumber, or as many decimals as it takes to tell the ends apart.
func (i Interval) format() func(float64) string {
	low := FormatNumber(i.Low)
	if low != FormatNumber(i.High) {
		return FormatNumber
	}
	_, decimals, _ := strings.Cut(low, ".")
	write := func(digits int) func(float64) string {
		return func(v float64) string { return strconv.FormatFloat(v, 'f', digits, 64) }
	}
	digits := len(decimals) + 1
	for ; digits < 12 && write(digits)(i.Low) == write(digits)(i.High); digits++ {
	}
	return write(digits)
}

// FormatRate is FormatNumber without a fraction of noughts: 80, not 80.0.
func FormatRate(v float64) string {
	return strings.TrimSuffix(strings.TrimSuffix(FormatNumber(v), ".00"), ".0")
}

// FormatCount writes a whole number with commas between thousands.
func FormatCount(n int) string { return humanize.Comma(int64(n)) }

// FormatDollars writes an amount: whole dollars from 10 on, cents from 1 on, else
// three significant digits.
func FormatDollars(v float64) string {
	switch a := math.Abs(v); {
	case v == 0:
		return "$0"
	case a >= 1 && a < 9.995:
		return fmt.Sprintf("$%.2f", v)
	case a < 1:
		return "$" + strconv.FormatFloat(v, 'f', 2-int(math.Floor(math.Log10(a))), 64)
	}
	return "$" + FormatCount(int(math.Round(v)))
}

// FormatShare writes a share as a percentage: two significant digits below
// 10%, whole ones from there on.
func FormatShare(v float64) string {
	percent := math.Abs(100 * v)
	decimals := 0
	if percent > 0 && percent < 9.95 {
		decimals = 1 - int(math.Floor(math.Log10(percent)))
	}
	text := strconv.FormatFloat(100*v, 'f', decimals, 64)
	if decimals > 0 {
		text = strings.TrimRight(strings.TrimRight(text, "0"), ".")
	}
	return text + "%"
}
