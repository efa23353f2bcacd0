// SPDX-License-Identifier: Apache-2.0

package harness

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"headroom/harness/oracle"
	"headroom/harness/record"
	"headroom/scenarios"
	"headroom/targets/machine/spec"
)

// askMisplaced asks the shards which rows they hold, and the application where rows
// belong.
var askMisplaced = question{[]scenarios.OracleName{scenarios.OracleMisplaced}, (*audit).misplaced}

// misplaced asks every shard, past the shop's router, which of the created
// rows it holds.
func (a *audit) misplaced(ctx context.Context) {
	databases := a.topology.ShardDatabases()
	if len(databases) == 0 {
		a.unmeasured(scenarios.OracleMisplaced, "the rows are not spread over shards")
		return
	}
	if len(a.created) == 0 {
		a.unmeasured(scenarios.OracleMisplaced, "nothing was created")
		return
	}
	for _, table := range slices.Sorted(maps.Keys(a.created)) {
		a.add(a.misplacedOf(ctx, table, databases))
	}
}

func (a *audit) misplacedOf(ctx context.Context, table string, databases []scenarios.PlacedProcess) record.Oracle {
	created := a.created[table]
	present := make([][]int64, len(databases))
	for i, at := range databases {
		var err error
		present[i], err = a.Rows(ctx, a.machines[at.Machine.Name].Agent, at.Process.Name, table, idsOf(created))
		if err != nil {
			return oracle.Unmeasured(scenarios.OracleMisplaced, table, "%v", err)
		}
	}
	home, err := a.home(ctx, table, created, len(databases))
	if err != nil {
		return oracle.Unmeasured(scenarios.OracleMisplaced, table, "%v", err)
	}
	return oracle.Misplaced(table, created, present, home)
}

// home returns a function from a row to the index of its database, of n databases,
// as the application says. The function is nil when no application can say, or not of
// every row.
func (a *audit) home(ctx context.Context, table string, created []record.Created, n int) (func(record.Created) int, error) {
	apps := a.topology.ProcessesSpeaking(scenarios.ProtocolHome)
	if len(apps) == 0 {
		return nil, nil
	}
	homes := make(map[record.Created]int, len(created))
	for some := range slices.Chunk(created, spec.MaxQuestion) {
		question := spec.HomeQuestion{Table: table, Of: n}
		for _, c := range some {
			question.Rows = append(question.Rows, spec.Row{ID: c.ID, Session: c.Session})
		}
		answer, err := a.askHome(ctx, apps, question)
		if err != nil {
			return nil, err
		}
		for i, c := range some {
			if answer[i] == spec.NoHome {
				return nil, nil
			}
			homes[c] = answer[i]
		}
	}
	return func(c record.Created) int { return homes[c] }, nil
}

// askHome asks one application after the other: right after a slice some are busy.
func (a *audit) askHome(ctx context.Context, apps []scenarios.PlacedProcess, question spec.HomeQuestion) ([]int, error) {
	var err error
	for _, at := range apps {
		var answer []int
		err = a.Ask(ctx, a.machines[at.Machine.Name].Agent, at.Process.Name, spec.HomePath, question, &answer)
		switch {
		case err == nil && len(answer) == len(question.Rows):
			return answer, nil
		case err == nil:
			err = fmt.Errorf("%s told the databases of %d rows of %d", at.Address(), len(answer), len(question.Rows))
		case ctx.Err() != nil:
			return nil, err
		}
	}
	return nil, err
}

func idsOf(created []record.Created) []int64 {
	ids := make([]int64, len(created))
	for i, c := range created {
		ids[i] = c.ID
	}
	return ids
}
