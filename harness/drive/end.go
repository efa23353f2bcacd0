// SPDX-License-Identifier: Apache-2.0

package drive

import (
	"time"

	"golang.org/x/sys/unix"
)

// expire ends the requests and the dials that have reached their deadlines,
// and, once the schedule has been over for as long as a request may take, those
// that still wait for a connection.
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

// expireWaiting ends the requests that have waited for as long as a request may
// take, while the place took no further connection: that is its failure. With
// all the connections that the driver may have it is the driver's, and they go
// on waiting.
func (l *loop) expireWaiting(e *entry, now time.Duration) {
	for e.waiting.len() > 0 && !e.full() && now >= e.waiting.first().handed+l.job.Timeout {
		r := e.waiting.pop()
		l.finish(l.newFlight(r, r.handed), now, classTimeout, errDialTimeout)
	}
}

// giveUp ends a flight wherever it is.
func (l *loop) giveUp(f *flight, now time.Duration, class string) {
	switch c := f.conn; {
	case c == nil:
		for i := range l.again {
			if l.again[i] == f {
				l.again = append(l.again[:i], l.again[i+1:]...)
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
			until = min(until, e.waiting.first().handed+l.job.Timeout)
		}
		if at, ok := e.dialDue(); ok {
			until = min(until, max(now, at))
		}
	}
	closedRoom := l.sched == nil && !l.scheduleOver(now) && l.inFlight < l.closedLimit()
	if closedRoom || l.canServe(now) {
		until = now // what failed at once left room
	}
	return until
}

// canServe says that what waits could have a connection.
func (l *loop) canServe(now time.Duration) bool {
	for _, f := range l.again {
		if e := l.entryOf(f.request); e.free(f.after) != nil || e.mayDialAgain() {
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

// hangUp closes all connections but the idle ones, which it returns for the
// next job. The poller stays open for those who may still want to interrupt it.
func (l *loop) hangUp() (kept []keptLine) {
	for i := range l.entries {
		e := &l.entries[i]
		for _, c := range e.idle {
			if l.poll.Remove(c.wire.fd) != nil || len(c.wire.out) > 0 {
				continue
			}
			kept = append(kept, keptLine{place: e.key, line: c.line, used: c.used})
			c.state, c.line = connClosed, line{}
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
func (l *loop) adopt(e *entry, k keptLine) {
	c := e.slot(l)
	if c == nil {
		_ = unix.Close(k.wire.fd)
		return
	}
	c.line, c.state, c.used = k.line, connOpen, k.used
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
