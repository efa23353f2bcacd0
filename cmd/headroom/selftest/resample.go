// SPDX-License-Identifier: Apache-2.0

package selftest

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"

	"headroom/harness/record"
	"headroom/harness/slo"
	"headroom/reports/compare"
	"headroom/scenarios"
)

// resamples are drawn with each seed.
const resamples = 1000

// Resampled is how often equal systems, made from the blocks of recorded runs,
// come out as different by the rules of a report.
type Resampled struct {
	Equal, Unequal int // runs that took part, by whether their variants are the same
	Ways           []Way
}

// Way is one way of making equal systems.
type Way struct {
	Words string
	Rows  []Share
	// Claimed counts resamples in which the page says a direction of any row: the
	// capacity's interval excludes 1, or a row of the common rate survives.
	Claimed Share
}

// Share is how many resamples of those that gave an interval excluded 1.
type Share struct {
	Key         string
	Bad, Of     int64
	Least, Most float64 // of the seeds' shares
	// Of the recorded runs themselves, as they were: what a whole run has in common
	// shows here alone. OwnOf is 0 where their variants differ.
	OwnBad, OwnOf int64
}

// drawn is one block of a resample.
type drawn struct {
	of        *recorded
	block     int
	flip      bool              // before and after are exchanged
	variant   scenarios.Variant // not "": both values are this variant's,
	secondary int               // the second one that of this block
}

// side is what one variant has in a pair.
type side struct{ value, driver float64 }

// sideOf is a variant's side of a block.
func sideOf(pairs []compare.Pair, block int, v scenarios.Variant) (side, bool) {
	i := slices.IndexFunc(pairs, func(p compare.Pair) bool { return p.Block == block })
	switch {
	case i < 0:
		return side{}, false
	case v == scenarios.After:
		return side{pairs[i].After, pairs[i].DriverAfter}, true
	}
	return side{pairs[i].Before, pairs[i].DriverBefore}, true
}

func (d drawn) pair(pairs []compare.Pair, block int) (compare.Pair, bool) {
	first, second, other := scenarios.Before, scenarios.After, d.block
	if d.flip {
		first, second = second, first
	}
	if d.variant != "" {
		first, second, other = d.variant, d.variant, d.secondary
	}
	before, ok1 := sideOf(pairs, d.block, first)
	after, ok2 := sideOf(pairs, other, second)
	return compare.Pair{Block: block, Before: before.value, After: after.value, DriverBefore: before.driver, DriverAfter: after.driver}, ok1 && ok2
}

// Resample makes equal systems from the blocks of finished runs and counts how often
// the interval of a report excludes 1 all the same. It draws 1,000 resamples with each
// of the seeds 1 to seeds.
//
//   - From a run whose variants are the same, by exchanging before and after in
//     each block by coin. Which of two equal systems is called before is arbitrary
//     within a block, so this tells whether the rule stands the shape of the
//     blocks' differences. An exchange takes the sign away, so it can't show what a
//     whole run has in common: how often the recorded runs themselves excluded 1
//     stands beside it. An exchange holds for all rows of the block, so their
//     correlation stays.
//   - From runs whose variants differ, where an exchange would leave the
//     difference in: each block of the resample takes two different blocks of one
//     variant of one run. They are the same system twice, so the true ratio is 1,
//     and their differences are symmetric. Every block of a resample is of another
//     run with the same topology: no value has a part in two blocks, and what one
//     run's machine did to all its blocks cancels. The price is the pairing in
//     time: the scatter is that of two blocks in turn, which is larger than within
//     one, and the interval measures it by itself. D of after and before, minus its
//     mean, would not do: it sums to nothing within a run, so its blocks are not
//     independent.
//
// The bound is that of the draws. Resamples of a few runs tell what the rules make of
// these runs' blocks, and no more.
func Resample(ctx context.Context, dirs []string, seeds int) (Resampled, error) {
	var out Resampled
	var equal []*recorded
	alike := map[string][]source{}
	var order []string // of alike's keys
	for i, dir := range dirs {
		if slices.Contains(dirs[:i], dir) {
			return out, fmt.Errorf("--runs names %s twice: a run proves nothing beside itself", dir)
		}
		r, err := readRecorded(dir)
		if err != nil {
			return out, err
		}
		if r.equal() {
			equal = append(equal, &r)
			continue
		}
		for _, v := range scenarios.Variants() {
			if alike[r.kinds[v]] == nil {
				order = append(order, r.kinds[v])
			}
			alike[r.kinds[v]] = append(alike[r.kinds[v]], source{&r, v})
		}
	}
	out.Equal, out.Unequal = len(equal), len(dirs)-len(equal)
	if len(equal) > 0 {
		way, err := count(ctx, fmt.Sprintf("before and after exchanged within blocks, %s", runsText(len(equal))), seeds, func(random *rand.Rand) []drawn {
			return exchanged(equal[random.IntN(len(equal))], random)
		})
		if err != nil {
			return out, err
		}
		way.addOwn(equal)
		out.Ways = append(out.Ways, way)
	}
	for _, kind := range order {
		sources := alike[kind]
		if len(sources) < sources[0].run.blocks {
			continue
		}
		way, err := count(ctx, fmt.Sprintf("pairs of blocks of %s's topology, as %s has it, %s", sources[0].variant, sources[0].run.dir, runsText(len(sources))), seeds,
			func(random *rand.Rand) []drawn { return paired(sources, random) })
		if err != nil {
			return out, err
		}
		out.Ways = append(out.Ways, way)
	}
	if len(out.Ways) == 0 {
		return out, fmt.Errorf("--runs: of runs whose variants differ as many with the same topology are needed as a run has blocks, to take each block from another; there are %d in all: give more of them, or one run whose variants are the same (cmd/bench-truth makes both)", out.Unequal)
	}
	return out, nil
}

func runsText(n int) string {
	if n == 1 {
		return "1 run"
	}
	return fmt.Sprintf("%d runs", n)
}

// source is a variant of a run whose variants differ.
type source struct {
	run     *recorded
	variant scenarios.Variant
}

func exchanged(r *recorded, random *rand.Rand) []drawn {
	var out []drawn
	for _, block := range r.blockNumbers() {
		out = append(out, drawn{of: r, block: block, flip: random.IntN(2) == 1})
	}
	return out
}

// paired draws as many blocks as the first source's run has, each from another
// run.
func paired(sources []source, random *rand.Rand) []drawn {
	var out []drawn
	for _, i := range random.Perm(len(sources))[:sources[0].run.blocks] {
		numbers := sources[i].run.blockNumbers()
		two := random.Perm(len(numbers))
		out = append(out, drawn{of: sources[i].run, block: numbers[two[0]], secondary: numbers[two[1]], variant: sources[i].variant})
	}
	return out
}

// blockNumbers are the blocks in which both variants have a capacity.
func (r *recorded) blockNumbers() []int {
	var numbers []int
	for _, p := range r.tables[0].effects[0].Pairs {
		numbers = append(numbers, p.Block)
	}
	return numbers
}

// count draws resamples and judges them as a report does.
func count(ctx context.Context, words string, seeds int, draw func(*rand.Rand) []drawn) (Way, error) {
	way := Way{Words: words, Claimed: Share{Key: "a direction is claimed of any row", Least: 1}}
	for seed := range seeds {
		random := rand.New(rand.NewPCG(uint64(seed+1), 0x72657361)) // "resa"
		var bySeed tallies
		for range resamples {
			if ctx.Err() != nil {
				return way, ctx.Err()
			}
			bySeed.judge(draw(random))
		}
		for _, s := range bySeed.rows {
			i := slices.IndexFunc(way.Rows, func(have Share) bool { return have.Key == s.Key })
			if i < 0 {
				i = len(way.Rows)
				way.Rows = append(way.Rows, Share{Key: s.Key, Least: 1})
			}
			way.Rows[i].add(s)
		}
		way.Claimed.add(Share{Bad: bySeed.claimed, Of: resamples})
	}
	return way, nil
}

// addOwn counts over the runs as they were recorded.
func (w *Way) addOwn(runs []*recorded) {
	var own tallies
	for _, r := range runs {
		var blocks []drawn
		for _, block := range r.blockNumbers() {
			blocks = append(blocks, drawn{of: r, block: block})
		}
		own.judge(blocks)
	}
	for _, s := range own.rows {
		if i := slices.IndexFunc(w.Rows, func(have Share) bool { return have.Key == s.Key }); i >= 0 {
			w.Rows[i].OwnBad, w.Rows[i].OwnOf = s.Bad, s.Of
		}
	}
	w.Claimed.OwnBad, w.Claimed.OwnOf = own.claimed, int64(len(runs))
}

// own is the count over the recorded runs.
func (s Share) own() string {
	if s.OwnOf == 0 {
		return "–"
	}
	return fmt.Sprintf("%d of %d", s.OwnBad, s.OwnOf)
}

func (s *Share) add(seed Share) {
	s.Bad, s.Of = s.Bad+seed.Bad, s.Of+seed.Of
	share := float64(seed.Bad) / float64(seed.Of)
	s.Least, s.Most = min(s.Least, share), max(s.Most, share)
}

// tallies count over the resamples of one seed.
type tallies struct {
	rows    []Share
	claimed int64
}

// judge gives a resample to the functions that a report calls.
func (t *tallies) judge(blocks []drawn) {
	claimed := false
	for tableIndex, first := range blocks[0].of.tables {
		effects := make([]compare.Effect, len(first.keys))
		for row, key := range first.keys {
			effects[row] = effectOf(blocks, tableIndex, key)
			t.add(string(key), effects[row])
		}
		if tableIndex == 0 {
			claimed = effects[0].Interval != nil && !effects[0].Spans1()
			continue
		}
		compare.JudgeTogether(effects)
		claimed = claimed || slices.ContainsFunc(effects, func(e compare.Effect) bool { return e.Survives })
	}
	if claimed {
		t.claimed++
	}
}

// effectOf is a metric's effect over the blocks that have it.
func effectOf(blocks []drawn, tableIndex int, key scenarios.MetricKey) compare.Effect {
	var like compare.Effect
	var pairs []compare.Pair
	for i, d := range blocks {
		e, ok := d.of.tables[tableIndex].effect(key)
		if !ok {
			continue
		}
		if p, ok := d.pair(e.Pairs, i+1); ok {
			if pairs == nil {
				like = e
			}
			pairs = append(pairs, p)
		}
	}
	return like.WithPairs(pairs)
}

func (t *tallies) add(key string, e compare.Effect) {
	if e.Interval == nil {
		return
	}
	i := slices.IndexFunc(t.rows, func(s Share) bool { return s.Key == key })
	if i < 0 {
		i = len(t.rows)
		t.rows = append(t.rows, Share{Key: key})
	}
	t.rows[i].Of++
	if !e.Spans1() {
		t.rows[i].Bad++
	}
}

// WriteResampled writes the shares in Markdown.
func WriteResampled(w io.Writer, r Resampled) error {
	out := fmt.Sprintf("%d runs whose variants are the same, %d whose variants differ.\n", r.Equal, r.Unequal)
	for _, way := range r.Ways {
		out += fmt.Sprintf("\nEqual by %s:\n\n| of equal systems | excludes 1 | %% | below, %% (95%%) | seeds, %% | the recorded runs themselves |\n|---|---:|---:|---:|---:|---:|\n", way.Words)
		for _, s := range append(slices.Clone(way.Rows), way.Claimed) {
			out += fmt.Sprintf("| %s | %d of %d | %.1f | %.1f | %.1f-%.1f | %s |\n", s.Key, s.Bad, s.Of, 100*float64(s.Bad)/float64(s.Of),
				100*slo.ShareUpperBound(record.Count{Bad: s.Bad, Of: s.Of}), 100*s.Least, 100*s.Most, s.own())
		}
	}
	_, err := io.WriteString(w, out)
	return err
}
