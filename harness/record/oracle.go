package record

import "gonum.org/v1/gonum/stat/distuv"

// Interval is the 95% Clopper-Pearson interval of Violations / Checked: exact,
// and never too short, for checks that are independent. Without a check it is
// 0 to 1: nothing is known.
func (o Oracle) Interval() (low, high float64) {
	n, k := o.Checked, min(max(o.Violations, 0), o.Checked)
	if n <= 0 {
		return 0, 1
	}
	const tail = 0.025
	low, high = 0, 1
	if k > 0 {
		low = distuv.Beta{Alpha: float64(k), Beta: float64(n - k + 1)}.Quantile(tail)
	}
	if k < n {
		high = distuv.Beta{Alpha: float64(k + 1), Beta: float64(n - k)}.Quantile(1 - tail)
	}
	return low, high
}
