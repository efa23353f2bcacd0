// SPDX-License-Identifier: Apache-2.0

package compare

import (
	"slices"

	"headroom/harness/record"
	"headroom/scenarios"
)

// The metrics whose values come from the search for a capacity and from the price book,
// and not from slices: see RunMetrics. No claim speaks of the two parts of a user's
// cost.
const (
	CapacityRPS         = scenarios.MetricCapacityRPS
	MonthlyUSD          = scenarios.MetricMonthlyUSD
	CostPerUserUSD      = scenarios.MetricCostPerUserUSD
	InfraPerUserUSD     = scenarios.MetricInfraPerUserUSD
	DownloadsPerUserUSD = scenarios.MetricDownloadsPerUserUSD
)

// Rateless says whether a key is one of the metrics that no rate belongs to.
func Rateless(key scenarios.MetricKey) bool {
	m, _ := scenarios.MetricOf(key)
	return m.Rateless
}

// formulas work the rows of scenarios.Metrics out from a sample. Three sorts of rows
// have none here: quantiles of the response time, which quantileOf works out, the
// shares of oracles, and what is rateless.
var formulas = map[scenarios.MetricKey]func(Sample) Value{
	scenarios.MetricThroughput: func(s Sample) Value {
		return ratioOfCount(float64(s.Succeeded), s.DurationS, "the slices have no duration")
	},
	scenarios.MetricErrorRate: func(s Sample) Value {
		return share(float64(s.Failed+s.Unsent), float64(s.Planned), "no request was planned")
	},
	scenarios.MetricDBCPUPerRequest: Sample.dbCPUPerRequest,
	scenarios.MetricDBCPUShare:      Sample.dbCPUShare,
	scenarios.MetricStatements: func(s Sample) Value {
		return s.countPer(scenarios.MeaningStatements, s.Succeeded, s.uncounted(scenarios.MeaningStatements, "the database", "statements"), noneSucceeded)
	},
	scenarios.MetricFeedStatements: func(s Sample) Value {
		return s.countBy(scenarios.MeaningFeedStatements, scenarios.MeaningFeedRequests, "the feed's statements were not counted", "no feed was asked for")
	},
	scenarios.MetricRowsRead: func(s Sample) Value {
		return s.countBy(scenarios.MeaningRowsRead, scenarios.MeaningRowsReturned, s.uncounted(scenarios.MeaningRowsRead, "the database", "rows"), "no row was returned")
	},
	scenarios.MetricBytes: func(s Sample) Value { return s.perRequest(float64(s.bytesIn)) },
	scenarios.MetricCacheHits: func(s Sample) Value {
		return s.hitRatio(scenarios.MeaningCacheHits, scenarios.MeaningCacheMisses, "no cache", "the cache was not asked") // of all caches
	},
	scenarios.MetricEdgeHits: func(s Sample) Value {
		// Of all edges, without what they pass on.
		return s.hitRatio(scenarios.MeaningEdgeHits, scenarios.MeaningEdgeMisses, "no edge", "the edges were not asked for what they keep")
	},
	scenarios.MetricOriginRequests: func(s Sample) Value {
		return s.countPer(scenarios.MeaningAppRequests, s.Sent, s.uncounted(scenarios.MeaningAppRequests, "the application", "requests"), "no request was sent")
	},
	scenarios.MetricDatabaseDemand: Sample.databaseDemandShare,
	scenarios.MetricLagP50:         func(s Sample) Value { return s.lagMS(lagQuantiles[scenarios.MetricLagP50]) }, // of all replicas
	scenarios.MetricLagP99:         func(s Sample) Value { return s.lagMS(lagQuantiles[scenarios.MetricLagP99]) },
}

// formulaOf works a metric without a parameter out from a sample; nil: the value does
// not come from slices, or no metric has that key.
func formulaOf(key scenarios.MetricKey) func(Sample) Value {
	if formula := formulas[key]; formula != nil {
		return formula
	}
	if oracle, counted := scenarios.OracleOf(key); counted {
		return func(s Sample) Value { return s.oracleShare(oracle) }
	}
	return nil
}

// argument is a metric with a parameter in brackets: of one machine, or of one
// response header.
type argument struct {
	base    string
	label   string
	unit    scenarios.Unit
	compute func(s Sample, of string) Value
}

// byArgument are all metrics with a parameter.
var byArgument = []argument{
	{"cpu_ms_per_request", "CPU per request", scenarios.UnitMillis, ofMachine(func(s Sample, m record.MachineUse) Value { return s.cpuPerRequest(m.CPUSeconds, m.Machine) })},
	{"utilisation", "CPU utilisation", scenarios.UnitShare, ofMachine(func(_ Sample, m record.MachineUse) Value {
		cpu, known := m.CPUSeconds.Get()
		if !known {
			return cpuNotKnown(m.Machine)
		}
		return per(cpu, m.WindowS*m.QuotaCPUs, "its CPU quota is not known")
	})},
	{"throttled_share", "throttled CPU periods", scenarios.UnitShare, ofMachine(func(_ Sample, m record.MachineUse) Value {
		throttled, known1 := m.ThrottledPeriods.Get()
		periods, known2 := m.Periods.Get()
		if !known1 || !known2 {
			return missing("the CPU periods of %s are not known", m.Machine)
		}
		return share(throttled, periods, "its CPU periods were not counted")
	})},
	{"header_share", "answers with", scenarios.UnitShare, Sample.headerShare}, // of the requests sent
}

func argumentOf(base string) (argument, bool) {
	i := slices.IndexFunc(byArgument, func(a argument) bool { return a.base == base })
	if i < 0 {
		return argument{}, false
	}
	return byArgument[i], true
}
