// SPDX-License-Identifier: Apache-2.0

package drive

import (
	"errors"
	"io"
	"net"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"headroom/harness/drive/poll"
)

// errAgain says that a socket has nothing to read now. crypto/tls treats errAgain as a
// temporary error: it keeps what it has read of a record, and the next Read continues.
var errAgain = &againError{}

type againError struct{}

func (*againError) Error() string   { return "nothing to read now" }
func (*againError) Timeout() bool   { return true }
func (*againError) Temporary() bool { return true }

// wire is a socket and the bytes that wait to be written to it. It is the net.Conn below
// crypto/tls. During the handshake it blocks until its deadline, on the handshake's thread.
// Afterwards only the loop uses it, and nothing blocks.
type wire struct {
	fd      int
	out     []byte
	written int
	rest    []byte // to be written after out; must not be written to
	drained bool   // the last read took all data: only an event brings more
	broken  bool   // nothing more can be written; received data may still be read
	ending  bool   // the other end has closed or broken the connection: read on to the error

	records records

	deadline time.Time     // of blocking reads and writes; zero: nothing blocks
	turns    chan struct{} // of handshakes that compute; a blocked handshake gives its turn back
}

// Read reads what is there.
func (w *wire) Read(p []byte) (int, error) {
	if w.drained && !w.ending {
		return 0, errAgain
	}
	for {
		n, err := poll.Read(w.fd, p)
		switch {
		case errors.Is(err, unix.EINTR):
		case errors.Is(err, unix.EAGAIN) && w.deadline.IsZero():
			w.drained = true
			return 0, errAgain
		case errors.Is(err, unix.EAGAIN):
			if err := w.await(unix.POLLIN); err != nil {
				return 0, err
			}
		case err != nil:
			return 0, err
		case n == 0:
			return 0, io.EOF
		default:
			w.drained = n < len(p) && w.deadline.IsZero()
			w.records.follow(p[:n])
			return n, nil
		}
	}
}

// records tracks the bounds of TLS records (RFC 8446, section 5.1) in the data read, so
// that crypto/tls is not asked for data that has not come: that costs an allocation.
type records struct {
	whole  int // records read completely since the socket was last drained
	left   int // missing bytes of the current record
	header [recordHeader]byte
	have   int // bytes of header
}

const recordHeader = 5

func (r *records) follow(p []byte) {
	for len(p) > 0 {
		if r.left == 0 {
			n := copy(r.header[r.have:], p)
			p = p[n:]
			if r.have += n; r.have < recordHeader {
				return
			}
			r.have, r.left = 0, int(r.header[3])<<8|int(r.header[4])
		}
		n := min(r.left, len(p))
		p = p[n:]
		if r.left -= n; r.left == 0 {
			r.whole++
		}
	}
}

// one says that exactly one record was read, and nothing after it.
func (r *records) one() bool { return r.whole == 1 && r.left == 0 && r.have == 0 }

// Write keeps what is to be written for flush; during the handshake it writes.
func (w *wire) Write(p []byte) (int, error) {
	w.out = append(w.out, p...)
	if w.deadline.IsZero() {
		return len(p), nil
	}
	for {
		if err := w.flush(); err != nil {
			return 0, err
		}
		if len(w.out) == 0 {
			return len(p), nil
		}
		if err := w.await(unix.POLLOUT); err != nil {
			return 0, err
		}
	}
}

// keptOut is the largest write buffer that is kept.
const keptOut = 64 << 10

// flush writes what the socket accepts; the rest follows at an event.
func (w *wire) flush() error {
	n, err := w.write(w.out[w.written:])
	if w.written += n; w.written < len(w.out) {
		return err
	}
	w.out, w.written = w.out[:0], 0
	if cap(w.out) > keptOut {
		w.out = nil
	}
	if err == nil && len(w.rest) > 0 {
		n, err = w.write(w.rest)
		w.rest = w.rest[n:]
	}
	return err
}

// write writes what the socket accepts of p.
func (w *wire) write(p []byte) (n int, err error) {
	for n < len(p) {
		m, err := poll.Write(w.fd, p[n:])
		switch {
		case err == nil:
			n += m
		case errors.Is(err, unix.EAGAIN):
			return n, nil
		case errors.Is(err, unix.EINTR):
		default:
			return n, err
		}
	}
	return n, nil
}

// flushed says that nothing is left to be written.
func (w *wire) flushed() bool { return len(w.out)+len(w.rest) == 0 }

// await blocks until the socket is ready, or the deadline.
func (w *wire) await(events int16) error {
	left := time.Until(w.deadline)
	if left <= 0 {
		return os.ErrDeadlineExceeded
	}
	<-w.turns
	defer func() { w.turns <- struct{}{} }()
	fds := []unix.PollFd{{Fd: int32(w.fd), Events: events}}
	_, err := unix.Poll(fds, int(left/time.Millisecond)+1)
	if err != nil && !errors.Is(err, unix.EINTR) {
		return err
	}
	return nil
}

// endHandshake hands the wire to its loop.
func (w *wire) endHandshake() { w.deadline, w.turns = time.Time{}, nil }

// Close leaves the socket to its owner.
func (w *wire) Close() error { return nil }

// crypto/tls does not use the rest of net.Conn.

func (w *wire) LocalAddr() net.Addr              { return nil }
func (w *wire) RemoteAddr() net.Addr             { return nil }
func (w *wire) SetDeadline(time.Time) error      { return nil }
func (w *wire) SetReadDeadline(time.Time) error  { return nil }
func (w *wire) SetWriteDeadline(time.Time) error { return nil }

var _ net.Conn = (*wire)(nil)
