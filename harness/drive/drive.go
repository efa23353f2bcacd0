package drive

import (
	"context"
	"fmt"
	"strings"
	"time"

	"headroom/harness/drive/mix"
	"headroom/harness/record"
)

// Drive sends the job and returns what it measured. It returns an error when
// the job is wrong or cannot be started: before any load. What goes wrong
// later is part of the measurement.
//
// When ctx ends, Drive stops at once and returns what it has measured so far,
// with Interrupted set and a nil error. Otherwise it returns at the latest two
// timeouts after the schedule's end.
func Drive(ctx context.Context, job Job) (record.Measurement, error) {
	job = job.withDefaults()
	requests, err := job.compile()
	if err != nil {
		return record.Measurement{}, fmt.Errorf("job: %w", err)
	}
	watch := newWatcher(&job, requests)
	result, err := send(ctx, &job, requests, watch)
	if err != nil && ctx.Err() != nil {
		// Called off before it could start.
		epoch := time.Now()
		result.rec = newRecorder(epoch, &job, len(requests.Names()))
		result.rec.cut(0)
	} else if err != nil {
		return record.Measurement{}, fmt.Errorf("drive %s: %w", strings.Join(requests.HostPorts(), ", "), err)
	}
	m := result.rec.measurement(requests.Names(), job.CountHeaders)
	watch.report(&m)
	m.Arrivals, m.OfferedRPS, m.Seed = job.Arrivals, job.RateRPS, job.Seed
	m.WarmupS, m.InFlightCap = job.Warmup.Seconds(), job.MaxInFlight
	m.Interrupted = ctx.Err() != nil && result.rec.till < job.Warmup+job.Duration
	m.Driver = record.DriverUse{
		CPUSeconds: result.used.process.Seconds(), MaxRSSMB: float64(result.used.maxRSSKB) / 1024,
		CPUs: usableCPUs(), ThrottledS: result.used.throttled.Seconds(),
		StolenShare: result.used.host.stolenShare(), StolenWorstSecond: result.used.worstStolen,
	}
	facts := driverFacts{
		late: result.rec.late, lagLimit: job.lagLimit(),
		window: result.used.at, usageKnown: result.used.known, busiest: result.busiest,
	}
	m.Driver.Saturated = saturated(&m, facts)
	m.InvalidReasons = invalidReasons(&m, facts)
	return m, nil
}

// result is what an engine hands back.
type result struct {
	rec     *recorder
	used    reading // between the start and the end of the slice
	busiest float64 // share of a core that the busiest thread used
}

// send chooses the engine: plain HTTP goes through loops of our own.
func send(ctx context.Context, job *Job, requests *mix.Mix, watch *watcher) (result, error) {
	if requests.Secure() {
		return sendPool(ctx, job, requests, watch)
	}
	return sendLoops(ctx, job, requests, watch)
}
