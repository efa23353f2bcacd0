// SPDX-License-Identifier: Apache-2.0

package reports

import (
	"fmt"
	"slices"
	"strings"

	"headroom/harness/record"
	"headroom/reports/chart"
	"headroom/reports/compare"
	"headroom/reports/cost"
	"headroom/scenarios"
)

// CostPoint is what a user costs a month at one number of users, each variant bought in
// whole copies.
type CostPoint struct {
	Users     float64  `json:"users"`
	BeforeUSD *float64 `json:"before_usd"` // null: its capacity is not known
	AfterUSD  *float64 `json:"after_usd"`
}

// egressPerUser prices what a user of the variant downloads in a month, by
// the bytes per request of its valid slices, 0 without any.
func egressPerUser(run record.Run, trials []record.Trial, v scenarios.Variant, prices cost.Book) float64 {
	var valid []record.Trial
	for _, t := range trials {
		if t.Variant == v && t.Kind == record.KindSlice && t.Valid() {
			valid = append(valid, t)
		}
	}
	bytes := compare.PoolOf(valid, &run.Scenario).Value(scenarios.MetricBytes)
	if !bytes.OK() {
		return 0
	}
	return prices.EgressPerUser(bytes.V, run.Scenario.Load.RequestsPerUserPerS)
}

func (v Variant) offer() cost.Offer {
	return cost.Offer{CopyUSD: v.Bill.MonthlyUSD, CopyUsers: v.Users, UserUSD: v.EgressPerUserUSD}
}

func costCurve(variants []Variant) []CostPoint {
	before, after := variants[0].offer(), variants[1].offer()
	at := func(o cost.Offer, users float64) *float64 {
		if !o.Known() {
			return nil
		}
		usd := o.PerUserUSD(users)
		return &usd
	}
	points := []CostPoint{}
	for _, users := range cost.CurveUsers(before, after) {
		points = append(points, CostPoint{Users: users, BeforeUSD: at(before, users), AfterUSD: at(after, users)})
	}
	return points
}

// costLines are the curve as the chart wants it.
func costLines(points []CostPoint) []chart.Line {
	before, after := chart.Line{Variant: scenarios.Before}, chart.Line{Variant: scenarios.After}
	for _, p := range points {
		before.Points = append(before.Points, chart.Point{X: p.Users, Y: orNaN(p.BeforeUSD)})
		after.Points = append(after.Points, chart.Point{X: p.Users, Y: orNaN(p.AfterUSD)})
	}
	return []chart.Line{before, after}
}

// notCharged names the managed services that the price book has and the
// variants run themselves, "" when there are none.
func notCharged(s scenarios.Scenario, prices cost.Book) string {
	priced := map[string]bool{"balancer": prices.Balancer != nil, "CDN": prices.CDN != nil, "queue": prices.Queue != nil}
	processes := append(s.Before.Processes(), s.After.Processes()...)
	var services []string
	for _, service := range []string{"balancer", "CDN", "queue"} {
		runs := func(at scenarios.PlacedProcess) bool { return at.Process.Facts.Managed == service }
		if priced[service] && slices.ContainsFunc(processes, runs) {
			services = append(services, service)
		}
	}
	if len(services) == 0 {
		return ""
	}
	return fmt.Sprintf("the price book's managed %s: here it runs on machines that are priced; nor what machines send to each other",
		strings.Join(services, ", "))
}
