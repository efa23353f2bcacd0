// SPDX-License-Identifier: Apache-2.0

// Package link is a TCP link with a delay: distance between two machines that
// stand side by side.
//
// The bytes of one side arrive at the other in order, after a one-way delay plus a
// jitter, and no faster than the bandwidth. line.go computes when, relay.go carries
// them. The end of a stream (FIN) and a broken connection (RST) travel as bytes do.
//
// A connection over a distance costs a round trip before the first byte can be sent.
// The link stands beside the client, so the client's own handshake takes no time
// here. The link makes up for that: bytes that a client sends within two delays of
// connecting leave after two delays, and the first of them arrives after three. The
// first byte of a server that speaks first arrives after four, as over a real
// distance. A connection that was unused for longer than its handshake would have
// taken costs nothing more, so keeping connections open pays, as over a real
// distance. TLS's further round trips cross the link as bytes.
//
// Gives: phase 6's users live across an ocean, on one computer. Costs: it is an
// emulation. There is no loss and no congestion control, so a big answer comes at the
// link's bandwidth from the start, without TCP's slow start. The relay needs CPU time
// of its own machine (see the benchmark). Measured by scenario phase6, in both
// variants.
package link

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"headroom/targets/program"
)

const (
	dialTimeout    = 5 * time.Second
	maxConnections = 8192
)

// relay is the running link.
type relay struct {
	config Config
	log    *slog.Logger
	wires  [2]wire // to the far side, and back
	inUse  sync.WaitGroup

	open, opened, refused, dialErrors, bytes atomic.Int64
}

// Run relays until ctx ends; then it cuts the open connections. It starts and stays
// up whether or not the far side is there; GET /health on the control port tells. The
// error says why it could not serve; a stop by ctx is none.
func Run(ctx context.Context, c Config, logOut io.Writer) error {
	log := slog.New(slog.NewJSONHandler(logOut, nil))
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", c.Listen)
	if err != nil {
		return fmt.Errorf("listen at %s: %w", c.Listen, err)
	}
	r := newRelay(c, log)
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var accepting sync.WaitGroup
	accepting.Go(func() {
		if err := r.accept(ctx, listener.(*net.TCPListener)); err != nil {
			cancel(err)
		}
	})
	context.AfterFunc(ctx, func() { _ = listener.Close() })
	err = program.Serve(ctx, c.Control, r.control(), log)
	cancel(nil)
	accepting.Wait()
	r.inUse.Wait()
	if cause := context.Cause(ctx); err == nil && !errors.Is(cause, context.Canceled) {
		err = cause
	}
	return err
}

func newRelay(c Config, log *slog.Logger) *relay {
	return &relay{config: c, log: log, wires: [2]wire{{perSecond: c.Bandwidth}, {perSecond: c.Bandwidth}}}
}

func (r *relay) control() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /health", program.Health(program.Dependency{Name: "far side", Ping: r.ping}))
	mux.Handle("GET /internal/counters", program.Counters{
		"connections":       r.open.Load,
		"connections_total": r.opened.Load,
		"bytes_total":       r.bytes.Load,
		"dial_errors_total": r.dialErrors.Load,
		"refused_total":     r.refused.Load,
	})
	return mux
}

func (r *relay) ping(ctx context.Context) error {
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", r.config.To)
	if err != nil {
		return err
	}
	return conn.Close()
}

// accept ends with ctx, or with the error that ended it.
func (r *relay) accept(ctx context.Context, listener *net.TCPListener) error {
	for {
		near, err := listener.AcceptTCP()
		if ctx.Err() != nil {
			if err == nil {
				abort(near)
			}
			return nil
		}
		var passing net.Error
		if errors.As(err, &passing) && !errors.Is(err, net.ErrClosed) {
			r.log.Warn("could not accept", "error", err)
			wait(ctx, 10*time.Millisecond) // no file descriptors, say: some may become free
			continue
		}
		if err != nil {
			return fmt.Errorf("accept at %s: %w", r.config.Listen, err)
		}
		if r.open.Add(1) > maxConnections {
			r.open.Add(-1)
			r.refused.Add(1)
			abort(near)
			continue
		}
		r.opened.Add(1)
		r.inUse.Go(func() {
			defer r.open.Add(-1)
			r.connect(ctx, near, time.Now())
		})
	}
}

// connect relays one connection to its end.
func (r *relay) connect(ctx context.Context, near *net.TCPConn, accepted time.Time) {
	dialing, cancel := context.WithTimeout(ctx, dialTimeout)
	conn, err := (&net.Dialer{}).DialContext(dialing, "tcp", r.config.To)
	cancel()
	if err != nil {
		if n := r.dialErrors.Add(1); n&(n-1) == 0 {
			r.log.Warn("the far side does not answer", "failures", n, "error", err)
		}
		wait(ctx, time.Until(accepted.Add(2*r.config.Delay))) // the refusal comes back
		abort(near)
		return
	}
	far := conn.(*net.TCPConn)
	there := r.stream(near, far, &r.wires[0], accepted.Add(2*r.config.Delay))
	back := r.stream(far, near, &r.wires[1], accepted.Add(3*r.config.Delay))
	keep := context.AfterFunc(ctx, func() {
		abort(near) // wakes whoever reads or writes
		abort(far)
	})
	var both sync.WaitGroup
	both.Go(func() { there.run(ctx.Done()) })
	both.Go(func() { back.run(ctx.Done()) })
	both.Wait()
	keep()
	_ = near.Close()
	_ = far.Close()
}

func (r *relay) stream(from, to *net.TCPConn, w *wire, opens time.Time) *stream {
	return &stream{from: from, to: to, line: make(chan chunk, inFlight), bytes: &r.bytes,
		timing: timing{wire: w, delay: r.config.Delay, jitter: r.config.Jitter, opens: opens}}
}

func wait(ctx context.Context, d time.Duration) {
	if d <= 0 {
		return
	}
	select {
	case <-time.After(d):
	case <-ctx.Done():
	}
}
