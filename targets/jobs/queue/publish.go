// SPDX-License-Identifier: Apache-2.0

package queue

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"headroom/targets/jobs"
)

const (
	publishTimeout    = 3 * time.Second // until all of an order's jobs are acknowledged
	maxUnacknowledged = 8192            // jobs on their way; beyond, publishing fails
	stallWait         = 50 * time.Millisecond
)

// Publisher publishes the jobs of orders.
type Publisher struct {
	queue *Queue
	name  string // of this run of this shop

	// mu keeps the numbers in the order of the connection. Without it two orders could
	// be numbered in one order and written in the other, and a queue that keeps order
	// would look as if it did not.
	mu  sync.Mutex
	seq int64

	published, failed atomic.Int64
}

// NewPublisher publishes to q under a name of its own.
func NewPublisher(q *Queue) *Publisher {
	return &Publisher{queue: q, name: strconv.FormatUint(rand.Uint64(), 36)}
}

// Published counts jobs that the queue acknowledged.
func (p *Publisher) Published() int64 { return p.published.Load() }

// Failed counts jobs that were to be published and were not acknowledged.
func (p *Publisher) Failed() int64 { return p.failed.Load() }

// Publish publishes one job of each kind for an order and returns when the queue has
// acknowledged all of them: one round trip. After an error some of the jobs may be in
// the queue, or get there later.
func (p *Publisher) Publish(ctx context.Context, j jobs.Job) error {
	ctx, cancel := context.WithTimeout(ctx, publishTimeout)
	defer cancel()
	kinds := jobs.Kinds()
	if err := p.queue.ensure(ctx); err != nil {
		p.failed.Add(int64(len(kinds)))
		return err
	}
	acks, err := p.send(kinds, j)
	acknowledged := 0
	for _, ack := range acks {
		select {
		case <-ack.Ok():
			acknowledged++
			continue
		case failure := <-ack.Err():
			err = errors.Join(err, failure)
		case <-ctx.Done():
			err = errors.Join(err, ctx.Err())
		}
	}
	p.published.Add(int64(acknowledged))
	p.failed.Add(int64(len(kinds) - acknowledged))
	if err == nil {
		return nil
	}
	if errors.Is(err, jetstream.ErrNoStreamResponse) {
		p.queue.stream.Store(false) // the next one makes it anew
	}
	return fmt.Errorf("publish the jobs of order %d to %s: %w", j.Order, p.queue.address, err)
}

// send writes the jobs to the connection, in order.
func (p *Publisher) send(kinds []jobs.Kind, j jobs.Job) ([]jetstream.PubAckFuture, error) {
	acks := make([]jetstream.PubAckFuture, 0, len(kinds))
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, kind := range kinds {
		p.seq++
		j.Publisher, j.Seq = p.name, p.seq
		data, err := json.Marshal(j)
		if err != nil {
			return acks, err
		}
		message := &nats.Msg{Subject: kind.Subject(), Data: data}
		ack, err := p.queue.js.PublishMsgAsync(message, jetstream.WithMsgID(kind.ID(j.Order)),
			jetstream.WithRetryAttempts(0), jetstream.WithStallWait(stallWait))
		if err != nil {
			return acks, err
		}
		acks = append(acks, ack)
	}
	return acks, nil
}
