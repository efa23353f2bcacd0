package selftest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"math/rand/v2"

	"headroom/harness/record"
	"headroom/reports/gate"
)

// Sitting is what gates of equal sides recorded at one time: D of every block,
// of each metric.
type Sitting struct {
	Name   string
	Labels []string
	Blocks [][]float64
}

// ReadSitting reads the trials of a gate of equal sides.
func ReadSitting(dir string) (Sitting, error) {
	log, err := record.ReadFile(dir)
	if err != nil {
		return Sitting{}, err
	}
	s := Sitting{Name: dir}
	for _, one := range gate.TimedSeries(log.Trials, &log.Run.Scenario) {
		if one.Missing != "" {
			return s, fmt.Errorf("%s: %s: %s", dir, one.Key, one.Missing)
		}
		s.Labels = append(s.Labels, one.Label)
		for i, d := range one.D {
			if math.IsNaN(d) || math.IsInf(d, 0) {
				return s, fmt.Errorf("%s: %s: block %d has no number", dir, one.Key, i+1)
			}
			if i == len(s.Blocks) {
				s.Blocks = append(s.Blocks, nil)
			}
			s.Blocks[i] = append(s.Blocks[i], d)
		}
	}
	return s, nil
}

// ResampledGates are what gates of recorded blocks came to: of equal sides, and
// with 10% planted in the first metric.
type ResampledGates struct {
	Sittings, Blocks, Gates int
	Equal, By10             GateShares
}

// errFewSittings is what too little was recorded for.
var errFewSittings = errors.New("blocks of at least three sittings are needed: run headroom gate gate-shop at three times, and name their folders")

const fewestSittings = 3

// ResampleGates plays n gates of recorded blocks. Each draws its blocks from one
// sitting, with all signs turned or none: which side was the dearer is chance,
// but the same for the whole sitting.
func ResampleGates(ctx context.Context, sittings []Sitting, n int) (ResampledGates, error) {
	r := ResampledGates{Sittings: len(sittings), Gates: n}
	if len(sittings) < fewestSittings {
		return r, errFewSittings
	}
	for _, s := range sittings {
		r.Blocks += len(s.Blocks)
		if len(s.Labels) != len(sittings[0].Labels) || len(s.Blocks) < gate.FirstLook {
			return r, fmt.Errorf("%s has %d blocks of %d metrics: at least %d are needed, of as many metrics as the others", s.Name, len(s.Blocks), len(s.Labels), gate.FirstLook)
		}
	}
	for planted, into := range map[float64]*GateShares{1: &r.Equal, 1.10: &r.By10} {
		all, err := inParallel(ctx, n, func(random *rand.Rand) GateShares {
			s := sittings[random.IntN(len(sittings))]
			sign := float64(1 - 2*random.IntN(2))
			return playGate(len(s.Labels), func() []float64 {
				d := make([]float64, len(s.Labels))
				for i, x := range s.Blocks[random.IntN(len(s.Blocks))] {
					d[i] = sign * x
				}
				d[0] += math.Log(planted)
				return d
			})
		})
		if err != nil {
			return r, err
		}
		*into = meanShares(all)
	}
	return r, nil
}

// Write writes the result in words, with what so many gates prove.
func (r ResampledGates) Write(w io.Writer) error {
	_, err := fmt.Fprintf(w, "%d gates resampled from %d blocks of %d sittings, signs turned by sitting:\nequal sides: %.2f%% alarms, %.2f%% pass, %.2f%% open, %.1f blocks\n10%% planted: %.2f%% found, %.2f%% pass, %.1f blocks\nBlocks were drawn again and again: tails beyond those recorded are not known.\n",
		r.Gates, r.Blocks, r.Sittings, 100*r.Equal.Alarm, 100*r.Equal.Pass, 100*r.Equal.Open, r.Equal.Blocks, 100*r.By10.Alarm, 100*r.By10.Pass, r.By10.Blocks)
	return err
}
