// SPDX-License-Identifier: Apache-2.0

package gate

import "fmt"

// Suspects says whether a count is worth a second one: something is more than the
// baseline, or so much less that it is not believed.
func Suspects(results []CountResult) bool {
	for _, r := range results {
		if r.suspect() {
			return true
		}
	}
	return false
}

func (r CountResult) suspect() bool {
	return r.Status == StatusRegression || r.Status == StatusImplausible
}

// Repeated judges by two counts, both with fresh starts; the second was made because
// the first is suspect. What the change does shows in both, what chance did hardly
// shows again. A baseline's exact metric that agreed in five runs may still differ in
// up to 45% of them (0.55^5 = 5%): a difference in one count of two proves nothing.
//
// So a regression stands only where both counts have it, and the second can but acquit:
// what was in order in the first stays so, or two looks would make twice as many false
// alarms. The price: a metric that a change makes scatter, beyond its tolerance in one
// count of two, passes three times in four. Its Why keeps both values for the reader.
//
//   - Failed requests are not forgiven: that they happened is a fact and no estimate.
//   - A metric without a number in the first count takes the second's.
//   - A metric beyond its tolerance in both counts, but in opposite directions, is no
//     regression that was found twice: there is no verdict.
func Repeated(first, second []CountResult) []CountResult {
	again, lacks := map[Count]CountResult{}, map[place]string{}
	for _, r := range second {
		again[r.id()] = r
		if r.Status == StatusAbsent {
			lacks[r.place()] = r.Why
		}
	}
	out := make([]CountResult, 0, len(first))
	for _, r := range first {
		other, counted := again[r.id()]
		if !counted { // a name that only the first count has was 0 in the second, if that counted
			other = r
			other.Measured, other.Status, other.Why = new(float64), StatusSame, ""
			if why := lacks[r.place()]; why != "" {
				other.Measured, other.Status, other.Why = nil, StatusAbsent, why
			}
		}
		out = append(out, r.repeated(other))
	}
	return out
}

func (r CountResult) repeated(again CountResult) CountResult {
	switch {
	case r.Status == StatusAbsent:
		return again
	case !r.suspect(), r.Status == again.Status:
		return r
	case r.Metric == errorsKey && r.Status == StatusRegression:
		return r
	case again.Status == StatusAbsent:
		return again
	}
	out := again
	if again.suspect() {
		out.Status = StatusImplausible
	}
	out.Why = fmt.Sprintf("differed once in two counts: %s, %s", figure(r.Measured), figure(again.Measured))
	return out
}
