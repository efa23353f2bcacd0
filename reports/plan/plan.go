// SPDX-License-Identifier: Apache-2.0

// Package plan answers, from stored runs, what it takes to carry a number of
// users under an SLO: which measured variant, with how many copies of its
// stateless machines, at what price. It is pure.
//
//  1. A variant's capacity is judged from its stored probes and slices with
//     the SLO that is asked for, or with its run's own (slo.CapacityOf).
//  2. Up to that capacity the answer is the variant as it was measured.
//  3. Beyond it, operational laws: each machine's service demand, read near
//     the capacity, says how busy it would be. Stateless machines are copied
//     until none is busier than the busiest was when the SLO was seen to hold;
//     a machine that keeps data or a queue stays one, and bounds the rate.
//  4. The Universal Scalability Law, where it can be fitted, lowers that bound
//     and tells the mean response time, with its error at rates left out.
//  5. Every number says whether it was measured, interpolated or extrapolated,
//     and by what factor. Beyond 4 times there is none.
package plan

import (
	"cmp"
	"fmt"
	"math"
	"slices"

	"headroom/harness/record"
	"headroom/harness/slo"
	"headroom/reports/compare"
	"headroom/reports/cost"
	"headroom/scenarios"
)

// maxFactor is how far beyond the largest rate that held a number is given.
const maxFactor = 4

// Basis says what a number rests on.
type Basis string

// The bases.
const (
	Measured     Basis = "measured"
	Interpolated Basis = "interpolated" // between rates that held
	Extrapolated Basis = "extrapolated" // beyond the largest that held
)

// Figure is a number with its basis.
type Figure struct {
	Value  float64 `json:"value"`
	Basis  Basis   `json:"basis"`
	Factor float64 `json:"factor,omitempty"` // of the largest rate that held; only when extrapolated
}

// Ask is the question.
type Ask struct {
	Users               float64
	SLO                 scenarios.SLO // without text: that of each run's scenario
	RequestsPerUserPerS float64       // 0: what each run's scenario says
	Prices              cost.Book
}

// sloOf is the SLO that a run's variants are judged by.
func (a Ask) sloOf(run record.Run) scenarios.SLO {
	if a.SLO.Text != "" {
		return a.SLO
	}
	return run.Scenario.SLO
}

// Plan is the answer.
type Plan struct {
	Users   float64  `json:"users"`
	SLO     string   `json:"slo"` // "": they differ, each option says its own
	Prices  string   `json:"prices"`
	Best    *Option  `json:"best"` // null: no number is given; each option says why
	Options []Option `json:"options"`
	Notes   []string `json:"notes"`
}

// Option is one measured variant as an answer.
type Option struct {
	RunID               string            `json:"run_id"`
	Variant             scenarios.Variant `json:"variant"`
	Label               string            `json:"label"`
	SLO                 string            `json:"slo"`
	RequestsPerUserPerS float64           `json:"requests_per_user_per_s"`
	RealRPS             float64           `json:"real_rps"`  // what the users ask for
	RateRPS             float64           `json:"rate_rps"`  // the same at the run's scale
	UnitCPUs            float64           `json:"unit_cpus"` // the scale: CPUs here for one vCPU; 0 is full scale
	Capacity            Capacity          `json:"capacity"`  // at the run's scale
	Carries             bool              `json:"carries"`
	Reason              string            `json:"reason,omitempty"` // why no number is given
	Machines            []Machines        `json:"machines"`
	MonthlyUSD          *Figure           `json:"monthly_usd"` // machines and storage, and egress
	EgressUSD           *Figure           `json:"egress_usd"`  // of it: what the users download
	ResponseMS          *Figure           `json:"mean_response_ms"`
	Bound               *Bound            `json:"bound"` // of the machines that can't be copied
	Law                 *Law              `json:"law"`
	LawPeak             *Figure           `json:"law_peak_rps"` // of the variant as measured
	NotFitted           string            `json:"not_fitted,omitempty"`
	Warnings            []string          `json:"warnings"`
}

// Capacity is what a variant carries under the SLO that was asked for. A plan
// rests on what is sure: on the rate that held its soak, or else on the lower end
// of the capacity's range.
type Capacity struct {
	RPS       float64 `json:"rps"`
	PointRPS  float64 `json:"point_rps"`
	LowRPS    float64 `json:"low_rps"`
	HighRPS   float64 `json:"high_rps,omitempty"` // 0: nothing bounds it
	Confirmed bool    `json:"confirmed"`          // RPS held a soak
	SoakS     float64 `json:"soak_s,omitempty"`   // of so many seconds
	Users     float64 `json:"users"`              // that RPS stands for
}

// Machines is one group in the answer.
type Machines struct {
	Group
	Copies Figure  `json:"copies"`
	Share  *Figure `json:"busy_share"` // of each copy's CPUs at the rate that is asked for; null: not known
}

// Bound is the rate that a machine which can't be copied could answer at most.
type Bound struct {
	Machine string `json:"machine"`
	RPS     Figure `json:"rps"`
}

// For answers ask from the runs. It fails when a size has no price, or when no
// SLO is known.
func For(ask Ask, runs []*record.Log) (Plan, error) {
	slo, notes, err := commonSLO(ask, runs)
	if err != nil {
		return Plan{}, err
	}
	p := Plan{Users: ask.Users, SLO: slo, Prices: ask.Prices.Name, Options: []Option{}, Notes: notes}
	if ask.Prices.Example {
		p.Notes = append(p.Notes, "prices are an example, not an offer: put your own in with --prices")
	}
	for _, log := range runs {
		for _, v := range scenarios.Variants() {
			option, err := assess(ask, log, v)
			if err != nil {
				return Plan{}, fmt.Errorf("run %s, %s: %w", log.Run.ID, v, err)
			}
			p.Options = append(p.Options, option)
		}
	}
	p.Notes = append(p.Notes, differences(runs)...)
	// Those that carry first, the cheapest foremost.
	slices.SortStableFunc(p.Options, func(a, b Option) int {
		switch {
		case a.Carries != b.Carries && a.Carries:
			return -1
		case a.Carries != b.Carries:
			return 1
		case a.Carries:
			return cmp.Compare(a.MonthlyUSD.Value, b.MonthlyUSD.Value)
		}
		return 0
	})
	if len(p.Options) > 0 && p.Options[0].Carries {
		p.Best = &p.Options[0]
	}
	return p, nil
}

// differences says where the runs can't simply be set side by side.
func differences(runs []*record.Log) []string {
	for _, log := range runs[min(1, len(runs)):] {
		a, b := runs[0].Run.Scenario, log.Run.Scenario
		if !a.SharesData(&b) || !slices.Equal(a.Load.Mix, b.Load.Mix) {
			return []string{fmt.Sprintf("the runs %s and %s had other traffic or data: their variants answer different questions", runs[0].Run.ID, log.Run.ID)}
		}
	}
	return nil
}

func assess(ask Ask, log *record.Log, v scenarios.Variant) (Option, error) {
	run := log.Run
	topology := run.Scenario.Topology(v)
	asked := ask.sloOf(run)
	same := slices.Equal(asked.Conditions, run.Scenario.SLO.Conditions)
	measured := slo.CapacityOf(log.Trials, v, asked, same)
	capacity := capacityOf(measured)
	o := Option{RunID: run.ID, Variant: v, Label: topology.Label, SLO: asked.Text, UnitCPUs: run.Shares.UnitCPUs, Machines: []Machines{},
		RequestsPerUserPerS: ask.RequestsPerUserPerS, Warnings: append(compare.CapacityWarnings(v, measured), warningsOf(log, capacity)...)}
	if o.RequestsPerUserPerS == 0 {
		o.RequestsPerUserPerS = run.Scenario.Load.RequestsPerUserPerS
	}
	if !(o.RequestsPerUserPerS > 0) {
		return o, fmt.Errorf("the scenario does not say how many requests a user makes: give --requests-per-user, for example --requests-per-user 0.01/s")
	}
	o.RealRPS = ask.Users * o.RequestsPerUserPerS
	o.RateRPS = cost.RateOf(ask.Users, run.Shares.UnitCPUs, o.RequestsPerUserPerS)
	capacity.Users = cost.Users(capacity.RPS, run.Shares.UnitCPUs, o.RequestsPerUserPerS)
	o.Capacity = capacity
	if capacity.RPS == 0 {
		o.Reason = unknownCapacity(measured)
		return o, nil
	}
	trials := steadyTrials(log.Trials, v)
	groups := groupsOf(topology, trials, capacity.RPS)
	o.fitLaw(lawPoints(trials))
	o.setBound(groups)
	if o.Reason = o.refusal(run, groups); o.Reason != "" {
		return o, nil
	}
	copies, reason := o.copies(groups)
	if reason != "" {
		o.Reason = reason
		return o, nil
	}
	o.Carries = true
	basis := o.basis(trials, asked, same)
	for _, g := range groups {
		m := Machines{Group: g, Copies: basis.of(float64(copies[g.Name]))}
		if g.known() {
			share := basis.of(g.share(o.RateRPS, copies[g.Name]))
			m.Share = &share
		}
		o.Machines = append(o.Machines, m)
	}
	if o.ResponseMS != nil {
		o.ResponseMS.Basis, o.ResponseMS.Factor = basis.Basis, basis.Factor
	}
	o.Warnings = append(append(o.Warnings, poolWarning(topology, copies)...), edgeWarnings(topology, groups, copies)...)
	bill, err := ask.Prices.Monthly(withCopies(topology, copies))
	if err != nil {
		return o, err
	}
	egress := basis.of(ask.Users * ask.Prices.EgressPerUser(bytesPerRequest(trials), o.RequestsPerUserPerS))
	monthly := basis.of(bill.MonthlyUSD + egress.Value)
	o.MonthlyUSD, o.EgressUSD = &monthly, &egress
	o.Warnings = append(o.Warnings, bill.Warnings...)
	return o, nil
}

// capacityOf takes what is sure of a capacity.
func capacityOf(c slo.Capacity) Capacity {
	out := Capacity{RPS: c.LowRPS, PointRPS: c.PointRPS, LowRPS: c.LowRPS, HighRPS: c.HighRPS}
	if soak, ok := c.Confirmed(); ok {
		out.RPS, out.Confirmed, out.SoakS = soak.RPS, true, soak.Seconds
	}
	return out
}

func unknownCapacity(c slo.Capacity) string {
	const remedy = "; measure it with this SLO in the scenario, for example headroom run phase3"
	if c.FailedRPS > 0 && c.HeldRPS == 0 {
		return fmt.Sprintf("this SLO failed at the lowest rate that was tried, %s requests/s%s", compare.FormatRate(c.FailedRPS), remedy)
	}
	return fmt.Sprintf("its capacity under this SLO is not known: %s%s", c.Missing, remedy)
}

// basis is what numbers at the asked rate rest on.
func (o *Option) basis(trials []record.Trial, s scenarios.SLO, same bool) Figure {
	if o.RateRPS > o.Capacity.RPS {
		return Figure{Basis: Extrapolated, Factor: o.RateRPS / o.Capacity.RPS}
	}
	for i := range trials {
		if near(trials[i].Measurement.OfferedRPS, o.RateRPS) && slo.StepOf(&trials[i], s, same).Outcome == record.Held {
			return Figure{Basis: Measured}
		}
	}
	return Figure{Basis: Interpolated}
}

func (f Figure) of(value float64) Figure {
	f.Value = value
	return f
}

// beyond is a figure at a rate of its own.
func (o *Option) beyond(rps float64) Figure {
	if factor := rps / o.Capacity.RPS; factor > 1 {
		return Figure{Value: rps, Basis: Extrapolated, Factor: factor}
	}
	return Figure{Value: rps, Basis: Interpolated}
}

func (o *Option) fitLaw(points []Point) {
	law, err := Fit(points)
	if err != nil {
		o.NotFitted = err.Error()
		return
	}
	o.Law = &law
	if peak := law.PeakRPS(); peak <= maxFactor*o.Capacity.RPS {
		figure := o.beyond(peak)
		o.LawPeak = &figure
	}
	// The law is of the variant as it was measured: with more copies the variant is
	// another system.
	if seconds, ok := law.ResponseS(o.RateRPS); ok && o.RateRPS <= o.Capacity.RPS && law.HeldOutResponseError <= maxHeldOutError {
		o.ResponseMS = &Figure{Value: seconds * 1000}
	}
}

// setBound finds the machine that runs out first of those that can't be copied. If that
// machine is also the first of all, the law's peak is its peak, and the smaller one
// counts. A machine that can't be copied and whose demand is not known may be the
// first: then none is named.
func (o *Option) setBound(groups []Group) {
	first := math.Inf(1)
	for _, g := range groups {
		switch {
		case g.known():
			first = min(first, g.boundRPS())
		case g.idle():
		case g.Stateless:
			first = math.NaN() // it may be the first of all
		default:
			return
		}
	}
	for _, g := range groups {
		if g.Stateless || g.idle() {
			continue
		}
		bound := g.boundRPS()
		if o.LawPeak != nil && bound == first && o.LawPeak.Value > o.Capacity.RPS {
			bound = min(bound, o.LawPeak.Value)
		}
		if o.Bound == nil || bound < o.Bound.RPS.Value {
			o.Bound = &Bound{Machine: g.Name, RPS: o.beyond(bound)}
		}
	}
}

// refusal says why nothing is told beyond the measured capacity.
func (o *Option) refusal(run record.Run, groups []Group) string {
	held := o.Capacity.RPS
	if o.RateRPS <= held {
		return ""
	}
	asked := fmt.Sprintf("it takes %s requests/s at the run's scale, %sx the %s that held", compare.FormatRate(o.RateRPS),
		compare.FormatNumber(o.RateRPS/held), compare.FormatRate(held))
	switch {
	case o.RateRPS > maxFactor*held:
		return fmt.Sprintf("%s: beyond %dx a number would be a guess; measure a variant that holds more",
			asked, maxFactor)
	case !run.Environment.HasQuotas():
		return asked + ": it was measured as local processes that shared this computer, which does not tell what more machines would do; measure with --stage docker"
	case !slices.ContainsFunc(groups, func(g Group) bool { return g.Stateless }):
		unsaid := ""
		if slices.ContainsFunc(groups, func(g Group) bool { return g.Keeps == "" }) {
			unsaid = ", or is not known to be stateless (stateless: yes in the scenario says so)"
		}
		return asked + ": every machine of it holds data or a queue" + unsaid + ", so no copy can be added"
	case slices.ContainsFunc(groups, func(g Group) bool { return !g.known() }):
		return asked + ": what CPU a request takes on each machine was not recorded near that, so nothing is known beyond it"
	case o.Bound != nil && o.RateRPS >= o.Bound.RPS.Value:
		return fmt.Sprintf("%s: its %s, which can't be copied, can answer %s at most", asked, o.Bound.Machine, compare.FormatRate(o.Bound.RPS.Value))
	}
	return ""
}

// copies is how many of each group the asked rate takes, or why there is no
// such number. No copy is to be busier than the busiest machine was when the
// SLO was seen to hold, and no group smaller than it was measured.
func (o *Option) copies(groups []Group) (map[string]int, string) {
	needed := map[string]int{}
	busiest := 0.0
	for _, g := range groups {
		needed[g.Name] = g.Measured
		if g.known() {
			busiest = max(busiest, g.share(o.Capacity.RPS, g.Measured))
		}
	}
	if o.RateRPS <= o.Capacity.RPS {
		return needed, ""
	}
	for _, g := range groups {
		share := g.share(o.RateRPS, g.Measured)
		if !g.Stateless && share > busiest {
			return nil, fmt.Sprintf("it takes %s requests/s at the run's scale: its %s, which can't be copied, would be %.0f%% busy, and the busiest machine that was seen to hold the SLO was %.0f%%",
				compare.FormatRate(o.RateRPS), g.Name, share*100, busiest*100)
		}
		if g.Stateless {
			needed[g.Name] = max(g.Measured, int(math.Ceil(float64(g.Measured)*share/busiest-1e-9)))
		}
	}
	return needed, ""
}
