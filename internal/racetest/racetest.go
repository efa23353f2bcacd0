// SPDX-License-Identifier: Apache-2.0

// Package racetest says to tests whether the race detector looks on.
package racetest

import "testing"

// SkipSimulation skips, under the race detector, a test that runs whole simulations.
// Simulations are pure and use one goroutine, so there is no race to find, and the
// detector turns their seconds into minutes. Without the detector the test always
// runs.
func SkipSimulation(t testing.TB) {
	t.Helper()
	if Enabled {
		t.Skip("a whole simulation, of one goroutine: the race detector has nothing to find in it; `go test` without -race runs it")
	}
}
