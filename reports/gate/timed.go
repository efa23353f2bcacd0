package gate

import (
	"fmt"
	"math"
	"math/rand/v2"

	"gonum.org/v1/gonum/stat/distuv"
)

// Series is one timed metric, block by block.
type Series struct {
	Key   string    // "cpu app"
	Label string    // "CPU per request of app"
	D     []float64 // ln(after/before) of each block
	// Null are ln(later/earlier) of two neighbouring slices of one side, a list a
	// side: equal work, so any difference is the machine's.
	Null [2][]float64
	// Missing says why a block has no value; nothing is decided then.
	Missing string
	// Adjusted says that the driver's own CPU time fell out of D.
	Adjusted bool
}

// Timed is what became of a timed metric.
type Timed struct {
	Key    string    `json:"key"`
	Label  string    `json:"label"`
	Status Status    `json:"status"`
	Why    string    `json:"why,omitempty"`
	Ratio  float64   `json:"ratio,omitempty"` // after/before
	Low    float64   `json:"low,omitempty"`   // of its 95% interval
	High   float64   `json:"high,omitempty"`
	SD     float64   `json:"sd,omitempty"` // of ln(ratio) from block to block
	Blocks []float64 `json:"ln_ratio_by_block,omitempty"`
	// For and Against are the e-processes at the last look: of a regression
	// beyond 2%, and of less than 10%.
	For      float64 `json:"evidence_of_regression,omitempty"`
	Against  float64 `json:"evidence_of_less_than_10_percent,omitempty"`
	Adjusted bool    `json:"less_driver_cpu,omitempty"`
	Accepted string  `json:"accepted,omitempty"` // why a regression is let pass
}

// Decide holds every series against the rule. The metrics alarm together: with
// more of them each needs more evidence.
func Decide(series []Series) []Timed {
	out := make([]Timed, len(series))
	for i, s := range series {
		out[i] = s.decide(len(series))
	}
	return out
}

// Finished says that more blocks would change nothing: there is a regression,
// or nothing is open, or the blocks are used up.
func Finished(timed []Timed, blocks int) bool {
	open := false
	for _, t := range timed {
		switch t.Status {
		case StatusRegression:
			return true
		case StatusOpen:
			open = true
		}
	}
	return blocks >= MostBlocks || blocks >= FirstLook && !open
}

func (s Series) decide(metrics int) Timed {
	t := Timed{Key: s.Key, Label: s.Label, Blocks: s.D, Adjusted: s.Adjusted, Status: StatusOpen}
	if s.Missing != "" {
		t.Status, t.Why = StatusAbsent, s.Missing
		return t
	}
	for _, d := range s.D {
		if math.IsNaN(d) || math.IsInf(d, 0) {
			t.Status, t.Why, t.Blocks = StatusAbsent, "a block's ratio is no number", nil
			return t
		}
	}
	if len(s.D) < FirstLook {
		t.Why = fmt.Sprintf("%d blocks: the first look is after %d", len(s.D), FirstLook)
		return t
	}
	t.estimate(s.D)
	if why := s.biased(metrics); why != "" {
		t.Status, t.Why = StatusUnmeasurable, why
		return t
	}
	t.look(s.D, metrics)
	return t
}

// look goes through all looks: what was reached at one stays reached, and a
// regression at any weighs more than a pass.
func (t *Timed) look(d []float64, metrics int) {
	passed := false
	for n := FirstLook; n <= min(len(d), MostBlocks); n++ {
		t.For, t.Against = forRegression(d[:n]), forPass(d[:n])
		if t.For >= enough*float64(metrics) {
			t.Status = StatusRegression
			t.Why = fmt.Sprintf("%+.1f%% (%+.1f%% to %+.1f%%) in %d blocks", percent(t.Ratio), percent(t.Low), percent(t.High), n)
			return
		}
		passed = passed || t.Against >= enough
	}
	switch {
	case passed:
		t.Status = StatusSame
	default:
		t.Why = fmt.Sprintf("neither a regression is shown nor 10%% excluded after %d blocks", len(d))
	}
}

func (t *Timed) estimate(d []float64) {
	mean, low, high := studentInterval(d, 0.95)
	_, t.SD = meanAndSD(d)
	t.Ratio, t.Low, t.High = math.Exp(mean), math.Exp(low), math.Exp(high)
}

// biased is the null control: equal slices of one side must not differ.
func (s Series) biased(metrics int) string {
	for i, side := range []string{"before", "after"} {
		null := s.Null[i]
		if len(null) < FirstLook {
			continue
		}
		mean, low, high := studentInterval(null, 1-0.01/float64(2*metrics))
		if low > 0 || high < 0 {
			return fmt.Sprintf("two neighbouring slices of %s, which are equal, differ by %+.1f%% in the mean: this machine drifts", side, percent(math.Exp(mean)))
		}
	}
	return ""
}

// studentInterval is the mean of d and Student's interval about it.
func studentInterval(d []float64, confidence float64) (mean, low, high float64) {
	mean, sd := meanAndSD(d)
	student := distuv.StudentsT{Mu: 0, Sigma: 1, Nu: float64(len(d) - 1)}
	half := student.Quantile((1+confidence)/2) * max(sd, leastScatter) / math.Sqrt(float64(len(d)))
	return mean, mean - half, mean + half
}

// chances is how many gates are simulated for one figure of the sentence.
const chances = 1000

// Chance is how often a gate of so many timed metrics finds a regression of one
// of them, when its blocks scatter normally by sd: 0..1, simulated, and always
// the same for the same figures.
func Chance(slowdown, sd float64, metrics int) float64 {
	random := rand.New(rand.NewPCG(0x6368616e, 0x6365)) // "chance"
	found := 0
	for range chances {
		d := make([]float64, 0, MostBlocks)
		for len(d) < MostBlocks {
			d = append(d, math.Log1p(slowdown)+sd*random.NormFloat64())
			if len(d) < FirstLook {
				continue
			}
			if forRegression(d) >= enough*float64(metrics) {
				found++
				break
			}
			if metrics == 1 && forPass(d) >= enough {
				break // the gate ends with a pass
			}
		}
	}
	return float64(found) / chances
}

func percent(ratio float64) float64 { return 100 * (ratio - 1) }
