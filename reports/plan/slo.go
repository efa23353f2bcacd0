// SPDX-License-Identifier: Apache-2.0

package plan

import (
	"fmt"
	"slices"
	"strings"

	"headroom/harness/record"
	"headroom/scenarios"
)

// commonSLO is the text of the SLO that all variants are judged by. There is none where
// the runs' own SLOs are taken and differ; a note then says which run has which.
func commonSLO(ask Ask, runs []*record.Log) (text string, notes []string, err error) {
	type judged struct {
		slo scenarios.SLO
		ids []string
	}
	var all []judged
	for _, log := range runs {
		slo := ask.sloOf(log.Run)
		if slo.Text == "" {
			return "", nil, fmt.Errorf("run %s does not say its SLO: give one with --slo, for example --slo 'p99<250ms,errors<0.1%%'", log.Run.ID)
		}
		i := slices.IndexFunc(all, func(j judged) bool { return slices.Equal(j.slo.Conditions, slo.Conditions) })
		if i < 0 {
			i = len(all)
			all = append(all, judged{slo: slo})
		}
		all[i].ids = append(all[i].ids, log.Run.ID)
	}
	switch len(all) {
	case 0:
		return ask.SLO.Text, []string{}, nil
	case 1:
		return all[0].slo.Text, []string{}, nil
	}
	var parts []string
	for _, j := range all {
		parts = append(parts, fmt.Sprintf("%s (%s)", j.slo.Text, strings.Join(j.ids, ", ")))
	}
	return "", []string{fmt.Sprintf("each run was judged by its own SLO, and they differ: %s; give one with --slo to compare the variants by the same", strings.Join(parts, "; "))}, nil
}
