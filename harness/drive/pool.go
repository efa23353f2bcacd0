package drive

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"time"

	vegeta "github.com/tsenart/vegeta/v12/lib"

	"headroom/harness/drive/mix"
	"headroom/harness/drive/schedule"
)

// pool sends over net/http: where TLS or HTTP/2 is asked for, and on systems
// without epoll. It costs several times a loop's CPU for a request. Its
// workers stand for the job's connections; over HTTP/2 they are streams of
// fewer.
type pool struct {
	job    *Job
	mix    *mix.Mix
	watch  *watcher
	epoch  time.Time
	end    time.Duration // of the schedule
	client *http.Transport
	due    chan request

	mu       sync.Mutex // of what follows: a request's cost dwarfs it
	rec      *recorder
	inFlight int
	next     uint64 // closed loop only
}

// sendPool runs the job over net/http.
func sendPool(ctx context.Context, job *Job, requests *mix.Mix, watch *watcher) (result, error) {
	if err := checkLimits(job, len(requests.HostPorts())); err != nil {
		return result{}, err
	}
	epoch := time.Now()
	p := &pool{
		job: job, mix: requests, watch: watch, epoch: epoch, end: job.Warmup + job.Duration,
		client: newTransport(job),
		due:    make(chan request, job.MaxInFlight),
		rec:    newRecorder(epoch, job, len(requests.Names())),
	}
	defer p.client.CloseIdleConnections()
	var workers sync.WaitGroup
	for range min(job.Connections, job.MaxInFlight) {
		workers.Go(func() { p.work(ctx) })
	}
	used := usage{wholeProcess: true}
	err := p.pace(ctx, &used)
	close(p.due)
	workers.Wait()
	now := time.Since(epoch)
	used.finish(now)
	p.count(now, 0)
	if ctx.Err() != nil {
		p.rec.cut(now)
	}
	return result{rec: p.rec, used: used.total}, err
}

func newTransport(job *Job) *http.Transport {
	return &http.Transport{
		DialContext:         (&net.Dialer{Timeout: job.Timeout}).DialContext,
		TLSClientConfig:     &tls.Config{InsecureSkipVerify: job.TLSSkipVerify}, //nolint:gosec // the job asks for it
		TLSHandshakeTimeout: job.Timeout,
		MaxIdleConnsPerHost: job.Connections,
		MaxConnsPerHost:     job.Connections,
		DisableCompression:  true,
		ForceAttemptHTTP2:   true,
	}
}

// pace hands the workers what is due, and returns when the schedule is over or
// ctx ends. In a closed loop the workers fetch their own.
func (p *pool) pace(ctx context.Context, used *usage) error {
	used.follow(0, p.job.Warmup, p.end)
	if p.job.RateRPS == 0 {
		waitUntil(ctx, p.epoch, p.job.Warmup)
		used.follow(time.Since(p.epoch), p.job.Warmup, p.end)
		waitUntil(ctx, p.epoch, p.end)
		used.follow(time.Since(p.epoch), p.job.Warmup, p.end)
		return nil
	}
	sched, err := schedule.New(p.job.Arrivals, p.job.RateRPS, p.job.Seed)
	if err != nil {
		return err
	}
	for k := uint64(0); ctx.Err() == nil; k++ {
		at := sched.At(k)
		waitUntil(ctx, p.epoch, min(at, p.end))
		now := time.Since(p.epoch)
		used.follow(now, p.job.Warmup, p.end)
		if at >= p.end {
			break
		}
		if ctx.Err() == nil {
			p.admit(request{k: k, intended: at, handed: now}, now)
		}
	}
	return nil
}

// admit queues a request for the workers, unless the cap is reached.
func (p *pool) admit(r request, now time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.inFlight >= p.job.MaxInFlight {
		p.rec.drop(r.intended)
		return
	}
	p.count(now, +1)
	p.due <- r // never blocks: the queue is as long as the cap
}

// count adds to the number of requests in flight; p.mu must be held.
func (p *pool) count(now time.Duration, change int) {
	p.rec.inFlight(now, p.inFlight, p.inFlight+change)
	p.inFlight += change
}

// fetch returns a worker's next request, false when there will be none.
func (p *pool) fetch(ctx context.Context) (request, bool) {
	if p.job.RateRPS > 0 {
		r, ok := <-p.due
		return r, ok
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	now := time.Since(p.epoch)
	if now >= p.end || ctx.Err() != nil {
		return request{}, false
	}
	r := request{k: p.next, intended: now, handed: now}
	p.next++
	p.count(now, +1)
	return r, true
}

// work sends one request after another.
func (p *pool) work(ctx context.Context) {
	w := worker{pool: p, buffer: make([]byte, 32<<10)}
	for {
		r, ok := p.fetch(ctx)
		if !ok {
			return
		}
		now := time.Since(p.epoch)
		if ctx.Err() != nil || now >= p.end+p.job.Timeout {
			p.mu.Lock()
			p.rec.drop(r.intended)
			p.count(now, -1)
			p.mu.Unlock()
			continue
		}
		w.send(ctx, r, now)
	}
}

// worker sends one request at a time.
type worker struct {
	pool   *pool
	buffer []byte
	expect []byte
	match  matcher
	watch  exchange
}

func (w *worker) send(ctx context.Context, r request, now time.Duration) {
	p := w.pool
	picked := p.mix.Pick(r.k)
	target := p.mix.Target(r.k)
	o := outcome{intended: r.intended, handed: r.handed, name: picked.Name()}
	o.Result = vegeta.Result{Seq: r.k, Timestamp: p.epoch.Add(now), Method: target.Method, URL: target.URL}
	w.expect = picked.AppendExpect(w.expect[:0])
	w.match.reset(w.expect)
	p.watch.begin(&w.watch, picked)

	header, err := w.exchange(ctx, &target, &o.Result)
	done := time.Since(p.epoch)
	o.Latency = done - now
	switch {
	case err != nil && ctx.Err() != nil:
		o.Error = classInterrupted
	case errors.Is(err, context.DeadlineExceeded):
		// The deadline may have been noticed a moment before it.
		o.Error, o.Latency = classTimeout, max(o.Latency, p.job.Timeout)
	case err != nil:
		o.Error = errorClass(err)
	default:
		o.Error = statusClass(int(o.Code))
		if o.Error == "" && !w.match.found {
			o.Error = classWrongBody
		}
	}
	if w.watch.active {
		w.watch.header([]byte(cacheHeader), []byte(header.Get(cacheHeader)))
		p.watch.end(&w.watch, picked, now, done, int(o.Code), o.Error, p.recorded(r.intended))
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.count(done, -1)
	p.rec.done(&o)
	for i, name := range p.job.CountHeaders {
		for _, value := range header.Values(name) {
			p.rec.header(r.intended, i, []byte(value))
		}
	}
}

// recorded says whether a request of that intended time belongs to the slice.
func (p *pool) recorded(intended time.Duration) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.rec.recorded(intended)
}

// exchange sends the target and reads the answer to its end, into res.
func (w *worker) exchange(ctx context.Context, target *vegeta.Target, res *vegeta.Result) (http.Header, error) {
	ctx, cancel := context.WithTimeout(ctx, w.pool.job.Timeout)
	defer cancel()
	req, err := target.Request()
	if err != nil {
		return nil, fmt.Errorf("make the request: %w", err)
	}
	res.BytesOut = uint64(len(target.Body))
	resp, err := w.pool.client.RoundTrip(req.WithContext(ctx))
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	res.Code = uint16(resp.StatusCode)
	for {
		n, err := resp.Body.Read(w.buffer)
		res.BytesIn += uint64(n)
		w.match.write(w.buffer[:n])
		if w.watch.active {
			w.watch.body(w.buffer[:n])
		}
		switch {
		case int64(res.BytesIn) > w.pool.job.MaxBody:
			return resp.Header, errBodyTooBig
		case errors.Is(err, io.EOF):
			return resp.Header, nil
		case err != nil:
			return resp.Header, err
		}
	}
}

// sleep returns true after d, or false when ctx ends before.
func sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
