// SPDX-License-Identifier: Apache-2.0

package drive

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"headroom/harness/drive/mix"
	"headroom/harness/drive/results"
	"headroom/harness/record"
)

// Client drives jobs one after another. It keeps connections open between jobs, because a
// step of a search must not begin with handshakes. The zero value is ready. Close it.
type Client struct {
	// Results, if set, gets every recorded request. It is for one job, as
	// requests are numbered from 0.
	Results *results.Writer

	mu   sync.Mutex // jobs run one at a time
	kept kept
}

// Drive sends the job and returns the measurement. It returns an error, before any load,
// when the job is wrong or cannot be started. Later failures are part of the measurement.
//
// When ctx ends, Drive stops at once and returns the measurement so far, with Interrupted
// set and a nil error. Otherwise it returns at the latest two timeouts after the schedule's
// end.
func (c *Client) Drive(ctx context.Context, job Job) (record.Measurement, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	job = job.withDefaults()
	requests, err := job.compile()
	if err != nil {
		return record.Measurement{}, fmt.Errorf("job: %w", err)
	}
	first, err := job.fitRequests(c.Results != nil)
	if err != nil {
		return record.Measurement{}, fmt.Errorf("job: %w", err)
	}
	if c.Results != nil && job.Redirects > 0 {
		return record.Measurement{}, errors.New("job: results are numbered by the schedule, and redirects stand in none: leave one of them out")
	}
	if c.Results != nil && job.RateRPS > 0 {
		c.Results.Begin(first)
	}
	watch := newWatcher(&job, requests)
	result, err := c.send(ctx, &job, requests, watch)
	if err != nil && ctx.Err() != nil {
		// Called off before it could start.
		result.rec = newRecorder(&job, len(requests.Names()))
		epoch := time.Now()
		result.rec.begin(epoch)
		result.rec.cut(0)
	} else if err != nil {
		return record.Measurement{}, fmt.Errorf("drive %s: %w", strings.Join(requests.HostPorts(), ", "), err)
	}
	return result.measurement(ctx, &job, requests, watch), nil
}

// Close closes the connections that were kept.
func (c *Client) Close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.kept.close()
}

// Drive sends one job with a Client of its own.
func Drive(ctx context.Context, job Job) (record.Measurement, error) {
	var c Client
	defer c.Close()
	return c.Drive(ctx, job)
}

// result is what an engine returns.
type result struct {
	rec          *recorder
	used         reading // between the start and the end of the slice
	busiestShare float64 // share of a core that the busiest thread used, without spinning
	spinTime     time.Duration
	protocol     string // of the newest connection
	cap          int    // connections that might be open at once
}

// send chooses the engine.
func (c *Client) send(ctx context.Context, job *Job, requests *mix.Mix, watch *watcher) (result, error) {
	if job.Engine == EngineVegeta {
		return sendVegeta(ctx, job, requests, watch, c.Results)
	}
	return c.sendLoops(ctx, job, requests, watch)
}

// measurement makes the record of an engine's result.
func (r *result) measurement(ctx context.Context, job *Job, requests *mix.Mix, watch *watcher) record.Measurement {
	m := r.rec.measurement(requests.Names(), job.CountHeaders)
	watch.report(&m)
	m.Began, m.Arrivals, m.OfferedRPS, m.Seed = r.rec.epoch.Round(0), job.Arrivals, job.RateRPS, job.Seed
	m.WarmupS, m.InFlightCap = job.Warmup.Seconds(), job.MaxInFlight
	m.Protocol, m.Connections.Cap = r.protocol, r.cap
	m.Interrupted = ctx.Err() != nil && r.rec.till < job.Warmup+job.Duration
	m.Driver = r.used.driverUse()
	facts := driverFacts{
		late: r.rec.late, lagLimit: job.lagLimit(),
		window: r.used.at, usageKnown: r.used.known, busiestShare: r.busiestShare, spinTime: r.spinTime,
	}
	m.Driver.Limit = exhaustedResource(&m, facts)
	m.Driver.Saturated = m.Driver.Limit != ""
	m.InvalidReasons = invalidReasons(&m, facts)
	return m
}
