// SPDX-License-Identifier: Apache-2.0

package shop

import (
	"context"
	"errors"
	"fmt"

	"headroom/targets/jobs"
	"headroom/targets/jobs/queue"
)

// errQueue marks a failure of the queue.
var errQueue = errors.New("queue of jobs")

// queueEmail leaves the confirmation, the picture and the analytics of an order
// to workers: three jobs in NATS JetStream.
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
type queueEmail struct {
	queue     *queue.Queue
	publisher *queue.Publisher
}

func (m *queueEmail) admit() error {
	if err := m.queue.Connected(); err != nil {
		return fmt.Errorf("%w: %w", errQueue, err)
	}
	return nil
}

func (m *queueEmail) withdraw() {}

func (m *queueEmail) confirm(ctx context.Context, e email) error {
	err := m.publisher.Publish(ctx, jobs.Job{Order: e.Order, User: e.User, Email: e.To, Text: e.Text})
	if err != nil {
		return fmt.Errorf("%w: %w", errQueue, err)
	}
	return nil
}

// count adds the queue's counters to the shop's.
func (m *queueEmail) count(c counterSource) {
	c["jobs_published_total"] = func() float64 { return float64(m.publisher.Published()) }
	c["jobs_publish_errors_total"] = func() float64 { return float64(m.publisher.Failed()) }
}
