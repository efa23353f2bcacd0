// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"net"
	"net/http"
	"sync"
	"time"
)

// queue is an M/M/c: Poisson arrivals come from the driver, service is
// exponential, and one line stands before all servers.
type queue struct {
	servers int
	mean    time.Duration // of a service
}

// check refuses queues that cannot keep the SLO even without a line.
func (q queue) check(limit time.Duration) error {
	switch {
	case q.servers < 1 || q.servers > 1000:
		return fmt.Errorf("-servers %d: from 1 to 1000", q.servers)
	case q.mean < 100*time.Microsecond || q.mean > 10*time.Second:
		return fmt.Errorf("-service %v: from 100us to 10s", q.mean)
	case q.tail(1e-9, limit) >= allowed:
		return fmt.Errorf("-limit %v: more than 1%% of the services alone take longer; give at least %v", limit, (5 * q.mean).Round(time.Millisecond))
	}
	return nil
}

// allowed is the share of requests beyond the limit of a p99.
const allowed = 0.01

// capacity is the rate at which p99 reaches the limit.
func (q queue) capacity(limit time.Duration) float64 {
	low, high := 0.0, float64(q.servers)/q.mean.Seconds()
	for range 100 {
		if rps := (low + high) / 2; q.tail(rps, limit) > allowed {
			high = rps
		} else {
			low = rps
		}
	}
	return low
}

// tail is P[response > limit]: with a = rps * mean, c servers and C the chance
// to wait (Erlang's C), e^-t/mean * (1 + C/(c-1-a) * (1 - e^-(c-1-a)t/mean)).
func (q queue) tail(rps float64, limit time.Duration) float64 {
	c, load, t := float64(q.servers), rps*q.mean.Seconds(), limit.Seconds()/q.mean.Seconds()
	term, sum := 1.0, 0.0
	for k := range q.servers {
		sum += term
		term *= load / float64(k+1)
	}
	waits := term * c / (c - load)
	waits /= sum + waits
	spare := c - 1 - load
	if math.Abs(spare) < 1e-9 {
		return math.Exp(-t) * (1 + waits*t)
	}
	return math.Exp(-t) * (1 + waits/spare*(1-math.Exp(-spare*t)))
}

// serve answers until ctx ends, and says first on out where it listens.
func (q queue) serve(ctx context.Context, out io.Writer) error {
	listener, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		return err
	}
	line := newLine(q)
	server := &http.Server{ReadHeaderTimeout: 10 * time.Second, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		select {
		case <-time.After(time.Until(line.join(time.Now()))):
		case <-r.Context().Done():
		}
		_, _ = io.WriteString(w, "served\n") // a client that has gone has nobody to tell
	})}
	context.AfterFunc(ctx, func() { _ = server.Close() })
	fmt.Fprintf(out, "http://%s/\n", listener.Addr())
	if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// line says when each request that joins it has been served. Its servers' times are
// kept apart from the clock, so a late wake-up is late once and delays no request
// behind.
type line struct {
	mean time.Duration

	mu     sync.Mutex
	free   []time.Time // when each server has done what is in the line
	random *rand.Rand
}

func newLine(q queue) *line {
	return &line{mean: q.mean, free: make([]time.Time, q.servers), random: rand.New(rand.NewPCG(uint64(time.Now().UnixNano()), 0))}
}

func (l *line) join(now time.Time) (served time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	first := 0
	for i, at := range l.free {
		if at.Before(l.free[first]) {
			first = i
		}
	}
	begin := now
	if l.free[first].After(now) {
		begin = l.free[first]
	}
	l.free[first] = begin.Add(time.Duration(l.random.ExpFloat64() * float64(l.mean)))
	return l.free[first]
}
