// SPDX-License-Identifier: Apache-2.0

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

// Sitting is what a gate of equal sides recorded at one time, of each metric: D of
// every block, and what neighbouring slices of each side differ by.
type Sitting struct {
	Name   string
	Labels []string
	Blocks [][]float64    // by block, by metric
	Nulls  [][2][]float64 // by metric, a list a side
	// Warming is what a side's first slice of a block costs more than its others, by
	// metric.
	Warming []gate.Series
}

// ReadSitting reads the trials of a gate of equal sides. They hold as many blocks
// as the longest gate has, so that a gate can draw each at most once.
func ReadSitting(dir string) (Sitting, error) {
	log, err := record.ReadFile(dir)
	if err != nil {
		return Sitting{}, err
	}
	scenario := &log.Run.Scenario
	s := Sitting{Name: dir, Warming: gate.Warming(log.Trials, scenario)}
	if differ := scenario.Differences(); len(differ) > 0 {
		return s, fmt.Errorf("%s: its sides are not equal (%s): name folders of gates of a scenario against itself, with nothing planted", dir, differ[0])
	}
	for _, one := range gate.TimedSeries(log.Trials, scenario) {
		if one.Missing != "" {
			return s, fmt.Errorf("%s: %s: %s", dir, one.Key, one.Missing)
		}
		s.Labels, s.Nulls = append(s.Labels, one.Label), append(s.Nulls, one.Null)
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
	return s, s.suffices()
}

// suffices says why a gate can't be drawn from the sitting.
func (s Sitting) suffices() error {
	if n := len(s.Blocks); n < gate.MaxBlocks {
		return fmt.Errorf("%s has %d whole blocks, and %d are needed, as a gate draws each at most once: record more with headroom gate gate-shop --all-blocks %d", s.Name, n, gate.MaxBlocks, gate.MaxBlocks+4)
	}
	return nil
}

// ResampledGates are what gates of recorded blocks came to: of equal sides, and
// with 10% planted in the first metric.
type ResampledGates struct {
	Sittings, Blocks, Gates int
	Equal, By10             GateShares
	Warming                 []gate.Series // of all sittings together
}

// errFewSittings is what too little was recorded for.
var errFewSittings = errors.New("blocks of at least three sittings are needed: run headroom gate gate-shop --all-blocks 24 at three times, and name their folders")

const minSittings = 3

// ResampleGates plays n gates of recorded blocks.
func ResampleGates(ctx context.Context, sittings []Sitting, n int) (ResampledGates, error) {
	r := ResampledGates{Sittings: len(sittings), Gates: n}
	if len(sittings) < minSittings {
		return r, errFewSittings
	}
	for _, s := range sittings {
		r.Blocks += len(s.Blocks)
		if err := s.suffices(); err != nil {
			return r, err
		}
		if len(s.Labels) != len(sittings[0].Labels) {
			return r, fmt.Errorf("%s has %d metrics, and %s has %d: name gates of one scenario", s.Name, len(s.Labels), sittings[0].Name, len(sittings[0].Labels))
		}
		for i, w := range s.Warming {
			if i == len(r.Warming) {
				r.Warming = append(r.Warming, gate.Series{Key: w.Key, Label: w.Label})
			}
			r.Warming[i].D = append(r.Warming[i].D, w.D...)
		}
	}
	for planted, into := range map[float64]*GateShares{1: &r.Equal, 1.10: &r.By10} {
		all, err := inParallel(ctx, n, func(random *rand.Rand) GateShares {
			s := sittings[random.IntN(len(sittings))]
			return playGate(len(s.Labels), s.draws(math.Log(planted), random))
		})
		if err != nil {
			return r, err
		}
		*into = meanShares(all)
	}
	return r, nil
}

// draws returns the sitting's blocks in a new order, the first metric with a shift. No
// block comes twice, as a repeated block would scatter less than another one. The two
// sides change their names in all blocks or in none: which was the dearer is chance,
// but the same for the whole sitting.
func (s Sitting) draws(shift float64, random *rand.Rand) func() []gateBlock {
	order, turned := random.Perm(len(s.Blocks)), random.IntN(2)
	sign := float64(1 - 2*turned)
	out, at := make([]gateBlock, len(s.Labels)), 0
	return func() []gateBlock {
		block := order[at]
		at++
		for i, d := range s.Blocks[block] {
			out[i].d = sign * d
			for side := range out[i].null {
				out[i].null[side] = math.NaN()
				if nulls := s.Nulls[i][side^turned]; block < len(nulls) {
					out[i].null[side] = nulls[block]
				}
			}
		}
		out[0].d += shift
		return out
	}
}

// Write writes the result in words, with what so many gates prove.
func (r ResampledGates) Write(w io.Writer) error {
	out := fmt.Sprintf("%d gates resampled from %d blocks of %d sittings, signs turned by sitting:\nequal sides: %.2f%% alarms, %.2f%% pass, %.2f%% open (%.2f%% unmeasurable), %.1f blocks\n10%% planted: %.2f%% found, %.2f%% pass, %.1f blocks\nA gate draws blocks of one sitting, none twice: tails beyond those recorded are not known.\n",
		r.Gates, r.Blocks, r.Sittings, 100*r.Equal.Alarm, 100*r.Equal.Pass, 100*r.Equal.Open, 100*r.Equal.Unmeasurable, r.Equal.Blocks, 100*r.By10.Alarm, 100*r.By10.Pass, r.By10.Blocks)
	for _, s := range r.Warming {
		if len(s.D) < 2 {
			continue
		}
		ratio, low, high := s.Interval()
		out += fmt.Sprintf("A side's first slice of a block, by its others: %s %+.1f%% (%+.1f%% to %+.1f%%)\n", s.Label, 100*(ratio-1), 100*(low-1), 100*(high-1))
	}
	_, err := io.WriteString(w, out)
	return err
}
