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

	"headroom/harness/drive"
	"headroom/harness/observe"
	"headroom/harness/record"
	"headroom/scenarios"
	"headroom/targets/machine/spec"
)

// CountPlan says how a counted run is made: docs/measurement.md, "The gate". It
// has no clock: on a slow machine it takes longer and counts the same.
type CountPlan struct {
	FillRPS  float64 // the traffic that caches are filled as by
	Requests int     // of each endpoint, one in flight
	Run      int     // which of several equal runs it is, from 1
}

const (
	// countWarm requests of each endpoint go uncounted first, several at once:
	// connections open, and their statements are prepared.
	countWarm = 40
	// countWarmers is how many are under way then, for every connection of the
	// shops' pools to get its share.
	countWarmers = 16
	countLimit   = 2 * time.Minute // of one endpoint
	countFill    = 2 * time.Minute // of the caches
	countIdle    = 2 * time.Second // in which health checks and watchers are counted alone
)

// settlePath is where a shop brings its databases' counters up to date.
const settlePath = "/internal/settle"

// Count starts both variants afresh, fills their caches, and asks each endpoint
// alone, one request after the other. Each endpoint is a trial with what that
// made the machines do.
func (c *Conductor) Count(ctx context.Context, plan CountPlan) error {
	defer func(plan Plan, fillRPS float64) { c.Plan, c.fillRPS, c.counting = plan, fillRPS, false }(c.Plan, c.fillRPS)
	c.Plan, c.fillRPS, c.counting = Plan{Blocks: plan.Run, Fill: countFill}, plan.FillRPS, true
	return c.started(ctx, plan.Run, func(running map[scenarios.Variant]System) error {
		for _, v := range scenarios.Variants() {
			if err := c.countVariant(ctx, v, running[v], plan); err != nil {
				return fmt.Errorf("count %s: %w", v, err)
			}
		}
		return nil
	})
}

func (c *Conductor) countVariant(ctx context.Context, v scenarios.Variant, s System, plan CountPlan) error {
	if err := c.fillCaches(ctx, v, s); err != nil {
		return err
	}
	mix := readsFirst(c.Scenario.Load.Mix)
	c.Progress.Begin(fmt.Sprintf("count %s: %d requests of each of %d endpoints", v, plan.Requests, len(mix)), time.Duration(len(mix))*time.Second)
	if _, err := c.Stage.Drive(ctx, c.countWarmJob(v, s, mix)); err != nil {
		return err
	}
	idle := func() (m record.Measurement, err error) { return m, sleep(ctx, c.idleFor()) }
	if err := c.countTrial(ctx, v, s, plan, record.RateIdle, idle); err != nil {
		return err
	}
	for _, e := range mix {
		alone := []scenarios.Endpoint{e}
		alone[0].Weight = 1
		job := c.closedJob(v, s, alone, plan.Requests, 1, e.Name)
		err := c.countTrial(ctx, v, s, plan, e.Name, func() (record.Measurement, error) { return c.Stage.Drive(ctx, job) })
		if err != nil {
			return fmt.Errorf("%s: %w", e.Name, err)
		}
	}
	return nil
}

// idleFor is countIdle, or what a test sets.
func (c *Conductor) idleFor() time.Duration { return cmp.Or(c.idle, countIdle) }

// readsFirst puts what changes data behind what reads them.
func readsFirst(mix []scenarios.Endpoint) []scenarios.Endpoint {
	out := slices.Clone(mix)
	writes := func(e scenarios.Endpoint) int {
		if e.Method == http.MethodGet || e.Method == http.MethodHead {
			return 0
		}
		return 1
	}
	slices.SortStableFunc(out, func(a, b scenarios.Endpoint) int { return writes(a) - writes(b) })
	return out
}

// closedJob sends a fixed number of requests, as many at once as it has
// connections, whatever time that takes.
func (c *Conductor) closedJob(v scenarios.Variant, s System, mix []scenarios.Endpoint, requests, connections int, what string) drive.Job {
	job := c.job(sliceOf{variant: v, duration: countLimit, rateName: what}, s)
	job.Mix, job.Requests, job.Connections = mix, requests, connections
	job.Seed = mixSeed(c.Seed, uint64(crc32.ChecksumIEEE([]byte("count "+what))))
	job.Oracles, job.CountHeaders, job.RateLimit = nil, nil, drive.RateLimit{}
	return job
}

// countWarmJob asks all endpoints equally often.
func (c *Conductor) countWarmJob(v scenarios.Variant, s System, mix []scenarios.Endpoint) drive.Job {
	even := slices.Clone(mix)
	for i := range even {
		even[i].Weight = 1 / float64(len(even))
	}
	return c.closedJob(v, s, even, countWarm*len(even), countWarmers, "warm")
}

// countTrial does something, and writes what the machines did meanwhile as a
// trial of that name.
func (c *Conductor) countTrial(ctx context.Context, v scenarios.Variant, s System, plan CountPlan, name string, do func() (record.Measurement, error)) error {
	trial := record.Trial{
		Kind: record.KindCount, Variant: v, Block: plan.Run, RateName: name,
		StartedAt: time.Now().UTC(), Environment: c.Environment,
	}
	machines := s.Machines()
	before, err := c.readWork(ctx, v, machines)
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
	c.drainQueues(ctx, v, machines)
	after, err := c.readWork(ctx, v, machines)
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

// worked is a reading of all machines: their counters, and what those are made
// of.
type worked struct {
	counters []spec.Counters
	work     [][]spec.Work
}

// readWork reads everything when nothing is under way, after the shops have had
// their databases brought up to date.
func (c *Conductor) readWork(ctx context.Context, v scenarios.Variant, machines []Machine) (worked, error) {
	var out worked
	for _, at := range processes(c.Scenario.Topology(v), scenarios.KindShop) {
		i := slices.IndexFunc(machines, func(m Machine) bool { return m.Name == at.machine.Name })
		if i < 0 {
			return out, errors.New("machine " + at.machine.Name + " is not there")
		}
		var settled struct{ Settled int }
		if err := c.auditor().Ask(ctx, machines[i].Agent, at.process.Name, settlePath, nil, &settled); err != nil {
			return out, err
		}
	}
	var err error
	if out.counters, err = readAll(ctx, machines); err != nil {
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
