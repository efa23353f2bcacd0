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
	comeBack   = 500 * time.Millisecond // before it asks a queue again that was away
	firstPause = 250 * time.Millisecond // before a job that failed comes again; doubles
	longPause  = 10 * time.Second       // is the most
)

// taker takes the jobs of one kind.
//
// Gives: what is slow or fails is out of the user's way, is tried again until
// it is done, and runs on machines of its own. Costs: the user's picture comes
// later, by as much as waits in the queue; a job may be done twice, and after
// a later one. Measured by scenario final (after).
type taker struct {
	kind   jobs.Kind
	queue  *queue.Queue
	slots  int // jobs in hand at once
	handle func(context.Context, jobs.Job) (applied bool, err error)
	order  *sequence
	log    *slog.Logger

	open atomic.Bool // it has its consumer

	delivered, redelivered, applied, skipped, failed, reordered atomic.Int64
}

// taking says whether it takes jobs.
func (t *taker) taking(context.Context) error {
	if t.open.Load() {
		return nil
	}
	return errors.New("takes no jobs yet")
}

// run takes jobs until ctx ends; a queue that is away it asks again.
func (t *taker) run(ctx context.Context) {
	for ctx.Err() == nil {
		if err := t.take(ctx); err != nil && ctx.Err() == nil {
			t.log.Warn("takes no jobs, asks again", "kind", t.kind, "error", err)
			wait(ctx, comeBack)
		}
	}
}

// take works off the queue. On return nothing is in hand: what was not done
// has been given back.
func (t *taker) take(ctx context.Context) error {
	consumer, err := t.queue.Consumer(ctx, t.kind)
	if err != nil {
		return err
	}
	// As many are fetched ahead as are in hand: a job must not grow old in
	// this worker's memory while another has nothing to do.
	messages, err := consumer.Messages(jetstream.PullMaxMessages(t.slots), jetstream.WithMessagesErrOnMissingHeartbeat(false))
	if err != nil {
		return fmt.Errorf("fetch %s jobs: %w", t.kind, err)
	}
	t.open.Store(true)
	defer t.open.Store(false)
	defer messages.Stop()
	defer context.AfterFunc(ctx, messages.Drain)() // what was fetched still comes, and is given back

	doing, giveUp := context.WithCancel(context.WithoutCancel(ctx))
	defer giveUp()
	defer context.AfterFunc(ctx, func() { time.AfterFunc(program.StopTimeout, giveUp) })()

	var inHand sync.WaitGroup
	defer inHand.Wait()
	free := make(chan struct{}, t.slots)
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
		job, attempt, err := t.arrived(message)
		if err != nil {
			t.log.Error("dropped a job that nobody can read", "kind", t.kind, "error", err)
			_ = message.Term()
			<-free
			continue
		}
		inHand.Go(func() {
			defer func() { <-free }()
			t.do(doing, message, job, attempt)
		})
	}
}

// arrived reads and counts a job, in the order of delivery.
func (t *taker) arrived(message jetstream.Msg) (job jobs.Job, attempt uint64, err error) {
	t.delivered.Add(1)
	attempt = 1
	if meta, err := message.Metadata(); err == nil {
		attempt = meta.NumDelivered
	}
	if attempt > 1 {
		t.redelivered.Add(1)
	}
	job, err = jobs.Parse(message.Data())
	if err != nil {
		t.failed.Add(1)
		return job, attempt, err
	}
	if t.order.late(job.Publisher, job.Seq) {
		t.reordered.Add(1)
	}
	return job, attempt, nil
}

// do does one job and tells the queue. An acknowledgement that does not arrive
// is as good as none: the job comes again.
func (t *taker) do(ctx context.Context, message jetstream.Msg, job jobs.Job, attempt uint64) {
	ctx, cancel := context.WithTimeout(ctx, jobLimit)
	defer cancel()
	applied, err := t.handle(ctx, job)
	switch {
	case errors.Is(err, errInHand): // no failure: another has it, or died with it
		_ = message.NakWithDelay(inHandPause)
	case err != nil:
		if n := t.failed.Add(1); n&(n-1) == 0 {
			t.log.Warn("a job failed, it comes again", "kind", t.kind, "order", job.Order, "attempt", attempt, "failures", n, "error", err)
		}
		_ = message.NakWithDelay(pauseBefore(attempt))
	default:
		if applied {
			t.applied.Add(1)
		} else {
			t.skipped.Add(1)
		}
		_ = message.Ack()
	}
}

// pauseBefore doubles with each attempt.
func pauseBefore(attempt uint64) time.Duration {
	pause := firstPause
	for range min(attempt, 16) - 1 {
		pause *= 2
	}
	return min(pause, longPause)
}

func wait(ctx context.Context, d time.Duration) {
	select {
	case <-time.After(d):
	case <-ctx.Done():
	}
}
