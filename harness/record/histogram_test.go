// SPDX-License-Identifier: Apache-2.0

package record

import (
	"math"
	"testing"
	"time"
)

func TestAllowedAbove(t *testing.T) {
	for _, test := range []struct {
		q       float64
		n, want int64
	}{
		{0.99, 299, 2}, {0.99, 300, 3}, {0.99, 1070, 10}, {0.99, 99, 0}, {0.9, 10, 1}, {0.8, 5, 1}, {0.7, 10, 3},
		{0.5, 3, 1}, {0.999, 999, 0}, {0.999, 1_000_000, 1000}, {1, 10, 0}, {0, 10, 10},
	} {
		if got := AllowedAbove(test.q, test.n); got != test.want {
			t.Errorf("above p%g of %d: %d, want %d", test.q*100, test.n, got, test.want)
		}
	}
}

// Every rank is the value of that place, whatever the number of samples.
func TestAtRank(t *testing.T) {
	for _, n := range []int64{1, 7, 100, 299, 1070} {
		var h Histogram
		for i := range n {
			h.Record(time.Duration(i+1) * time.Millisecond)
		}
		for rank := int64(1); rank <= n; rank++ {
			want := float64(rank) * 1e6
			if got := float64(h.AtRank(rank)); math.Abs(got/want-1) > 0.001 {
				t.Fatalf("rank %d of %d is %v", rank, n, h.AtRank(rank))
			}
		}
		if least := h.Quantile(0); least > time.Millisecond || least < 999*time.Microsecond {
			t.Errorf("the shortest of %d is %v", n, least)
		}
	}
	if (Histogram{}).Quantile(0.5) != 0 || (Histogram{}).AtRank(1) != 0 {
		t.Error("an empty histogram has a value")
	}
}
