// SPDX-License-Identifier: Apache-2.0

package compare

import (
	"math"
	"math/rand/v2"
	"testing"
)

// effectsOf are the effects of tables of differences, judged together.
func effectsOf(rows [][]float64) []*Effect {
	var effects []*Effect
	for _, d := range rows {
		var pairs []Pair
		for block, x := range d {
			pairs = append(pairs, Pair{Block: block + 1, Before: 1, After: math.Exp(x)})
		}
		e := ratioOf(pairs, minResolution)
		effects = append(effects, &e)
	}
	adjustTogether(effects)
	return effects
}

func TestMaxT(t *testing.T) {
	up := []float64{0.70, 0.71, 0.72, 0.70, 0.71, 0.72, 0.70}
	mixed := []float64{0.1, -0.2, 0.3, -0.1, 0.2, -0.3, 0.05}
	// All blocks of the first row agree: only it and its mirror image are as
	// extreme, 2 of 128. The other is smaller under all flips but its own two.
	got := maxT([]row{newRow(up, minResolution), newRow(mixed, minResolution)}, 7)
	near(t, "clear row", got[0], 2.0/128, 1e-15)
	if got[1] < 0.5 {
		t.Errorf("a row without a change has p %v", got[1])
	}
	// The same row twice counts once: that is what sign flips are shared for.
	got = maxT([]row{newRow(up, minResolution), newRow(up, minResolution), newRow(up, minResolution)}, 7)
	near(t, "three alike", got[0], 2.0/128, 1e-15)
	// A row that lacks a block has no p.
	got = maxT([]row{newRow(up, minResolution), newRow(up[:6], minResolution)}, 7)
	if got[1] != 0 {
		t.Errorf("a row with a missing block has p %v", got[1])
	}
}

func TestHolm(t *testing.T) {
	// Student's t with 2 degrees of freedom is beyond 4.30265 in 5% and beyond
	// 9.92484 in 1%: values 1-s, 1, 1+s have t = sqrt(3)/s.
	at := func(threshold float64) row {
		s := math.Sqrt(3) / threshold
		return newRow([]float64{1 - s, 1, 1 + s}, 0)
	}
	got := holm([]row{at(4.30265), at(9.92484), at(4.30265)})
	near(t, "the smallest counts three times", got[1], 0.03, 1e-6)
	near(t, "the next twice", got[0], 0.10, 1e-6)
	near(t, "none less than the one before", got[2], 0.10, 1e-6)
	if len(holm(nil)) != 0 {
		t.Error("nothing has a p")
	}
}

// The t of 1, 2, 3 is 2 sqrt 3; with the first turned it is that of -1, 2, 3: mean 4/3,
// variance 13/3.
func TestStudentOfARow(t *testing.T) {
	r := newRow([]float64{1, 2, 3}, 0)
	near(t, "as they are", r.student(0), 2*math.Sqrt(3), 1e-12)
	near(t, "all turned", r.student(0b111), 2*math.Sqrt(3), 1e-12)
	near(t, "the first turned", r.student(0b001), 4.0/3/math.Sqrt(13.0/9), 1e-12)
	near(t, "the last turned", r.student(0b100), 0, 1e-12)
	// Values that agree are known to the resolution: an interval of 0.1 to both sides
	// has a standard error of 0.1 / 4.30265.
	near(t, "no scatter", newRow([]float64{1, 1, 1}, 0.1).student(0), 43.0265, 1e-3)
}

// From 7 to 16 blocks signs are flipped, with fewer or more it is Student's p.
func TestWhichAdjustment(t *testing.T) {
	for blocks, want := range map[int]float64{6: minP, 7: 2.0 / (1 << 7), 16: 2.0 / (1 << 16), 17: minP} {
		d := make([]float64, blocks)
		for i := range d {
			d[i] = 5 // far beyond the resolution: Student's p is as good as none
		}
		got := adjusted([]row{newRow(d, 1e-4)}, blocks)[0]
		near(t, "p", got, want, want/100)
	}
}

// With five blocks a clear change has to be able to survive. Max-T's p by ranks
// could not fall below 2/32, whatever the change.
func TestWhatSurvives(t *testing.T) {
	random := rand.New(rand.NewPCG(5, 9))
	for _, blocks := range []int{3, 5, 6, 7, 10, 20} {
		rows := make([][]float64, 14)
		for i := range rows {
			centre := 0.0
			if i == 0 {
				centre = math.Log(0.3)
			}
			for range blocks {
				rows[i] = append(rows[i], centre+0.02*random.NormFloat64())
			}
		}
		rows[1] = make([]float64, blocks) // exactly alike
		effects := effectsOf(rows)
		if !effects[0].Survives || effects[0].PAdjusted > 0.05 {
			t.Errorf("%d blocks: a ratio of 0.3 does not survive: %+v", blocks, *effects[0])
		}
		if effects[1].Survives || effects[1].PAdjusted != 1 || !effects[1].Spans1() {
			t.Errorf("%d blocks: equal figures differ: %+v", blocks, *effects[1])
		}
	}
	// Neither two blocks nor a missing ratio are judged.
	if e := effectsOf([][]float64{{0.5, 0.5}, {}}); e[0].Survives || e[0].PAdjusted != 0 || e[1].PAdjusted != 0 {
		t.Errorf("%+v, %+v", *e[0], *e[1])
	}
	// A difference within the figures' resolution is none, however even.
	if e := effectsOf([][]float64{{0.0009, 0.0009, 0.0009, 0.0009, 0.0009}}); e[0].Survives {
		t.Errorf("%+v", *e[0])
	}
}

// falseTables draws tables without any change, whose rows hang together with the
// given correlation, and returns the share with a change that survives.
func falseTables(random *rand.Rand, tables, rows, blocks int, correlation float64) float64 {
	wrong := 0
	shared := make([]float64, blocks)
	for range tables {
		for i := range shared {
			shared[i] = random.NormFloat64()
		}
		table := make([]row, rows)
		for i := range table {
			d := make([]float64, blocks)
			for k := range d {
				d[k] = 0.05 * (math.Sqrt(correlation)*shared[k] + math.Sqrt(1-correlation)*random.NormFloat64())
			}
			table[i] = newRow(d, minResolution)
		}
		for _, p := range adjusted(table, blocks) {
			if p <= 1-Confidence {
				wrong++
				break
			}
		}
	}
	return float64(wrong) / float64(tables)
}

// Of tables in which nothing changed, at most 5% may show a change anywhere:
// 2,000 tables leave a standard error of 0.49%.
func TestFamilywiseError(t *testing.T) {
	const tables, most = 2000, 0.05 + 3*0.0049
	random := rand.New(rand.NewPCG(14, 40))
	for _, blocks := range []int{5, 7} {
		for _, rows := range []int{14, 40} {
			for _, correlation := range []float64{0, 0.5, 0.8} {
				share := falseTables(random, tables, rows, blocks, correlation)
				t.Logf("%d blocks, %d rows, correlation %.1f: %.1f%% of tables", blocks, rows, correlation, share*100)
				if share > most {
					t.Errorf("%d blocks, %d rows, correlation %.1f: a change that is none in %.1f%% of tables", blocks, rows, correlation, share*100)
				}
			}
		}
	}
}
