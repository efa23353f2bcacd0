// SPDX-License-Identifier: Apache-2.0

package cost

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

func TestBreakEven(t *testing.T) {
	tests := []struct {
		name        string
		cheap, dear Offer
		first, good float64
		ok          bool
	}{
		// One more user than two copies of the cheap one carry needs a third. The
		// cheap one is cheaper again from 3,001 to 4,000 and from 6,001 to 7,000, and
		// the two cost the same up to 5,000 and up to 10,000.
		{"dearer carries three times as many for 2.5 times the price", Offer{100, 1000, 0}, Offer{250, 3000, 0}, 2001, 10_001, true},
		{"dearer carries twice as many for 1.5 times the price", Offer{100, 1000, 0}, Offer{150, 2000, 0}, 1001, 3001, true},
		{"dearer is dearer per user as well", Offer{100, 1000, 0}, Offer{250, 2000, 0}, 0, 0, true},
		{"dearer fills the gap, but not for good", Offer{100, 1000, 0}, Offer{150, 1400, 0}, 1001, 0, true},
		{"the same in bulk", Offer{100, 1000, 0}, Offer{200, 2000, 0}, 0, 0, true},
		{"same price, more users", Offer{100, 1000, 0}, Offer{100, 1500, 0}, 1001, 2001, true},
		{"the traffic of the dearer costs less", Offer{100, 1000, 1}, Offer{150, 1000, 0.5}, 101, 101, true},
		{"the same, but only past a step", Offer{100, 1000, 0.25}, Offer{350, 3000, 0.125}, 1201, 1201, true},
		{"no limit known", Offer{100, 0, 0}, Offer{250, 3000, 0}, 0, 0, false},
		{"the dearer is not the dearer", Offer{250, 3000, 0}, Offer{100, 1000, 0}, 0, 0, false},
	}
	for _, tt := range tests {
		got, ok := BreakEven(tt.cheap, tt.dear)
		if got.First != tt.first || got.ForGood != tt.good || ok != tt.ok {
			t.Errorf("%s: %+v %v, want %v, for good from %v, %v", tt.name, got, ok, tt.first, tt.good, tt.ok)
		}
	}
}

// Below the first number the dearer never costs less, and from the last on always. The
// one number that was given before was untrue further up in 999 of 1,663 such pairs.
func TestBreakEvenOfRandomPairs(t *testing.T) {
	random := rand.New(rand.NewPCG(6, 45))
	crossed, notAtOnce, never := 0, 0, 0
	for range 3000 {
		// Quarters and thirty-seconds are exact, so that equal sums are equal.
		cheap := Offer{CopyUSD: float64(1 + random.IntN(40)), CopyUsers: float64(4+random.IntN(400)) / 4, UserUSD: float64(random.IntN(8)) / 32}
		dear := Offer{CopyUSD: cheap.CopyUSD + float64(random.IntN(60)), CopyUsers: float64(4+random.IntN(800)) / 4, UserUSD: float64(random.IntN(8)) / 32}
		c, ok := BreakEven(cheap, dear)
		if !ok {
			t.Fatalf("%+v, %+v: not compared", cheap, dear)
		}
		upTo := 3000.0
		if c.Compared > 0 {
			upTo = min(upTo, c.Compared)
		}
		first, last := 0.0, 0.0 // the last at which dear does not cost less
		for users := 1.0; users <= upTo; users++ {
			switch less := dear.MonthlyUSD(users) < cheap.MonthlyUSD(users); {
			case less && first == 0:
				first = users
			case !less:
				last = users
			}
		}
		if first != c.First && (first > 0 || c.First <= upTo) {
			t.Fatalf("%+v, %+v: the first time is at %v, not %v", cheap, dear, first, c.First)
		}
		if c.ForGood > 0 && c.ForGood <= upTo && last+1 != c.ForGood {
			t.Fatalf("%+v, %+v: for good from %v on, not %v", cheap, dear, last+1, c.ForGood)
		}
		if bulk := dear.perUserInBulk() < cheap.perUserInBulk(); c.Compared == 0 && bulk != (c.ForGood > 0) {
			t.Fatalf("%+v, %+v: cheaper in bulk %v, for good from %v", cheap, dear, bulk, c.ForGood)
		}
		switch {
		case c.First == 0:
			never++
		case c.ForGood != c.First:
			notAtOnce++
			fallthrough
		default:
			crossed++
		}
	}
	if never < 100 || crossed < 1000 || notAtOnce < 500 {
		t.Errorf("the pairs are not of all kinds: %d never cross, %d do, %d of them not for good at once", never, crossed, notAtOnce)
	}
}

// Where users cost the same in bulk nobody can look at all numbers: up to 100,000 steps
// of both together are compared, and that is said.
func TestHowFarOffersAreCompared(t *testing.T) {
	c, ok := BreakEven(Offer{100, 1000, 0}, Offer{200, 2000, 0})
	if !ok || c != (Crossing{Compared: 66_666_666}) { // a step in every 1,000 and in every 2,000 users
		t.Errorf("%+v (%v)", c, ok)
	}
	if c, _ := BreakEven(Offer{100, 1000, 0}, Offer{250, 3000, 0}); c.Compared != 0 {
		t.Errorf("known for all numbers, and compared up to %v", c.Compared)
	}
	// Beyond these many users one of both is always the cheaper: a copy too much is
	// less than what each user saves.
	for _, test := range []struct {
		cheap, dear Offer
		want        float64
	}{
		{Offer{100, 1000, 0}, Offer{160, 2000, 0}, 160/(0.1-0.08) + 1}, {Offer{100, 1000, 0}, Offer{300, 2000, 0}, 100/(0.15-0.1) + 1},
		{Offer{100, 1000, 0}, Offer{200, 2000, 0}, math.Inf(1)},
	} {
		if got := (pair{test.cheap, test.dear}).decidedBeyond(); got != test.want && math.Abs(got-test.want) > 1.5 {
			t.Errorf("%+v and %+v are settled at %v, want %v", test.cheap, test.dear, got, test.want)
		}
	}
}

// Between two steps the dearer begins to cost less once at most.
func TestWithinAStretch(t *testing.T) {
	p := pair{Offer{100, 1000, 1}, Offer{150, 1000, 0.5}} // alike at 100 users
	for _, test := range []struct {
		s           stretch
		first, last float64 // 0: none
	}{
		{stretch{1, 1000}, 101, 100}, {stretch{1, 100}, 0, 100}, {stretch{1, 101}, 101, 100},
		{stretch{100, 101}, 101, 100}, {stretch{101, 1000}, 101, 0}, {stretch{101, 101}, 101, 0}, {stretch{100, 100}, 0, 100},
	} {
		first, below := p.firstBelow(test.s)
		last, above := p.lastNotBelow(test.s)
		if first != test.first || below != (test.first > 0) || last != test.last || above != (test.last > 0) {
			t.Errorf("%+v: less from %v (%v) on, not at %v (%v); want %v and %v", test.s, first, below, last, above, test.first, test.last)
		}
	}
	want := []stretch{{1, 10}, {11, 15}, {16, 20}, {21, 30}}
	if got := (pair{Offer{1, 10, 0}, Offer{1, 15, 0}}).stretches(21); !slices.Equal(got, want) {
		t.Errorf("stretches %v, want %v", got, want)
	}
	if got := (pair{Offer{1, 10, 0}, Offer{1, 15, 0}}).stretches(20); !slices.Equal(got, want[:3]) {
		t.Errorf("stretches up to a step: %v, want %v", got, want[:3])
	}
	// Of less than a user there is no stretch.
	if got := (pair{Offer{1, 0.4, 0}, Offer{1, 3, 0}}).stretches(2); !slices.Equal(got, []stretch{{1, 1}, {2, 2}, {3, 3}}[:2]) {
		t.Errorf("stretches of parts of a user: %v", got)
	}
}
