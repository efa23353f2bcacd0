// SPDX-License-Identifier: Apache-2.0

package link

import (
	"errors"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

const (
	chunkBytes = 16 << 10
	// inFlight bounds the chunks of one direction of one connection that are
	// under way, as a TCP window does: 1 MiB. Beyond it the sender waits.
	inFlight = 64
)

// chunk is what one read gave, or how the stream ended.
type chunk struct {
	data *[chunkBytes]byte
	n    int
	end  ending
	at   time.Time // when it arrives
}

type ending int

const (
	goesOn ending = iota
	closed        // FIN: this side sends no more
	reset         // RST: the connection is no more
)

var chunks = sync.Pool{New: func() any { return new([chunkBytes]byte) }}

// stream relays one direction of one connection: a reader stamps each chunk
// with its arrival, a writer delivers it then. Between them is the delay line,
// so that the delay does not limit what is under way.
type stream struct {
	from, to *net.TCPConn
	timing   timing
	line     chan chunk
	bytes    *atomic.Int64
}

// run returns when the stream has ended and its end was delivered. When stop
// closes, and both connections with it, it ends at once.
func (s *stream) run(stop <-chan struct{}) {
	var reading sync.WaitGroup
	reading.Go(func() { s.read(stop) })
	s.write(stop)
	reading.Wait()
}

// read stamps after the read, so that no byte arrives before its delay.
func (s *stream) read(stop <-chan struct{}) {
	defer close(s.line)
	for {
		c := chunk{data: chunks.Get().(*[chunkBytes]byte)}
		var err error
		c.n, err = s.from.Read(c.data[:])
		if err != nil {
			c.end = endOf(err)
		}
		c.at = s.timing.arrival(time.Now(), c.n)
		select {
		case s.line <- c:
		case <-stop:
			return
		}
		if err != nil {
			return
		}
	}
}

func endOf(err error) ending {
	if errors.Is(err, io.EOF) {
		return closed
	}
	return reset
}

// write delivers each chunk when it arrives. When the receiver is gone, the sender
// gets a reset one delay later, as over a real distance.
func (s *stream) write(stop <-chan struct{}) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	gone := false
	for c := range s.line {
		if !waitUntil(c.at, timer, stop) {
			break
		}
		if gone {
			chunks.Put(c.data)
			continue
		}
		_, err := s.to.Write(c.data[:c.n])
		chunks.Put(c.data)
		s.bytes.Add(int64(c.n))
		switch {
		case err != nil:
			gone = true
			waitUntil(time.Now().Add(s.timing.delay), timer, stop)
			abort(s.from)
		case c.end == closed:
			_ = s.to.CloseWrite() // fails when it is closed already
		case c.end == reset:
			abort(s.to)
		}
	}
	for c := range s.line { // the reader may wait for room
		chunks.Put(c.data)
	}
}

// waitUntil is false when stop closed first.
func waitUntil(at time.Time, timer *time.Timer, stop <-chan struct{}) bool {
	d := time.Until(at)
	if d <= 0 {
		return true
	}
	timer.Reset(d)
	select {
	case <-timer.C:
		return true
	case <-stop:
		return false
	}
}

// abort closes with a reset.
func abort(c *net.TCPConn) {
	_ = c.SetLinger(0) // fails when it is closed already
	_ = c.Close()
}
