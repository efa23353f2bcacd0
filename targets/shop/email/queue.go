// SPDX-License-Identifier: Apache-2.0

package email

import (
	"context"
	"errors"
	"fmt"

	"headroom/targets/jobs"
	"headroom/targets/jobs/queue"
)

// ErrQueue marks a failure of the queue.
var ErrQueue = errors.New("queue of jobs")

// Queue leaves the confirmation, the picture and the analytics of an order to
// workers: three jobs in NATS JetStream.
//
// Gives: checkout waits for the queue's acknowledgement, not for the provider;
// what is acknowledged outlives a crash of the shop and of a worker; a spike
// waits in the queue. Costs: one more system that can be away, a round trip in
// every checkout, and jobs that come twice or out of order, which the workers
// must bear.
//   - The order and its jobs are two writes in two systems. When NATS is known
//     to be away, checkout answers 503 before it writes anything. When
//     publishing fails after the order was placed, it answers 503 too, so that
//     nobody was promised anything, but the order stands without some of its
//     jobs, and a client that tries again orders twice. The remedy is an outbox:
//     the jobs in a table of the order's own transaction, published from there.
//   - Acknowledged means written by the server, which syncs its disk later (every
//     two minutes, as it comes): a crash of the machine under NATS may lose
//     what it had acknowledged. Replicas of the stream are the remedy.
//
// Measured by scenario final (after), setting email: queue.
type Queue struct {
	queue     *queue.Queue
	publisher *queue.Publisher
}

// NewQueue publishes to q.
func NewQueue(q *queue.Queue) *Queue {
	return &Queue{queue: q, publisher: queue.NewPublisher(q)}
}

// Admit fails when NATS is known to be away. It asks nobody.
func (m *Queue) Admit() error {
	if err := m.queue.Connected(); err != nil {
		return fmt.Errorf("%w: %w", ErrQueue, err)
	}
	return nil
}

// Withdraw has nothing to give back.
func (m *Queue) Withdraw() {}

// Confirm returns when the queue has acknowledged the jobs of an order.
func (m *Queue) Confirm(ctx context.Context, e Message) error {
	err := m.publisher.Publish(ctx, jobs.Job{Order: e.Order, User: e.User, Email: e.To, Text: e.Text})
	if err != nil {
		return fmt.Errorf("%w: %w", ErrQueue, err)
	}
	return nil
}

// Ping asks the queue whether it is there.
func (m *Queue) Ping(ctx context.Context) error { return m.queue.Ping(ctx) }

// Published counts jobs that the queue acknowledged.
func (m *Queue) Published() int64 { return m.publisher.Published() }

// Failed counts jobs that were to be published and were not acknowledged.
func (m *Queue) Failed() int64 { return m.publisher.Failed() }
