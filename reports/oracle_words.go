// SPDX-License-Identifier: Apache-2.0

package reports

import (
	"fmt"
	"strings"

	"headroom/harness/record"
	"headroom/reports/compare"
	"headroom/scenarios"
)

// consistencySentence says what the change costs in consistency, over all
// valid slices; "" when nothing was asked for.
func consistencySentence(asked []scenarios.OracleName, table compare.Table) string {
	before, after := table.Checks(scenarios.Before), table.Checks(scenarios.After)
	var parts, clean, unmeasured []string
	cleanChecks := int64(0)
	for _, name := range asked {
		if !scenarios.CountsViolations(name) {
			continue
		}
		b, a := before.Oracle(name), after.Oracle(name)
		label := oracleLabel(name, "")
		switch {
		case a.Violations > 0 || b.Violations > 0:
			parts = append(parts, fmt.Sprintf("%s %s", label, violationClause(countClause(before, b), countClause(after, a), a.Violations > 0)))
		case a.Checked > 0:
			clean, cleanChecks = append(clean, label), cleanChecks+a.Checked
		default:
			unmeasured = append(unmeasured, label)
		}
	}
	if len(clean) > 0 {
		parts = append(parts, fmt.Sprintf("after none of these was seen in %s checks: %s", compare.FormatCount(int(cleanChecks)), strings.Join(clean, ", ")))
	}
	if clause := lagClause(after.Sample); clause != "" {
		parts = append(parts, clause)
	}
	if len(unmeasured) > 0 {
		parts = append(parts, "not measured after: "+strings.Join(unmeasured, ", "))
	}
	if len(parts) == 0 {
		return ""
	}
	return "Consistency: " + strings.Join(parts, "; ") + "."
}

// violationClause is "after: 0.79% (0.41-1.4%) of 12,340, half of them older
// than 14 ms, before: none seen in 8,000". What is worth saying stands first.
func violationClause(before, after string, violatedAfter bool) string {
	if violatedAfter {
		return "after: " + after + ", before: " + before
	}
	return "before: " + before + ", after: " + after
}

func countClause(checks compare.Checks, o record.Oracle) string {
	if o.Checked == 0 {
		return "not measured"
	}
	if o.Violations == 0 {
		return "none seen in " + compare.FormatCount(int(o.Checked))
	}
	text := fmt.Sprintf("%s of %s", compare.ShareText(o, checks.Interval(o)), compare.FormatCount(int(o.Checked)))
	if o.Age == nil {
		return text
	}
	if p50 := compare.QuantileMillis(*o.Age, o.Age.Count(), 0.5); p50.OK() {
		text += ", half of them older than " + millis(p50.V)
	}
	return text
}

// lagClause is how far behind after's replicas are.
func lagClause(after compare.Sample) string {
	p50, p99 := after.Value(scenarios.MetricLagP50), after.Value(scenarios.MetricLagP99)
	switch {
	case !p50.OK():
		return ""
	case !p99.OK():
		return fmt.Sprintf("replicas lag %s at the median", millis(p50.V))
	}
	return fmt.Sprintf("replicas lag %s at the median and %s at p99", millis(p50.V), millis(p99.V))
}

// invalidSliceViolations tells of violations in invalid slices: no figure counts them,
// but they happened.
func invalidSliceViolations(table compare.Table) []string {
	var warnings []string
	for _, v := range scenarios.Variants() {
		invalid := table.InvalidChecks(v)
		for _, name := range scenarios.Oracles() {
			if o := invalid.Oracle(name); o.Violations > 0 {
				warnings = append(warnings, fmt.Sprintf("%s of %s: %s of %s checks in slices that were set aside, which no figure here counts",
					oracleLabel(name, ""), v, compare.FormatCount(int(o.Violations)), compare.FormatCount(int(o.Checked))))
			}
		}
	}
	return warnings
}

// examples lists one violation a row in words.
func examples(rows []OracleRow) []string {
	var all []string
	for _, row := range rows {
		if text := row.Before.Example; text != "" {
			all = append(all, fmt.Sprintf("%s, before: for example %s", capital(row.Label), text))
		}
		if text := row.After.Example; text != "" {
			all = append(all, fmt.Sprintf("%s, after: for example %s", capital(row.Label), text))
		}
	}
	return all
}

// oracleColumns is the room of a side's text on a terminal.
const oracleColumns = 31

func (t *terminalWriter) oracles(rows []OracleRow) {
	if len(rows) == 0 {
		return
	}
	t.heading("What it may break: violations of checks that ran with the load, all valid slices")
	t.WriteString(t.styled("2", "  "+pad("", labelColumns)+"  "+pad("before", oracleColumns)+"  after") + "\n")
	for _, row := range rows {
		columns := [3][]string{
			wrap(row.Label, labelColumns), t.oracleLines(row.Name, row.Before), t.oracleLines(row.Name, row.After),
		}
		for i := range max(len(columns[0]), len(columns[1]), len(columns[2])) {
			at := func(column int) string {
				if i < len(columns[column]) {
					return columns[column][i]
				}
				return ""
			}
			line := "  " + pad(at(0), labelColumns) + "  " + pad(at(1), oracleColumns) + "  " + at(2)
			t.WriteString(strings.TrimRight(line, " ") + "\n")
		}
	}
	for _, example := range examples(rows) {
		t.line("  %s", example)
	}
}

func (t *terminalWriter) oracleLines(name scenarios.OracleName, side OracleSide) []string {
	lines := wrap(oracleText(name, side), oracleColumns)
	if more := oracleMore(name, side); more != "" {
		lines = append(lines, wrap(more, oracleColumns)...)
	}
	return lines
}
