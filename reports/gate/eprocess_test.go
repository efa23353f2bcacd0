package gate

import (
	"math"
	"math/rand/v2"
	"testing"

	"gonum.org/v1/gonum/integrate/quad"
	"gonum.org/v1/gonum/stat/distuv"
)

// The recursion is the integral, where there is evidence; where x is far below
// 0, both are nothing beside the value at 0.
func TestMoment(t *testing.T) {
	for power := 0; power <= 11; power++ {
		for _, x := range []float64{-6, -2, -0.3, 0, 0.7, 3, 9} {
			want := quad.Fixed(func(s float64) float64 { return math.Pow(s, float64(power)) * math.Exp(-(s-x)*(s-x)/2) }, 0, 40, 4000, nil, 0)
			if got := moment(power, x); math.Abs(got-want) > 1e-9*(want+moment(power, 0)) {
				t.Errorf("power %d, x %v: %v, want %v", power, x, got, want)
			}
		}
	}
}

// The evidence is a mixture of likelihood ratios: its mean under the null is 1,
// as the noncentral densities integrate to 1.
func TestEvidenceIntegratesTo1(t *testing.T) {
	for _, n := range []int{4, 7, 12} {
		student := distuv.StudentsT{Mu: 0, Sigma: 1, Nu: float64(n - 1)}
		mean := quad.Fixed(func(u float64) float64 { // u = atan(t)
			x := math.Tan(u)
			return evidenceOfT(x, n) * student.Prob(x) * (1 + x*x)
		}, -math.Pi/2, math.Pi/2, 20000, nil, 0)
		if math.Abs(mean-1) > 1e-6 {
			t.Errorf("%d blocks: the mean is %v", n, mean)
		}
	}
}

func TestEvidenceGrowsWithT(t *testing.T) {
	last := 0.0
	for x := -30.0; x <= 30; x += 0.25 {
		e := evidenceOfT(x, 8)
		if e < last || math.IsNaN(e) {
			t.Errorf("t %v: %v, less than %v", x, e, last)
		}
		last = e
	}
}

// gates simulates gates of one metric and returns the shares of alarms, passes,
// and none.
func gates(n int, shift, sd float64, metrics int) (alarm, pass, open float64) {
	random := rand.New(rand.NewPCG(1, 2))
	for range n {
		var s Series
		var status Status
		for block := 1; block <= MostBlocks; block++ {
			s.D = append(s.D, shift+sd*random.NormFloat64())
			status = s.decide(metrics).Status
			if status != StatusOpen {
				break
			}
		}
		switch status {
		case StatusRegression:
			alarm += 1 / float64(n)
		case StatusSame:
			pass += 1 / float64(n)
		default:
			open += 1 / float64(n)
		}
	}
	return alarm, pass, open
}

// The short form of `headroom selftest gate`.
func TestRuleOfTimedMetrics(t *testing.T) {
	if testing.Short() {
		t.Skip("some thousand simulated gates: skipped by -short")
	}
	if alarm, pass, _ := gates(4000, 0, 0.025, 1); alarm > 0.001 || pass < 0.97 {
		t.Errorf("equal sides: alarms %.4f, passes %.4f", alarm, pass)
	}
	if alarm, pass, _ := gates(4000, math.Log(1.10), 0.025, 1); alarm < 0.98 || pass > 0.002 {
		t.Errorf("10%% slower: alarms %.4f, passes %.4f", alarm, pass)
	}
	if alarm, _, _ := gates(4000, 0, 0.085, 1); alarm > 0.003 {
		t.Errorf("equal sides that scatter by 8.5%%: alarms %.4f", alarm)
	}
}

func TestDecide(t *testing.T) {
	nan := math.NaN()
	for name, test := range map[string]struct {
		s    Series
		want Status
	}{
		"equal":             {Series{D: []float64{0.004, -0.003, 0.001, 0, -0.002}}, StatusSame},
		"20% slower":        {Series{D: []float64{0.18, 0.184, 0.179, 0.186, 0.181}}, StatusRegression},
		"too few blocks":    {Series{D: []float64{0.18, 0.184, 0.179}}, StatusOpen},
		"scatters too much": {Series{D: []float64{0.3, -0.3, 0.2, -0.25, 0.1}}, StatusOpen},
		"no scatter at all": {Series{D: []float64{0, 0, 0, 0}}, StatusSame},
		"absent":            {Series{D: []float64{0, 0, 0, 0}, Missing: "no valid slice"}, StatusAbsent},
		"NaN":               {Series{D: []float64{0, nan, 0, 0}}, StatusAbsent},
		"infinite":          {Series{D: []float64{0, math.Inf(-1), 0, 0}}, StatusAbsent},
		"drifts": {Series{D: []float64{0.18, 0.184, 0.179, 0.186, 0.181},
			Null: [2][]float64{{0.05, 0.051, 0.049, 0.05, 0.052}, nil}}, StatusUnmeasurable},
	} {
		if got := Decide([]Series{test.s}); got[0].Status != test.want {
			t.Errorf("%s: %s (%s), want %s", name, got[0].Status, got[0].Why, test.want)
		}
	}
}

// With more metrics each needs more evidence; what was a regression at one look
// stays one.
func TestDecideTogether(t *testing.T) {
	d := []float64{0.10, 0.088, 0.112, 0.092}
	e := forRegression(d)
	if e < enough || e >= 4*enough {
		t.Fatalf("evidence %v does not tell one metric from four", e)
	}
	one, four := Decide([]Series{{D: d}}), Decide([]Series{{D: d}, {D: d}, {D: d}, {D: d}})
	if one[0].Status != StatusRegression || four[0].Status == StatusRegression {
		t.Errorf("alone %s, with three others %s", one[0].Status, four[0].Status)
	}
	later := Decide([]Series{{D: append(d, -0.3, -0.3)}})
	if later[0].Status != StatusRegression {
		t.Errorf("after a regression was shown: %s", later[0].Status)
	}
}

func TestFinished(t *testing.T) {
	for _, test := range []struct {
		statuses []Status
		blocks   int
		want     bool
	}{
		{[]Status{StatusOpen, StatusSame}, 5, false},
		{[]Status{StatusOpen, StatusRegression}, 5, true},
		{[]Status{StatusSame, StatusSame}, 4, true},
		{[]Status{StatusOpen}, MostBlocks, true},
		{[]Status{StatusAbsent}, 1, false},
	} {
		var timed []Timed
		for _, s := range test.statuses {
			timed = append(timed, Timed{Status: s})
		}
		if got := Finished(timed, test.blocks); got != test.want {
			t.Errorf("%v after %d blocks: %v", test.statuses, test.blocks, got)
		}
	}
}
