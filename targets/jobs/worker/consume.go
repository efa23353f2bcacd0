// SPDX-License-Identifier: Apache-2.0

package worker

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"headroom/targets/jobs"
	"headroom/targets/jobs/queue"
	"headroom/targets/program"
)

const (
	reconnectPause = 500 * time.Millisecond // before it asks a queue again that was away
	minBackoff     = 250 * time.Millisecond // before a job that failed comes again; doubles
	maxBackoff     = 10 * time.Second       // is the most
)

// jobConsumer takes the jobs of one kind.
//
// Gives: what is slow or fails is out of the user's way, is tried again until
// it is done, and runs on machines of its own. Costs: the user's picture comes
// later, by as much as waits in the queue; a job may be done twice, and after
// a later one. Measured by scenario final (after).
type jobConsumer struct {
	kind   jobs.Kind
	queue  *queue.Queue
	slots  int // jobs in hand at once
	handle func(context.Context, jobs.Job) (applied bool, err error)
	order  *sequence
	log    *slog.Logger

	open atomic.Bool // it has its consumer

	delivered, redelivered, applied, skipped, failed, reordered atomic.Int64
}

// ready says whether it takes jobs.
func (c *jobConsumer) ready(context.Context) error {
	if c.open.Load() {
		return nil
	}
	return errors.New("takes no jobs yet")
}

// run takes jobs until ctx ends. It asks a queue that is away again and again.
func (c *jobConsumer) run(ctx context.Context) {
	for ctx.Err() == nil {
		if err := c.consume(ctx); err != nil && ctx.Err() == nil {
			c.log.Warn("takes no jobs, asks again", "kind", c.kind, "error", err)
			wait(ctx, reconnectPause)
		}
	}
}

// consume works off the queue. On return no job is in hand: unfinished jobs have been
// given back.
func (c *jobConsumer) consume(ctx context.Context) error {
	consumer, err := c.queue.Consumer(ctx, c.kind)
	if err != nil {
		return err
	}
	// The consumer fetches as many jobs ahead as it has in hand: a job must not wait in
	// this worker's memory while another worker has nothing to do.
	messages, err := consumer.Messages(jetstream.PullMaxMessages(c.slots), jetstream.WithMessagesErrOnMissingHeartbeat(false))
	if err != nil {
		return fmt.Errorf("fetch %s jobs: %w", c.kind, err)
	}
	c.open.Store(true)
	defer c.open.Store(false)
	defer messages.Stop()
	defer context.AfterFunc(ctx, messages.Drain)() // what was fetched still comes, and is given back

	doing, giveUp := context.WithCancel(context.WithoutCancel(ctx))
	defer giveUp()
	defer context.AfterFunc(ctx, func() { time.AfterFunc(program.StopTimeout, giveUp) })()

	var inHand sync.WaitGroup
	defer inHand.Wait()
	free := make(chan struct{}, c.slots)
	for {
		free <- struct{}{}
		message, err := messages.Next()
		if err != nil {
			return err
		}
		if ctx.Err() != nil {
			_ = message.Nak() // at once to another worker
			<-free
			continue
		}
		job, attempt, err := c.decode(message)
		if err != nil {
			c.log.Error("dropped a job that nobody can read", "kind", c.kind, "error", err)
			_ = message.Term()
			<-free
			continue
		}
		inHand.Go(func() {
			defer func() { <-free }()
			c.do(doing, message, job, attempt)
		})
	}
}

// decode reads and counts a job, in the order of delivery.
func (c *jobConsumer) decode(message jetstream.Msg) (job jobs.Job, attempt uint64, err error) {
	c.delivered.Add(1)
	attempt = 1
	if meta, err := message.Metadata(); err == nil {
		attempt = meta.NumDelivered
	}
	if attempt > 1 {
		c.redelivered.Add(1)
	}
	job, err = jobs.Parse(message.Data())
	if err != nil {
		c.failed.Add(1)
		return job, attempt, err
	}
	if c.order.outOfOrder(job.Publisher, job.Seq) {
		c.reordered.Add(1)
	}
	return job, attempt, nil
}

// do does one job and tells the queue. When the acknowledgement does not arrive, the
// job comes again.
func (c *jobConsumer) do(ctx context.Context, message jetstream.Msg, job jobs.Job, attempt uint64) {
	ctx, cancel := context.WithTimeout(ctx, jobTimeout)
	defer cancel()
	applied, err := c.handle(ctx, job)
	switch {
	case errors.Is(err, errClaimed): // no failure: another has it, or died with it
		_ = message.NakWithDelay(claimedPause)
	case err != nil:
		if n := c.failed.Add(1); n&(n-1) == 0 {
			c.log.Warn("a job failed, it comes again", "kind", c.kind, "order", job.Order, "attempt", attempt, "failures", n, "error", err)
		}
		_ = message.NakWithDelay(backoff(attempt))
	default:
		if applied {
			c.applied.Add(1)
		} else {
			c.skipped.Add(1)
		}
		_ = message.Ack()
	}
}

// backoff doubles with each attempt.
func backoff(attempt uint64) time.Duration {
	pause := minBackoff
	for range min(attempt, 16) - 1 {
		pause *= 2
	}
	return min(pause, maxBackoff)
}

func wait(ctx context.Context, d time.Duration) {
	select {
	case <-time.After(d):
	case <-ctx.Done():
	}
}
