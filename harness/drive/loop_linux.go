package drive

import (
	"runtime"
	"sync/atomic"
	"time"

	vegeta "github.com/tsenart/vegeta/v12/lib"
	"golang.org/x/sys/unix"

	"headroom/harness/drive/mix"
	"headroom/harness/drive/schedule"
)

// loop is one thread that sends its share of the schedule over its share of
// the connections: it alone touches them, so nothing is locked, and a request
// costs one write, one read and a share of one epoll_wait.
type loop struct {
	job   *Job
	mix   *mix.Mix
	watch *watcher
	rec   *recorder
	epoch time.Time
	poll  *poller
	stop  *atomic.Bool

	sched        *schedule.Schedule // nil: closed loop
	next, stride uint64             // the request to come, and from one to the next
	nextAt       time.Duration
	end          time.Duration // of the schedule
	capacity     int           // of requests due and unfinished
	inFlight     int

	conns   []conn
	entries []entry
	sent    deadlines
	buffer  []byte
	result  outcome

	usage usage
}

// share is what part of a job a loop takes: request numbers first,
// first+stride, ...
type share struct {
	first, stride         uint64
	connections, capacity int
}

func newLoop(job *Job, requests *mix.Mix, watch *watcher, epoch time.Time, addrs [][]unix.Sockaddr, part share, stop *atomic.Bool) (*loop, error) {
	poll, err := newPoller()
	if err != nil {
		return nil, err
	}
	l := &loop{
		job: job, mix: requests, watch: watch, epoch: epoch, poll: poll, stop: stop,
		rec:  newRecorder(epoch, job, len(requests.Names())),
		next: part.first, stride: part.stride, end: job.Warmup + job.Duration,
		capacity: part.capacity,
		conns:    make([]conn, part.connections),
		buffer:   make([]byte, 64<<10),
	}
	if job.RateRPS > 0 {
		if l.sched, err = schedule.New(job.Arrivals, job.RateRPS, job.Seed); err != nil {
			poll.close()
			return nil, err
		}
		l.nextAt = l.sched.At(l.next)
		poll.spin = spinFor(job.RateRPS/float64(part.stride), job.lagLimit(), usableCPUs())
	}
	l.sent.reset()
	l.shareOut(addrs)
	return l, nil
}

func (l *loop) now() time.Duration { return time.Since(l.epoch) }

// run sends until the schedule is over and every request has ended, or until
// stop is set.
func (l *loop) run() error {
	runtime.LockOSThread() // its CPU time is read by thread
	defer runtime.UnlockOSThread()
	defer l.hangUp()
	for {
		now := l.now()
		l.usage.follow(now, l.job.Warmup, l.end)
		if l.stop.Load() {
			l.interrupt(now)
			return nil
		}
		l.send(now)
		now = l.now()
		l.expire(now)
		if l.finished(now) {
			l.count(now, 0)
			l.usage.finish(now)
			return nil
		}
		events, err := l.poll.wait(now, l.until(now))
		if err != nil {
			l.interrupt(l.now())
			return err
		}
		for i := range events {
			if token := events[i].Fd; token >= 0 {
				l.conns[token].handle(events[i].Events, events[i].Pad)
				l.send(l.now())
			}
		}
	}
}

// send sends what is due.
func (l *loop) send(now time.Duration) {
	l.serveWaiting(now)
	if l.sched == nil {
		l.sendClosed(now)
		return
	}
	for l.nextAt <= now && l.nextAt < l.end {
		l.admit(request{k: l.next, intended: l.nextAt, handed: now}, now)
		l.next += l.stride
		l.nextAt = l.sched.At(l.next)
		now = l.now()
	}
}

// sendClosed keeps every connection busy. A request that fails at once is not
// followed by another in the same call, lest a dead target hold the thread.
func (l *loop) sendClosed(now time.Duration) {
	limit := min(len(l.conns), l.capacity)
	for range limit - l.inFlight {
		if now >= l.end {
			return
		}
		l.admit(request{k: l.next, intended: now, handed: now}, now)
		l.next += l.stride
		now = l.now()
	}
}

// admit takes a request that is due: it is sent, waits for a connection, or,
// at the cap, is counted as unsent.
func (l *loop) admit(r request, now time.Duration) {
	if l.inFlight >= l.capacity {
		l.rec.drop(r.intended)
		return
	}
	l.count(now, +1)
	e := l.entryOf(r.k)
	if c := l.free(e); c != nil && e.waiting.len() == 0 {
		c.start(r, now)
		return
	}
	e.waiting.push(r)
}

// expire ends the requests that have reached their deadline, and, once the
// schedule has been over for as long as a request may take, those that still
// wait for a connection.
func (l *loop) expire(now time.Duration) {
	for i := l.sent.oldest; i >= 0; i = l.sent.oldest {
		c := &l.conns[i]
		if now < c.sent+l.job.Timeout {
			break
		}
		c.finish(now, classTimeout)
	}
	if now >= l.end+l.job.Timeout {
		l.dropWaiting(now)
	}
}

func (l *loop) dropWaiting(now time.Duration) {
	for i := range l.entries {
		for e := &l.entries[i]; e.waiting.len() > 0; {
			l.rec.drop(e.waiting.pop().intended)
			l.count(now, -1)
		}
	}
}

// count adds to the number of requests in flight.
func (l *loop) count(now time.Duration, change int) {
	l.rec.inFlight(now, l.inFlight, l.inFlight+change)
	l.inFlight += change
}

func (l *loop) scheduleOver(now time.Duration) bool {
	if l.sched == nil {
		return now >= l.end
	}
	return l.nextAt >= l.end
}

func (l *loop) finished(now time.Duration) bool {
	return l.inFlight == 0 && l.scheduleOver(now) && now >= l.end
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
	if i := l.sent.oldest; i >= 0 {
		until = min(until, l.conns[i].sent+l.job.Timeout)
	}
	closedRoom := l.sched == nil && now < l.end && l.inFlight < min(len(l.conns), l.capacity)
	if closedRoom || l.canServe() {
		until = now // what failed at once left room
	}
	return until
}

// interrupt ends everything now.
func (l *loop) interrupt(now time.Duration) {
	l.usage.finish(now)
	l.dropWaiting(now)
	for i := l.sent.oldest; i >= 0; i = l.sent.oldest {
		l.conns[i].finish(now, classInterrupted)
	}
	l.count(now, 0)
	l.rec.cut(now)
}

// hangUp closes the connections. The poller stays open for those who may
// still want to interrupt it.
func (l *loop) hangUp() {
	for i := range l.conns {
		l.conns[i].hangUp()
	}
}

// record hands a finished request to the recorder. The one outcome is used
// again and again, so that nothing is allocated.
func (l *loop) record(c *conn, now time.Duration, class string) {
	o := &l.result
	o.Result = vegeta.Result{
		Seq: c.k, Code: uint16(c.parser.Status()), Timestamp: l.epoch.Add(c.sent), Latency: now - c.sent,
		BytesOut: uint64(c.bodyOut), BytesIn: uint64(c.bodyIn), Error: class,
	}
	o.intended, o.handed, o.name = c.intended, c.handed, c.req.Name()
	l.count(now, -1)
	l.rec.done(o)
	if c.watch.active {
		l.watch.end(&c.watch, c.req, c.sent, now, int(o.Code), class, l.rec.recorded(c.intended))
	}
}
