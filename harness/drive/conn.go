// SPDX-License-Identifier: Apache-2.0

package drive

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"headroom/harness/drive/http1"
	"headroom/harness/drive/http2"
)

// connState says what a connection is doing.
type connState uint8

const (
	connClosed     connState = iota
	connConnecting           // TCP's handshake is under way
	connSecuring             // TLS's is, on another thread
	connOpen
)

// conn is a place for one connection at a time. A conn outlives its socket: when a socket
// breaks, the next is opened in the same conn.
type conn struct {
	loop       *loop
	entry      *entry // where it leads
	index      int32
	generation int32 // of the socket; events of an older one are stale
	state      connState

	transport
	serial   uint64        // of the dial
	turn     int           // of the entry's addresses, in this dial
	attempt  int           // number of addresses tried
	dialErr  error         // of the first address that failed
	endErr   error         // why the newest socket ended
	dialedAt time.Duration // since the epoch
	carries  *flight       // what is sent as soon as the connection is open
	used     bool          // has carried an answer, so the other end may have closed it since
	idle     bool          // among the entry's idle ones
	closing  bool          // takes no further request
	broken   bool          // its streams end with it
	dirty    bool          // has something to write at the loop's next turn

	neighbours links[conn] // among the dials

	current *flight // HTTP/1.1: the request under way
	rest    []byte  // of its body, over TLS; must not be written to
	parser  http1.Parser
}

// transport is the part of a connection that outlives a job: the client keeps it for the
// next job.
type transport struct {
	wire *wire
	tls  *tls.Conn   // nil: plain
	h2   *http2.Conn // nil: HTTP/1.1
	addr unix.Sockaddr
}

func (c *conn) links() *links[conn] { return &c.neighbours }
func (c *conn) at() time.Duration   { return c.dialedAt }

// dial opens a socket; the outcome comes as an event. The connection first sends carries,
// or else the request that has waited longest.
func (c *conn) dial(carries *flight) {
	e := c.entry
	c.carries, c.attempt, c.dialErr, c.dialedAt = carries, 0, nil, c.loop.now()
	c.used, c.idle, c.closing, c.broken, c.dirty = false, false, false, false, false
	if carries != nil {
		carries.conn = c
	}
	e.dialing++
	e.turn++
	c.loop.dialled++
	c.turn, c.serial = e.turn, c.loop.dialled
	c.loop.dials.insert(c)
	c.connect()
}

// connect tries the entry's addresses, until connecting to one does not fail at once.
func (c *conn) connect() {
	for {
		addr, ok := c.entry.address(c.turn, c.attempt)
		if !ok {
			c.dialFailed(c.dialErr)
			return
		}
		c.addr = addr
		err := c.open()
		if err == nil {
			return
		}
		c.hangUp()
		c.dialErr = errors.Join(c.dialErr, err)
		if errors.Is(err, unix.EADDRNOTAVAIL) || errors.Is(err, unix.EMFILE) || errors.Is(err, unix.ENFILE) {
			c.dialErr = err // another address has no more to offer
			c.dialFailed(err)
			return
		}
		c.attempt++
	}
}

func (c *conn) open() error {
	family, protocol := unix.AF_INET, unix.IPPROTO_TCP
	switch c.addr.(type) {
	case *unix.SockaddrInet6:
		family = unix.AF_INET6
	case *unix.SockaddrUnix:
		family, protocol = unix.AF_UNIX, 0
	}
	fd, err := unix.Socket(family, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, protocol)
	if err != nil {
		return os.NewSyscallError("open a socket", err)
	}
	c.wire, c.state = &wire{fd: fd}, connConnecting
	c.generation++
	if family != unix.AF_UNIX {
		if err := unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1); err != nil {
			return os.NewSyscallError("set TCP_NODELAY", err)
		}
	}
	if err := unix.Connect(fd, c.addr); errors.Is(err, unix.EAGAIN) {
		return errBacklog
	} else if err != nil && !errors.Is(err, unix.EINPROGRESS) {
		return os.NewSyscallError("connect", err)
	}
	return c.loop.poll.Add(fd, c.index, c.generation)
}

// connected handles the outcome of connecting.
func (c *conn) connected() {
	code, err := unix.GetsockoptInt(c.wire.fd, unix.SOL_SOCKET, unix.SO_ERROR)
	if err == nil && code != 0 {
		err = unix.Errno(code)
	}
	if err != nil {
		c.hangUp()
		c.dialErr = errors.Join(c.dialErr, os.NewSyscallError("connect", err))
		c.attempt++
		c.connect()
		return
	}
	c.entry.answered(c.addr)
	config := c.entry.tls
	if config == nil {
		c.ready()
		return
	}
	// During the handshake only the handshake's thread uses the socket.
	if err := c.loop.poll.Remove(c.wire.fd); err != nil {
		c.hangUp()
		c.dialFailed(err)
		return
	}
	c.state = connSecuring
	c.wire.deadline = c.loop.epoch.Add(c.dialedAt + c.loop.job.Timeout)
	c.tls = tls.Client(c.wire, config)
	c.loop.secure(c)
}

// noProtocol is crypto/tls's text for the alert of a server that speaks no protocol which
// ALPN offers; crypto/tls exports no value for it.
const noProtocol = "tls: no application protocol"

// secured handles the end of the handshake.
func (c *conn) secured(err error) {
	c.state = connConnecting // the loop owns the socket again, and may close it
	if err != nil && c.entry.wantsHTTP2 && strings.HasSuffix(err.Error(), noProtocol) {
		err = fmt.Errorf("%w: %w", errNoHTTP2, err)
	} else if err != nil {
		err = &handshakeError{err}
	}
	if err == nil {
		err = c.loop.poll.Add(c.wire.fd, c.index, c.generation)
	}
	if err == nil {
		err = c.entry.negotiated(c.tls.ConnectionState())
	}
	if err != nil {
		c.hangUp()
		c.dialFailed(err)
		return
	}
	c.ready()
}

// ready takes the first request on the open connection.
func (c *conn) ready() {
	l, e := c.loop, c.entry
	f := c.carries
	c.state, c.carries = connOpen, nil
	e.dialing--
	l.dials.remove(c)
	l.rec.opened(l.open())
	if e.speaksHTTP2 = e.http2(c.tls); e.speaksHTTP2 {
		c.h2 = http2.New(http2.Config{WantHeaders: l.wantsHeaders})
		c.send(c.h2.Start(l.scratch[:0]))
	}
	if c.h2 == nil {
		e.streams = 1 // whatever was hoped for
	}
	l.protocol = c.protocol()
	if c.tls != nil {
		// Data that came with the end of the handshake has been read with it. No event
		// reports that data.
		generation := c.generation
		c.endErr = http1.ErrTruncated
		c.receive()
		if generation != c.generation {
			l.failDialler(e, f, c.dialedAt, endedAtOnce(c.endErr))
			return
		}
		e.forget(c)
	}
	switch {
	case f != nil:
		c.begin(f)
	case e.waiting.len() > 0:
		r := e.waiting.pop()
		c.begin(l.newFlight(r, max(r.dispatched, c.dialedAt)))
	default:
		c.release()
	}
}

// protocol names what the transport speaks.
func (n *transport) protocol() string {
	if n.tls == nil {
		return protocolName(nil, n.h2 != nil)
	}
	state := n.tls.ConnectionState()
	return protocolName(&state, n.h2 != nil)
}

// dialFailed ends a dial, and the request that it was for.
func (c *conn) dialFailed(err error) {
	l, e := c.loop, c.entry
	f := c.carries
	c.carries = nil
	e.dialing--
	e.unused = append(e.unused, c)
	l.dials.remove(c)
	e.lookUpAgain()
	l.failDialler(e, f, c.dialedAt, err)
}

// failDialler ends the request that a connection was opened for: f, or the request that
// has waited longest. Each dial belongs to a waiting request, but that request may have
// found another connection.
func (l *loop) failDialler(e *entry, f *flight, dialedAt time.Duration, err error) {
	if f == nil && e.waiting.len() > e.dialing {
		r := e.waiting.pop()
		f = l.newFlight(r, max(r.dispatched, dialedAt))
	}
	if f != nil {
		l.finish(f, l.now(), errorClass(err), err)
	}
}

// begin sends f on the open connection.
func (c *conn) begin(f *flight) {
	l := c.loop
	f.conn = c
	f.restart()
	if c.h2 != nil {
		f.body = f.req.Body(f.own)
		f.bodyOut = int64(len(f.body))
		c.send(l.openStream(c, f))
		return
	}
	c.current = f
	c.parser.Reset(f.req.Head())
	var body int
	if c.tls == nil {
		c.wire.out, c.wire.rest, body = f.req.AppendWire(c.wire.out)
	} else {
		l.scratch, c.rest, body = f.req.AppendWire(l.scratch[:0])
		c.send(l.scratch)
	}
	f.bodyOut = int64(body)
	c.flush()
}

// send puts plain bytes on the wire; flush writes them.
func (c *conn) send(plain []byte) {
	if c.tls == nil {
		c.wire.out = append(c.wire.out, plain...)
	} else if _, err := c.tls.Write(plain); err != nil {
		c.wire.ending = true // the next read tells
	}
	if !c.dirty {
		c.dirty = true
		c.loop.dirty = append(c.loop.dirty, c)
	}
}

// flush writes what the socket accepts. Before a broken connection is given up, it is
// read: an early answer, before the end of the request, may have broken it.
func (c *conn) flush() {
	err := c.wire.flush()
	for err == nil && len(c.rest) > 0 && len(c.wire.out) == 0 {
		// One piece at a time, because the records that TLS makes of it are kept in
		// memory.
		piece := c.rest[:min(len(c.rest), keptOut/2)]
		c.rest = c.rest[len(piece):]
		if _, err = c.tls.Write(piece); err == nil {
			err = c.wire.flush()
		}
	}
	if err != nil {
		c.wire.ending, c.wire.broken = true, true
		generation := c.generation
		c.receive()
		if c.generation == generation {
			c.lost(err)
		}
	}
}

// flushed says that nothing is left to be written.
func (c *conn) flushed() bool { return len(c.rest) == 0 && c.wire.flushed() }

// handle reacts to an event.
func (c *conn) handle(events uint32, generation int32) {
	if generation != c.generation {
		return
	}
	const ended = unix.EPOLLRDHUP | unix.EPOLLHUP | unix.EPOLLERR
	switch c.state {
	case connConnecting:
		c.connected()
	case connOpen:
		if events&unix.EPOLLOUT != 0 && !c.flushed() {
			c.flush()
		}
	default:
		return
	}
	if events&(unix.EPOLLIN|ended) != 0 && generation == c.generation && c.state == connOpen {
		c.wire.drained = false
		c.wire.ending = c.wire.ending || events&ended != 0
		c.receive()
	}
}

// receive reads all that has arrived.
func (c *conn) receive() {
	buffer, generation := c.loop.buffer, c.generation
	for generation == c.generation {
		var n int
		var err error
		if c.tls != nil {
			n, err = c.tls.Read(buffer)
		} else {
			n, err = c.wire.Read(buffer)
		}
		if n > 0 {
			c.feed(buffer[:n])
		}
		if err == nil && generation == c.generation && c.tls != nil && c.wire.drained && !c.wire.ending && c.wire.records.one() {
			err = errAgain // that was the only record
		}
		switch {
		case err == nil:
		case generation != c.generation:
		case errors.Is(err, errAgain):
			c.wire.records.whole = 0
			if len(c.wire.out) > 0 && c.tls != nil && !c.wire.broken {
				c.flush() // an answer of TLS itself
			}
			return
		case errors.Is(err, io.EOF):
			c.ended()
		default:
			c.lost(err)
		}
	}
}

func (c *conn) feed(data []byte) {
	switch {
	case c.h2 != nil:
		c.feedStreams(data)
	case c.current == nil:
		c.discard() // the server sends without a request
	default:
		c.feedAnswer(data)
	}
}

// release makes the connection free for the next request.
func (c *conn) release() {
	if c.closing {
		c.discard()
		return
	}
	if !c.idle {
		c.idle = true
		c.entry.idle = append(c.entry.idle, c)
	}
}

// ended handles the close by the other end.
func (c *conn) ended() {
	if c.h2 == nil && c.current != nil && c.parser.End() == nil {
		c.answered(false)
		return
	}
	c.lost(http1.ErrTruncated)
}

// lost handles a broken connection. The other end may rightly close a kept connection just
// as a request goes out. So the loop sends the request once more if that is harmless, as
// every HTTP client does. The send time stays.
func (c *conn) lost(err error) {
	c.endErr = err
	if c.h2 != nil {
		c.lostStreams(err)
		return
	}
	f := c.current
	retry := f != nil && c.used && !c.parser.Started() && f.mayRetry(err, false)
	c.discard()
	switch {
	case retry:
		c.loop.retry(f)
	case f != nil:
		c.loop.finish(f, c.loop.now(), errorClass(err), err)
	}
}

// discard closes the connection and gives its place back.
func (c *conn) discard() {
	if c.idle {
		c.entry.forget(c)
	}
	c.hangUp()
	c.entry.unused = append(c.entry.unused, c)
}

// hangUp closes the socket. During a handshake the handshake's thread owns the socket, so
// hangUp only shuts the socket down.
func (c *conn) hangUp() {
	if c.wire != nil && c.state == connSecuring {
		_ = unix.Shutdown(c.wire.fd, unix.SHUT_RDWR) // ends the handshake; its report closes the socket
	} else if c.wire != nil {
		_ = unix.Close(c.wire.fd) // no written data is waited for
	}
	c.generation++
	c.state, c.transport, c.current, c.rest = connClosed, transport{}, nil, nil
}
