// SPDX-License-Identifier: Apache-2.0

package shop

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"
)

const (
	emailQueue    = 1024 // confirmations waiting or being sent, at most
	emailWorkers  = 8
	emailAttempts = 3
	emailPause    = 200 * time.Millisecond // before the second attempt; double before the third
)

// backgroundEmail sends confirmations after the answer, from a bounded queue
// in memory.
//
// Gives: checkout does not wait for the provider. Costs: the client does not
// know whether the e-mail got out; what waits in memory is lost in a crash; and
// the queue can be full. Then checkout answers 503 before it writes anything:
// an order without its confirmation would be worse, a longer queue would only
// lose more. So a place is taken (admit) before the order is placed. Measured
// by scenario phase1 (after), setting email: background.
type backgroundEmail struct {
	send    sendEmail
	log     *slog.Logger
	places  chan struct{}
	queue   chan email // never blocks: who writes to it holds a place
	quit    chan struct{}
	workers sync.WaitGroup
	lost    atomic.Int64 // confirmations given up after every attempt
}

func newBackgroundEmail(send sendEmail, log *slog.Logger) *backgroundEmail {
	return &backgroundEmail{send: send, log: log, places: make(chan struct{}, emailQueue), queue: make(chan email, emailQueue), quit: make(chan struct{})}
}

func (m *backgroundEmail) admit() error {
	select {
	case m.places <- struct{}{}:
		return nil
	default:
		return errBusy
	}
}

func (m *backgroundEmail) withdraw() { <-m.places }

func (m *backgroundEmail) confirm(_ context.Context, e email) error {
	m.queue <- e
	return nil
}

// start runs the workers until stop. When ctx ends they give up what is left.
func (m *backgroundEmail) start(ctx context.Context) {
	for range emailWorkers {
		m.workers.Go(func() { m.work(ctx) })
	}
}

// stop returns when what waits has been sent, or given up.
func (m *backgroundEmail) stop() {
	close(m.quit)
	m.workers.Wait()
}

// work leaves the queue open at the end: a request that was cut off may still
// confirm.
func (m *backgroundEmail) work(ctx context.Context) {
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

// left is how many confirmations are not sent yet, those included whose orders are
// just being placed.
func (m *backgroundEmail) left() int { return len(m.places) }

// deliver tries a few times, then gives the place back.
func (m *backgroundEmail) deliver(ctx context.Context, e email) {
	defer m.withdraw()
	var err error
	pause := emailPause
	for attempt := range emailAttempts {
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
	m.log.Error("confirmation lost", "order", e.Order, "attempts", emailAttempts, "error", err)
}
