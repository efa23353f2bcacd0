// SPDX-License-Identifier: Apache-2.0

package harness

import (
	"cmp"
	"context"
	"slices"
	"sync"
	"time"

	"headroom/harness/drive"
	"headroom/harness/observe"
	"headroom/harness/record"
	"headroom/harness/stage"
	"headroom/scenarios"
	"headroom/targets/machine/spec"
)

// watchEvery is how often the depths of queues are read.
const watchEvery = time.Second

// driveWatched drives a job and reads the machines meanwhile. All machines are read
// once in the middle of the job, for gauges such as lock waits, which are over after
// the last answer. Machines with a queue are read each second for the queue's depth.
// A reading that fails is left out.
func (c *Conductor) driveWatched(ctx context.Context, of sliceOf, job drive.Job, machines []stage.Machine) (m record.Measurement, middle []spec.Counters, queues []record.Queue, err error) {
	watchCtx, stop := context.WithCancel(ctx)
	var watching sync.WaitGroup
	watching.Go(func() {
		if sleep(watchCtx, job.Duration/2) == nil {
			middle, _ = observe.ReadAll(watchCtx, agentTargets(machines))
		}
	})
	if of.kind != "" {
		if withQueue := c.queueMachines(of.variant, machines); len(withQueue) > 0 {
			watching.Go(func() { queues = watchQueues(watchCtx, c.Scenario.Topology(of.variant), withQueue) })
		}
	}
	m, err = c.drive(ctx, job)
	stop()
	watching.Wait()
	return m, middle, queues, err
}

// queueMachines are the machines on which a queue runs.
func (c *Conductor) queueMachines(v scenarios.Variant, machines []stage.Machine) []stage.Machine {
	t := c.Scenario.Topology(v)
	return slices.DeleteFunc(slices.Clone(machines), func(m stage.Machine) bool {
		return !slices.ContainsFunc(t.ProcessesCounting(scenarios.MeaningQueued), func(at scenarios.PlacedProcess) bool { return at.Machine.Name == m.Name })
	})
}

// watchQueues reads the depth of every queue at once and then each second, until
// ctx ends.
func watchQueues(ctx context.Context, t scenarios.Topology, machines []stage.Machine) []record.Queue {
	var queues []record.Queue
	for {
		if counters, err := observe.ReadAll(ctx, agentTargets(machines)); err == nil {
			queues = addDepths(queues, t, counters)
		}
		if sleep(ctx, watchEvery) != nil {
			return queues
		}
	}
}

// drainQueues waits until the system's queues are empty, so that the next step does
// not begin with the work of this step. It reports whether the queues are empty.
func (c *Conductor) drainQueues(ctx context.Context, v scenarios.Variant, machines []stage.Machine) (drained bool) {
	withQueue := c.queueMachines(v, machines)
	if len(withQueue) == 0 {
		return true
	}
	patience := cmp.Or(c.drain, drainTimeout)
	drainCtx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for {
		counters, err := observe.ReadAll(drainCtx, agentTargets(withQueue))
		if err == nil && areEmpty(c.Scenario.Topology(v), counters) {
			return true
		}
		if sleep(drainCtx, drainPoll) != nil {
			if ctx.Err() == nil {
				c.Progress.Note("%s's queue did not drain within %v: the next step begins with what is left in it", v, patience)
			}
			return false
		}
	}
}

// areEmpty says whether every queue was read and holds nothing. A queue whose
// counters could not be read does not count as empty.
func areEmpty(t scenarios.Topology, counters []spec.Counters) bool {
	for _, machine := range counters {
		for _, p := range machine.Processes {
			facts, _ := t.Facts(machine.Machine, p.Name)
			if facts.Counts(scenarios.MeaningQueued) && (p.Counts == nil || facts.Sum(p.Counts, scenarios.MeaningQueued) > 0) {
				return false
			}
		}
	}
	return true
}

// addDepths adds a reading of every queue. Depth counts the jobs that wait or are
// being worked on, and Put all jobs that ever entered the queue. A queue whose
// counters could not be read is left out: an unknown depth is not 0.
func addDepths(queues []record.Queue, t scenarios.Topology, counters []spec.Counters) []record.Queue {
	for _, machine := range counters {
		for _, p := range machine.Processes {
			facts, _ := t.Facts(machine.Machine, p.Name)
			if !facts.Counts(scenarios.MeaningQueued) || p.Counts == nil {
				continue
			}
			i := slices.IndexFunc(queues, func(q record.Queue) bool { return q.Machine == machine.Machine && q.Process == p.Name })
			if i < 0 {
				i = len(queues)
				queues = append(queues, record.Queue{Machine: machine.Machine, Process: p.Name})
			}
			queues[i].Depth = append(queues[i].Depth, int64(facts.Sum(p.Counts, scenarios.MeaningQueued)))
			queues[i].Put = append(queues[i].Put, int64(facts.Sum(p.Counts, scenarios.MeaningMessages)))
		}
	}
	return queues
}

func agentTargets(machines []stage.Machine) []observe.Target {
	targets := make([]observe.Target, len(machines))
	for i, m := range machines {
		targets[i] = m.Agent
	}
	return targets
}
