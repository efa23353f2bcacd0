// SPDX-License-Identifier: Apache-2.0

package queue

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"sync"
	"testing"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"headroom/targets/jobs"
	"headroom/targets/jobs/jobstest"
	"headroom/targets/machine/spec"
)

func open(t *testing.T, address string) *Queue {
	t.Helper()
	q, err := Open(address, "test", slog.New(slog.NewJSONHandler(io.Discard, nil)))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(q.Close)
	return q
}

func connected(t *testing.T, address string) *Queue {
	t.Helper()
	q := open(t, address)
	jobstest.Eventually(t, "the queue is connected", func() error { return q.Ping(t.Context()) })
	return q
}

func backlog(t *testing.T, q *Queue) spec.Backlog {
	t.Helper()
	for _, kind := range jobs.Kinds() {
		if _, err := q.Consumer(t.Context(), kind); err != nil {
			t.Fatal(err)
		}
	}
	b, err := q.Backlog(t.Context(), jobs.Kinds())
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestPublishedIsThere(t *testing.T) {
	q := connected(t, jobstest.Start(t).Address())
	p := NewPublisher(q)
	for order := int64(1); order <= 5; order++ {
		if err := p.Publish(t.Context(), jobs.Job{Order: order, User: 7}); err != nil {
			t.Fatal(err)
		}
	}
	if b := backlog(t, q); b != (spec.Backlog{Pending: 15}) || p.Published() != 15 || p.Failed() != 0 {
		t.Errorf("backlog %+v, %d published, %d failed", b, p.Published(), p.Failed())
	}
}

// A client that tries again with the same order adds nothing.
func TestSameOrderIsPublishedOnce(t *testing.T) {
	q := connected(t, jobstest.Start(t).Address())
	for range 2 {
		if err := NewPublisher(q).Publish(t.Context(), jobs.Job{Order: 1}); err != nil {
			t.Fatal(err)
		}
	}
	if b := backlog(t, q); b.Pending != 3 {
		t.Errorf("backlog %+v, want one job of each kind", b)
	}
}

// Numbers must stand in the stream as they were given, or the count of
// reordered jobs would count the publisher's own mistakes.
func TestConcurrentPublishersKeepTheirOrder(t *testing.T) {
	const orders = 200
	q := connected(t, jobstest.Start(t).Address())
	p := NewPublisher(q)
	var publishing sync.WaitGroup
	for order := int64(1); order <= orders; order++ {
		publishing.Go(func() {
			if err := p.Publish(t.Context(), jobs.Job{Order: order}); err != nil {
				t.Error(err)
			}
		})
	}
	publishing.Wait()
	consumer, err := q.Consumer(t.Context(), jobs.Mail)
	if err != nil {
		t.Fatal(err)
	}
	messages, err := consumer.Messages()
	if err != nil {
		t.Fatal(err)
	}
	defer messages.Stop()
	last := int64(0)
	for range orders {
		message, err := messages.Next(jetstream.NextContext(t.Context()))
		if err != nil {
			t.Fatal(err)
		}
		j, err := jobs.Parse(message.Data())
		if err != nil || j.Seq <= last {
			t.Fatalf("%+v after %d: %v", j, last, err)
		}
		last = j.Seq
	}
}

func TestQueueThatIsAway(t *testing.T) {
	server := jobstest.Start(t)
	q := connected(t, server.Address())
	p := NewPublisher(q)
	server.Stop()
	jobstest.Eventually(t, "the loss is noticed", func() error {
		if q.Connected() == nil {
			return errors.New("still connected")
		}
		return nil
	})
	if err := p.Publish(t.Context(), jobs.Job{Order: 1}); err == nil {
		t.Error("published to nobody")
	}
	if err := q.Ping(t.Context()); !errors.Is(err, ErrAway) || p.Failed() != 3 {
		t.Errorf("ping: %v; %d failed", err, p.Failed())
	}
	server.Restart()
	jobstest.Eventually(t, "it is back", func() error { return q.Ping(t.Context()) })
	if err := p.Publish(t.Context(), jobs.Job{Order: 2}); err != nil {
		t.Error(err)
	}
	if b := backlog(t, q); b.Pending != 3 {
		t.Errorf("backlog %+v: want order 2 only, and nothing of order 1, whose client was told that it failed", b)
	}
}

// A program may start before its queue.
func TestQueueThatComesLater(t *testing.T) {
	server := jobstest.Start(t)
	server.Stop()
	q := open(t, server.Address())
	if err := q.Ping(t.Context()); !errors.Is(err, ErrAway) {
		t.Errorf("ping: %v", err)
	}
	server.Restart()
	jobstest.Eventually(t, "it is there", func() error { return q.Ping(t.Context()) })
}

// A queue that lost its stream makes it anew, after one failure.
func TestStreamIsMadeAnew(t *testing.T) {
	q := connected(t, jobstest.Start(t).Address())
	p := NewPublisher(q)
	if err := q.js.DeleteStream(t.Context(), jobs.Stream); err != nil {
		t.Fatal(err)
	}
	if err := p.Publish(t.Context(), jobs.Job{Order: 1}); !errors.Is(err, jetstream.ErrNoStreamResponse) {
		t.Errorf("without a stream: %v", err)
	}
	if err := p.Publish(t.Context(), jobs.Job{Order: 2}); err != nil {
		t.Error(err)
	}
}

// A full queue refuses the new job and keeps the old ones.
func TestFullQueueRefuses(t *testing.T) {
	q := connected(t, jobstest.Start(t).Address())
	stream, err := q.js.Stream(t.Context(), jobs.Stream)
	if err != nil {
		t.Fatal(err)
	}
	config := stream.CachedInfo().Config
	if config.MaxMsgs != maxJobs || config.Storage != jetstream.FileStorage {
		t.Errorf("the stream is %+v", config)
	}
	config.MaxMsgs = 3
	if _, err := q.js.UpdateStream(t.Context(), config); err != nil {
		t.Fatal(err)
	}
	p := NewPublisher(q)
	if err := p.Publish(t.Context(), jobs.Job{Order: 1}); err != nil {
		t.Fatal(err)
	}
	var full *jetstream.APIError
	if err := p.Publish(t.Context(), jobs.Job{Order: 2}); !errors.As(err, &full) {
		t.Errorf("into a full queue: %v", err)
	}
	if b := backlog(t, q); b.Pending != 3 {
		t.Errorf("backlog %+v", b)
	}
}

func TestPublishEndsWithItsContext(t *testing.T) {
	q := connected(t, jobstest.Start(t).Address())
	// Somebody else holds the subjects, and never acknowledges.
	if err := q.js.DeleteStream(t.Context(), jobs.Stream); err != nil {
		t.Fatal(err)
	}
	silent, err := q.conn.Subscribe("jobs.*", func(*nats.Msg) {})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = silent.Unsubscribe() }()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := NewPublisher(q).Publish(ctx, jobs.Job{Order: 1}); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
}
