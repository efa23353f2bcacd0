// SPDX-License-Identifier: Apache-2.0

package compare

import (
	"fmt"
	"math"

	"gonum.org/v1/gonum/mathext"
)

// tally is what one block counted: so many of so many.
type tally struct{ count, of float64 }

// burst is how many checks in a row are taken to share one fate where nothing
// was seen that could tell. What goes wrong goes wrong for a while: a replica
// that is behind is behind for each read meanwhile.
const burst = 20

var unseenMethod = fmt.Sprintf("Clopper-Pearson, with one in %d counted: what is not seen may come in bursts", burst)

// shareOf is the share over all blocks.
func shareOf(blocks []tally) float64 {
	count, of := totals(blocks)
	return count / of
}

func totals(blocks []tally) (count, of float64) {
	for _, b := range blocks {
		count, of = count+b.count, of+b.of
	}
	return count, of
}

// shareInterval is the 95% interval of a share, from what each block counted;
// nil with fewer than three blocks.
//
// What is counted comes in bursts, and blocks differ, so the counts are worth fewer
// independent ones. The variance between blocks gives that number (Korn and Graubard,
// Survey Methodology 1998): n / deff, where deff is the variance of the share over
// blocks by that of independent counts, and at least 1. The number is smaller when few
// blocks give deff. The interval is Clopper and Pearson's of that number. Where the
// share is 0 in all blocks, or 1 in all, there is no variance: then counts are taken to
// come in bursts of 20, and no interval ends nearer to 0, or to 1, than that.
// TestShareCoverage has the coverage.
func shareInterval(blocks []tally) *Interval { return intervalAbout(blocks, shareOf(blocks)) }

// intervalAbout is shareInterval about another share than the one counted. The counts
// then only give the number of independent ones.
func intervalAbout(blocks []tally, share float64) *Interval {
	_, of := totals(blocks)
	known := 0.0
	for _, b := range blocks {
		if b.of > 0 {
			known++
		}
	}
	if known < MinBlocks {
		return nil
	}
	i := &Interval{Confidence: Confidence, Method: fmt.Sprintf("Clopper-Pearson, with as many counts as %.0f blocks show them to be worth", known)}
	unseen := noneBelow(of / burst)
	if share > 0 && share < 1 {
		effective := effectiveCount(blocks, known)
		i.Low, i.High = clopperPearson(share*effective, effective)
	} else {
		i.Low, i.High = share, share
		i.Method = unseenMethod
	}
	i.High = min(1, max(i.High, unseen))
	i.Low = max(0, min(i.Low, 1-unseen))
	return i
}

// effectiveCount is how many independent counts the blocks' are worth. Where the share
// is 0 in all blocks, or 1 in all, counts are taken to come in bursts.
func effectiveCount(blocks []tally, known float64) float64 {
	const normalQuantile = 1.959964 // of (1+Confidence)/2
	count, of := totals(blocks)
	share := count / of
	if share == 0 || share == 1 {
		return of / burst
	}
	squares := 0.0
	for _, b := range blocks {
		off := b.count - share*b.of
		squares += off * off
	}
	variance := known / (known - 1) * squares / (of * of)
	design := max(1, variance*of/(share*(1-share)))
	fewBlocks := normalQuantile / studentQuantile((1+Confidence)/2, int(known)-1)
	return of / design * fewBlocks * fewBlocks
}

// clopperPearson is the exact 95% interval of a share of which count in n were
// seen (1934), both whole or not: the beta quantiles B(2.5%; count, n-count+1)
// and B(97.5%; count+1, n-count).
func clopperPearson(count, n float64) (low, high float64) {
	const each = (1 - Confidence) / 2
	low, high = 0, 1
	if count > 0 {
		low = mathext.InvRegIncBeta(count, n-count+1, each)
	}
	if count < n {
		high = mathext.InvRegIncBeta(count+1, n-count, 1-each)
	}
	return low, high
}

// noneBelow is the upper end of clopperPearson when none of n was seen.
func noneBelow(n float64) float64 { return 1 - math.Pow((1-Confidence)/2, 1/n) }
