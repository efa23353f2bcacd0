// SPDX-License-Identifier: Apache-2.0

package reports

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"headroom/harness/record"
	"headroom/reports/compare"
	"headroom/reports/cost"
	"headroom/scenarios"
)

// answerOf says in a few sentences what the figures say, and no more. An interval that
// spans 1 shows nothing, which does not mean that there is no difference. A row of a
// rate has a direction only if the change is shown for its whole table together.
func answerOf(r Report, consistency string) []string {
	answer := []string{}
	answer = append(answer, capacitySentence(r), soakSentence(r))
	for _, v := range r.Variants {
		if s := silenceSentence(v.Variant, r.Silences); s != "" {
			answer = append(answer, s)
		}
	}
	for _, rate := range r.Rates {
		if rate.Name == record.RateCommon || len(r.Rates) == 1 {
			answer = append(answer, rateSentence(rate))
		}
	}
	if consistency != "" {
		answer = append(answer, consistency)
	}
	return append(answer, costSentence(r))
}

// capacitySentence is the headline: the ratio of the capacities, or why there is
// none. What was soaked is the only rate that is called confirmed.
func capacitySentence(r Report) string {
	before, after := r.Variants[0], r.Variants[1]
	effect := r.Overall[0].Effect
	switch {
	case !before.Capacity.Known() && !after.Capacity.Known():
		return fmt.Sprintf("Neither variant's capacity is known: before: %s; after: %s.", before.Capacity.Missing, after.Capacity.Missing)
	case effect.Missing != "":
		return fmt.Sprintf("The capacities under the SLO, in requests/s: before %s; after %s.", before.CapacityText, after.CapacityText)
	}
	if before.Capacity.HighRPS == 0 || after.Capacity.HighRPS == 0 {
		return fmt.Sprintf("The capacities under the SLO, in requests/s: before %s; after %s: a ratio of what nothing bounded would say nothing.", before.CapacityText, after.CapacityText)
	}
	sentence := fmt.Sprintf("Under %s, after carries about %s requests/s, before about %s: %sx",
		r.Scenario.SLO, compare.FormatRate(after.Capacity.PointRPS), compare.FormatRate(before.Capacity.PointRPS), compare.FormatNumber(effect.Ratio))
	switch i := effect.Interval; {
	case i == nil:
		return sentence + ", from too few blocks for an interval."
	case i.Low <= 1 && i.High >= 1:
		return fmt.Sprintf("%s (%s), which does not show a difference.", sentence, i)
	default:
		return fmt.Sprintf("%s (%s).", sentence, i)
	}
}

// soakSentence says which rates are confirmed.
func soakSentence(r Report) string {
	var held []string
	seconds := 0.0
	for _, v := range slices.Backward(r.Variants) {
		soak, ok := v.Capacity.Confirmed()
		if !ok {
			held = append(held, fmt.Sprintf("no rate of %s", v.Variant))
			continue
		}
		held, seconds = append(held, fmt.Sprintf("%s requests/s of %s", compare.FormatRate(soak.RPS), v.Variant)), soak.Seconds
	}
	if seconds == 0 {
		return "No rate is confirmed: no soak held, or there was none."
	}
	return fmt.Sprintf("Confirmed by a soak of %.0f s: %s.", seconds, strings.Join(held, ", "))
}

func rateSentence(rate Rate) string {
	if len(rate.Invalid) > 0 {
		return fmt.Sprintf("At the %s rate there is no answer: %s.", rate.Name, strings.Join(rate.Invalid, "; "))
	}
	var parts []string
	for _, key := range []scenarios.MetricKey{scenarios.MetricP95, scenarios.MetricDBCPUPerRequest} {
		i := slices.IndexFunc(rate.Rows, func(row Row) bool { return row.Key == key })
		parts = append(parts, changeClause(rate.Rows[i], len(rate.Rows)))
	}
	return fmt.Sprintf("At %s requests/s, %s.", compare.FormatRate(rate.AfterRPS), strings.Join(parts, "; "))
}

// changeClause tells of a row of a table of so many.
func changeClause(row Row, rows int) string {
	name := map[scenarios.MetricKey]string{scenarios.MetricP95: "the 95th percentile of response time",
		scenarios.MetricDBCPUPerRequest: "the database's CPU per request"}[row.Key]
	switch e := row.Effect; {
	case e.Missing != "":
		return fmt.Sprintf("%s can't be compared (%s)", name, e.Missing)
	case e.Interval == nil:
		return fmt.Sprintf("%s came out at %sx of before's, from too few blocks to be sure", name, compare.FormatNumber(e.Ratio))
	case e.Spans1():
		return fmt.Sprintf("a change of %s is not shown (%s)", name, ratioText(e))
	case !e.Survives:
		return fmt.Sprintf("%s came out at %s of before's, which among the %d rows of its table is no sure change", name, ratioText(e), rows)
	default:
		return fmt.Sprintf("%s is %s of before's", name, ratioText(e))
	}
}

func costSentence(r Report) string {
	before, after := r.Variants[0].Bill.MonthlyUSD, r.Variants[1].Bill.MonthlyUSD
	sentence := fmt.Sprintf("Both cost %s a month", dollars(after))
	switch {
	case after > before:
		sentence = fmt.Sprintf("After costs %s a month more than before (%s against %s)", dollars(after-before), dollars(after), dollars(before))
	case after < before:
		sentence = fmt.Sprintf("After costs %s a month less than before (%s against %s)", dollars(before-after), dollars(after), dollars(before))
	}
	perUser := r.Overall[2]
	if perUser.Before.Value != nil && perUser.After.Value != nil {
		sentence += fmt.Sprintf("; a user costs %s a month, before %s", dollars(*perUser.After.Value), dollars(*perUser.Before.Value))
		switch e := perUser.Effect; {
		case e.Spans1():
			sentence += fmt.Sprintf(" (a difference is not shown: %s)", ratioText(e))
		case e.Interval == nil:
			sentence += ", from too few blocks to be sure"
		}
	}
	return sentence + "."
}

// scaleText says how rates at full scale follow from the scaled-down ones; "" at full
// scale.
func scaleText(unit float64) string {
	if !(unit > 0) || unit == 1 {
		return ""
	}
	return fmt.Sprintf("one vCPU of the real system is %.3g CPUs here: rates of machines of full size are %.3g times these, if they grow in proportion", unit, 1/unit)
}

// warningsOf lists what a reader must know that no figure shows.
func warningsOf(log *record.Log, trials []record.Trial, table compare.Table, prices cost.Book) []string {
	run := log.Run
	var warnings []string
	for _, r := range log.Restarts {
		warnings = append(warnings, fmt.Sprintf("%s was started anew, and what it had measured until then takes no part: %s", r.Part, r.Reason))
	}
	if prices.Example {
		warnings = append(warnings, "prices are an example, not an offer: costs are only as good as they are")
	}
	if !run.Environment.HasQuotas() {
		warnings = append(warnings, "machines were local processes without CPU or memory limits and shared this computer with each other and the driver: absolute rates, capacities and the bottleneck are this computer's, not the machines'")
	}
	clipped := int64(0)
	for _, t := range trials {
		clipped += t.Measurement.Clipped
	}
	if clipped > 0 {
		warnings = append(warnings, fmt.Sprintf("%s requests took longer than the histogram holds; they count as slow, but have no exact time",
			compare.FormatCount(int(clipped))))
	}
	for _, t := range trials {
		if difference := environmentDifference(run.Environment, t.Environment); difference != "" {
			warnings = append(warnings, fmt.Sprintf("trial %d was measured in another environment than the run says: %s", t.Order, difference))
			break
		}
	}
	warnings = append(warnings, invalidSliceViolations(table)...)
	for _, rate := range table.Rates() {
		warnings = append(warnings, rateWarnings(run, table, rate)...)
	}
	return warnings
}

func rateWarnings(run record.Run, table compare.Table, rate scenarios.RateName) []string {
	var warnings []string
	if blocks := len(table.At(rate).Blocks()); blocks < run.Blocks {
		warnings = append(warnings, fmt.Sprintf("at the %s rate %d of %d blocks have valid slices of both variants", rate, blocks, run.Blocks))
	}
	for _, v := range scenarios.Variants() {
		s := table.Pooled(rate, v)
		// Planned and not the rate: a short slice's arrivals scatter about the rate.
		if s.DurationS > 0 && float64(s.Succeeded) < 0.98*float64(s.Planned) {
			warnings = append(warnings, fmt.Sprintf("at the %s rate %s answered %s of %s requests/s: it does not keep up",
				rate, v, compare.FormatNumber(float64(s.Succeeded)/s.DurationS), compare.FormatRate(float64(s.Planned)/s.DurationS)))
		}
	}
	return warnings
}

func environmentDifference(a, b record.Environment) string {
	for _, f := range []struct{ name, a, b string }{
		{"headroom", a.Headroom, b.Headroom}, {"kernel", a.Kernel, b.Kernel}, {"CPU", a.CPUModel, b.CPUModel},
		{"CPUs", fmt.Sprint(a.CPUs), fmt.Sprint(b.CPUs)}, {"stage", a.Stage, b.Stage}, {"engine", a.Engine, b.Engine},
		{"image", a.ImageDigest, b.ImageDigest}, {"network path", a.NetworkPath, b.NetworkPath},
	} {
		if f.a != f.b {
			return fmt.Sprintf("%s %q, the run %q", f.name, f.b, f.a)
		}
	}
	return ""
}

// earlierRunsText names the earlier runs whose scatter counts too.
func earlierRunsText(runs []string) string {
	if len(runs) == 0 {
		return ""
	}
	return fmt.Sprintf(", together with those of the earlier runs %s", strings.Join(runs, ", "))
}

// methodOf tells how the figures came about, with this run's own numbers.
func methodOf(r Report) []string {
	blocks := 0
	for _, rate := range r.Rates {
		blocks = max(blocks, len(rate.Blocks))
	}
	method := []string{
		"Response time runs from the moment a request was due, not from when it was sent. A percentile stands only where there are samples enough for it: 5 for p50, 59 for p95, 299 for p99.",
		"Each block starts both variants afresh and measures them in turn. Its slices are added up, histograms merged; a ratio is the Hodges-Lehmann estimate of after/before over the blocks.",
	}
	switch {
	case blocks < 3:
		method = append(method, "Fewer than three blocks give no interval, and so no verdict.")
	case blocks < 7:
		method = append(method, fmt.Sprintf("Intervals over %d blocks are Student's 95%% intervals on the logarithms, which take blocks to scatter normally; ranks alone, without that, attain %.3g%%. "+
			"From seven blocks on they are exact signed-rank ones. A verdict needs all of the interval on one side.",
			blocks, 100*(1-2/math.Pow(2, float64(blocks)))))
	default:
		method = append(method, fmt.Sprintf("Intervals are exact signed-rank ones over %d blocks, with at least 95%% confidence. A verdict needs all of it on one side.", blocks))
	}
	if blocks >= 3 {
		method = append(method,
			"No interval is narrower than the figures' resolution: 0.1% of a ratio, and one more or less of what was counted. An interval that spans 1 shows no change; it does not show that there is none.",
			"Each interval is for its own metric. A change is marked when it is shown for all rows of its table together: with at most 5% risk of any false mark in a table, by Holm's adjustment of Student's p, or by max-T over shared sign flips from 7 to 16 blocks.",
			fmt.Sprintf("\"Detectable\" is the smallest change that as many blocks would find with probability 0.8, if they scatter as these did%s. A scatter that is known from few blocks is itself uncertain.", earlierRunsText(r.Earlier)))
	}
	if slices.ContainsFunc(r.Rates, Rate.hasBasis) {
		method = append(method, "A ratio of CPU per request is divided by the same ratio of the driver's own CPU: the computer's speed moves both alike, and falls out. It is not where the driver had not the same to do for both variants "+
			"("+compare.SameWork()+"), or where slices of one variant scatter no less when divided by the driver's; the table says which. The levels are as measured.")
	}
	if len(r.Oracles) > 0 {
		method = append(method, "Checks ran with the load, over all valid slices at the common rate and the soaks. The interval of their share goes by what each block counted, as violations come in bursts. Without a violation two bounds are given: one for independent checks, and one that bursts of 20 would allow, which the verdicts go by. A replica's lag in bytes is that of the worst slice.")
	}
	if unit := r.Shares.UnitCPUs; unit > 0 && unit != 1 {
		method = append(method, capital(scaleText(unit))+". The scale is the same for both variants; users and cost per user take it into account, in proportion.")
	}
	return append(method, fmt.Sprintf("A month has %d hours. A user's cost is the variant's monthly cost over the users that its capacity carries, and what the user downloads where the price book has egress. The chart buys whole copies of a variant, as if each carried what the one that was measured did.", cost.HoursPerMonth))
}
