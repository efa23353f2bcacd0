// SPDX-License-Identifier: Apache-2.0

//go:build !race

package racetest

// Enabled says that this was built with the race detector.
const Enabled = false
