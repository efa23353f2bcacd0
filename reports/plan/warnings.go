package plan

import (
	"fmt"
	"strconv"

	"headroom/harness/record"
	"headroom/reports/compare"
	"headroom/scenarios"
)

// warningsOf is what a reader must know of the run behind a number.
func warningsOf(log *record.Log, limit compare.Limit) []string {
	warnings := []string{}
	if log.Run.Quick {
		warnings = append(warnings, "a quick run: not evidence")
	}
	if log.End == nil || log.End.Interrupted {
		warnings = append(warnings, "the run was interrupted: its capacity may be higher than what it found")
	}
	if log.Run.Environment.Stage == record.StageProcess {
		warnings = append(warnings, "measured as local processes: rates are this computer's, not the machines'")
	}
	if limit.HeldRPS > 0 && !limit.Confirmed {
		warnings = append(warnings, "its capacity held only in a short probe and is not confirmed")
	}
	return warnings
}

// poolWarning tells when all copies' connections are more than PostgreSQL
// takes.
func poolWarning(t scenarios.Topology, copies map[string]int) []string {
	measured := map[string]int{}
	for _, m := range t.Machines {
		measured[groupName(m)]++
	}
	connections, most := 0.0, 0
	for _, m := range t.Machines {
		for _, p := range m.Processes {
			switch p.Kind {
			case scenarios.KindShop:
				pool, _ := strconv.Atoi(p.Settings["pool_size"])
				connections += float64(pool*copies[groupName(m)]) / float64(measured[groupName(m)])
			case scenarios.KindPostgres:
				limit, _ := strconv.Atoi(p.Settings["max_connections"])
				most += limit
			}
		}
	}
	if most == 0 || connections <= float64(most) {
		return nil
	}
	return []string{fmt.Sprintf("all copies together open up to %.0f connections, PostgreSQL takes %d: lower pool_size or raise max_connections", connections, most)}
}
