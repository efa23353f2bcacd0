// SPDX-License-Identifier: Apache-2.0

package harness

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"hash/crc32"
	"net/http"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"headroom/harness/drive"
	"headroom/harness/observe"
	"headroom/harness/record"
	"headroom/harness/stage"
	"headroom/scenarios"
	"headroom/targets/machine/spec"
)

// CountPlan says how a counted run is made: docs/measurement.md, "The gate". It
// has no rate: on a slow machine it takes longer and counts the same.
type CountPlan struct {
	FillRPS  float64 // the traffic that caches are filled as by
	Requests int     // of each endpoint, one in flight
	Run      int     // which of several equal runs it is, from 1
}

// How a system is brought to where a count begins: warmForCount.
const (
	countWrites  = 20 // of each endpoint that changes data, one in flight
	countReads   = 40 // of each that reads, several in flight
	countWarmers = 16 // so many: every connection of the shops' pools gets its share
	// countTurns is how often the pools' order turns. In each turn every shop gets
	// turnRequests requests of each endpoint.
	countTurns   = 2
	turnRequests = 4

	countTimeout = 2 * time.Minute // of one endpoint
	countFill    = 2 * time.Minute // of the caches
	countIdle    = 2 * time.Second // in which health checks and watchers are counted alone
	// countReadings is how often readings are counted alone. What a shop does for one
	// and the same reading differs by a third.
	countReadings      = 4
	maxOwnWritesWindow = 30 * time.Second
)

// Count starts both variants afresh and fills their caches. It then asks each endpoint
// alone, one request after the other. Each endpoint is a trial that holds what the
// machines did for its requests.
func (c *Conductor) Count(ctx context.Context, plan CountPlan) error {
	for _, v := range scenarios.Variants() {
		if err := countable(c.Scenario.Topology(v)); err != nil {
			return fmt.Errorf("count %s: %w", v, err)
		}
	}
	defer func(plan Plan, fillRPS float64) { c.Plan, c.fillRPS, c.counting = plan, fillRPS, false }(c.Plan, c.fillRPS)
	c.Plan, c.fillRPS, c.counting = Plan{Blocks: plan.Run, Fill: countFill}, plan.FillRPS, true
	return c.withStarted(ctx, plan.Run, func(running map[scenarios.Variant]stage.System) error {
		for _, v := range scenarios.Variants() {
			if err := c.countVariant(ctx, v, running[v], plan); err != nil {
				return fmt.Errorf("count %s: %w", v, err)
			}
		}
		return nil
	})
}

// countable is an error when a topology's work can't be counted.
func countable(t scenarios.Topology) error {
	for _, at := range t.ProcessesSpeaking(scenarios.ProtocolPostgreSQL) {
		if !at.Process.Facts.Database {
			return fmt.Errorf("%s stands before the database: a database's connections hand in what they counted when they are told to, and nobody can tell those of a pool; nothing of this scenario can be counted", at.Address())
		}
	}
	return nil
}

func (c *Conductor) countVariant(ctx context.Context, v scenarios.Variant, s stage.System, plan CountPlan) error {
	mix := readsFirst(c.Scenario.Load.Mix)
	if err := c.warmForCount(ctx, v, s, mix); err != nil {
		return err
	}
	c.Progress.Begin(fmt.Sprintf("count %s: %d requests of each of %d endpoints", v, plan.Requests, len(mix)), time.Duration(len(mix))*time.Second)
	if err := quiesce(ctx, s.Machines()); err != nil { // after the writes of the warm-up
		return err
	}
	// One idle trial lasts a while, to count what goes by the clock. The others last
	// no time, to count what the readings themselves cause.
	for _, quiet := range append([]time.Duration{c.idleFor()}, make([]time.Duration, countReadings)...) {
		idle := func() (m record.Measurement, err error) { return m, sleep(ctx, quiet) }
		if err := c.countTrial(ctx, v, s, plan, string(record.RateIdle), idle); err != nil {
			return err
		}
	}
	for _, e := range mix {
		if writes(e) {
			if err := quiesce(ctx, s.Machines()); err != nil {
				return err
			}
		}
		alone := []scenarios.Endpoint{e}
		alone[0].Weight = 1
		job := c.closedJob(v, s, alone, plan.Requests, 1, e.Name)
		err := c.countTrial(ctx, v, s, plan, e.Name, func() (record.Measurement, error) { return c.drive(ctx, job) })
		if err != nil {
			return fmt.Errorf("%s: %w", e.Name, err)
		}
	}
	return nil
}

// warmForCount brings a fresh variant to the state in which its counts begin. The
// state is the same in every run: connections are open and have their statements
// prepared, caches are full, and nothing is under way.
//
//  1. Writes, one in flight, while the databases are quiet. Quiet matters, because the
//     place of a row's next version depends on which versions are known to be dead.
//     Reads beside the writes, or after the fill, would leave it to the scheduler
//     which pages a cache holds in the end: 29 or 30 misses of a hundred were counted.
//  2. Reads, many in flight, so that all connections of the pools open and work. The
//     reads put the same pages into the cache in any order.
//  3. The caches are filled. Pages that are there already stay.
//  4. Writes and reads again, one in flight as in the count, while the pools' order
//     turns. A pool hands out the connection that was returned last, so one request in
//     flight uses one connection alone. When the shops settle, the pool hands out the
//     connection at its other end. The readings of a count settle twice a trial, so a
//     trial's connection stays the same. Both connections have their statements
//     prepared by then.
//  5. A pause, where a shop remembers for a while who wrote what. A page that is read
//     meanwhile may not be kept, if its mark ends just then.
//  6. All reads once more, one in flight. On a busy computer a shop gives up a slow
//     cache, and keeps no page that took long. After this step each page that was read
//     is in the cache.
func (c *Conductor) warmForCount(ctx context.Context, v scenarios.Variant, s stage.System, mix []scenarios.Endpoint) error {
	c.Progress.Begin(fmt.Sprintf("warm up %s for the count", v), 3*time.Second)
	firstWrite := slices.IndexFunc(mix, writes)
	if firstWrite < 0 {
		firstWrite = len(mix)
	}
	even := func(mix []scenarios.Endpoint, each, connections int, what string) error {
		return c.driveEvenly(ctx, v, s, mix, each, connections, what)
	}
	reads, writes := mix[:firstWrite], mix[firstWrite:]
	const writing, reading = "warm writes", "warm reads"
	write := func(each int, what string) error {
		if len(writes) == 0 {
			return nil
		}
		if err := quiesce(ctx, s.Machines()); err != nil {
			return err
		}
		return even(writes, each, 1, what)
	}
	if err := write(countWrites, writing); err != nil {
		return err
	}
	if err := even(reads, countReads, countWarmers, reading); err != nil {
		return err
	}
	if err := c.fillCaches(ctx, v, s); err != nil {
		return err
	}
	machines, each := s.Machines(), turnRequests*len(c.Scenario.Topology(v).ProcessesSpeaking(scenarios.ProtocolSettle))
	for turn := range countTurns {
		if err := c.settle(ctx, v, machines); err != nil {
			return err
		}
		if err := write(each, writing+turnName(turn)); err != nil {
			return err
		}
		if err := even(reads, each, 1, reading+turnName(turn)); err != nil {
			return err
		}
	}
	c.drainQueues(ctx, v, machines)
	if err := sleep(ctx, c.ownWritesWindow(v)); err != nil {
		return err
	}
	for turn := range countTurns {
		if err := even(reads, each, 1, reading+turnName(turn)); err != nil {
			return err
		}
	}
	return even(reads, countReads, 1, reading)
}

// turnName makes each turn ask for keys of its own.
func turnName(turn int) string { return fmt.Sprintf(", turn %d", turn+1) }

// driveEvenly sends about equally many requests of each endpoint, unrecorded.
func (c *Conductor) driveEvenly(ctx context.Context, v scenarios.Variant, s stage.System, mix []scenarios.Endpoint, each, connections int, what string) error {
	if len(mix) == 0 || each == 0 {
		return nil
	}
	even := slices.Clone(mix)
	for i := range even {
		even[i].Weight = 1 / float64(len(even))
	}
	_, err := c.drive(ctx, c.closedJob(v, s, even, each*len(even), connections, what))
	if err == nil {
		err = ctx.Err()
	}
	return err
}

// idleFor is countIdle, or what a test sets.
func (c *Conductor) idleFor() time.Duration { return cmp.Or(c.idle, countIdle) }

// ownWritesWindow is how long the variant's shops remember who wrote what, and a
// quarter more. It is 0 where no shop remembers. During the window the reads of a
// session that wrote go past the cache.
func (c *Conductor) ownWritesWindow(v scenarios.Variant) time.Duration {
	var longest time.Duration
	for _, at := range c.Scenario.Topology(v).ProcessesWithSetting("own_writes_for") {
		marks, err := time.ParseDuration(at.Process.Settings["own_writes_for"])
		if err == nil && at.Process.Linked(scenarios.RoleReplicas) && at.Process.Linked(scenarios.RoleCache) {
			longest = max(longest, marks+marks/4)
		}
	}
	return min(longest, maxOwnWritesWindow)
}

// readsFirst puts the endpoints that change data after those that read.
func readsFirst(mix []scenarios.Endpoint) []scenarios.Endpoint {
	var reads, last []scenarios.Endpoint
	for _, e := range mix {
		if writes(e) {
			last = append(last, e)
		} else {
			reads = append(reads, e)
		}
	}
	return append(reads, last...)
}

// writes says that the endpoint changes data.
func writes(e scenarios.Endpoint) bool {
	return e.Method != http.MethodGet && e.Method != http.MethodHead
}

// closedJob sends a fixed number of requests, one at a time on each connection, for
// as long as that takes.
func (c *Conductor) closedJob(v scenarios.Variant, s stage.System, mix []scenarios.Endpoint, requests, connections int, what string) drive.Job {
	job := c.job(sliceOf{variant: v, duration: countTimeout, rateName: scenarios.RateName(what)}, s)
	job.Mix, job.Requests, job.Connections = mix, requests, connections
	job.Seed = mixSeed(c.Seed, uint64(crc32.ChecksumIEEE([]byte("count "+what))))
	job.Oracles, job.CountHeaders, job.RateLimit = nil, nil, drive.RateLimit{}
	return job
}

// countTrial calls do, and writes what the machines did meanwhile as a trial of that
// name.
func (c *Conductor) countTrial(ctx context.Context, v scenarios.Variant, s stage.System, plan CountPlan, name string, do func() (record.Measurement, error)) error {
	trial := record.Trial{
		Kind: record.KindCount, Variant: v, Block: plan.Run, RateName: scenarios.RateName(name),
		StartedAt: time.Now().UTC(), Environment: c.Environment,
	}
	machines := s.Machines()
	before, err := c.readWork(ctx, v, s)
	if err != nil {
		return err
	}
	trial.Measurement, err = do()
	if err == nil {
		err = ctx.Err()
	}
	if err != nil {
		return err
	}
	if !c.drainQueues(ctx, v, machines) {
		trial.Invalid = append(trial.Invalid, "the queue did not drain: what its jobs make the machines do is not counted whole")
	}
	after, err := c.readWork(ctx, v, s)
	if err != nil {
		return err
	}
	trial.Machines = uses(machines, before.counters, after.counters, &trial.Invalid)
	for i := range trial.Machines {
		trial.Invalid = append(trial.Invalid, observe.AddWork(&trial.Machines[i], before.work[i], after.work[i])...)
	}
	c.order++
	trial.Order = c.order
	return c.Writer.WriteTrial(trial)
}

// workReading is a reading of all machines: their counters, and their work by name.
type workReading struct {
	counters []spec.Counters
	work     [][]spec.Work
}

// settle makes the shops finish the work that follows their answers, and bring their
// databases' counters up to date.
func (c *Conductor) settle(ctx context.Context, v scenarios.Variant, machines []stage.Machine) error {
	for _, at := range c.Scenario.Topology(v).ProcessesSpeaking(scenarios.ProtocolSettle) {
		i := slices.IndexFunc(machines, func(m stage.Machine) bool { return m.Name == at.Machine.Name })
		if i < 0 {
			return errors.New("machine " + at.Machine.Name + " is not there")
		}
		var settled spec.Settled
		var err error
		for range readAttempts { // a shop with many mails under way needs longer than one question may take
			if err = c.auditor().Ask(ctx, machines[i].Agent, at.Process.Name, spec.SettlePath, nil, &settled); err == nil || ctx.Err() != nil {
				break
			}
		}
		if err != nil {
			return err
		}
	}
	return nil
}

const (
	quietAttempts = 50 // machines hear of one another within some rounds
	quietPause    = 100 * time.Millisecond
)

// quiesce waits until no machine is about to do periodic work that alters what writes
// cost. All machines are asked at once, in rounds until all agree: what one machine
// does in a round may let another machine agree in the next.
func quiesce(ctx context.Context, machines []stage.Machine) error {
	var err error
	for range quietAttempts {
		round, inRound := errgroup.WithContext(ctx)
		for _, m := range machines {
			round.Go(func() error { return observe.Quiet(inRound, m.Agent) })
		}
		if err = round.Wait(); err == nil {
			return nil
		}
		if stopped := sleep(ctx, quietPause); stopped != nil {
			return stopped
		}
	}
	return err
}

// readWork lets the system settle and reads the counters and the work of all machines.
func (c *Conductor) readWork(ctx context.Context, v scenarios.Variant, s stage.System) (workReading, error) {
	var out workReading
	machines := s.Machines()
	if err := c.settle(ctx, v, machines); err != nil {
		return out, err
	}
	var err error
	if out.counters, err = readAll(ctx, s); err != nil {
		return out, err
	}
	for _, m := range machines {
		work, err := observe.Work(ctx, m.Agent)
		if err != nil {
			return out, err
		}
		out.work = append(out.work, work)
	}
	return out, nil
}
