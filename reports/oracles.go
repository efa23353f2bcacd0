// SPDX-License-Identifier: Apache-2.0

package reports

import (
	"fmt"
	"html/template"
	"slices"
	"strings"

	"headroom/harness/record"
	"headroom/reports/chart"
	"headroom/reports/compare"
	"headroom/scenarios"
)

// OracleRow is what one check found on both sides, over all valid slices.
type OracleRow struct {
	Name   scenarios.OracleName `json:"name"`            // of scenarios.Oracles
	Scope  string               `json:"scope,omitempty"` // a replica, a kind of row
	Label  string               `json:"label"`
	Before OracleSide           `json:"before"`
	After  OracleSide           `json:"after"`
}

// OracleSide is what a check found on one side.
type OracleSide struct {
	Checked    int64    `json:"checked"`
	Violations int64    `json:"violations"`
	Share      *float64 `json:"share"`     // of the checks; null: not measured, or nothing to violate
	ShareLow   *float64 `json:"share_low"` // over blocks; null with fewer than three
	ShareHigh  *float64 `json:"share_high"`
	// NotMeasured is why there is no figure, Unchecked why some is missing.
	NotMeasured string `json:"not_measured,omitempty"`
	Unchecked   string `json:"unchecked,omitempty"`
	// How old stale answers were, or how far behind a replica was; null with
	// too few samples.
	AgeP50MS *float64           `json:"age_p50_ms"`
	AgeP99MS *float64           `json:"age_p99_ms"`
	AgeMaxMS *float64           `json:"age_max_ms"`
	LagBytes map[string]float64 `json:"lag_bytes,omitempty"` // p50, p99, max of the worst slice
	LagCurve []LagPoint         `json:"lag_curve,omitempty"` // of a replica
	Example  string             `json:"example,omitempty"`
}

// LagPoint is one percentile of a replica's lag.
type LagPoint struct {
	Percentile float64  `json:"percentile"`
	MS         *float64 `json:"ms"` // null: too few samples
}

// lagPercentiles are the points of a lag's curve.
var lagPercentiles = []float64{5, 10, 20, 30, 40, 50, 60, 70, 75, 80, 85, 90, 95, 97, 98, 99, 99.5, 99.9}

// noSliceHasCheck is why a side has no figure for what the other side has.
const noSliceHasCheck = "no slice has this check"

// oraclesOf lists the checks that were asked for or made: one row a scope.
func oraclesOf(asked []scenarios.OracleName, table compare.Table) []OracleRow {
	rows := []OracleRow{}
	at := func(name scenarios.OracleName, scope string) *OracleRow {
		i := slices.IndexFunc(rows, func(r OracleRow) bool { return r.Name == name && r.Scope == scope })
		if i < 0 {
			i = len(rows)
			rows = append(rows, OracleRow{Name: name, Scope: scope, Label: oracleLabel(name, scope),
				Before: OracleSide{NotMeasured: noSliceHasCheck}, After: OracleSide{NotMeasured: noSliceHasCheck}})
		}
		return &rows[i]
	}
	before, after := table.Checks(scenarios.Before), table.Checks(scenarios.After)
	for _, name := range scenarios.Oracles() {
		for _, o := range before.Oracles() {
			if o.Name == name {
				at(name, o.Scope).Before = oracleSide(before, o)
			}
		}
		for _, o := range after.Oracles() {
			if o.Name == name {
				at(name, o.Scope).After = oracleSide(after, o)
			}
		}
		if slices.Contains(asked, name) && !slices.ContainsFunc(rows, func(r OracleRow) bool { return r.Name == name }) {
			at(name, "")
		}
	}
	return foldUnscoped(rows)
}

// foldUnscoped gives each scope's row the reason why the other side has no
// figure at all, and drops the row that held nothing but that reason.
func foldUnscoped(rows []OracleRow) []OracleRow {
	kept := []OracleRow{}
	for _, r := range rows {
		reason := r.Before.NotMeasured != "" && r.After.NotMeasured != ""
		scoped := slices.ContainsFunc(rows, func(other OracleRow) bool { return other.Name == r.Name && other.Scope != "" })
		if r.Scope == "" && reason && scoped {
			continue
		}
		for _, other := range rows {
			if r.Scope != "" && other.Name == r.Name && other.Scope == "" {
				r.Before.explain(other.Before.NotMeasured)
				r.After.explain(other.After.NotMeasured)
			}
		}
		kept = append(kept, r)
	}
	return kept
}

func (s *OracleSide) explain(reason string) {
	if s.NotMeasured == noSliceHasCheck && reason != "" {
		s.NotMeasured = reason
	}
}

func oracleSide(checks compare.Checks, o record.Oracle) OracleSide {
	side := OracleSide{Checked: o.Checked, Violations: o.Violations, LagBytes: o.LagBytes, Example: o.Example, Unchecked: o.Unknown}
	if o.Checked == 0 {
		side.Unchecked, side.NotMeasured = "", orReason(o.Unknown)
		return side
	}
	if o.Name != scenarios.OracleLag {
		share := o.Share()
		side.Share = &share
		if i := checks.Interval(o); i != nil {
			side.ShareLow, side.ShareHigh = &i.Low, &i.High
		}
	}
	if o.Age == nil || o.Age.Count() == 0 {
		return side
	}
	at := func(percentile float64) *float64 {
		return compare.QuantileMillis(*o.Age, o.Age.Count(), percentile/100).Level().Value
	}
	longest := o.Age.Max().Seconds() * 1e3
	side.AgeP50MS, side.AgeP99MS, side.AgeMaxMS = at(50), at(99), &longest
	if o.Name == scenarios.OracleLag {
		for _, p := range lagPercentiles {
			side.LagCurve = append(side.LagCurve, LagPoint{Percentile: p, MS: at(p)})
		}
	}
	return side
}

func orReason(unknown string) string {
	if unknown == "" {
		return "nothing was checked"
	}
	return unknown
}

// oracleLabel is what a check looks for, in words.
func oracleLabel(name scenarios.OracleName, scope string) string {
	o, _ := scenarios.OracleNamed(name)
	if scope == "" {
		return o.Label
	}
	return o.Label + ", " + scope
}

// oracleText is a side in words: "98 of 12,340: 0.79% (0.41-1.4%)", or "p50
// 3.1 ms, p99 22 ms, max 80 ms".
func oracleText(name scenarios.OracleName, s OracleSide) string {
	switch {
	case s.NotMeasured == noSliceHasCheck:
		return none
	case s.NotMeasured != "":
		return "not measured: " + s.NotMeasured
	case name == scenarios.OracleLag:
		return ageText(s)
	}
	var interval *compare.Interval
	if s.ShareLow != nil {
		interval = &compare.Interval{Low: *s.ShareLow, High: *s.ShareHigh}
	}
	return compare.CountText(record.Oracle{Checked: s.Checked, Violations: s.Violations}, interval)
}

// oracleMore is what else there is to know of a side, "" when nothing.
func oracleMore(name scenarios.OracleName, s OracleSide) string {
	var parts []string
	switch age := ageText(s); {
	case s.NotMeasured != "":
		return ""
	case name != scenarios.OracleLag && age != "":
		parts = append(parts, "age "+age)
	case name == scenarios.OracleLag:
		if text := bytesText(s.LagBytes); text != "" {
			parts = append(parts, text)
		}
		parts = append(parts, compare.FormatCount(int(s.Checked))+" samples")
	}
	if s.Unchecked != "" {
		parts = append(parts, "not all checked: "+s.Unchecked)
	}
	return strings.Join(parts, "; ")
}

func ageText(s OracleSide) string {
	var parts []string
	for _, q := range []struct {
		name string
		ms   *float64
	}{{"p50", s.AgeP50MS}, {"p99", s.AgeP99MS}, {"max", s.AgeMaxMS}} {
		if q.ms != nil {
			parts = append(parts, q.name+" "+millis(*q.ms))
		}
	}
	return strings.Join(parts, ", ")
}

func bytesText(bytes map[string]float64) string {
	var parts []string
	for _, q := range []string{"p50", "p99", "max"} {
		if v, ok := bytes[q]; ok {
			parts = append(parts, q+" "+sizeText(v))
		}
	}
	return strings.Join(parts, ", ")
}

func millis(ms float64) string {
	if ms < 0.01 {
		return "< 0.01 ms"
	}
	return compare.FormatRate(ms) + " ms"
}

// sizeText writes bytes for people, in powers of 1,000.
func sizeText(bytes float64) string {
	switch {
	case bytes >= 1e6:
		return compare.FormatRate(bytes/1e6) + " MB"
	case bytes >= 1e3:
		return compare.FormatRate(bytes/1e3) + " kB"
	}
	return fmt.Sprintf("%.0f B", bytes)
}

// drawLag draws each replica's lag as a distribution.
func drawLag(rows []OracleRow) (template.HTML, error) {
	var lines []chart.Line
	for _, row := range rows {
		lines = append(lines, lagLine(scenarios.Before, row.Before), lagLine(scenarios.After, row.After))
	}
	return drawing(chart.Lag("Replication lag by percentile, one line a replica, before and after", lines))
}

func lagLine(v scenarios.Variant, side OracleSide) chart.Line {
	line := chart.Line{Variant: v}
	for _, p := range side.LagCurve {
		line.Points = append(line.Points, chart.Point{X: p.Percentile, Y: orNaN(p.MS)})
	}
	return line
}
