// SPDX-License-Identifier: Apache-2.0

// Package queue is the queue of jobs: one stream of NATS JetStream, which
// whoever comes first creates.
package queue

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"headroom/targets/jobs"
)

const (
	connectTimeout = 2 * time.Second
	reconnectWait  = 250 * time.Millisecond
	pingEvery      = 5 * time.Second // a server that is gone without a word is found after two
	stepTimeout    = 2 * time.Second // of one question to the server

	maxJobs     = 1_000_000   // waiting, at most; the next one is refused, none is dropped
	dedupWindow = time.Minute // in which the stream drops a job that it has already
)

// ErrAway says that there is no connection to NATS now.
var ErrAway = errors.New("the queue is away")

// Queue is a connection to NATS that comes back by itself.
type Queue struct {
	address string
	conn    *nats.Conn
	js      jetstream.JetStream
	stream  atomic.Bool // seen since the last failure
}

// Open connects to NATS at address (host:port), now or once it is there.
func Open(address, name string, log *slog.Logger) (*Queue, error) {
	conn, err := nats.Connect("nats://"+address,
		nats.Name(name), nats.Timeout(connectTimeout),
		nats.RetryOnFailedConnect(true), nats.MaxReconnects(-1), nats.ReconnectWait(reconnectWait),
		nats.PingInterval(pingEvery), nats.MaxPingsOutstanding(2),
		// A job that can't be published now fails now. Otherwise it would be published
		// long after the client was told that it was not.
		nats.ReconnectBufSize(-1),
		nats.DisconnectErrHandler(func(_ *nats.Conn, err error) { log.Warn("the queue is away", "address", address, "error", err) }),
		nats.ReconnectHandler(func(*nats.Conn) { log.Info("the queue is back", "address", address) }),
	)
	if err != nil {
		return nil, fmt.Errorf("queue at %s: %w", address, err)
	}
	js, err := jetstream.New(conn, jetstream.WithDefaultTimeout(stepTimeout),
		jetstream.WithPublishAsyncTimeout(publishTimeout), jetstream.WithPublishAsyncMaxPending(maxUnacknowledged))
	if err != nil {
		conn.Close()
		return nil, fmt.Errorf("queue at %s: %w", address, err)
	}
	return &Queue{address: address, conn: conn, js: js}, nil
}

// Connected is nil while there is a connection. It asks nobody.
func (q *Queue) Connected() error {
	if q.conn.IsConnected() {
		return nil
	}
	return fmt.Errorf("%w: no connection to NATS at %s", ErrAway, q.address)
}

// Ping asks the server, and sees to it that the stream is there.
func (q *Queue) Ping(ctx context.Context) error {
	if err := q.Connected(); err != nil {
		return err
	}
	if err := q.ensure(ctx); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, stepTimeout)
	defer cancel()
	return q.conn.FlushWithContext(ctx)
}

// ensure creates the stream, unless it has been seen already.
func (q *Queue) ensure(ctx context.Context) error {
	if q.stream.Load() {
		return nil
	}
	if err := q.Connected(); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, stepTimeout)
	defer cancel()
	subjects := make([]string, 0, len(jobs.Kinds()))
	for _, kind := range jobs.Kinds() {
		subjects = append(subjects, kind.Subject())
	}
	_, err := q.js.CreateOrUpdateStream(ctx, jetstream.StreamConfig{
		Name: jobs.Stream, Subjects: subjects, Storage: jetstream.FileStorage,
		// A job that is done is no more: the stream is as long as its backlog.
		Retention: jetstream.WorkQueuePolicy,
		MaxMsgs:   maxJobs, Discard: jetstream.DiscardNew, Duplicates: dedupWindow,
	})
	if err != nil {
		return fmt.Errorf("create the stream %s at %s: %w", jobs.Stream, q.address, err)
	}
	q.stream.Store(true)
	return nil
}

// Close ends the connection. Acknowledged jobs are already with the server; Close
// still sends the last messages.
func (q *Queue) Close() {
	if q.conn.IsConnected() {
		_ = q.conn.FlushTimeout(time.Second)
	}
	q.conn.Close()
}
