// Package plan answers, from stored runs, what it takes to carry a number of
// users under an SLO: which measured variant, with how many copies of its
// stateless machines, at what price. It is pure.
//
//  1. A variant's capacity is judged from its stored probes and slices with
//     the SLO that is asked for (compare.FindLimit).
//  2. Up to that capacity the answer is the variant as it was measured.
//  3. Beyond it, operational laws: each machine's service demand, read near
//     the limit, says how busy it would be. Stateless machines are copied
//     until none is busier than the busiest was when the SLO was seen to hold;
//     a machine with data stays one, and bounds the rate.
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
	SLO                 scenarios.SLO
	RequestsPerUserPerS float64 // 0: what each run's scenario says
	Prices              cost.Book
}

// Plan is the answer.
type Plan struct {
	Users   float64  `json:"users"`
	SLO     string   `json:"slo"`
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
	RequestsPerUserPerS float64           `json:"requests_per_user_per_s"`
	RealRPS             float64           `json:"real_rps"`  // what the users ask for
	RateRPS             float64           `json:"rate_rps"`  // the same at the run's scale
	UnitCPUs            float64           `json:"unit_cpus"` // the scale: CPUs here for one vCPU; 0 is full scale
	Limit               Capacity          `json:"capacity"`  // at the run's scale
	Carries             bool              `json:"carries"`
	Reason              string            `json:"reason,omitempty"` // why no number is given
	Machines            []Machines        `json:"machines"`
	MonthlyUSD          *Figure           `json:"monthly_usd"` // machines and storage, and egress
	EgressUSD           *Figure           `json:"egress_usd"`  // of it: what the users download
	ResponseMS          *Figure           `json:"mean_response_ms"`
	Bound               *Bound            `json:"bound"` // of the machines with data
	Law                 *Law              `json:"law"`
	LawPeak             *Figure           `json:"law_peak_rps"` // of the variant as measured
	NotFitted           string            `json:"not_fitted,omitempty"`
	Warnings            []string          `json:"warnings"`
}

// Capacity is the limit under the SLO that was asked for.
type Capacity struct {
	HeldRPS   float64 `json:"held_rps"`
	FailedRPS float64 `json:"failed_rps,omitempty"`
	Confirmed bool    `json:"confirmed"`
	Users     float64 `json:"users"` // that HeldRPS stands for
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

// For answers ask from the runs. It fails when a size has no price.
func For(ask Ask, runs []*record.Log) (Plan, error) {
	p := Plan{Users: ask.Users, SLO: ask.SLO.Text, Prices: ask.Prices.Name, Options: []Option{}, Notes: []string{}}
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
		if a.Dataset != b.Dataset || !slices.Equal(a.Load.Mix, b.Load.Mix) {
			return []string{fmt.Sprintf("the runs %s and %s had other traffic or data: their variants answer different questions", runs[0].Run.ID, log.Run.ID)}
		}
	}
	return nil
}

func assess(ask Ask, log *record.Log, v scenarios.Variant) (Option, error) {
	run := log.Run
	topology := run.Scenario.Topology(v)
	limit, warnings := compare.FindLimit(log.Trials, v, ask.SLO)
	o := Option{RunID: run.ID, Variant: v, Label: topology.Label, UnitCPUs: run.Shares.UnitCPUs, Machines: []Machines{},
		RequestsPerUserPerS: ask.RequestsPerUserPerS, Warnings: append(warnings, warningsOf(log, limit)...)}
	if o.RequestsPerUserPerS == 0 {
		o.RequestsPerUserPerS = run.Scenario.Load.RequestsPerUserPerS
	}
	if !(o.RequestsPerUserPerS > 0) {
		return o, fmt.Errorf("the scenario does not say how many requests a user makes: give --requests-per-user, for example --requests-per-user 0.01/s")
	}
	o.RealRPS = ask.Users * o.RequestsPerUserPerS
	o.RateRPS = cost.RateOf(ask.Users, run.Shares.UnitCPUs, o.RequestsPerUserPerS)
	o.Limit = Capacity{HeldRPS: limit.HeldRPS, FailedRPS: limit.FailedRPS, Confirmed: limit.Confirmed,
		Users: cost.Users(limit.HeldRPS, run.Shares.UnitCPUs, o.RequestsPerUserPerS)}
	if limit.HeldRPS == 0 {
		o.Reason = unknownLimit(limit)
		return o, nil
	}
	trials := sound(log.Trials, v)
	groups := groupsOf(topology, trials, limit.HeldRPS)
	o.fitLaw(lawPoints(trials))
	o.bind(groups)
	if o.Reason = o.refusal(run, groups); o.Reason != "" {
		return o, nil
	}
	copies, reason := o.copies(groups)
	if reason != "" {
		o.Reason = reason
		return o, nil
	}
	o.Carries = true
	basis := o.basis(limit)
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
	o.Warnings = append(o.Warnings, poolWarning(topology, copies)...)
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

func unknownLimit(l compare.Limit) string {
	const remedy = "; measure it with this SLO in the scenario, for example headroom run phase3"
	short := 0.0
	for _, p := range l.Probes {
		if p.Counts && p.Judgement == record.SLOHolds {
			short = max(short, p.OfferedRPS)
		}
	}
	switch {
	case short > 0:
		return fmt.Sprintf("its capacity under this SLO is not known: it held only in short steps, up to %s requests/s, and was not confirmed%s", compare.FormatRate(short), remedy)
	case l.FailedRPS > 0:
		return fmt.Sprintf("this SLO failed at the lowest rate that was tried, %s requests/s%s", compare.FormatRate(l.FailedRPS), remedy)
	}
	for _, p := range l.Probes {
		if p.Counts && p.Reason != "" {
			return fmt.Sprintf("its capacity under this SLO is not known: no stored rate held it (%s)%s", p.Reason, remedy)
		}
	}
	return "its capacity is not known: the run has no valid probe or slice of it" + remedy
}

// basis is what numbers at the asked rate rest on.
func (o *Option) basis(l compare.Limit) Figure {
	if o.RateRPS > l.HeldRPS {
		return Figure{Basis: Extrapolated, Factor: o.RateRPS / l.HeldRPS}
	}
	for _, p := range l.Probes {
		if p.Counts && p.Judgement == record.SLOHolds && near(p.OfferedRPS, o.RateRPS) {
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
	if factor := rps / o.Limit.HeldRPS; factor > 1 {
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
	if peak := law.PeakRPS(); peak <= maxFactor*o.Limit.HeldRPS {
		figure := o.beyond(peak)
		o.LawPeak = &figure
	}
	// Of the variant as it was measured: with more copies it is another system.
	if seconds, ok := law.ResponseS(o.RateRPS); ok && o.RateRPS <= o.Limit.HeldRPS && law.HeldOutResponseError <= maxHeldOutError {
		o.ResponseMS = &Figure{Value: seconds * 1000}
	}
}

// bind finds the machine with data that runs out first. Where that is also
// the first of all, the law's peak is its peak, and the smaller one counts.
func (o *Option) bind(groups []Group) {
	first := math.Inf(1)
	for _, g := range groups {
		if g.known() {
			first = min(first, g.boundRPS())
		}
	}
	for _, g := range groups {
		if g.Stateless || !g.known() {
			continue
		}
		bound := g.boundRPS()
		if o.LawPeak != nil && bound == first && o.LawPeak.Value > o.Limit.HeldRPS {
			bound = min(bound, o.LawPeak.Value)
		}
		if o.Bound == nil || bound < o.Bound.RPS.Value {
			o.Bound = &Bound{Machine: g.Name, RPS: o.beyond(bound)}
		}
	}
}

// refusal says why nothing is told beyond the measured capacity.
func (o *Option) refusal(run record.Run, groups []Group) string {
	held := o.Limit.HeldRPS
	if o.RateRPS <= held {
		return ""
	}
	asked := fmt.Sprintf("it takes %s requests/s at the run's scale, %sx the %s that held", compare.FormatRate(o.RateRPS),
		compare.FormatNumber(o.RateRPS/held), compare.FormatRate(held))
	switch {
	case o.RateRPS > maxFactor*held:
		return fmt.Sprintf("%s: beyond %dx a number would be a guess; measure a variant that holds more",
			asked, maxFactor)
	case run.Environment.Stage == record.StageProcess:
		return asked + ": it was measured as local processes that shared this computer, which does not tell what more machines would do; measure with --stage docker"
	case !slices.ContainsFunc(groups, func(g Group) bool { return g.Stateless }):
		return asked + ": every machine of it holds data, so no copy can be added"
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
			busiest = max(busiest, g.share(o.Limit.HeldRPS, g.Measured))
		}
	}
	if o.RateRPS <= o.Limit.HeldRPS {
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
