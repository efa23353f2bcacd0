package selftest

import (
	"errors"
	"math/rand/v2"
	"strings"
	"testing"
)

// The short form of `headroom selftest gate`. Seeds are fixed, so a failure says
// that the code has changed.
func TestGatesHold(t *testing.T) {
	if testing.Short() {
		t.Skip("some ten thousand simulated gates: skipped by -short")
	}
	seen := 0
	err := SimulateGates(t.Context(), 400, func(r GateResult) error {
		if r.Name != "normal" {
			return nil
		}
		seen++
		if r.Equal.Alarm > 0.01 || r.By10.Pass > 0.02 {
			t.Errorf("%+v", r)
		}
		if r.SD <= 0.025 && (r.Equal.Pass < 0.95 || r.By10.Alarm < 0.95) || r.SD <= 0.044 && r.By20.Alarm < 0.98 {
			t.Errorf("%+v", r)
		}
		return nil
	})
	if err != nil || seen != 10 {
		t.Errorf("%d noises, %v", seen, err)
	}
}

// Blocks of sittings that are biased alike within themselves raise no more alarms
// than chance, and a planted regression is found.
func TestResampledGates(t *testing.T) {
	var sittings []Sitting
	for i := range 3 {
		s := Sitting{Name: "s", Labels: []string{"cpu", "p50"}}
		draw := Noise{SD: 0.02}.draws(rand.New(rand.NewPCG(uint64(i), 1)))
		for range 12 {
			s.Blocks = append(s.Blocks, []float64{draw(), draw()})
		}
		sittings = append(sittings, s)
	}
	r, err := ResampleGates(t.Context(), sittings, 300)
	if err != nil || r.Blocks != 36 || r.Equal.Alarm > 0.01 || r.Equal.Pass < 0.95 || r.By10.Alarm < 0.95 {
		t.Errorf("%+v, %v", r, err)
	}
	if _, err := ResampleGates(t.Context(), sittings[:2], 10); !errors.Is(err, errFewSittings) {
		t.Errorf("two sittings: %v", err)
	}
	sittings[1].Blocks = sittings[1].Blocks[:3]
	if _, err := ResampleGates(t.Context(), sittings, 10); err == nil || !strings.Contains(err.Error(), "3 blocks of 2 metrics") {
		t.Errorf("three blocks: %v", err)
	}
}
