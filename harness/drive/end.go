// SPDX-License-Identifier: Apache-2.0

package drive

import (
	"time"

	"golang.org/x/sys/unix"
)

// expire ends the requests and the dials that have reached their deadlines. A timeout
// after the schedule's end it drops the requests that still wait for a connection.
func (l *loop) expire(now time.Duration) {
	for c := l.dials.oldest; c != nil && now >= c.dialedAt+l.job.Timeout; c = l.dials.oldest {
		c.hangUp()
		c.dialFailed(errDialTimeout)
	}
	for f := l.sent.oldest; f != nil && now >= f.sent+l.job.Timeout; f = l.sent.oldest {
		l.giveUp(f, now, classTimeout)
	}
	for i := range l.entries {
		l.expireWaiting(&l.entries[i], now)
	}
	if now >= l.end+l.job.Timeout {
		l.dropWaiting(now)
	}
}

// expireWaiting ends the requests that have waited for a timeout while the place accepted
// no further connection: that is the place's failure. If the driver has used up its own
// connections, that is the driver's limit, and the requests go on waiting.
func (l *loop) expireWaiting(e *entry, now time.Duration) {
	for e.waiting.len() > 0 && !e.full() && now >= e.waiting.first().dispatched+l.job.Timeout {
		r := e.waiting.pop()
		l.finish(l.newFlight(r, r.dispatched), now, classTimeout, errDialTimeout)
	}
}

// giveUp ends a flight wherever it is.
func (l *loop) giveUp(f *flight, now time.Duration, class string) {
	switch c := f.conn; {
	case c == nil:
		for i := range l.retries {
			if l.retries[i] == f {
				l.retries = append(l.retries[:i], l.retries[i+1:]...)
				break
			}
		}
	case c.carries == f:
		c.carries = nil
	case c.h2 != nil:
		f.status = 0
		c.send(c.h2.Cancel(l.scratch[:0], f.index))
		c.settle()
	default:
		f.status = c.parser.Status()
		c.discard()
	}
	l.finish(f, now, class, nil)
}

func (l *loop) dropWaiting(now time.Duration) {
	for i := range l.entries {
		for e := &l.entries[i]; e.waiting.len() > 0; {
			l.drop(e.waiting.pop())
			l.count(now, -1)
		}
	}
}

func (l *loop) scheduleOver(now time.Duration) bool {
	if l.sched == nil {
		return now >= l.end || l.left == 0
	}
	return l.nextAt >= l.end
}

// finished says that nothing is left to do. A closed loop that has sent all its
// requests ends early.
func (l *loop) finished(now time.Duration) bool {
	return l.inFlight == 0 && l.scheduleOver(now) && (now >= l.end || l.sched == nil)
}

// until is the next moment at which there is something to do.
func (l *loop) until(now time.Duration) time.Duration {
	until := l.end
	if now >= l.end {
		until = l.end + l.job.Timeout
		if now >= until {
			until = now + l.job.Timeout
		}
	}
	if l.sched != nil && l.nextAt < l.end {
		until = min(until, l.nextAt)
	}
	if now < l.job.Warmup {
		until = min(until, l.job.Warmup)
	}
	if f := l.sent.oldest; f != nil {
		until = min(until, f.sent+l.job.Timeout)
	}
	if c := l.dials.oldest; c != nil {
		until = min(until, c.dialedAt+l.job.Timeout)
	}
	for i := range l.entries {
		e := &l.entries[i]
		if e.waiting.len() > 0 && !e.full() {
			until = min(until, e.waiting.first().dispatched+l.job.Timeout)
		}
		if at, ok := e.dialDue(); ok {
			until = min(until, max(now, at))
		}
	}
	closedRoom := l.sched == nil && !l.scheduleOver(now) && l.inFlight < l.closedLimit()
	if closedRoom || l.canServe(now) {
		until = now // a request that failed at once freed its place
	}
	return until
}

// canServe says that a waiting request or a retry could get a connection.
func (l *loop) canServe(now time.Duration) bool {
	for _, f := range l.retries {
		if e := l.entryOf(f.request); e.free(f.after) != nil || e.mayDialForRetry() {
			return true
		}
	}
	for i := range l.entries {
		e := &l.entries[i]
		if e.waiting.len() > 0 && (e.free(0) != nil || e.mayDial(now)) {
			return true
		}
	}
	return false
}

// interrupt ends everything now.
func (l *loop) interrupt(now time.Duration) {
	l.usage.finish(now)
	l.dropWaiting(now)
	for f := l.sent.oldest; f != nil; f = l.sent.oldest {
		l.giveUp(f, now, classInterrupted)
	}
	l.count(now, 0)
	l.rec.cut(now)
}

// hangUp closes all connections except the idle ones, which it returns for the next job.
// The poller stays open, because other goroutines may still interrupt it.
func (l *loop) hangUp() (kept []idleConn) {
	for i := range l.entries {
		e := &l.entries[i]
		for _, c := range e.idle {
			if l.poll.Remove(c.wire.fd) != nil || len(c.wire.out) > 0 {
				continue
			}
			kept = append(kept, idleConn{place: e.key, transport: c.transport, used: c.used})
			c.state, c.transport = connClosed, transport{}
			c.generation++
		}
	}
	for _, c := range l.conns {
		c.hangUp()
	}
	l.collect()
	l.mail.mu.Lock()
	l.mail.closed = true
	l.mail.mu.Unlock()
	l.takeMail()
	return kept
}

// collect waits for the handshakes that are still under way. Their sockets are
// shut down, so they end at once.
func (l *loop) collect() {
	began := l.now()
	for now := began; l.mail.owed > 0 && now < began+maxCollect; now = l.now() {
		if _, err := l.poll.Wait(now, now+100*time.Millisecond); err != nil {
			return
		}
		if l.mail.full.Load() {
			l.takeMail()
		}
	}
}

const maxCollect = 5 * time.Second

// adopt takes a connection that an earlier job left open.
func (l *loop) adopt(e *entry, k idleConn) {
	c := e.slot(l)
	if c == nil {
		_ = unix.Close(k.wire.fd)
		return
	}
	c.transport, c.state, c.used = k.transport, connOpen, k.used
	c.wire.drained = false
	c.idle, c.closing, c.broken, c.dirty = false, false, false, false
	c.generation++
	if err := l.poll.Add(c.wire.fd, c.index, c.generation); err != nil {
		c.discard()
		return
	}
	if c.h2 != nil {
		c.h2.WantHeaders(l.wantsHeaders)
	}
	l.protocol = c.protocol()
	c.release()
	c.receive() // the other end may have closed it meanwhile
	l.rec.stillOpen(l.open())
}
