// SPDX-License-Identifier: Apache-2.0

package drive

import (
	"crypto/tls"
	"slices"
	"time"

	"golang.org/x/sys/unix"
)

// entry is one place that a loop sends to. Each entry has connections of its own, so that
// a distant place can't use up the connections of a near one. Most jobs have one entry.
type entry struct {
	*place          // shared with the other loops
	addresses       // this loop's own copy
	slots       int // connections that may lead here
	conns       []*conn
	unused      []*conn // the closed connections of conns
	idle        []*conn // open and without a request; the last used is last, and used first
	dialing     int
	nextDial    time.Duration // over TLS: when the gaps of all connections opened so far are over
	speaksHTTP2 bool          // as its newest connection does
	single      bool          // each request has a connection of its own, which is dialled when the request is due
	cursor      int           // into conns: where the next stream is looked for
	streams     int           // on a connection at once
	waiting     ring          // due, and without a connection
}

// addresses are where connections of an entry go, in turn.
type addresses struct {
	all  []unix.Sockaddr
	main int // the first main addresses take turns; the others are tried when those fail
	turn int
	seen *[]unix.Sockaddr // what the place knew when all was copied
}

// set takes the addresses that a name has.
func (a *addresses) set(all *[]unix.Sockaddr) {
	a.seen, a.all = all, a.all[:0]
	for _, addr := range *all {
		a.all = append(a.all, cloneAddr(addr))
	}
	a.main = 0
	for a.main < len(a.all) && sameFamily(a.all[a.main], a.all[0]) {
		a.main++
	}
}

// address is the address for a dial's attempt number attempt; false when all were tried.
func (a *addresses) address(turn, attempt int) (unix.Sockaddr, bool) {
	switch {
	case attempt < a.main:
		return a.all[(turn+attempt)%a.main], true
	case attempt < len(a.all):
		return a.all[attempt], true
	}
	return nil, false
}

// answered notes that addr accepted a connection. If addr is not among the addresses that
// take turns, those of its family take turns from now on: localhost is 127.0.0.1 and ::1,
// and a server may listen on only one of them.
func (a *addresses) answered(addr unix.Sockaddr) {
	if len(a.all) == a.main || sameFamily(addr, a.all[0]) {
		return
	}
	slices.SortStableFunc(a.all, func(x, y unix.Sockaddr) int {
		return order(!sameFamily(x, addr)) - order(!sameFamily(y, addr))
	})
	a.main = 0
	for a.main < len(a.all) && sameFamily(a.all[a.main], addr) {
		a.main++
	}
}

func order(later bool) int {
	if later {
		return 1
	}
	return 0
}

func sameFamily(a, b unix.Sockaddr) bool {
	_, a6 := a.(*unix.SockaddrInet6)
	_, b6 := b.(*unix.SockaddrInet6)
	return a6 == b6
}

// cloneAddr copies an address for one loop: connecting writes into it, and
// loops run side by side.
func cloneAddr(addr unix.Sockaddr) unix.Sockaddr {
	switch a := addr.(type) {
	case *unix.SockaddrInet4:
		return &unix.SockaddrInet4{Port: a.Port, Addr: a.Addr}
	case *unix.SockaddrInet6:
		return &unix.SockaddrInet6{Port: a.Port, ZoneId: a.ZoneId, Addr: a.Addr}
	case *unix.SockaddrUnix:
		return &unix.SockaddrUnix{Name: a.Name}
	}
	return addr
}

// sameAddr compares what a connection was made to.
func sameAddr(a, b unix.Sockaddr) bool {
	switch a := a.(type) {
	case *unix.SockaddrInet4:
		b, ok := b.(*unix.SockaddrInet4)
		return ok && a.Port == b.Port && a.Addr == b.Addr
	case *unix.SockaddrInet6:
		b, ok := b.(*unix.SockaddrInet6)
		return ok && a.Port == b.Port && a.Addr == b.Addr && a.ZoneId == b.ZoneId
	}
	return true
}

// refresh takes over the current addresses of the name. Connections to other addresses end
// with their answers.
func (e *entry) refresh() {
	latest := e.latest.Load()
	if latest == e.seen {
		return
	}
	e.set(latest)
	for _, c := range e.conns {
		if c.state == connOpen && !slices.ContainsFunc(e.all, func(a unix.Sockaddr) bool { return sameAddr(a, c.addr) }) {
			c.closing = true
		}
	}
	for _, c := range slices.Clone(e.idle) {
		if c.closing {
			c.discard()
		}
	}
}

// slot returns a place for a new connection, nil when there is none.
func (e *entry) slot(l *loop) *conn {
	if n := len(e.unused); n > 0 {
		c := e.unused[n-1]
		e.unused = e.unused[:n-1]
		return c
	}
	if len(e.conns) == e.slots {
		return nil
	}
	c := &conn{loop: l, entry: e, index: int32(len(l.conns))}
	c.parser.WantHeaders = l.wantsHeaders
	l.conns = append(l.conns, c)
	e.conns = append(e.conns, c)
	return c
}

// full says that no further connection may be opened now.
func (e *entry) full() bool { return len(e.unused) == 0 && len(e.conns) == e.slots }

// dialDue is when a further connection is to be opened; ok is false when no further
// connection is needed.
func (e *entry) dialDue() (at time.Duration, ok bool) {
	open := e.taken() - e.dialing
	atOnce := max(maxDials, open)
	if e.single {
		atOnce = e.slots
	}
	if e.full() || e.dialing >= min(e.waiting.len(), atOnce) {
		return 0, false
	}
	if e.single || open == 0 {
		return 0, true // there is nothing else to wait for
	}
	at = e.waiting.at(e.dialing).dispatched + patience
	if e.tls != nil {
		at = max(at, e.nextDial-secureBurst*secureGap)
	}
	return at, true
}

// mayDial says that it is time to open a further connection.
func (e *entry) mayDial(now time.Duration) bool {
	at, ok := e.dialDue()
	return ok && now >= at
}

// dialled counts a connection that is opened because all others are busy.
func (e *entry) dialled(now time.Duration) { e.nextDial = max(e.nextDial, now) + secureGap }

// taken is how many connections lead here, or are about to.
func (e *entry) taken() int { return len(e.conns) - len(e.unused) }

// mayDialForRetry says that a connection may be opened for a retry. With HTTP/2 one new
// connection serves many retries.
func (e *entry) mayDialForRetry() bool {
	if e.speaksHTTP2 {
		return !e.full() && e.dialing == 0
	}
	return !e.full() || len(e.idle) > 0
}

// slotForRetry is a place for such a connection, if need be that of an idle connection.
func (e *entry) slotForRetry(l *loop) *conn {
	if e.full() {
		e.idle[0].discard()
	}
	return e.slot(l)
}

// dialledAfter says that the connection was dialled after the one with that serial number,
// and that the other end has had no reason to close it since. With 0 any connection will
// do.
func (c *conn) dialledAfter(after uint64) bool {
	return after == 0 || c.serial > after && (c.h2 != nil || !c.used)
}

// free returns a connection to send on: an idle connection, or one with room for a further
// stream. It returns nil when all are busy. The connection was dialledAfter(after).
func (e *entry) free(after uint64) *conn {
	last := len(e.idle) - 1
	for i := last; i >= 0; i-- {
		if c := e.idle[i]; (c.h2 == nil || c.h2.FreeStreams() > 0) && c.dialledAfter(after) {
			e.idle[i], e.idle[last] = e.idle[last], c
			return c
		}
	}
	if e.streams <= 1 {
		return nil
	}
	for range e.conns {
		e.cursor++
		if e.cursor >= len(e.conns) {
			e.cursor = 0
		}
		c := e.conns[e.cursor]
		if c.state == connOpen && c.h2 != nil && !c.closing && c.h2.Active() < e.streams && c.h2.FreeStreams() > 0 && c.dialledAfter(after) {
			return c
		}
		if c.state == connOpen && c.h2 == nil {
			return nil // no streams here
		}
	}
	return nil
}

// take removes what free returned from the idle ones.
func (e *entry) take(c *conn) {
	if c.idle {
		c.idle = false
		e.idle = e.idle[:len(e.idle)-1]
	}
}

// forget removes a connection from the idle ones.
func (e *entry) forget(c *conn) {
	if c.idle {
		c.idle = false
		i := slices.Index(e.idle, c)
		e.idle = slices.Delete(e.idle, i, i+1)
	}
}

// http2 says what a new connection speaks.
func (e *entry) http2(secure *tls.Conn) bool {
	if secure == nil {
		return e.wantsHTTP2
	}
	return secure.ConnectionState().NegotiatedProtocol == protoHTTP2
}

// negotiated refuses a connection that does not speak HTTP/2 when the job asks for it.
func (e *entry) negotiated(state tls.ConnectionState) error {
	if e.wantsHTTP2 && state.NegotiatedProtocol != protoHTTP2 {
		return noHTTP2(state.NegotiatedProtocol)
	}
	return nil
}
