package drive

import (
	"time"

	"golang.org/x/sys/unix"
)

// entry is one place that a loop sends to, with connections of its own: a
// place far away must not take those of one nearby. Most jobs have one.
type entry struct {
	addrs   []unix.Sockaddr
	slots   int     // connections that lead here
	unused  []int32 // slots of the loop's conns without a connection
	idle    []int32 // open connections, the last used last: it is used first
	dials   int
	waiting ring
}

// shareOut splits the loop's connections evenly among the places at addrs.
func (l *loop) shareOut(addrs [][]unix.Sockaddr) {
	l.entries = make([]entry, len(addrs))
	at, count := 0, len(addrs)
	for i := range l.entries {
		e := &l.entries[i]
		e.addrs, e.slots = ownAddrs(addrs[i]), (len(l.conns)+count-1-i)/count
		for slot := at + e.slots - 1; slot >= at; slot-- {
			l.conns[slot].init(l, e, int32(slot))
			e.unused = append(e.unused, int32(slot))
		}
		at += e.slots
	}
}

// ownAddrs copies addresses for one loop: connecting writes into them, and
// loops run side by side.
func ownAddrs(addrs []unix.Sockaddr) []unix.Sockaddr {
	own := make([]unix.Sockaddr, 0, len(addrs))
	for _, addr := range addrs {
		switch a := addr.(type) {
		case *unix.SockaddrInet4:
			own = append(own, &unix.SockaddrInet4{Port: a.Port, Addr: a.Addr})
		case *unix.SockaddrInet6:
			own = append(own, &unix.SockaddrInet6{Port: a.Port, ZoneId: a.ZoneId, Addr: a.Addr})
		}
	}
	return own
}

// entryOf is where request k is sent.
func (l *loop) entryOf(k uint64) *entry {
	if len(l.entries) == 1 {
		return &l.entries[0]
	}
	return &l.entries[l.mix.Pick(k).Entry()]
}

// serveWaiting gives connections that have come free to those who wait.
func (l *loop) serveWaiting(now time.Duration) {
	for i := range l.entries {
		e := &l.entries[i]
		for range e.slots {
			if e.waiting.len() == 0 {
				break
			}
			c := l.free(e)
			if c == nil {
				break
			}
			c.start(e.waiting.pop(), now)
			now = l.now()
		}
	}
}

// canServe says that one who waits could have a connection.
func (l *loop) canServe() bool {
	for i := range l.entries {
		if e := &l.entries[i]; e.waiting.len() > 0 && l.free(e) != nil {
			return true
		}
	}
	return false
}

// free returns a connection to send on, nil when all are busy. It stays where
// it is until start takes it.
func (l *loop) free(e *entry) *conn {
	if n := len(e.idle); n > 0 {
		return &l.conns[e.idle[n-1]]
	}
	if n := len(e.unused); n > 0 {
		return &l.conns[e.unused[n-1]]
	}
	return nil
}
