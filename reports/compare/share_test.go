// SPDX-License-Identifier: Apache-2.0

package compare

import (
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"gonum.org/v1/gonum/stat/distuv"

	"headroom/harness/record"
	"headroom/scenarios"
)

// Each end is where the binomial distribution leaves 2.5% beyond what was seen.
func TestClopperPearson(t *testing.T) {
	for _, test := range []struct{ count, n float64 }{
		{0, 1}, {1, 1}, {0, 10}, {1, 10}, {5, 10}, {10, 10}, {7, 1000}, {0, 100_000}, {99_999, 100_000},
	} {
		low, high := clopperPearson(test.count, test.n)
		const each = 0.025
		atLeast := 1 - distuv.Binomial{N: test.n, P: low}.CDF(test.count-1)
		if test.count == 0 && low != 0 || test.count > 0 && math.Abs(atLeast-each) > 1e-6 {
			t.Errorf("%v of %v: the low end %v leaves %v", test.count, test.n, low, atLeast)
		}
		atMost := distuv.Binomial{N: test.n, P: high}.CDF(test.count)
		if test.count == test.n && high != 1 || test.count < test.n && math.Abs(atMost-each) > 1e-6 {
			t.Errorf("%v of %v: the high end %v leaves %v", test.count, test.n, high, atMost)
		}
	}
	_, high := clopperPearson(0, 10)
	near(t, "none of ten", high, 0.3084971, 1e-7)
	near(t, "none of ten, in closed form", noneBelow(10), high, 1e-12)
}

func TestShareInterval(t *testing.T) {
	even := func(count float64) []tally { return []tally{{count, 400}, {count, 400}, {count, 400}} }
	// All three agree that it is none, or all: 1,200 checks in bursts of 20 are 60.
	none, all := shareInterval(even(0)), shareInterval(even(400))
	near(t, "none, low", none.Low, 0, 0)
	near(t, "none, high", none.High, noneBelow(60), 1e-12)
	near(t, "all, low", all.Low, 1-noneBelow(60), 1e-12)
	near(t, "all, high", all.High, 1, 0)
	// A violation more never bounds the share lower than none at all.
	if one := shareInterval([]tally{{0, 400}, {1, 400}, {0, 400}}); one.High < none.High || one.Low <= 0 {
		t.Errorf("one in one block: %+v, none: %+v", one, none)
	}
	// Blocks that agree are worth all their counts, but for what three blocks leave
	// unknown of that: (1.959964/4.30265)^2 of 1,200.
	agree := shareInterval(even(40))
	low, high := clopperPearson(0.1*1200*0.207503, 1200*0.207503)
	near(t, "agreeing blocks, low", agree.Low, low, 1e-5)
	near(t, "agreeing blocks, high", agree.High, high, 1e-5)
	// Blocks that differ are worth less.
	if differ := shareInterval([]tally{{0, 400}, {120, 400}, {0, 400}}); differ.High < 3*agree.High || differ.Low > agree.Low/3 {
		t.Errorf("differing blocks: %+v, agreeing ones: %+v", differ, agree)
	}
	if i := shareInterval([]tally{{1, 400}, {2, 400}, {0, 0}}); i != nil {
		t.Errorf("two blocks with checks give %+v", i)
	}
}

// What blocks count is worth as much as their scatter shows: 10, 20 and 30 of 100
// each have the variance 3/2 * 200 / 300^2, which is 6.25 times 0.2 * 0.8 / 300; so
// 300 are worth 48, less what three blocks leave unknown: (1.959964/4.30265)^2.
func TestEffectiveCount(t *testing.T) {
	got := effectiveCount([]tally{{10, 100}, {20, 100}, {30, 100}}, 3)
	near(t, "differing blocks", got, 48*0.207503, 1e-3)
	near(t, "none", effectiveCount([]tally{{0, 100}, {0, 100}, {0, 100}}, 3), 15, 1e-12)
	near(t, "all", effectiveCount([]tally{{100, 100}, {100, 100}}, 3), 10, 1e-12)
}

// Of what is counted and of what is not the intervals mirror each other.
func TestShareIntervalMirrors(t *testing.T) {
	for _, counts := range [][]float64{{0, 0, 0}, {0, 1, 0}, {1, 0, 3}, {40, 60, 50}, {399, 400, 400}, {400, 400, 400}} {
		var bad, good []tally
		for _, c := range counts {
			bad, good = append(bad, tally{c, 400}), append(good, tally{400 - c, 400})
		}
		b, g := shareInterval(bad), shareInterval(good)
		near(t, "low", b.Low, 1-g.High, 1e-7)
		near(t, "high", b.High, 1-g.Low, 1e-7)
		if share := shareOf(bad); !b.holds(share) || b.Low < 0 || b.High > 1 {
			t.Errorf("%v: %+v", counts, b)
		}
	}
}

// The interval has to hold the truth where violations come in bursts and blocks
// differ: taken as independent the same checks covered 49% with bursts of 5, 26%
// with bursts of 20, 55 and 30% with blocks that differ by 0.5 and 1 (standard
// deviation of the logarithm of their share).
func TestShareCoverage(t *testing.T) {
	const truth, checks, runs = 0.01, 12_000, 2000
	random := rand.New(rand.NewPCG(11, 12))
	for _, blocks := range []int{3, 5, 6} {
		for _, test := range []struct {
			name  string
			burst int
			sd    float64 // of ln(share) from block to block
			least float64
		}{
			{"independent", 1, 0, 0.95}, {"bursts of 5", 5, 0, 0.95}, {"bursts of 20", 20, 0, 0.94},
			{"blocks differ by 0.5", 1, 0.5, 0.93}, {"blocks differ by 1", 1, 1, 0.87},
		} {
			held := 0
			for range runs {
				counts := make([]tally, blocks)
				for i := range counts {
					n := checks / blocks / test.burst
					share := math.Min(1, truth*math.Exp(test.sd*random.NormFloat64()-test.sd*test.sd/2))
					bad := distuv.Binomial{N: float64(n), P: share, Src: random}.Rand()
					counts[i] = tally{bad * float64(test.burst), float64(n * test.burst)}
				}
				if shareInterval(counts).holds(truth) {
					held++
				}
			}
			share := float64(held) / runs
			t.Logf("%d blocks, %s: %.1f%%", blocks, test.name, share*100)
			if share < test.least {
				t.Errorf("%d blocks, %s: the interval holds the truth in %.1f%%", blocks, test.name, share*100)
			}
		}
	}
}

// Lag lasts: 540 samples at 10 Hz of a lag that stays for 1 or 3 s are far fewer.
// Their order statistics, taken as independent, held p50 in 46 and 30%, and p99
// in 68 and 38%.
func TestLagCoverage(t *testing.T) {
	const samples, runs = 540, 1000
	random := rand.New(rand.NewPCG(13, 14))
	quantiles := []float64{0.5, 0.99}
	truth := []float64{10, 10 * math.Exp(0.5*distuv.UnitNormal.Quantile(0.99))}
	for _, blocks := range []int{3, 5} {
		for _, lasts := range []int{1, 10, 30} { // samples
			held := [2]int{}
			for range runs {
				var all record.Histogram
				var parts []Sample
				for range blocks {
					var age record.Histogram
					lag := time.Duration(0)
					for i := range samples / blocks {
						if i%lasts == 0 {
							lag = time.Duration(10 * math.Exp(0.5*random.NormFloat64()) * float64(time.Millisecond))
						}
						age.Record(lag)
					}
					all.Merge(age)
					parts = append(parts, Sample{oracles: []record.Oracle{{Name: scenarios.OracleLag, Checked: age.Count(), Age: &age}}})
				}
				for i, q := range quantiles {
					if lagInterval(all, parts, q, QuantileMillis(all, all.Count(), q).V).holds(truth[i]) {
						held[i]++
					}
				}
			}
			for i, q := range quantiles {
				share := float64(held[i]) / runs
				t.Logf("%d blocks, lag lasts for %d samples: p%g held in %.1f%%", blocks, lasts, q*100, share*100)
				if share < 0.89 {
					t.Errorf("%d blocks, lag lasts for %d samples: p%g held in %.1f%%", blocks, lasts, q*100, share*100)
				}
			}
		}
	}
}
