// SPDX-License-Identifier: Apache-2.0

package drive

import (
	"context"
	"crypto/tls"
	"runtime"
	"sync"

	"golang.org/x/sys/unix"
)

// handshakeNice is how far the threads stand back: with a loop or another
// program on the same core they get a quarter of it.
const handshakeNice = 5

// Handshakes that are made side by side. Those that compute are few, so that
// the first are done first. Those that wait for the other end are many: one
// that never answers must not hold the others up.
const (
	maxHandshakes = 256 // threads; others wait for their turn
	maxComputing  = 64
)

// handshaker makes TLS handshakes away from the loops: one costs some 0.3 ms of
// CPU, in which a loop would send late. Its threads stand back a little, so that
// a loop which wakes up on their core goes first. They must not stand back
// behind everything else: a handshake that got no CPU here would look like a
// slow target.
type handshaker struct {
	turns chan struct{} // one for each that computes

	mu      sync.Mutex
	more    sync.Cond
	pending []handshake // the first is next
	closed  bool
	threads int
	waiting int // threads without work
	running sync.WaitGroup
}

// handshake is one that is to be made. The loop that asked for it must not
// touch its wire until report was called, but may shut the socket down.
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

// begin makes a handshake soon, and has it reported from another thread.
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

// next waits for a handshake to make; false when there are to be none.
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
	// The thread ends with the goroutine, as it is not unlocked.
	runtime.LockOSThread()
	// If it fails, handshakes merely compete with the loops.
	_ = unix.Setpriority(unix.PRIO_PROCESS, unix.Gettid(), handshakeNice)
	for s, ok := h.next(); ok; s, ok = h.next() {
		h.turns <- struct{}{}
		s.wire.turns = h.turns
		s.err = s.tls.HandshakeContext(context.Background()) // its wire has a deadline
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
