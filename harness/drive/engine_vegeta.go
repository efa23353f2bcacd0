// SPDX-License-Identifier: Apache-2.0

package drive

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	vegeta "github.com/tsenart/vegeta/v12/lib"
	"golang.org/x/sys/unix"

	"headroom/harness/drive/mix"
	"headroom/harness/drive/results"
	"headroom/harness/drive/schedule"
)

// vegetaRun is a job on vegeta's own Attacker: its workers, its numbering, its clock
// readings and net/http's client. It serves jobs with TLS, HTTP/2, oracles and expected
// bodies too. A request takes several times the CPU of a loop's.
//
// Our parts of it give a job the same meaning on either engine:
//
//   - Our pacer waits by our epoch, so the start of vegeta's attack does not matter. The
//     pacer also keeps the in-flight cap. vegeta itself would block its tick at the cap,
//     which hides requests that are due. So no tick ever waits for a worker.
//   - vegeta calls its Targeter outside of the lock in which it numbers a request, so the
//     Targeter can't know the number. Our transport reads the number from the header that
//     vegeta sets, and sends the request of that number in place of the Targeter's blank.
//   - The transport reads answers to their end, keeps no answer, and sees the error
//     itself, where vegeta.Result has only the error's text.
type vegetaRun struct {
	ctx     context.Context // of the whole run: vegeta's interfaces hand none down
	job     *Job
	mix     *mix.Mix
	watch   *watcher
	epoch   time.Time
	end     time.Duration      // of the schedule
	sched   *schedule.Schedule // nil: closed loop
	overdue context.Context    // when it ends, unsent requests are dropped
	next    uint64             // the pacer's next request
	client  *http.Transport
	senders []chan *vegetaSender // free connections, by the mix's entries

	mu       sync.Mutex // of the fields below, which pacer, workers and collector share
	rec      *recorder
	flights  map[uint64]*vegetaFlight // due and unfinished, by vegeta's number
	ended    chan struct{}            // tells a closed loop's pacer of a request that ended
	inFlight int
	limit    int // of inFlight
	left     int // closed loop: recorded requests still to be sent; below 0: no bound
	lane     lane
	protocol string // of the newest answer
}

// vegetaFlight is one admitted request. First the pacer makes it, then the transport fills
// it in, then the collector records it.
type vegetaFlight struct {
	request
	waited  bool // for a connection
	sent    time.Duration
	dropped bool // was never sent
	out     vegeta.Result
	header  http.Header
	text    string // of a failure, in words
}

// sendVegeta runs the job on vegeta's library.
func sendVegeta(ctx context.Context, job *Job, requests *mix.Mix, watch *watcher, to *results.Writer) (result, error) {
	if job.Redirects > 0 {
		return result{}, errors.New("vegeta's engine follows no redirects: leave --redirects or --engine out")
	}
	entries := len(requests.HostPorts())
	connections, err := connectionCap(job, entries, entries, 0)
	if err != nil {
		return result{}, err
	}
	var opened atomic.Int64
	client, err := newVegetaTransport(job, requests, connections, &opened)
	if err != nil {
		return result{}, err
	}
	v := &vegetaRun{
		ctx: ctx, job: job, mix: requests, watch: watch, end: job.Warmup + job.Duration, lane: newLane(to),
		client: client, senders: vegetaSenders(connections, entries), left: -1,
		flights: map[uint64]*vegetaFlight{}, ended: make(chan struct{}, 1), limit: job.MaxInFlight,
	}
	defer v.client.CloseIdleConnections()
	if job.RateRPS > 0 {
		if v.sched, err = schedule.New(job.Arrivals, job.RateRPS, job.Seed); err != nil {
			return result{}, err
		}
	} else {
		v.limit = min(connections, job.MaxInFlight)
		if job.Requests > 0 {
			v.left = job.Requests
		}
	}
	blank := "http://" + requests.HostPorts()[0]
	attacker := vegeta.NewAttacker(
		vegeta.Client(&http.Client{Transport: v}),
		vegeta.Workers(uint64(min(connections, v.limit, DefaultClosedConnections))),
		vegeta.MaxWorkers(uint64(v.limit)),
	)
	epoch := time.Now()
	v.epoch, v.rec = epoch, newRecorder(job, len(requests.Names()))
	v.rec.begin(epoch)
	var release context.CancelFunc
	v.overdue, release = context.WithDeadline(ctx, epoch.Add(v.end+job.Timeout))
	defer release()
	used := v.collect(attacker.Attack(func(t *vegeta.Target) error {
		t.Method, t.URL = http.MethodGet, blank
		return nil
	}, v, 0, ""))
	v.rec.connections.Opened = opened.Load()
	return result{rec: v.rec, used: used.total, protocol: v.protocol, cap: connections}, nil
}

func newVegetaTransport(job *Job, requests *mix.Mix, connections int, opened *atomic.Int64) (*http.Transport, error) {
	config, err := job.tlsConfig(requests.HostPorts()[0])
	if err != nil {
		return nil, err
	}
	config.ServerName = "" // each host's own
	dialer := &net.Dialer{Timeout: job.Timeout}
	network, address := "", ""
	if job.UnixSocket != "" {
		network, address = "unix", job.UnixSocket
	}
	t := &http.Transport{
		DialContext: func(ctx context.Context, n, a string) (net.Conn, error) {
			c, err := dialer.DialContext(ctx, cmp.Or(network, n), cmp.Or(address, a))
			if err == nil {
				opened.Add(1)
			}
			return c, err
		},
		TLSClientConfig:     config,
		TLSHandshakeTimeout: job.Timeout,
		MaxIdleConnsPerHost: connections,
		MaxConnsPerHost:     connections,
		DisableCompression:  true,
		DisableKeepAlives:   job.NewConnections,
		Protocols:           new(http.Protocols),
	}
	t.Protocols.SetHTTP1(job.Protocol != ProtocolHTTP2)
	t.Protocols.SetHTTP2(job.Protocol != ProtocolHTTP1)
	t.Protocols.SetUnencryptedHTTP2(job.Protocol == ProtocolHTTP2)
	return t, nil
}

var _ vegeta.Pacer = (*vegetaRun)(nil)

// Pace returns when the next request is to be sent, and says stop after the
// last. It waits itself, because vegeta's own sleep does not end with ctx.
func (v *vegetaRun) Pace(_ time.Duration, hits uint64) (wait time.Duration, stop bool) {
	if v.sched == nil {
		return 0, !v.paceClosed(hits)
	}
	for v.ctx.Err() == nil {
		at := v.sched.At(v.next)
		waitUntil(v.ctx, v.epoch, min(at, v.end))
		if at >= v.end || v.ctx.Err() != nil {
			break
		}
		r := request{k: v.next, intended: at}
		v.next++
		if v.admit(hits, r) {
			return 0, false
		}
	}
	return 0, true
}

// Rate is part of vegeta's Pacer; no attack calls it.
func (v *vegetaRun) Rate(time.Duration) float64 { return v.job.RateRPS }

// admit takes a request that is due as vegeta's number seq, or counts it as unsent at the
// cap.
func (v *vegetaRun) admit(seq uint64, r request) bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.inFlight >= v.limit {
		v.rec.drop(r.intended)
		v.lane.drop(v.rec, r.k, r.intended)
		return false
	}
	v.flights[seq] = &vegetaFlight{request: r, out: vegeta.Result{Error: classOther}}
	v.count(time.Since(v.epoch), +1)
	return true
}

// paceClosed waits for a request to end, unless fewer than the cap are in
// flight, and admits the next.
func (v *vegetaRun) paceClosed(seq uint64) bool {
	left := time.NewTimer(v.end - time.Since(v.epoch))
	defer left.Stop()
	for {
		now := time.Since(v.epoch)
		if now >= v.end || v.ctx.Err() != nil || v.left == 0 {
			return false
		}
		v.mu.Lock()
		full := v.inFlight >= v.limit
		v.mu.Unlock()
		if !full {
			if now >= v.job.Warmup {
				v.lane.begin(v.next)
				v.left = max(v.left-1, min(v.left, 0))
			}
			v.next++
			return v.admit(seq, request{k: v.next - 1, intended: now})
		}
		select {
		case <-v.ended:
		case <-left.C:
		case <-v.ctx.Done():
		}
	}
}

// count adds to the number of requests in flight; v.mu must be held.
func (v *vegetaRun) count(now time.Duration, change int) {
	v.rec.inFlight(now, v.inFlight, v.inFlight+change)
	v.inFlight += change
}

// readingEvery is how often the collector looks at the clock when no result comes. It
// bounds the delay of the readings of CPU time.
const readingEvery = 10 * time.Millisecond

// collect takes vegeta's results until the attack ends. vegeta's workers wait for collect,
// so it does nothing but count.
func (v *vegetaRun) collect(results <-chan *vegeta.Result) usage {
	used := usage{wholeProcess: true}
	ticker := time.NewTicker(readingEvery)
	defer ticker.Stop()
	for open := true; open; {
		var r *vegeta.Result
		select {
		case r, open = <-results:
		case <-ticker.C:
		}
		now := time.Since(v.epoch)
		used.follow(now, v.job.Warmup, v.end)
		if r != nil {
			v.record(r, now)
		}
	}
	now := time.Since(v.epoch)
	used.finish(now)
	v.count(now, 0)
	if v.ctx.Err() != nil {
		v.rec.cut(now)
	}
	return used
}

// record hands one result to the recorder. vegeta's Timestamp is when vegeta took up the
// request. That is the actual send, unless the request waited for a connection.
func (v *vegetaRun) record(r *vegeta.Result, now time.Duration) {
	v.mu.Lock()
	defer v.mu.Unlock()
	f := v.flights[r.Seq]
	delete(v.flights, r.Seq)
	v.count(now, -1)
	select {
	case v.ended <- struct{}{}:
	default:
	}
	if f.dropped {
		v.rec.drop(f.intended)
		v.lane.drop(v.rec, f.k, f.intended)
		return
	}
	if f.waited {
		v.rec.wait(f.intended)
	}
	started := r.Timestamp.Sub(v.epoch)
	if f.dispatched = started; v.sched == nil {
		f.dispatched = f.intended // there is no schedule to be late for
	}
	if !f.waited {
		f.sent = started
	}
	o := outcome{Result: f.out, intended: f.intended, dispatched: f.dispatched, name: v.mix.Pick(f.k).Name()}
	o.Seq, o.Timestamp, o.Latency = f.k, v.epoch.Add(f.sent), started+r.Latency-f.sent
	if o.Error == classTimeout {
		// The deadline may have fired a moment early.
		o.Latency = max(o.Latency, v.job.Timeout)
	}
	if o.Error != "" && !v.rec.told(o.Error) {
		o.text = f.text
	}
	v.rec.done(&o)
	v.lane.add(v.rec, &o)
	for i, name := range v.job.CountHeaders {
		for _, value := range f.header.Values(name) {
			v.rec.header(f.intended, i, []byte(value))
		}
	}
}

// vegetaSeqHeader is where vegeta writes a request's number.
const vegetaSeqHeader = "X-Vegeta-Seq"

// RoundTrip sends the request of the number that vegeta gave, and reads the
// answer to its end. What it returns has no header, so that the client above
// follows no redirect.
func (v *vegetaRun) RoundTrip(numbered *http.Request) (*http.Response, error) {
	seq, err := strconv.ParseUint(numbered.Header.Get(vegetaSeqHeader), 10, 64)
	if err != nil {
		return nil, fmt.Errorf("vegeta's number of the request: %w", err)
	}
	v.mu.Lock()
	f := v.flights[seq]
	v.mu.Unlock()
	s := v.sender(f)
	if s == nil {
		f.dropped = true
		return nil, context.Cause(v.overdue)
	}
	err = s.send(v, f)
	v.senders[s.entry] <- s // never blocks: the sender came from this channel
	if err != nil {
		return nil, err
	}
	return &http.Response{StatusCode: int(f.out.Code), Body: http.NoBody, Request: numbered}, nil
}

// sender takes a free connection to the request's entry, and waits for one if need be. It
// returns nil when it is too late to send.
func (v *vegetaRun) sender(f *vegetaFlight) *vegetaSender {
	if v.overdue.Err() != nil {
		return nil
	}
	free := v.senders[v.mix.Pick(f.k).Entry()]
	select {
	case s := <-free:
		f.sent = time.Since(v.epoch)
		return s
	default:
	}
	f.waited = true
	select {
	case s := <-free:
		f.sent = time.Since(v.epoch)
		return s
	case <-v.overdue.Done():
		return nil
	}
}

// waitUntil returns when at has passed since the epoch, or when ctx ends. The runtime's
// timers are precise to a millisecond. So the kernel's timers, which are precise to some
// 60 µs, wait for the last two milliseconds.
func waitUntil(ctx context.Context, epoch time.Time, at time.Duration) {
	const coarse = 2 * time.Millisecond
	if left := at - time.Since(epoch); left > coarse && !sleep(ctx, left-coarse) {
		return
	}
	for {
		left := at - time.Since(epoch)
		if left <= 0 {
			return
		}
		pause := unix.NsecToTimespec(int64(left))
		// A signal ends it early: the loop looks again.
		_ = unix.Nanosleep(&pause, nil)
	}
}
