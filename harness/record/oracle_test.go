package record

import (
	"math"
	"testing"
)

func TestOracleInterval(t *testing.T) {
	tests := []struct {
		violations, checked int64
		low, high           float64
	}{
		{0, 0, 0, 1},                             // nothing is known
		{0, 10, 0, 1 - math.Pow(0.025, 0.1)},     // closed form without a violation
		{10, 10, math.Pow(0.025, 0.1), 1},        // and with nothing else
		{0, 300, 0, 1 - math.Pow(0.025, 1./300)}, // 1.2%
		{1, 10, 0.002529, 0.445016},              // published tables
		{5, 10, 0.187086, 0.812914},
		{98, 12340, 0.006452, 0.009670},
		{0, 2_000_000, 0, 1 - math.Pow(0.025, 1./2e6)},
		{7, 5, math.Pow(0.025, 0.2), 1}, // unsound input stays a share
	}
	for _, tt := range tests {
		low, high := Oracle{Violations: tt.violations, Checked: tt.checked}.Interval()
		if math.Abs(low-tt.low) > 1e-6 || math.Abs(high-tt.high) > 1e-6 {
			t.Errorf("%d of %d: %v to %v, want %v to %v", tt.violations, tt.checked, low, high, tt.low, tt.high)
		}
	}
}

// The interval's ends are where a count as extreme as the one seen has a
// chance of 2.5%: the definition, by summing the binomial.
func TestOracleIntervalMeansWhatItSays(t *testing.T) {
	for _, o := range []Oracle{{Violations: 3, Checked: 50}, {Violations: 40, Checked: 1000}, {Violations: 199, Checked: 200}} {
		low, high := o.Interval()
		if got := 1 - binomialAtMost(o.Violations-1, o.Checked, low); math.Abs(got-0.025) > 1e-6 {
			t.Errorf("%+v: at least as many with p = %v has probability %v, want 0.025", o, low, got)
		}
		if got := binomialAtMost(o.Violations, o.Checked, high); math.Abs(got-0.025) > 1e-6 {
			t.Errorf("%+v: at most as many with p = %v has probability %v, want 0.025", o, high, got)
		}
	}
}
