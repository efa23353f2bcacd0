// SPDX-License-Identifier: Apache-2.0

package plan_test

import (
	"fmt"

	"headroom/reports/plan"
)

// A system is fitted that follows the law exactly: of each request's work 5% waits in
// one queue, and each two requests cost 0.2% to keep in step.
func ExampleFit() {
	var points []plan.Point
	for _, n := range []float64{1, 2, 4, 8, 16, 20} { // requests in progress
		rps := 100 * n / (1 + 0.05*(n-1) + 0.002*n*(n-1))
		points = append(points, plan.Point{RPS: rps, ResponseS: n / rps, Requests: 1000})
	}
	law, err := plan.Fit(points)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Printf("sigma %.3f, kappa %.4f\n", law.Sigma, law.Kappa)
	fmt.Printf("at most %.0f requests/s, where one request alone gets %.0f/s\n", law.PeakRPS(), law.LambdaRPS)
	// Output:
	// sigma 0.050, kappa 0.0020
	// at most 740 requests/s, where one request alone gets 100/s
}
