// SPDX-License-Identifier: Apache-2.0

package reports

import (
	"fmt"
	"maps"
	"reflect"
	"slices"

	"headroom/harness/record"
	"headroom/reports/compare"
	"headroom/reports/cost"
	"headroom/scenarios"
)

// poolScatter computes what is detectable from the scatter of this run and of earlier
// runs. It fails when an earlier run is of other systems or of another machine.
func (r *Report) poolScatter(run record.Run, prices cost.Book, earlier []*record.Log) error {
	var earlierReports []Report
	known := []string{run.ID}
	for _, log := range earlier {
		why := notComparable(run, log.Run)
		if slices.Contains(known, log.Run.ID) {
			why = "it is this run, or given twice"
		}
		if why != "" {
			return fmt.Errorf("run %s says nothing of the scatter of run %s: %s; leave it out", log.Run.ID, run.ID, why)
		}
		known = append(known, log.Run.ID)
		other, err := Build(log, prices)
		if err != nil {
			return err
		}
		earlierReports = append(earlierReports, other)
	}
	r.Earlier = known[1:]
	poolRows(r.Overall, earlierReports, func(other Report) []Row { return other.Overall })
	for _, rate := range r.Rates {
		of := func(rows func(Rate) []Row) func(Report) []Row {
			return func(other Report) []Row {
				i := slices.IndexFunc(other.Rates, func(o Rate) bool { return o.Name == rate.Name })
				if i < 0 {
					return nil
				}
				return rows(other.Rates[i])
			}
		}
		poolRows(rate.Rows, earlierReports, of(func(o Rate) []Row { return o.Rows }))
		poolRows(rate.Details, earlierReports, of(func(o Rate) []Row { return o.Details }))
	}
	return nil
}

// poolRows takes each row's scatter from the rows of the same metric.
func poolRows(rows []Row, earlierReports []Report, of func(Report) []Row) {
	for i := range rows {
		var effects []compare.Effect
		for _, other := range earlierReports {
			for _, row := range of(other) {
				if row.Key == rows[i].Key {
					effects = append(effects, row.Effect)
				}
			}
		}
		rows[i].Effect = rows[i].Effect.WithScatterOf(effects)
	}
}

// notComparable says why another run may scatter in another way; "" when the run is of the
// same systems, on the same machine, by the same headroom.
func notComparable(run, other record.Run) string {
	measured := func(s scenarios.Scenario) scenarios.Scenario {
		s.Title, s.Question, s.Sources, s.Claims = "", "", nil, nil
		return s
	}
	switch {
	case other.Quick:
		return "it is a quick run, which is not evidence"
	case other.Environment.Beside != "":
		return "it was measured beside another measurement"
	case !maps.Equal(run.Environment.Packages, other.Environment.Packages):
		return "its servers are of other versions"
	case !maps.Equal(run.Environment.Images, other.Environment.Images):
		return "its own images are others"
	case !reflect.DeepEqual(measured(run.Scenario), measured(other.Scenario)):
		return "its scenario differs"
	case !reflect.DeepEqual(run.Shares, other.Shares):
		return "it shared out the machine in another way"
	}
	return environmentDifference(run.Environment, other.Environment)
}
