// SPDX-License-Identifier: Apache-2.0

package reports

import (
	"cmp"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"time"

	"headroom/harness/record"
	"headroom/reports/compare"
	"headroom/reports/cost"
	"headroom/scenarios"
)

// Journey is the whole way: what the runs of several scenarios show together. Rates are
// at full scale: the measured rate over the run's unit.
type Journey struct {
	Schema   int             `json:"schema"`
	Newest   string          `json:"newest_run_id"`
	At       time.Time       `json:"newest_run_at"`
	Marks    []string        `json:"marks"`  // of runs that are no evidence: shown on every output
	Answer   []string        `json:"answer"` // sentences made from the figures
	Steps    []Step          `json:"steps"`  // where the way begins, then after each phase
	Missing  []string        `json:"missing"`
	Promises []Promise       `json:"promises"` // the articles' own figures beside the measured ones
	Gains    []Gain          `json:"gains"`    // capacity per unit of cost, the largest first
	Claims   []JourneyClaim  `json:"claims"`   // about several phases
	Runs     []JourneyRun    `json:"runs"`
	Notes    []string        `json:"notes"` // what a reader must know to compare rows
	Prices   cost.Book       `json:"prices"`
	Verdicts map[string]int  `json:"verdicts"` // of all claims, by verdict
	order    []journeySource // of the path
}

// Step is a row of the way: an architecture as one run measured it.
type Step struct {
	Name     string            `json:"name"` // "start", "phase 3", "final"
	Label    string            `json:"label"`
	RunID    string            `json:"run_id"`
	Variant  scenarios.Variant `json:"variant"`
	Marks    []string          `json:"marks"`
	UnitCPUs float64           `json:"unit_cpus"` // that one vCPU had; only rows of one unit compare exactly
	SLO      string            `json:"slo"`
	// RateRPS is the run's common rate, at which P95 and DBCPUShare were measured.
	RateRPS        float64       `json:"rate_rps"`
	P95            compare.Level `json:"p95_ms"`
	CapacityRPS    float64       `json:"capacity_rps"` // 0: not known
	LowRPS         float64       `json:"low_rps"`      // its range
	HighRPS        float64       `json:"high_rps"`     // 0: nothing bounds it
	Users          float64       `json:"users"`        // that the capacity carries
	DBCPUShare     compare.Level `json:"db_cpu_share"`
	MonthlyUSD     float64       `json:"monthly_usd"`
	CostPerUserUSD compare.Level `json:"cost_per_user_usd"`
	// What the step changed within its own run; nil for the start.
	Capacity *compare.Effect `json:"capacity_ratio,omitempty"`
	Latency  *compare.Effect `json:"p95_ratio,omitempty"`
}

// JourneyRun is a run with its claims.
type JourneyRun struct {
	RunID    string           `json:"run_id"`
	Scenario string           `json:"scenario"`
	Title    string           `json:"title"`
	Marks    []string         `json:"marks"`
	OnPath   bool             `json:"on_path"` // is a step of the way
	Claims   []compare.Result `json:"claims"`
}

// journeySource is a report with its place on the way.
type journeySource struct {
	Report
	place int // by phase; 0: not on the path
}

// Places on the way: phase N has N.
const (
	lastPhase  = 6
	placeFinal = 1000
)

var phaseName = regexp.MustCompile(`^phase(\d{1,2})$`)

// placeOf is a scenario's place on the way; 0: the scenario is not on the way.
func placeOf(scenario string) int {
	if scenario == "final" {
		return placeFinal
	}
	if m := phaseName.FindStringSubmatch(scenario); m != nil {
		phase, _ := strconv.Atoi(m[1]) // two digits at most
		return phase
	}
	return 0
}

func placeName(place int) string {
	if place == placeFinal {
		return "final"
	}
	return fmt.Sprintf("phase %d", place)
}

// BuildJourney puts the reports of several runs together, in whatever order
// they come. Of two runs of one scenario the newer counts.
func BuildJourney(reports []Report) (Journey, error) {
	if len(reports) == 0 {
		return Journey{}, errors.New("no run to report on: name the folders of one or several")
	}
	j := Journey{Schema: SchemaVersion, Marks: []string{}, Missing: []string{}, Notes: []string{}, Verdicts: map[string]int{}}
	sources := j.newestOfEach(reports)
	for _, s := range sources {
		if s.place > 0 {
			j.order = append(j.order, s)
		}
	}
	if len(j.order) == 0 { // a user's own scenarios: the order in time is the way
		for i := range sources {
			sources[i].place = i + 1
		}
		j.order = sources
	} else {
		j.findMissing()
	}
	j.addSteps()
	for _, s := range sources {
		j.Runs = append(j.Runs, JourneyRun{RunID: s.RunID, Scenario: s.Scenario.Name, Title: s.Scenario.Title, Marks: s.Marks,
			OnPath: s.place > 0, Claims: s.Claims})
		if s.place == 0 {
			j.Notes = append(j.Notes, fmt.Sprintf("%s (%s) is no step of the way; its claims are listed all the same", s.Scenario.Name, s.RunID))
		}
		for _, c := range s.Claims {
			j.Verdicts[string(c.Verdict)]++
		}
	}
	newest := slices.MaxFunc(sources, older)
	j.Newest, j.At, j.Prices = newest.RunID, newest.StartedAt, newest.Prices
	j.Promises = j.promises()
	j.Gains = j.gains()
	j.Claims = j.journeyClaims()
	for _, c := range j.Claims {
		j.Verdicts[string(c.Verdict)]++
	}
	j.mark()
	j.Notes = append(j.Notes, j.differences()...)
	j.Answer = j.answer()
	return j, nil
}

// older orders runs by time; the name decides between two of one moment, so
// that the order of the folders never does.
func older(a, b journeySource) int {
	return cmp.Or(a.StartedAt.Compare(b.StartedAt), cmp.Compare(a.RunID, b.RunID))
}

// newestOfEach keeps the newest run of each scenario, by place and then time,
// and notes what it left out.
func (j *Journey) newestOfEach(reports []Report) []journeySource {
	var all, kept []journeySource
	for _, r := range reports {
		r.Marks = r.AllMarks()
		all = append(all, journeySource{r, placeOf(r.Scenario.Name)})
	}
	slices.SortStableFunc(all, func(a, b journeySource) int { return older(b, a) })
	for _, s := range all {
		i := slices.IndexFunc(kept, func(have journeySource) bool { return have.Scenario.Name == s.Scenario.Name })
		switch {
		case i < 0:
			kept = append(kept, s)
		case kept[i].RunID == s.RunID: // the same folder twice
		default:
			note := fmt.Sprintf("%s was run more than once: %s is the newest and counts, %s does not", s.Scenario.Name, kept[i].RunID, s.RunID)
			if kept[i].Quick && !s.Quick {
				note += ", although only it is a full run"
			}
			j.Notes = append(j.Notes, note)
		}
	}
	slices.SortStableFunc(kept, func(a, b journeySource) int {
		// Those beside the way stand after it.
		aside := func(s journeySource) int { return cmp.Or(s.place, placeFinal+1) }
		return cmp.Or(aside(a)-aside(b), older(a, b))
	})
	return kept
}

func (j *Journey) findMissing() {
	has := func(place int) bool {
		return slices.ContainsFunc(j.order, func(s journeySource) bool { return s.place == place })
	}
	for place := 1; place <= lastPhase; place++ {
		if !has(place) {
			j.Missing = append(j.Missing, fmt.Sprintf("%s is missing: make bench-phase%d", placeName(place), place))
		}
	}
	if !has(placeFinal) {
		j.Missing = append(j.Missing, "the final architecture is missing: make bench-final")
	}
}

func (j *Journey) addSteps() {
	named := slices.ContainsFunc(j.order, func(s journeySource) bool { return placeOf(s.Scenario.Name) > 0 })
	name := func(s journeySource) string {
		if named {
			return placeName(s.place)
		}
		return s.Scenario.Name
	}
	start := stepOf(j.order[0], scenarios.Before)
	start.Name = "start"
	j.Steps = append(j.Steps, start)
	for _, s := range j.order {
		step := stepOf(s, scenarios.After)
		step.Name = name(s)
		step.Capacity = &s.Overall[0].Effect
		if row, ok := s.common(scenarios.MetricP95); ok {
			step.Latency = &row.Effect
		}
		j.Steps = append(j.Steps, step)
	}
}

func stepOf(s journeySource, v scenarios.Variant) Step {
	variant, unit := s.Variants[0], s.Shares.UnitCPUs
	if v == scenarios.After {
		variant = s.Variants[1]
	}
	step := Step{
		Label: variant.Label, RunID: s.RunID, Variant: v, Marks: s.Marks, UnitCPUs: unit, SLO: s.Scenario.SLO,
		CapacityRPS: cost.FullScaleRPS(variant.Capacity.PointRPS, unit), LowRPS: cost.FullScaleRPS(variant.Capacity.LowRPS, unit),
		HighRPS: cost.FullScaleRPS(variant.Capacity.HighRPS, unit),
		Users:   variant.Users, MonthlyUSD: variant.Bill.MonthlyUSD, CostPerUserUSD: levelOf(s.Overall[2], v),
		P95: compare.Level{Missing: "not measured"}, DBCPUShare: compare.Level{Missing: "not measured"},
	}
	for _, rate := range s.Rates {
		if rate.Name == record.RateCommon {
			step.RateRPS = cost.FullScaleRPS(max(rate.BeforeRPS, rate.AfterRPS), unit)
		}
	}
	if row, ok := s.common(scenarios.MetricP95); ok {
		step.P95 = levelOf(row, v)
	}
	if row, ok := s.common(scenarios.MetricDBCPUShare); ok {
		step.DBCPUShare = levelOf(row, v)
	}
	return step
}

// common returns a row of the run's common rate.
func (r Report) common(key scenarios.MetricKey) (Row, bool) {
	for _, rate := range r.Rates {
		for _, row := range rate.Rows {
			if rate.Name == record.RateCommon && row.Key == key {
				return row, true
			}
		}
	}
	return Row{}, false
}

func levelOf(row Row, v scenarios.Variant) compare.Level {
	if v == scenarios.After {
		return row.After
	}
	return row.Before
}
