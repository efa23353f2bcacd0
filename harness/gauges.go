package harness

import (
	"context"

	"headroom/harness/drive"
	"headroom/harness/observe"
	"headroom/harness/record"
	"headroom/targets/machine/spec"
)

// driveWatched drives a job and reads the machines once in its middle, for the
// gauges: behind the last answer no lock is waited for any more, and no queue
// is left. One reading is little work; where it fails, or the job is over
// before, there is none.
func (c *Conductor) driveWatched(ctx context.Context, job drive.Job, machines []Machine) (record.Measurement, []spec.Counters, error) {
	watchCtx, stop := context.WithCancel(ctx)
	middle := make(chan []spec.Counters, 1)
	go func() {
		var counters []spec.Counters
		if sleep(watchCtx, job.Duration/2) == nil {
			counters, _ = observe.ReadAll(watchCtx, agentTargets(machines))
		}
		middle <- counters
	}()
	m, err := c.Stage.Drive(ctx, job)
	stop()
	return m, <-middle, err
}

func agentTargets(machines []Machine) []observe.Target {
	targets := make([]observe.Target, len(machines))
	for i, m := range machines {
		targets[i] = m.Agent
	}
	return targets
}
