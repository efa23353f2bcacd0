// SPDX-License-Identifier: Apache-2.0

package email

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"
)

// Workers is how many confirmations Background sends at the same time.
const Workers = 8

const (
	capacity   = 1024 // confirmations waiting or being sent, at most
	attempts   = 3
	firstPause = 200 * time.Millisecond // before the second attempt; double before the third
)

// Background sends confirmations after the answer, from a bounded queue in memory.
//
// Gives: checkout does not wait for the provider. Costs: the client does not
// know whether the e-mail got out; what waits in memory is lost in a crash; and
// the queue can be full. Then checkout answers 503 before it writes anything:
// an order without its confirmation would be worse, a longer queue would only
// lose more. So a place is taken (Admit) before the order is placed. Measured
// by scenario phase1 (after), setting email: background.
type Background struct {
	send    Send
	log     *slog.Logger
	places  chan struct{}
	queue   chan Message // never blocks: who writes to it holds a place
	quit    chan struct{}
	workers sync.WaitGroup
	lost    atomic.Int64 // confirmations given up after every attempt
}

// NewBackground sends nothing before Start.
func NewBackground(send Send, log *slog.Logger) *Background {
	return &Background{send: send, log: log, places: make(chan struct{}, capacity), queue: make(chan Message, capacity), quit: make(chan struct{})}
}

// Admit takes a place, or fails by ErrBusy.
func (m *Background) Admit() error {
	select {
	case m.places <- struct{}{}:
		return nil
	default:
		return ErrBusy
	}
}

// Withdraw gives a place back.
func (m *Background) Withdraw() { <-m.places }

// Confirm leaves e to the workers. They give back the place that was taken.
func (m *Background) Confirm(_ context.Context, e Message) error {
	m.queue <- e
	return nil
}

// Start runs the workers until Stop. When ctx ends they give up what is left.
func (m *Background) Start(ctx context.Context) {
	for range Workers {
		m.workers.Go(func() { m.work(ctx) })
	}
}

// Stop returns when what waits has been sent, or given up.
func (m *Background) Stop() {
	close(m.quit)
	m.workers.Wait()
}

// work leaves the queue open at the end: a request that was cut off may still
// confirm.
func (m *Background) work(ctx context.Context) {
	for {
		select {
		case e := <-m.queue:
			m.deliver(ctx, e)
			continue
		case <-m.quit:
		}
		select {
		case e := <-m.queue:
			m.deliver(ctx, e)
		default:
			return
		}
	}
}

// Left is how many confirmations are not sent yet, those included whose orders are
// just being placed.
func (m *Background) Left() int { return len(m.places) }

// deliver tries a few times, then gives the place back.
func (m *Background) deliver(ctx context.Context, e Message) {
	defer m.Withdraw()
	var err error
	pause := firstPause
	for attempt := range attempts {
		if attempt > 0 {
			select {
			case <-time.After(pause):
			case <-ctx.Done():
			}
			pause *= 2
		}
		if err = m.send(ctx, e); err == nil {
			return
		}
	}
	m.lost.Add(1)
	m.log.Error("confirmation lost", "order", e.Order, "attempts", attempts, "error", err)
}
