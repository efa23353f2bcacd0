// SPDX-License-Identifier: Apache-2.0

package harness

import (
	"context"
	"errors"
	"maps"
	"slices"
	"time"

	"headroom/harness/oracle"
	"headroom/harness/record"
	"headroom/scenarios"
	"headroom/targets/machine/spec"
)

// askEffects asks the workers and the mail providers. One answer serves both oracles.
var askEffects = question{[]scenarios.OracleName{scenarios.OracleLost, scenarios.OracleDuplicated}, (*audit).effects}

const (
	drainTimeout = 20 * time.Second
	drainPoll    = 100 * time.Millisecond
)

// effects asks about each table whose rows have an effect: which of the created rows
// had their effect, and how often.
func (a *audit) effects(ctx context.Context) {
	providers := map[string][]scenarios.PlacedProcess{} // by table
	for _, at := range a.topology.ProcessesSpeaking(scenarios.ProtocolEffects) {
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
func (a *audit) effectsOf(ctx context.Context, table string, providers []scenarios.PlacedProcess) (lost, duplicated record.Oracle) {
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

// Reasons why the fate of jobs is unknown.
var (
	errNotDrained = errors.New("the queue was not drained")
	errNoQueue    = errors.New("some mails were not sent, and no queue tells whether they still will be")
	errNoMail     = errors.New("there is no mail provider")
	errForgetful  = errors.New("the mail provider's memory was full")
)

// settled waits until nothing is under way, and returns how often the mail of each row
// was sent. With a queue nothing is under way when the workers have nothing left.
// Without a queue nothing is under way when every mail was sent.
func (a *audit) settled(ctx context.Context, created []record.Created, providers []scenarios.PlacedProcess) (map[int64]int64, error) {
	workers := a.topology.ProcessesSpeaking(scenarios.ProtocolBacklog)
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
func (a *audit) drained(ctx context.Context, workers []scenarios.PlacedProcess) (bool, error) {
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
func (a *audit) mailed(ctx context.Context, created []record.Created, providers []scenarios.PlacedProcess) (map[int64]int64, error) {
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
