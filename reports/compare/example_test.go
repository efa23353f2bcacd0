// SPDX-License-Identifier: Apache-2.0

package compare_test

import (
	"fmt"

	"headroom/reports/compare"
)

// One disturbed block moves the centre a little, and the mean to
// 26.5.
func ExampleHodgesLehmann() {
	fmt.Println(compare.HodgesLehmann([]float64{1, 2, 3, 100}))
	// Output: 2.75
}
