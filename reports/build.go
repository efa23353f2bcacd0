// SPDX-License-Identifier: Apache-2.0

package reports

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"headroom/harness/record"
	"headroom/harness/slo"
	"headroom/reports/compare"
	"headroom/reports/cost"
	"headroom/scenarios"
)

// ErrNoTrials says that there is nothing to report on.
var ErrNoTrials = errors.New("the run has no trials: nothing was measured, so there is nothing to report; run the scenario again")

// Build computes the report of a run. It fails with ErrNoTrials when the run has no
// trials, and when the price book lacks a machine's size. Earlier runs of the same
// systems add their scatter to what is detectable, and nothing else.
func Build(log *record.Log, prices cost.Book, earlier ...*record.Log) (Report, error) {
	run, all := log.Run, log.Trials
	if len(all) == 0 {
		return Report{}, fmt.Errorf("run %s: %w", run.ID, ErrNoTrials)
	}
	trials := withoutProofTrials(all)
	table := compare.TableOf(trials, &run.Scenario)
	r := Report{
		Schema: SchemaVersion, Quick: run.Quick, RunID: run.ID, StartedAt: run.StartedAt.UTC(), Seed: run.Seed,
		Scenario: scenarioOf(run.Scenario), Shares: run.Shares, Environment: run.Environment,
		Prices:   prices,
		Validity: validityOf(table, trials),
		Silences: compare.Silences(all, run.Scenario.SLO),
		Claims:   []compare.Result{},
		Warnings: []string{},
	}
	r.mark(log.End)
	if err := r.addVariants(run, trials, prices); err != nil {
		return Report{}, err
	}
	for i, v := range r.Variants {
		r.Variants[i].Proof = compare.JudgeProof(run, all, v.Variant)
		r.Variants[i].ProofText = proofText(r.Variants[i].Proof)
	}
	downloaded := downloadsOf(table)
	runMetrics := r.runMetrics(downloaded)
	for _, key := range overallKeys(r.Variants) {
		r.Overall = append(r.Overall, runMetricRow(key, runMetrics))
	}
	r.NotCharged = notCharged(run.Scenario, prices)
	r.BreakEven, r.CostCurve = breakEven(r.Variants, runMetrics, downloaded), costCurve(r.Variants)
	for _, name := range table.Rates() {
		r.Rates = append(r.Rates, rateOf(table, name))
	}
	if err := r.poolScatter(run, prices, earlier); err != nil {
		return Report{}, err
	}
	r.Chance = chanceOf(r.Rates)
	r.Oracles = oraclesOf(run.Scenario.Oracles, table)
	for _, claim := range run.Scenario.Claims {
		r.Claims = append(r.Claims, compare.Judge(claim, table, runMetrics, run.Quick))
	}
	r.Warnings = append(append(r.Warnings, warningsOf(log, trials, table, prices)...), r.Validity.NotKnown...)
	r.Method = methodOf(r)
	r.Answer = answerOf(r, consistencySentence(run.Scenario.Oracles, table))
	return r, nil
}

// withoutProofTrials leaves out what was measured on variants that a proof had changed.
func withoutProofTrials(trials []record.Trial) []record.Trial {
	var out []record.Trial
	for _, t := range trials {
		if t.Resize == nil {
			out = append(out, t)
		}
	}
	return out
}

func (r *Report) mark(end *record.End) {
	r.Marks = []string{}
	if r.Quick {
		r.Marks = append(r.Marks, "quick run: not evidence")
	}
	switch {
	case end == nil:
		r.Interrupted = true
		r.Marks = append(r.Marks, "cut off: the run did not end by itself; what it had measured is shown")
	case end.Interrupted:
		r.Interrupted = true
		mark := "interrupted: what was measured before is shown"
		if end.Reason != "" {
			mark = fmt.Sprintf("interrupted (%s): what was measured before is shown", end.Reason)
		}
		r.Marks = append(r.Marks, mark)
	case end.Reason != "":
		r.Marks = append(r.Marks, fmt.Sprintf("ended early (%s): what was measured before is shown", firstLine(end.Reason)))
	}
}

// firstLine leaves out what stands below it, such as a machine's log.
func firstLine(text string) string {
	line, _, _ := strings.Cut(text, "\n")
	return line
}

func scenarioOf(s scenarios.Scenario) Scenario {
	var mix []string
	for _, e := range s.Load.Mix {
		mix = append(mix, fmt.Sprintf("%s %.3g%%", e.Name, e.Weight*100))
	}
	quantile, latencyMS := sloQuantile(s.SLO)
	return Scenario{
		SLOQuantile: quantile, SLOLatencyMS: latencyMS,
		Name: s.Name, Title: s.Title, Question: s.Question, Sources: slices.Concat([]string{}, s.Sources), SLO: s.SLO.Text,
		Traffic: fmt.Sprintf("%s arrivals, open loop, the same schedule and keys for both: %s",
			s.Load.Arrivals, strings.Join(mix, ", ")),
		Dataset: strings.Join(s.Seeds(), "; "),
	}
}

func (r *Report) addVariants(run record.Run, trials []record.Trial, prices cost.Book) error {
	for _, v := range scenarios.Variants() {
		topology := run.Scenario.Topology(v)
		bill, err := prices.Monthly(topology)
		if err != nil {
			return fmt.Errorf("price %s: %w", v, err)
		}
		capacity := slo.CapacityOf(trials, v, run.Scenario.SLO, true)
		atCapacity := compare.PoolOf(compare.AtCapacity(trials, v, capacity, run.Scenario.SLO), &run.Scenario)
		r.Warnings = append(append(r.Warnings, compare.CapacityWarnings(v, capacity)...), bill.Warnings...)
		r.Variants = append(r.Variants, Variant{
			Variant: v, Label: topology.Label, Entry: topology.EntryText(),
			Machines: machinesOf(run.Scenario, topology, quotas(trials, v)),
			Capacity: capacity, CapacityText: capacityText(capacity) + silenceClause(inStairs(r.Silences, v)), Bill: bill,
			Load:       loadCurve(trials, v, run.Scenario.SLO, capacity.PointRPS),
			Bottleneck: bottleneckSentence(atCapacity), Demand: demandOf(atCapacity),
			Users:            cost.Users(capacity.PointRPS, run.Shares.UnitCPUs, run.Scenario.Load.RequestsPerUserPerS),
			EgressPerUserUSD: egressPerUser(run, trials, v, prices),
		})
	}
	return nil
}

// capacityText is a capacity with its range, and what was soaked.
func capacityText(c slo.Capacity) string {
	switch {
	case !c.Known() && c.FailedRPS > 0:
		return fmt.Sprintf("< %s: the lowest rate tried failed", compare.FormatRate(c.FailedRPS))
	case !c.Known():
		return "unknown: " + c.Missing
	case c.HighRPS == 0:
		return fmt.Sprintf(">= %s: no rate that was tried failed%s", compare.FormatRate(c.LowRPS), soakText(c))
	}
	return fmt.Sprintf("%s (%s-%s)%s", compare.FormatRate(c.PointRPS), compare.FormatRate(c.LowRPS), compare.FormatRate(c.HighRPS), soakText(c))
}

// soakText says which rate is confirmed, and for how long it was looked at.
func soakText(c slo.Capacity) string {
	text := ""
	switch soak, confirmed := c.Confirmed(); {
	case confirmed:
		worst := slo.Nearest(soak.Counts)
		text = fmt.Sprintf(", confirmed: %s held for %.0f s (%s: %s of the requests were bad, below %s at 95%%)", compare.FormatRate(soak.RPS), soak.Seconds,
			worst.Condition, compare.FormatShare(float64(worst.Bad)/float64(max(worst.Of, 1))), compare.FormatShare(slo.ShareUpperBound(worst)))
	case len(c.Soaks) > 0:
		text = ", no rate confirmed: " + failedSoaks(c.Soaks)
	default:
		text = ", not soaked"
	}
	switch {
	case c.Metastable:
		text += "; metastable"
	case c.Recovered:
		text += "; recovered from 1.3 times as much"
	}
	return text
}

func failedSoaks(soaks []slo.Soak) string {
	var rates []string
	for _, s := range soaks {
		rates = append(rates, compare.FormatRate(s.RPS))
	}
	return fmt.Sprintf("%s failed within %.0f s", strings.Join(rates, " and "), soaks[0].Seconds)
}

// runMetrics collects what comes from the search and the price book, and what a user
// costs by both.
func (r *Report) runMetrics(d downloads) compare.RunMetrics {
	runMetrics := compare.RunMetrics{compare.CapacityRPS: {}, compare.MonthlyUSD: {}}
	for _, v := range r.Variants {
		monthly := v.Bill.MonthlyUSD
		runMetrics[compare.CapacityRPS][v.Variant] = compare.RangeOf(v.Capacity)
		runMetrics[compare.MonthlyUSD][v.Variant] = compare.Range{Point: monthly, Low: monthly, High: monthly}
	}
	addCosts(runMetrics, r.Variants, d)
	return runMetrics
}

func runMetricRow(key scenarios.MetricKey, runMetrics compare.RunMetrics) Row {
	metric, _ := compare.Describe(key)
	return Row{Metric: metric, Before: runMetrics.Level(key, scenarios.Before), After: runMetrics.Level(key, scenarios.After),
		Effect: runMetrics.Ratio(key)}
}

func validityOf(table compare.Table, trials []record.Trial) Validity {
	v := Validity{Slices: table.Slices, Probes: len(trials) - table.Slices, Invalid: slices.Concat([]compare.Invalid{}, table.Invalid),
		NotKnown: record.NotKnownOf(trials)}
	for _, i := range table.Invalid {
		switch {
		case i.Kind == record.KindSlice:
			v.InvalidSlices++
		case i.Judged == "":
			v.InvalidProbes++
		default:
			v.JudgedProbes++
		}
	}
	return v
}
