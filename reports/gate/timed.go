// SPDX-License-Identifier: Apache-2.0

package gate

import (
	"fmt"
	"math"

	"gonum.org/v1/gonum/stat/distuv"
)

// Series is one timed metric, block by block.
type Series struct {
	Key   string    // "cpu app"
	Label string    // "CPU per request of app"
	D     []float64 // ln(after/before) of each block
	// Null are ln(later/earlier) of two neighbouring slices of one side, a list a
	// side: equal work, so any difference is the machine's. A side with fewer of
	// them than the first look has blocks leaves the metric open.
	Null [2][]float64
	// Missing says why a block has no value; nothing is decided then.
	Missing string
	// Adjusted says that the driver's own CPU time fell out of D.
	Adjusted bool
}

// Timed is what became of a timed metric, or of one row of Correctness, which
// has no ratio.
type Timed struct {
	Key    string  `json:"key"`
	Label  string  `json:"label"`
	Status Status  `json:"status"`
	Why    string  `json:"why,omitempty"`
	Ratio  float64 `json:"ratio,omitempty"` // after/before
	Low    float64 `json:"low,omitempty"`   // of its 95% interval
	High   float64 `json:"high,omitempty"`
	SD     float64 `json:"sd,omitempty"` // of ln(ratio) from block to block
	// SDAtMost is the upper confidence limit of SD at 80%.
	SDAtMost float64   `json:"sd_at_most,omitempty"`
	Blocks   []float64 `json:"ln_ratio_by_block,omitempty"`
	// For and Against are the e-processes at the last look: of a regression
	// beyond 2%, and of less than 10%, both beyond what is accepted.
	For      float64 `json:"evidence_of_regression,omitempty"`
	Against  float64 `json:"evidence_of_less_than_10_percent,omitempty"`
	Adjusted bool    `json:"less_driver_cpu,omitempty"`
	Accepted string  `json:"accepted,omitempty"` // why a regression is let pass
}

// Decide applies the rule to every series. The metrics alarm together: with more of
// them each needs more evidence. What is accepted, as InForce says, is no regression:
// the rule asks what lies beyond it.
func Decide(series []Series, accepted []Acceptance) []Timed {
	out := make([]Timed, len(series))
	for i, s := range series {
		out[i] = s.decide(len(series), acceptanceOf(accepted, s.Key))
	}
	return out
}

// Finished says that more blocks would change nothing: there is a regression,
// or nothing is open, or requests fail on both sides, or the blocks are used up.
func Finished(timed []Timed, blocks int) bool {
	open, failing := false, false
	for _, t := range timed {
		switch {
		case t.Status == StatusRegression:
			return true
		case t.Status == StatusOpen:
			open = true
		case t.Status == StatusAbsent && t.correctness():
			failing = true
		}
	}
	return blocks >= MaxBlocks || blocks >= FirstLook && (!open || failing)
}

func (s Series) decide(metrics int, accepted *Acceptance) Timed {
	t := Timed{Key: s.Key, Label: s.Label, Blocks: s.D, Adjusted: s.Adjusted, Status: StatusOpen}
	if s.Missing != "" {
		t.Status, t.Why = StatusAbsent, s.Missing
		return t
	}
	for _, d := range s.D {
		if !finite(d) {
			t.Status, t.Why, t.Blocks = StatusAbsent, "a block's ratio is no number", nil
			return t
		}
	}
	if len(s.D) < FirstLook {
		t.Why = fmt.Sprintf("%d blocks: the first look is after %d", len(s.D), FirstLook)
		return t
	}
	t.Ratio, t.Low, t.High = s.Interval()
	_, t.SD = meanAndSD(s.D)
	t.SDAtMost = t.ScatterAtMost()
	if why := s.drifts(metrics); why != "" {
		t.Status, t.Why = StatusUnmeasurable, why
		return t
	}
	if t.Why = s.uncontrolled(); t.Why == "" {
		t.look(s.D, metrics, accepted)
	}
	return t
}

// look goes through all looks: what was reached at one stays reached, and a regression
// at any weighs more than a pass. An acceptance moves both of the rule's bounds, 2% and
// 10%, by what it lets pass. Where the estimate is within 2% anyway nothing needs
// accepting, and a pass must exclude 10% as ever.
func (t *Timed) look(d []float64, metrics int, accepted *Acceptance) {
	beyond, bounds := d, "neither a regression is shown nor 10% excluded"
	if accepted != nil {
		beyond = make([]float64, len(d))
		for i, x := range d {
			beyond[i] = x - math.Log(accepted.UpTo)
		}
		bounds = fmt.Sprintf("neither more than the accepted %+.3g%% is shown nor %+.3g%% excluded", percent(accepted.UpTo), percent(accepted.UpTo*(1+excluded)))
	}
	passed, same := false, false
	for n := FirstLook; n <= min(len(d), MaxBlocks); n += lookEvery {
		t.For, t.Against = forRegression(beyond[:n]), forPass(beyond[:n])
		if t.For >= evidenceThreshold*float64(metrics) {
			t.Status, t.Why = StatusRegression, fmt.Sprintf("%s in %d blocks", t.words(), n)
			if accepted != nil {
				t.Why += fmt.Sprintf(": more than the accepted %+.3g%%", percent(accepted.UpTo))
			}
			return
		}
		passed = passed || t.Against >= evidenceThreshold
		same = same || passed && (accepted == nil || forPass(d[:n]) >= evidenceThreshold)
	}
	switch {
	case passed && accepted != nil && t.Ratio > 1+tolerated:
		t.Status, t.Accepted = StatusAccepted, accepted.words()
	case same:
		t.Status = StatusSame
	default:
		t.Why = fmt.Sprintf("%s after %d blocks", bounds, len(d))
	}
}

// scatterConfidence is the confidence that blocks scatter by no more than
// ScatterAtMost.
const scatterConfidence = 0.80

// ScatterAtMost is the upper confidence limit of SD, by chi-square: the blocks of a
// gate that ended early scattered little by chance, so SD itself promises too much.
func (t Timed) ScatterAtMost() float64 {
	freedom := float64(len(t.Blocks) - 1)
	if freedom < 1 {
		return 0
	}
	return t.SD * math.Sqrt(freedom/distuv.ChiSquared{K: freedom}.Quantile(1-scatterConfidence))
}

// drifts is the null control: equal slices of one side must not differ. It goes by the
// same evidence as the rule itself, so it holds at every look, and a drift once shown
// stays shown. By chance the control takes the pass from one gate in a hundred at most,
// over all sides and metrics together.
func (s Series) drifts(metrics int) string {
	for i, side := range []string{"before", "after"} {
		null := s.Null[i]
		for n := FirstLook; n <= min(len(null), MaxBlocks); n += lookEvery {
			if forDrift(null[:n]) >= evidenceThreshold*float64(2*metrics) {
				mean, _ := meanAndSD(null[:n])
				return fmt.Sprintf("two neighbouring slices of %s, which are equal, differ by %+.1f%% in the mean: this machine drifts", side, percent(math.Exp(mean)))
			}
		}
	}
	return ""
}

// uncontrolled says that there is too little for a null control; "" there is
// enough.
func (s Series) uncontrolled() string {
	for i, side := range []string{"before", "after"} {
		if n := len(s.Null[i]); n < FirstLook {
			return fmt.Sprintf("too few neighbouring slices of %s tell whether this machine drifts: %d, and %d are needed", side, n, FirstLook)
		}
	}
	return ""
}

// studentInterval is the mean of d and Student's interval about it.
func studentInterval(d []float64, confidence float64) (mean, low, high float64) {
	mean, sd := meanAndSD(d)
	student := distuv.StudentsT{Mu: 0, Sigma: 1, Nu: float64(len(d) - 1)}
	half := student.Quantile((1+confidence)/2) * max(sd, minScatter) / math.Sqrt(float64(len(d)))
	return mean, mean - half, mean + half
}

func percent(ratio float64) float64 { return 100 * (ratio - 1) }

func finite(x float64) bool { return !math.IsNaN(x) && !math.IsInf(x, 0) }
