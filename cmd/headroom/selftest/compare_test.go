package selftest

import (
	"testing"
)

// The short form of `headroom selftest compare`: 24 searches and pairs of some
// systems. Seeds are fixed, so a failure says that the code has changed. The bounds
// leave room for what 24 can't tell: 20 of 24 searches are too few for a true 95%
// in three cases of a hundred, 17 of 24 pairs for a true 90% in one, and 8
// of 24 soaked rates that fail are too many for a true 11% (a, with 4.6% of scatter).
func TestSimulationHolds(t *testing.T) {
	if testing.Short() {
		t.Skip("some hundred simulated searches: skipped by -short")
	}
	for _, name := range []string{"0", "a", "h"} {
		o := Options{Searches: 24, Pairs: 24, Only: name}
		err := Simulate(t.Context(), o, func(r Result) error {
			for _, s := range append(r.Run, r.URL) {
				if s.Holds < 21./24 || s.Confirmed < 20./24 || s.Soaked < 0.85 || s.Soaked > 1.02 || s.FailsAfter > 7.5/24 {
					t.Errorf("system %s: %+v", name, s)
				}
			}
			for _, p := range r.Pairs {
				if p.EqualApart > 5./24 || p.PlantedHolds < 17.5/24 {
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
