// SPDX-License-Identifier: Apache-2.0

package drive

import (
	"context"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"headroom/harness/drive/http2"
	"headroom/harness/drive/mix"
	"headroom/harness/drive/poll"
	"headroom/harness/drive/schedule"
)

// loop is one thread that sends its share of the schedule over its share of the
// connections. Only the loop touches these connections, so there are no locks. A request
// costs one write, one read and a share of one epoll_wait.
type loop struct {
	job   *Job
	mix   *mix.Mix
	watch *watcher
	rec   *recorder
	lane  lane // to the file of results, if there is one
	epoch time.Time
	poll  *poll.Poller
	stop  *atomic.Bool

	sched        *schedule.Schedule // nil: closed loop
	next, stride uint64             // the next request, and the step from request to request
	nextAt       time.Duration
	end          time.Duration // of the schedule
	capacity     int           // of requests due and unfinished
	inFlight     int
	left         int64 // closed loop: recorded requests still to be sent; below 0: no bound

	conns   []*conn
	entries []entry
	dials   timeList[conn, *conn]
	dialled uint64 // so many so far

	flights []*flight // all there are
	spare   []*flight // the flights that are not in use
	sent    timeList[flight, *flight]
	retries []*flight // to be sent once more

	dirty    []*conn // with something to write
	result   outcome
	protocol string // of the newest connection

	// Memory that is used again and again.
	buffer, scratch, path, session, length []byte
	stream                                 http2.Request

	wantsHeaders bool
	handshaker   *handshaker
	mail         mailbox

	usage    usage
	spinTime time.Duration // CPU time of the slice that went into spinning
}

// mailbox holds the handshakes that have ended.
type mailbox struct {
	full   atomic.Bool
	mu     sync.Mutex
	ends   []handshake
	closed bool // the loop accepts no more
	owed   int  // handshakes under way; the loop's own
}

// share is what part of a job a loop takes: request numbers first,
// first+stride, ...
type share struct {
	first, stride         uint64
	connections, capacity int
	requests              int64 // closed loop, to be recorded; below 0: no bound
}

func newLoop(job *Job, requests *mix.Mix, watch *watcher, part share, stop *atomic.Bool) (*loop, error) {
	poller, err := poll.New()
	if err != nil {
		return nil, err
	}
	l := &loop{
		job: job, mix: requests, watch: watch, poll: poller, stop: stop,
		next: part.first, stride: part.stride, end: job.Warmup + job.Duration,
		capacity: part.capacity, left: part.requests,
		rec:          newRecorder(job, len(requests.Names())),
		buffer:       make([]byte, 64<<10),
		wantsHeaders: len(job.CountHeaders) > 0 || watch.wantsHeaders() || job.Redirects > 0,
	}
	if job.RateRPS > 0 {
		if l.sched, err = schedule.New(job.Arrivals, job.RateRPS, job.Seed); err != nil {
			poller.Close()
			return nil, err
		}
		l.nextAt = l.sched.At(l.next)
		poller.Spin = spinFor(job.RateRPS/float64(part.stride), job.lagLimit(), usableCPUs())
	}
	return l, nil
}

// begin starts the schedule.
func (l *loop) begin() {
	l.poll.Restart()
	l.rec.begin(l.epoch)
}

func (l *loop) now() time.Duration { return time.Since(l.epoch) }

// prepare opens connections before the schedule begins, so that their handshakes are not
// measured. It ends when each connection has opened or failed, at the latest after
// maxPrepare. It reports no failure, because the requests will meet it.
func (l *loop) prepare(ctx context.Context, want int) error {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	for i := range l.entries {
		e := &l.entries[i]
		for range min((want+len(l.entries)-1-i)/len(l.entries), e.slots) - e.taken() {
			e.slot(l).dial(nil) // which may fail at once
		}
	}
	until := min(l.job.Timeout, maxPrepare)
	for l.dials.oldest != nil && ctx.Err() == nil && !l.stop.Load() {
		now := l.now()
		if now >= until {
			break
		}
		if err := l.turn(now, until); err != nil {
			return err
		}
	}
	now := l.now()
	for c := l.dials.oldest; c != nil; c = c.links().newer {
		c.dialedAt -= now // the clock starts anew
	}
	return nil
}

const maxPrepare = 5 * time.Second

// run sends until the schedule is over and every request has ended, or until
// stop is set.
func (l *loop) run() error {
	runtime.LockOSThread() // the loop's CPU time is read by thread
	defer runtime.UnlockOSThread()
	for {
		now := l.now()
		l.usage.follow(now, l.job.Warmup, l.end)
		if l.stop.Load() {
			l.interrupt(now)
			return nil
		}
		for i := range l.entries {
			l.entries[i].refresh()
		}
		l.send(now)
		now = l.now()
		l.expire(now)
		if l.finished(now) {
			l.count(now, 0)
			l.usage.finish(now)
			if l.left == 0 {
				l.rec.cut(now) // it has sent all that was asked for
			}
			return nil
		}
		if err := l.turn(now, l.until(now)); err != nil {
			l.interrupt(l.now())
			return err
		}
	}
}

// turn writes what is to be written, waits for events, and handles them.
func (l *loop) turn(now, until time.Duration) error {
	l.write()
	events, err := l.poll.Wait(now, until)
	if err != nil {
		return err
	}
	if l.poll.Spun && len(events) == 0 && l.usage.began && !l.usage.ended {
		l.spinTime += l.now() - now
	}
	for i := range events {
		if token := events[i].Fd; token >= 0 {
			l.conns[token].handle(events[i].Events, events[i].Pad)
			if l.rec.started() {
				l.send(l.now())
			}
		}
	}
	if l.mail.full.Load() {
		l.takeMail()
	}
	return nil
}

// write writes what this turn has put on the wires to the sockets. With HTTP/2 that may
// be many requests at once.
func (l *loop) write() {
	for _, c := range l.dirty {
		c.dirty = false
		if c.wire != nil && c.state == connOpen {
			c.flush()
		}
	}
	l.dirty = l.dirty[:0]
}

// send sends what is due.
func (l *loop) send(now time.Duration) {
	l.serveRetries()
	l.serveWaiting(now)
	if l.sched == nil {
		l.sendClosed(now)
		return
	}
	for l.nextAt <= now && l.nextAt < l.end {
		l.admit(request{k: l.next, intended: l.nextAt, dispatched: now}, now)
		l.next += l.stride
		l.nextAt = l.sched.At(l.next)
		now = l.now()
	}
}

// sendClosed keeps every connection busy. After a request that fails at once it sends no
// other request in the same call, so that a dead target can't block the thread.
func (l *loop) sendClosed(now time.Duration) {
	for range l.closedLimit() - l.inFlight {
		if now >= l.end || l.left == 0 {
			return
		}
		if now >= l.job.Warmup {
			l.lane.begin(l.next)
			l.left = max(l.left-1, min(l.left, 0))
		}
		l.admit(request{k: l.next, intended: now, dispatched: now}, now)
		l.next += l.stride
		now = l.now()
	}
}

// closedLimit is how many requests a closed loop keeps under way.
func (l *loop) closedLimit() int {
	limit := 0
	for i := range l.entries {
		limit += l.entries[i].slots * l.entries[i].streams
	}
	return min(limit, l.capacity)
}

// admit takes a request that is due. The request is sent, waits for a connection, or is
// counted as unsent at the cap.
func (l *loop) admit(r request, now time.Duration) {
	if l.inFlight >= l.capacity {
		l.drop(r)
		return
	}
	l.count(now, +1)
	e := l.entryOf(r)
	if e.waiting.len() == 0 {
		if c := e.free(0); c != nil {
			e.take(c)
			c.begin(l.newFlight(r, now))
			return
		}
	}
	e.waiting.push(r)
	l.grow(e, now)
	if e.full() && e.dialing < e.waiting.len() {
		l.rec.wait(r.intended)
	}
}

// When connections are opened because all others are busy.
const (
	// patience is how long a request waits for a busy connection to become free. After
	// a stall of the driver many requests are due at once, and a fast target answers
	// them on the open connections.
	patience = 2 * time.Millisecond
	// maxDials is how many connections a loop opens at once to a place. A loop with
	// more open connections may double them.
	maxDials = 64
	// After secureBurst connections in a row, secureGap keeps further connections over
	// TLS apart. A handshake costs both ends as much CPU as dozens of requests, so
	// hundreds of handshakes after a stall would cause the next stall.
	secureGap   = 4 * time.Millisecond
	secureBurst = 16
)

// grow opens connections for waiting requests. The first free connection serves a
// request, be it old or new.
func (l *loop) grow(e *entry, now time.Duration) {
	for e.mayDial(now) {
		c := e.slot(l)
		if c == nil {
			return
		}
		e.dialled(now)
		c.dial(nil)
	}
}

// serveWaiting sends waiting requests on free connections.
func (l *loop) serveWaiting(now time.Duration) {
	for i := range l.entries {
		e := &l.entries[i]
		for e.waiting.len() > 0 {
			c := e.free(0)
			if c == nil {
				l.grow(e, now)
				break
			}
			e.take(c)
			c.begin(l.newFlight(e.waiting.pop(), now))
			now = l.now()
		}
	}
}

// retry queues f to be sent once more.
func (l *loop) retry(f *flight) {
	f.conn = nil
	l.retries = append(l.retries, f)
}

// serveRetries sends the queued retries. After a broken connection a retry needs a
// connection that was opened later, because other old connections may be broken too.
func (l *loop) serveRetries() {
	kept := l.retries[:0]
	for _, f := range l.retries {
		e := l.entryOf(f.request)
		if c := e.free(f.after); c != nil {
			e.take(c)
			c.begin(f)
		} else if e.mayDialForRetry() {
			e.slotForRetry(l).dial(f)
		} else {
			kept = append(kept, f)
		}
	}
	clear(l.retries[len(kept):])
	l.retries = kept
}

// follow queues the request that a redirect asks for. It is sent with the next send,
// because no frame may be written while frames are read.
func (l *loop) follow(r request, now time.Duration) {
	if l.inFlight >= l.capacity {
		l.drop(r)
		return
	}
	l.count(now, +1)
	l.entryOf(r).waiting.push(r)
}

// pick returns the content of a request.
func (l *loop) pick(r request) mix.Request {
	if r.redirected != nil {
		return *r.redirected
	}
	return l.mix.Pick(r.k)
}

// entryOf is where a request is sent.
func (l *loop) entryOf(r request) *entry {
	if len(l.entries) == 1 {
		return &l.entries[0]
	}
	return &l.entries[l.mix.Pick(r.k).Entry()]
}

// drop counts a request that was due and is not sent.
func (l *loop) drop(r request) {
	l.rec.drop(r.intended)
	l.lane.drop(l.rec, r.k, r.intended)
}

// count adds to the number of requests in flight.
func (l *loop) count(now time.Duration, change int) {
	l.rec.inFlight(now, l.inFlight, l.inFlight+change)
	l.inFlight += change
}

// open is the number of open connections.
func (l *loop) open() int {
	open := 0
	for i := range l.entries {
		e := &l.entries[i]
		open += e.taken() - e.dialing
	}
	return open
}

// secure starts a connection's TLS handshake on another thread.
func (l *loop) secure(c *conn) {
	l.mail.owed++
	l.handshaker.begin(handshake{conn: c, generation: c.generation, wire: c.wire, tls: c.tls, report: l.post})
}

// post receives a finished handshake, on any thread.
func (l *loop) post(h handshake) {
	l.mail.mu.Lock()
	defer l.mail.mu.Unlock()
	if l.mail.closed {
		_ = unix.Close(h.wire.fd) // nobody waits for it any more
		return
	}
	l.mail.ends = append(l.mail.ends, h)
	l.mail.full.Store(true)
	l.poll.Interrupt()
}

// takeMail continues the connections whose handshakes have ended.
func (l *loop) takeMail() {
	l.mail.full.Store(false)
	l.mail.mu.Lock()
	ends := l.mail.ends
	l.mail.ends = nil
	l.mail.mu.Unlock()
	for _, h := range ends {
		l.mail.owed--
		if h.generation != h.conn.generation {
			_ = unix.Close(h.wire.fd) // given up meanwhile
			continue
		}
		h.conn.secured(h.err)
	}
}
