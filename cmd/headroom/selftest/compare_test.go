// SPDX-License-Identifier: Apache-2.0

package selftest

import (
	"testing"
)

// The short form of `headroom selftest compare`: 24 searches and pairs of some
// systems. Seeds are fixed, so a failure says that the code has changed. The bounds
// leave room for what 24 can't tell: 20 of 24 searches are too few for a true 95% in
// three cases of a hundred. Starts that scatter by 4.6% do worse (docs/truth.md: 11% of
// a's soaked rates fail, h's planted ratio is covered in 90%), so there 8 that fail are
// too many, and 17 that are covered too few.
func TestSimulationHolds(t *testing.T) {
	if testing.Short() {
		t.Skip("some hundred simulated searches: skipped by -short")
	}
	const rounding = 1e-9 // shares are sums of twenty-fourths
	most := scatters[len(scatters)-1]
	for _, name := range []string{"0", "a", "h"} {
		o := Options{Searches: 24, Pairs: 24, Only: name}
		err := Simulate(t.Context(), o, func(r Result) error {
			for _, s := range append(r.Run, r.URL) {
				fails := 5. / 24
				if s.Scatter == most {
					fails = 7. / 24
				}
				if s.Holds < 21./24 || s.Confirmed < 20./24 || s.Soaked < 0.85 || s.Soaked > 1.02 || s.FailsAfter > fails+rounding {
					t.Errorf("system %s: %+v", name, s)
				}
			}
			for _, p := range r.Pairs {
				holds := 19. / 24
				if p.Scatter == most {
					holds = 18. / 24
				}
				if p.EqualApart > 5./24+rounding || p.PlantedHolds < holds-rounding {
					t.Errorf("system %s: %+v", name, p)
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}

// The truth that a system is held against is what a long run finds.
func TestTruth(t *testing.T) {
	if testing.Short() {
		t.Skip("long simulated runs: skipped by -short")
	}
	for _, s := range Systems() {
		if found := s.FindTruth(1500); found/s.TruthRPS > 1.04 || found/s.TruthRPS < 0.96 {
			t.Errorf("system %s: a long run finds %.1f, %.1f is set", s.Name, found, s.TruthRPS)
		}
	}
}
