// SPDX-License-Identifier: Apache-2.0

package queue

import (
	"context"
	"fmt"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"headroom/targets/jobs"
	"headroom/targets/machine/spec"
)

// AckWait is how long a worker may hold a job before the queue gives it to
// another.
const AckWait = 5 * time.Second

// maxAckPending bounds the jobs of one kind that all workers together hold.
const maxAckPending = 512

// Consumer returns the durable consumer of a kind, which all workers share;
// the first one makes it. A job is delivered again and again until it is
// acknowledged.
func (q *Queue) Consumer(ctx context.Context, kind jobs.Kind) (jetstream.Consumer, error) {
	if err := q.ensure(ctx); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, stepTimeout)
	defer cancel()
	consumer, err := q.js.CreateOrUpdateConsumer(ctx, jobs.Stream, jetstream.ConsumerConfig{
		Durable: string(kind), FilterSubject: kind.Subject(),
		AckPolicy: jetstream.AckExplicitPolicy, AckWait: AckWait,
		MaxDeliver: -1, MaxAckPending: maxAckPending,
	})
	if err != nil {
		q.stream.Store(false)
		return nil, fmt.Errorf("make the consumer %s at %s: %w", kind, q.address, err)
	}
	return consumer, nil
}

// Backlog is how many jobs of the kinds are left.
func (q *Queue) Backlog(ctx context.Context, kinds []jobs.Kind) (spec.Backlog, error) {
	var sum spec.Backlog
	ctx, cancel := context.WithTimeout(ctx, stepTimeout)
	defer cancel()
	for _, kind := range kinds {
		consumer, err := q.js.Consumer(ctx, jobs.Stream, string(kind)) // its answer holds the numbers
		if err != nil {
			return sum, fmt.Errorf("ask for the backlog of %s at %s: %w", kind, q.address, err)
		}
		info := consumer.CachedInfo()
		sum.Pending += int64(info.NumPending)
		sum.AckPending += int64(info.NumAckPending)
	}
	return sum, nil
}
