// SPDX-License-Identifier: Apache-2.0

package drive

import (
	"context"
	"crypto/tls"
	"runtime"
	"sync"

	"golang.org/x/sys/unix"
)

// handshakeNice is the nice value of the handshakes' threads. On a core with a loop or
// another program they get a quarter of the core.
const handshakeNice = 5

// Limits of concurrent handshakes. Few may compute at once, so that the first handshakes
// finish first. Many may wait for the other end, because a server that never answers must
// not delay other handshakes.
const (
	maxHandshakes = 256 // threads; others wait for their turn
	maxComputing  = 64
)

// handshaker makes TLS handshakes on threads of its own. A handshake costs some 0.3 ms of
// CPU, and a loop that computed it would send late. The threads have a slightly lower
// priority, so that a loop which wakes up on their core goes first. The priority must not
// be lower than that: a handshake without CPU would look like a slow target.
type handshaker struct {
	turns chan struct{} // one for each handshake that computes

	mu      sync.Mutex
	more    sync.Cond
	pending []handshake // the first is next
	closed  bool
	threads int
	waiting int // threads without work
	running sync.WaitGroup
}

// handshake is a handshake to be made. Its loop must not touch the wire until report was
// called, but may shut the socket down.
type handshake struct {
	conn       *conn
	generation int32
	wire       *wire
	tls        *tls.Conn
	err        error
	report     func(handshake)
}

func newHandshaker() *handshaker {
	h := &handshaker{turns: make(chan struct{}, maxComputing)}
	h.more.L = &h.mu
	return h
}

// begin queues a handshake. Another thread calls its report.
func (h *handshaker) begin(s handshake) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.pending = append(h.pending, s)
	if len(h.pending) > h.waiting && h.threads < maxHandshakes {
		h.threads++
		h.running.Go(h.work)
	}
	h.more.Signal()
}

// next waits for a handshake to make; ok is false when the handshaker is closed.
func (h *handshaker) next() (s handshake, ok bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.waiting++
	for len(h.pending) == 0 && !h.closed {
		h.more.Wait()
	}
	h.waiting--
	if len(h.pending) == 0 {
		return s, false
	}
	s = h.pending[0]
	h.pending[0] = handshake{}
	if h.pending = h.pending[1:]; len(h.pending) == 0 {
		h.pending = nil
	}
	return s, true
}

func (h *handshaker) work() {
	// The thread is never unlocked, so it ends with the goroutine.
	runtime.LockOSThread()
	// If it fails, handshakes merely compete with the loops.
	_ = unix.Setpriority(unix.PRIO_PROCESS, unix.Gettid(), handshakeNice)
	for s, ok := h.next(); ok; s, ok = h.next() {
		h.turns <- struct{}{}
		s.wire.turns = h.turns
		s.err = s.tls.HandshakeContext(context.Background()) // the wire has a deadline
		s.wire.endHandshake()
		<-h.turns
		s.report(s)
	}
}

// close ends the threads; no handshake may be asked for any more.
func (h *handshaker) close() {
	h.mu.Lock()
	h.closed = true
	h.more.Broadcast()
	h.mu.Unlock()
	h.running.Wait()
}
