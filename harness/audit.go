// SPDX-License-Identifier: Apache-2.0

package harness

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"headroom/harness/observe"
	"headroom/harness/oracle"
	"headroom/harness/record"
	"headroom/scenarios"
	"headroom/targets/machine/spec"
)

// Auditor asks a system's machines what only they know.
type Auditor interface {
	// Lag is what a primary saw of its replicas between two moments of its
	// machine's clock.
	Lag(ctx context.Context, target observe.Target, from, till int64) ([]spec.LagSample, error)
	// Rows are those of the ids that a database itself holds in a table.
	Rows(ctx context.Context, target observe.Target, process, table string, ids []int64) ([]int64, error)
	// Ask hands a question to one of the machine's own processes, and reads the
	// answer into the value that into points at; without a body it is a GET.
	Ask(ctx context.Context, target observe.Target, process, path string, body, into any) error
}

// agents asks through the machines' agents.
type agents struct{}

func (agents) Lag(ctx context.Context, target observe.Target, from, till int64) ([]spec.LagSample, error) {
	return observe.Lag(ctx, target, from, till)
}

func (agents) Rows(ctx context.Context, target observe.Target, process, table string, ids []int64) ([]int64, error) {
	return observe.Rows(ctx, target, process, table, ids)
}

func (agents) Ask(ctx context.Context, target observe.Target, process, path string, body, into any) error {
	var question json.RawMessage
	if body != nil {
		var err error
		if question, err = json.Marshal(body); err != nil {
			return err
		}
	}
	answer, err := observe.Ask(ctx, target, process, path, question)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(answer, into); err != nil {
		return fmt.Errorf("ask %s/%s for %s: %w", target.Machine, process, path, err)
	}
	return nil
}

const (
	drainTimeout = 20 * time.Second
	drainPoll    = 100 * time.Millisecond
)

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

func (a *audit) misplacedOf(ctx context.Context, table string, databases []scenarios.Placed) record.Oracle {
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

// home says in which of n databases a row belongs, by the application's own word; nil
// where that can't be said of every row, or by nobody.
func (a *audit) home(ctx context.Context, table string, created []record.Created, n int) (func(record.Created) int, error) {
	apps := a.topology.Speaking(scenarios.ProtocolHome)
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

// askHome asks one application after the other: right behind a slice some are busy.
func (a *audit) askHome(ctx context.Context, apps []scenarios.Placed, question spec.HomeQuestion) ([]int, error) {
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

// effects asks, for each table whose rows have an effect, what became of the rows
// that were created.
func (a *audit) effects(ctx context.Context) {
	providers := map[string][]scenarios.Placed{} // by table
	for _, at := range a.topology.Speaking(scenarios.ProtocolEffects) {
		table := at.Process.Facts.EffectsOf
		providers[table] = append(providers[table], at)
	}
	if len(providers) == 0 {
		a.unmeasured(scenarios.OracleLost, "%v", errNoMail)
		a.unmeasured(scenarios.OracleDuplicated, "%v", errNoMail)
	}
	for _, table := range slices.Sorted(maps.Keys(providers)) {
		lost, duplicated := a.effectsOf(ctx, table, providers[table])
		a.add(lost)
		a.add(duplicated)
	}
}

// effectsOf waits until the queue is empty, and asks the mail providers.
func (a *audit) effectsOf(ctx context.Context, table string, providers []scenarios.Placed) (lost, duplicated record.Oracle) {
	created := a.created[table]
	var seen map[int64]int64
	if len(created) > 0 {
		var err error
		if seen, err = a.settled(ctx, created, providers); err != nil {
			return oracle.Unmeasured(scenarios.OracleLost, table, "%v", err), oracle.Unmeasured(scenarios.OracleDuplicated, table, "%v", err)
		}
	}
	return oracle.Effects(table, created, seen)
}

// What keeps the fate of jobs unknown.
var (
	errNotDrained = errors.New("the queue was not drained")
	errNoQueue    = errors.New("some mails were not sent, and no queue tells whether they still will be")
	errNoMail     = errors.New("there is no mail provider")
	errForgetful  = errors.New("the mail provider's memory was full")
)

// settled returns how often the mail of each row was sent, once nothing is under
// way any more: once the workers have nothing left, or, without a queue, once every
// mail was sent.
func (a *audit) settled(ctx context.Context, created []record.Created, providers []scenarios.Placed) (map[int64]int64, error) {
	workers := a.topology.Speaking(scenarios.ProtocolBacklog)
	patience := time.NewTimer(drainTimeout)
	defer patience.Stop()
	tick := time.NewTicker(drainPoll)
	defer tick.Stop()
	for {
		drained, err := a.drained(ctx, workers)
		if err != nil {
			return nil, err
		}
		unsettled := errNotDrained
		if drained || len(workers) == 0 {
			seen, err := a.mailed(ctx, created, providers)
			complete := len(workers) > 0 || allSeen(created, seen)
			if err != nil || complete {
				return seen, err
			}
			unsettled = errNoQueue
		}
		select {
		case <-tick.C:
		case <-patience.C:
			return nil, unsettled
		case <-ctx.Done():
			return nil, unsettled
		}
	}
}

// drained says whether no worker has anything left.
func (a *audit) drained(ctx context.Context, workers []scenarios.Placed) (bool, error) {
	for _, at := range workers {
		var left spec.Backlog
		if err := a.Ask(ctx, a.machines[at.Machine.Name].Agent, at.Process.Name, spec.BacklogPath, nil, &left); err != nil {
			return false, err
		}
		if left.Pending > 0 || left.AckPending > 0 {
			return false, nil
		}
	}
	return true, nil
}

// mailed adds up what the mail providers sent.
func (a *audit) mailed(ctx context.Context, created []record.Created, providers []scenarios.Placed) (map[int64]int64, error) {
	question := spec.EffectsQuestion{IDs: idsOf(created)}
	sent := map[int64]int64{}
	for _, at := range providers {
		var seen spec.Effects
		if err := a.Ask(ctx, a.machines[at.Machine.Name].Agent, at.Process.Name, spec.EffectsPath, question, &seen); err != nil {
			return nil, err
		}
		if seen.Full {
			return nil, errForgetful
		}
		for id, times := range seen.Seen {
			sent[id] += int64(times)
		}
	}
	return sent, nil
}

func allSeen(created []record.Created, seen map[int64]int64) bool {
	return !slices.ContainsFunc(created, func(c record.Created) bool { return seen[c.ID] == 0 })
}
