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

// tables are where the kinds of created things are kept.
var tables = map[string]string{kindOrder: "orders", kindPost: "posts"}

// The kinds of created things, as Endpoint.Creates names them.
const (
	kindOrder = "order"
	kindPost  = "post"
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
	for _, kind := range slices.Sorted(maps.Keys(a.created)) {
		a.add(a.misplacedOf(ctx, kind, databases))
	}
}

func (a *audit) misplacedOf(ctx context.Context, kind string, databases []scenarios.Placed) record.Oracle {
	created := a.created[kind]
	present := make([][]int64, len(databases))
	for i, at := range databases {
		var err error
		present[i], err = a.Rows(ctx, a.machines[at.Machine.Name].Agent, at.Process.Name, tables[kind], idsOf(created))
		if err != nil {
			return oracle.Unmeasured(scenarios.OracleMisplaced, kind, "%v", err)
		}
	}
	home, err := a.home(ctx, kind, created, len(databases))
	if err != nil {
		return oracle.Unmeasured(scenarios.OracleMisplaced, kind, "%v", err)
	}
	return oracle.Misplaced(kind, created, present, home)
}

// home says in which of n databases a row belongs, by the application's own word; nil
// where that can't be said of every row, or by nobody.
func (a *audit) home(ctx context.Context, kind string, created []record.Created, n int) (func(record.Created) int, error) {
	apps := a.topology.Speaking(scenarios.ProtocolHome)
	if len(apps) == 0 {
		return nil, nil
	}
	homes := make(map[record.Created]int, len(created))
	for some := range slices.Chunk(created, spec.MaxQuestion) {
		question := spec.HomeQuestion{Kind: kind, Of: n}
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

// effects waits until the queue is empty, and asks the mail provider what
// became of the orders.
func (a *audit) effects(ctx context.Context) {
	orders := a.created[kindOrder]
	var seen map[int64]int64
	if len(orders) > 0 {
		var err error
		if seen, err = a.settled(ctx, orders); err != nil {
			a.add(oracle.Unmeasured(scenarios.OracleLost, kindOrder, "%v", err))
			a.add(oracle.Unmeasured(scenarios.OracleDuplicated, kindOrder, "%v", err))
			return
		}
	}
	lost, duplicated := oracle.Effects(kindOrder, orders, seen)
	a.add(lost)
	a.add(duplicated)
}

// What keeps the fate of jobs unknown.
var (
	errNotDrained = errors.New("the queue was not drained")
	errNoQueue    = errors.New("some mails were not sent, and no queue tells whether they still will be")
	errNoMail     = errors.New("there is no mail provider")
	errForgetful  = errors.New("the mail provider's memory was full")
)

// settled returns how often the mail of each order was sent, once nothing is
// under way any more: once the workers have nothing left, or, without a queue,
// once every mail was sent.
func (a *audit) settled(ctx context.Context, orders []record.Created) (map[int64]int64, error) {
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
			seen, err := a.mailed(ctx, orders)
			complete := len(workers) > 0 || allSeen(orders, seen)
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
func (a *audit) mailed(ctx context.Context, orders []record.Created) (map[int64]int64, error) {
	providers := a.topology.Speaking(scenarios.ProtocolEffects)
	if len(providers) == 0 {
		return nil, errNoMail
	}
	question := spec.EffectsQuestion{IDs: idsOf(orders)}
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

func allSeen(orders []record.Created, seen map[int64]int64) bool {
	return !slices.ContainsFunc(orders, func(c record.Created) bool { return seen[c.ID] == 0 })
}
