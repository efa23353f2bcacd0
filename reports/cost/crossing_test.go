package cost

import (
	"math/rand/v2"
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
		if got.First != tt.first || got.Good != tt.good || ok != tt.ok {
			t.Errorf("%s: %+v %v, want %v, for good from %v, %v", tt.name, got, ok, tt.first, tt.good, tt.ok)
		}
	}
}

// Below the first number the dearer never costs less, and from the last on
// always. Of 1,663 such pairs the one number that was given before was untrue
// above itself in 999.
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
		if c.Good > 0 && c.Good <= upTo && last+1 != c.Good {
			t.Fatalf("%+v, %+v: for good from %v on, not %v", cheap, dear, last+1, c.Good)
		}
		if bulk := dear.perUserInBulk() < cheap.perUserInBulk(); c.Compared == 0 && bulk != (c.Good > 0) {
			t.Fatalf("%+v, %+v: cheaper in bulk %v, for good from %v", cheap, dear, bulk, c.Good)
		}
		switch {
		case c.First == 0:
			never++
		case c.Good != c.First:
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
