// SPDX-License-Identifier: Apache-2.0

package compare

import (
	"cmp"
	"math"
	"slices"
)

// maxEnumerated is the number of blocks up to which all sign flips are tried.
const maxEnumerated = 16

// minP is the smallest p that is given: 0 stands for none.
const minP = 1e-9

// adjustTogether sets PAdjusted and Survives of a table's effects, for all of them
// together. PAdjusted bounds the chance that a table without any change shows a change
// as clear as this one in any row.
//
// From 7 to 16 blocks that is Westfall and Young's max-T over shared sign
// flips. With fewer, sign flips have too few outcomes: with 5 blocks no p falls
// below 2/32, however large the change. Then, and with more than 16, where
// there are too many flips to try, it is Holm's (1979) adjustment of Student's
// p, which needs no knowledge of how rows hang together. Both have at most the
// 5% of false tables that they promise; TestFamilywiseError simulates it. With 5
// blocks and a correlation of 0, 0.5 and 0.8 between the rows, Holm's marks a
// change that is none in 5.0, 4.4 and 3.6% of tables of 14 rows, and in 5.0, 4.6
// and 3.3% of those of 40 (20,000 tables each). So a max-T with the rows' own
// correlation has little to win, and five blocks would tell it wrong: they show a
// correlation of 14 rows as one of rank 4.
func adjustTogether(effects []*Effect) {
	var rows []row
	var taking []*Effect
	blocks := 0
	for _, e := range effects {
		if d, why := logRatios(e.Pairs); e.Missing == "" && why == "" && len(d) >= MinBlocks {
			rows, taking = append(rows, newRow(d, e.resolution)), append(taking, e)
			blocks = max(blocks, len(d))
		}
	}
	for i, p := range adjusted(rows, blocks) {
		taking[i].PAdjusted = p
		taking[i].Survives = p > 0 && p <= 1-Confidence && !taking[i].Spans1()
	}
}

// adjusted is each row's p for all rows together, where the longest row has so many
// blocks; 0: none.
func adjusted(rows []row, blocks int) []float64 {
	if blocks >= minRankBlocks && blocks <= maxEnumerated {
		return maxT(rows, blocks)
	}
	return holm(rows)
}

// row is one metric's differences, one a block, with what sign flips don't change.
type row struct {
	d       []float64
	squares float64
	// least is the smallest standard error: with it the interval is as wide as the
	// figures' resolution.
	least float64
}

func newRow(d []float64, resolution float64) row {
	r := row{d: d, least: resolution / studentQuantile((1+Confidence)/2, len(d)-1)}
	for _, x := range d {
		r.squares += x * x
	}
	return r
}

// student is |t| with the signs of these blocks turned, one bit a block.
func (r row) student(flips uint) float64 {
	n, sum := float64(len(r.d)), 0.0
	for block, x := range r.d {
		if flips>>block&1 == 1 {
			x = -x
		}
		sum += x
	}
	variance := max(0, r.squares-sum*sum/n) / (n - 1)
	return math.Abs(sum) / n / max(math.Sqrt(variance/n), r.least)
}

// holm adjusts the two-sided p of each row's t: of m rows the smallest p counts
// m times, the next m-1 times, and none less than the one before.
func holm(rows []row) []float64 {
	order := make([]int, len(rows))
	p := make([]float64, len(rows))
	for i, r := range rows {
		order[i] = i
		p[i] = max(minP, studentBeyond(r.student(0), len(r.d)-1))
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(p[a], p[b]) })
	adjusted, least := make([]float64, len(rows)), 0.0
	for rank, i := range order {
		least = max(least, min(1, p[i]*float64(len(rows)-rank)))
		adjusted[i] = least
	}
	return adjusted
}

// maxT returns, for each row with a value in all of the blocks, the share of
// the sign flips of whole blocks that give any such row a |t| as large as this
// row's (Westfall and Young's max-T), and 0 for the others. All rows have their
// blocks in the same order.
func maxT(rows []row, blocks int) []float64 {
	type statistic struct {
		index int
		own   float64
	}
	var complete []statistic
	for i, r := range rows {
		if len(r.d) == blocks {
			complete = append(complete, statistic{i, r.student(0)})
		}
	}
	extreme := make([]float64, len(rows))
	for flips := range uint(1) << blocks {
		largest := 0.0
		for _, s := range complete {
			largest = max(largest, rows[s.index].student(flips))
		}
		for _, s := range complete {
			if largest >= s.own {
				extreme[s.index]++
			}
		}
	}
	for i := range extreme {
		extreme[i] /= float64(uint(1) << blocks)
	}
	return extreme
}
