package drive

import (
	"errors"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"headroom/harness/drive/http1"
	"headroom/harness/drive/mix"
)

// connState says what a connection is doing.
type connState uint8

const (
	connClosed connState = iota
	connDialing
	connBusy // sending a request or receiving its answer
	connIdle
)

// conn is one connection and the request on it. It is a place that outlives
// its socket: when one breaks, the next is opened here.
type conn struct {
	loop       *loop
	entry      *entry // where it leads
	index      int32
	generation int32 // of the socket; events of an older one are stale
	fd         int
	state      connState
	used       bool // has answered before, so the other end may have closed it since

	request
	req     mix.Request
	sent    time.Duration // since the epoch: the actual send
	retried bool

	out             []byte // the request on the wire
	written         int
	bodyOut, bodyIn int64
	parser          http1.Parser
	expect          []byte
	match           matcher
	watch           exchange

	older, newer int32 // neighbours in the loop's deadlines
}

func (c *conn) init(l *loop, e *entry, index int32) {
	c.loop, c.entry, c.index, c.fd = l, e, index, -1
	c.parser.WantHeaders = len(l.job.CountHeaders) > 0 || l.watch.wantsHeaders()
}

// start sends r. The connection must be the one that its entry's free
// returned.
func (c *conn) start(r request, now time.Duration) {
	l, e := c.loop, c.entry
	if c.state == connIdle {
		e.idle = e.idle[:len(e.idle)-1]
	} else {
		e.unused = e.unused[:len(e.unused)-1]
	}
	c.request, c.sent, c.retried = r, now, false
	c.req = l.mix.Pick(r.k)
	var body int
	c.out, body = c.req.AppendWire(c.out[:0])
	c.bodyOut = int64(body)
	c.expect = c.req.AppendExpect(c.expect[:0])
	l.watch.begin(&c.watch, c.req)
	l.sent.push(l.conns, c)
	c.begin()
}

// begin sends the current request, on the open socket or on a new one.
func (c *conn) begin() {
	c.written, c.bodyIn = 0, 0
	c.parser.Reset(c.req.Head())
	c.match.reset(c.expect)
	if c.state == connIdle {
		c.state = connBusy
		c.flush()
		return
	}
	if err := c.dial(); err != nil {
		c.finish(c.loop.now(), errorClass(err))
	}
}

// dial opens a socket; its outcome comes as an event.
func (c *conn) dial() error {
	l, e := c.loop, c.entry
	addr := e.addrs[e.dials%len(e.addrs)]
	e.dials++
	family := unix.AF_INET
	if _, ok := addr.(*unix.SockaddrInet6); ok {
		family = unix.AF_INET6
	}
	fd, err := unix.Socket(family, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, unix.IPPROTO_TCP)
	if err != nil {
		return err
	}
	c.fd, c.state, c.used = fd, connDialing, false
	c.generation++
	if err := unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1); err != nil {
		return err
	}
	if err := unix.Connect(fd, addr); err != nil && !errors.Is(err, unix.EINPROGRESS) {
		return err
	}
	return l.poll.add(fd, c.index, c.generation)
}

// handle reacts to an event.
func (c *conn) handle(events uint32, generation int32) {
	if generation != c.generation || c.state == connClosed {
		return
	}
	if c.state == connDialing {
		if !c.connected() {
			return
		}
		c.state = connBusy
		c.flush()
	} else if c.written < len(c.out) && events&unix.EPOLLOUT != 0 {
		c.flush()
	}
	if events&(unix.EPOLLIN|unix.EPOLLRDHUP|unix.EPOLLHUP|unix.EPOLLERR) != 0 && generation == c.generation {
		c.receive(events&(unix.EPOLLRDHUP|unix.EPOLLHUP|unix.EPOLLERR) != 0)
	}
}

func (c *conn) connected() bool {
	code, err := unix.GetsockoptInt(c.fd, unix.SOL_SOCKET, unix.SO_ERROR)
	if err == nil && code != 0 {
		err = unix.Errno(code)
	}
	if err != nil {
		c.finish(c.loop.now(), errorClass(err))
		return false
	}
	return true
}

// flush writes what the socket takes; an event calls for the rest.
func (c *conn) flush() {
	for c.written < len(c.out) {
		n, err := unix.Write(c.fd, c.out[c.written:])
		switch {
		case err == nil:
			c.written += n
		case errors.Is(err, unix.EAGAIN):
			return
		case errors.Is(err, unix.EINTR):
		default:
			c.lost(err)
			return
		}
	}
}

// receive reads all that has arrived; ending says that the other end has
// closed or broken the connection, so that reading must go on to the error.
func (c *conn) receive(ending bool) {
	buffer, generation := c.loop.buffer, c.generation
	for {
		n, err := unix.Read(c.fd, buffer)
		switch {
		case errors.Is(err, unix.EINTR):
			continue
		case errors.Is(err, unix.EAGAIN):
			return
		case err != nil:
			c.lost(err)
			return
		case n == 0:
			c.ended()
			return
		}
		if c.state == connIdle {
			c.discard() // it speaks without being asked
			return
		}
		c.feed(buffer[:n])
		if generation != c.generation || c.state == connClosed || n < len(buffer) && !ending {
			return
		}
	}
}

func (c *conn) feed(data []byte) {
	rest, complete, err := c.parser.Feed(data, c)
	switch {
	case errors.Is(err, errBodyTooBig):
		c.finish(c.loop.now(), classBodyTooBig)
	case err != nil:
		c.finish(c.loop.now(), classOther)
	case complete:
		c.answered(len(rest) == 0 && c.parser.Reusable() && c.written == len(c.out))
	}
}

// answered ends the request with its complete response.
func (c *conn) answered(reusable bool) {
	now := c.loop.now()
	class := statusClass(c.parser.Status())
	if class == "" && !c.match.found {
		class = classWrongBody
	}
	if !reusable {
		c.finish(now, class)
		return
	}
	c.loop.sent.remove(c.loop.conns, c)
	c.loop.record(c, now, class)
	c.state, c.used = connIdle, true
	c.entry.idle = append(c.entry.idle, c.index)
}

// ended reacts to the other end's close.
func (c *conn) ended() {
	switch {
	case c.state == connIdle:
		c.discard()
	case c.parser.End() == nil:
		c.answered(false)
	default:
		c.lost(http1.ErrTruncated)
	}
}

// lost reacts to a broken connection. A kept one may have been closed by the
// other end, rightly, just as the request went out: as every HTTP client does,
// it is sent once more, if doing so is harmless. The send time stays.
func (c *conn) lost(err error) {
	if c.state == connIdle {
		c.discard()
		return
	}
	if c.used && !c.retried && !c.parser.Started() && c.req.Idempotent() {
		c.retried = true
		c.watch.again()
		c.hangUp()
		c.begin()
		return
	}
	c.finish(c.loop.now(), errorClass(err))
}

// finish ends the request and the connection. The class is "" for success.
func (c *conn) finish(now time.Duration, class string) {
	c.loop.sent.remove(c.loop.conns, c)
	c.loop.record(c, now, class)
	c.hangUp()
	c.entry.unused = append(c.entry.unused, c.index)
}

// discard closes an idle connection.
func (c *conn) discard() {
	e := c.entry
	for i := len(e.idle) - 1; i >= 0; i-- {
		if e.idle[i] == c.index {
			e.idle = append(e.idle[:i], e.idle[i+1:]...)
			break
		}
	}
	c.hangUp()
	e.unused = append(e.unused, c.index)
}

func (c *conn) hangUp() {
	if c.fd >= 0 {
		_ = unix.Close(c.fd) // nothing written is waited for
	}
	c.fd, c.state = -1, connClosed
}

// Header counts the headers that the job names.
func (c *conn) Header(name, value []byte) {
	for i, counted := range c.loop.job.CountHeaders {
		if len(name) == len(counted) && strings.EqualFold(string(name), counted) {
			c.loop.rec.header(c.intended, i, value)
		}
	}
	if c.watch.active {
		c.watch.header(name, value)
	}
}

// Body counts and checks a fragment, and keeps none of it.
func (c *conn) Body(fragment []byte) error {
	c.bodyIn += int64(len(fragment))
	c.match.write(fragment)
	if c.watch.active {
		c.watch.body(fragment)
	}
	if c.bodyIn > c.loop.job.MaxBody {
		return errBodyTooBig
	}
	return nil
}

// deadlines lists the connections with a request under way in the order in
// which they were sent. All have the same timeout, so that is the order of
// their deadlines: the first to expire stands first.
type deadlines struct {
	oldest, newest int32 // indices of connections, -1 for none
}

// push adds a connection as the newest.
func (d *deadlines) push(conns []conn, c *conn) {
	c.older, c.newer = d.newest, -1
	if d.newest >= 0 {
		conns[d.newest].newer = c.index
	} else {
		d.oldest = c.index
	}
	d.newest = c.index
}

func (d *deadlines) remove(conns []conn, c *conn) {
	if c.older >= 0 {
		conns[c.older].newer = c.newer
	} else {
		d.oldest = c.newer
	}
	if c.newer >= 0 {
		conns[c.newer].older = c.older
	} else {
		d.newest = c.older
	}
	c.older, c.newer = -1, -1
}

func (d *deadlines) reset() { d.oldest, d.newest = -1, -1 }
