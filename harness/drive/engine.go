// SPDX-License-Identifier: Apache-2.0

package drive

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"math"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"headroom/harness/drive/mix"
)

// Right before a due time the poller spins instead of sleeping. It spins for about as
// long as a sleeping core takes to wake up, but for no more than a share of the mean gap.
// Measured on a virtual machine (docs/driver.md), the longer stretch reduces the median
// lag from some 10-30 µs to 1-4 µs. At 10,000 requests/s spinning costs little, because
// so short a sleep costs nearly as much. With a looser lag limit, or with less than a
// core, the precision is not worth the CPU.
const (
	maxSpin      = 50 * time.Microsecond
	spinGapShare = 0.15

	preciseSpin         = 200 * time.Microsecond
	preciseSpinGapShare = 0.5
)

// spinFor is how long a loop that sends rateRPS spins before a due time.
func spinFor(rateRPS float64, lagLimit time.Duration, cpus float64) time.Duration {
	longest, share := maxSpin, spinGapShare
	if lagLimit <= minLagLimit && cpus >= 1 {
		longest, share = preciseSpin, preciseSpinGapShare
	}
	return min(longest, time.Duration(share/rateRPS*float64(time.Second)))
}

// perLoopRPS is how many requests a second one loop sends before another loop joins it:
// about a third of what a loop can send.
const perLoopRPS = 25_000

// loopCount is how many loops share the job, each a thread.
func loopCount(job *Job, entries, connections int, cpus float64) int {
	loops := max(int(cpus), 1)
	if job.RateRPS > 0 {
		loops = min(loops, int(math.Ceil(job.RateRPS/perLoopRPS)))
	}
	return max(min(loops, connections/entries, job.MaxInFlight), 1)
}

// sendLoops runs the job on loops of our own.
func (c *Client) sendLoops(ctx context.Context, job *Job, requests *mix.Mix, watch *watcher) (result, error) {
	places, err := findPlaces(ctx, job, requests)
	if err != nil {
		return result{}, err
	}
	// Connections are split evenly among the places, so the place with the fewest
	// addresses has the most connections for each address.
	fewest := len(*places[0].latest.Load())
	for _, p := range places {
		fewest = min(fewest, len(*p.latest.Load()))
	}
	connections, err := connectionCap(job, len(places), fewest*len(places), len(c.kept.conns))
	if err != nil {
		return result{}, err
	}
	if c.kept.handshaker == nil {
		c.kept.handshaker = newHandshaker()
	}
	if places[0].tls != nil {
		defer addProcsForHandshakes()()
	}
	var stop atomic.Bool
	count := loopCount(job, len(places), connections, usableCPUs())
	if c.Results != nil && job.RateRPS == 0 {
		count = 1 // a file of results numbers requests without a gap
	}
	loops := make([]*loop, 0, count)
	for i := range count {
		l, err := newLoop(job, requests, watch, part(job, connections, i, count), &stop)
		if err != nil {
			closePollers(loops)
			return result{}, err
		}
		l.usage.wholeProcess = i == 0
		l.handshaker, l.lane = c.kept.handshaker, newLane(c.Results)
		loops = append(loops, l)
		l.shareOut(places, part(job, connections, i, count).connections)
	}
	c.kept.handOut(loops)
	followCtx, unfollow := context.WithCancel(ctx)
	defer unfollow()
	for _, p := range places {
		if job.UnixSocket == "" {
			go p.follow(followCtx, job.ResolveEvery)
		}
	}
	err = runAll(ctx, loops, &stop, openFirst(job, connections))
	for _, l := range loops {
		c.kept.conns = append(c.kept.conns, l.hangUp()...)
	}
	closePollers(loops)
	out := sum(loops)
	out.cap = connections
	return out, err
}

func closePollers(loops []*loop) {
	for _, l := range loops {
		l.poll.Close()
	}
}

// findPlaces looks up where the requests go.
func findPlaces(ctx context.Context, job *Job, requests *mix.Mix) ([]*place, error) {
	var places []*place
	for _, hostPort := range requests.HostPorts() {
		p := &place{hostPort: hostPort, scheme: "http", wantsHTTP2: job.Protocol == ProtocolHTTP2, lookUps: make(chan struct{}, 1)}
		if requests.Secure() {
			config, err := job.tlsConfig(hostPort)
			if err != nil {
				return nil, err
			}
			p.scheme, p.tls = "https", config
		}
		p.key = job.keyOf(hostPort, p.scheme)
		if err := p.resolve(ctx, job.UnixSocket); err != nil {
			return nil, err
		}
		places = append(places, p)
	}
	return places, nil
}

// part is the share of loop i of count.
func part(job *Job, connections, i, count int) share {
	split := func(n int) int { return (n + count - 1 - i) / count }
	s := share{first: uint64(i), stride: uint64(count), connections: split(connections), capacity: split(job.MaxInFlight), requests: -1}
	if job.Requests > 0 {
		s.requests = int64(split(job.Requests))
	}
	return s
}

// shareOut splits the loop's connections evenly among the places.
func (l *loop) shareOut(places []*place, connections int) {
	l.entries = make([]entry, len(places))
	for i := range l.entries {
		e := &l.entries[i]
		e.place, e.slots = places[i], (connections+len(places)-1-i)/len(places)
		e.streams, e.single = l.job.streams(e.place.tls != nil), l.job.NewConnections
		e.set(e.latest.Load())
	}
}

// addProcsForHandshakes raises GOMAXPROCS for the handshakes' threads, so that no loop
// waits for them: the kernel shares the cores better than the runtime does. It returns a
// function that restores GOMAXPROCS.
func addProcsForHandshakes() (back func()) {
	const spare = 4
	procs.mu.Lock()
	defer procs.mu.Unlock()
	if procs.users++; procs.users == 1 {
		procs.before = runtime.GOMAXPROCS(0)
		runtime.GOMAXPROCS(procs.before + spare)
	}
	return func() {
		procs.mu.Lock()
		defer procs.mu.Unlock()
		if procs.users--; procs.users == 0 {
			runtime.GOMAXPROCS(procs.before)
		}
	}
}

// procs holds the GOMAXPROCS from before the first of its current users, which may end in
// any order.
var procs struct {
	mu            sync.Mutex
	users, before int
}

// openFirst is how many connections are opened before the schedule begins. A closed loop
// opens all. An open loop opens what answers within 0.1 s need, up to 64.
func openFirst(job *Job, connections int) int {
	if job.RateRPS == 0 {
		return min(connections, job.MaxInFlight)
	}
	if job.NewConnections {
		return 0
	}
	const answerWithin, spare, most = 0.1, 4, 64
	planned := job.RateRPS * (job.Warmup + job.Duration).Seconds()
	return int(min(float64(connections), planned, job.RateRPS*answerWithin+spare, most))
}

// runAll runs the loops to their end. When ctx ends, or a loop fails, all stop.
func runAll(ctx context.Context, loops []*loop, stop *atomic.Bool, first int) error {
	halt := func() {
		stop.Store(true)
		for _, l := range loops {
			l.poll.Interrupt()
		}
	}
	stop.Store(ctx.Err() != nil) // AfterFunc would be a moment late
	release := context.AfterFunc(ctx, halt)
	defer release()
	each := func(do func(i int, l *loop) error) error {
		errs := make([]error, len(loops))
		var wg sync.WaitGroup
		for i, l := range loops {
			wg.Go(func() {
				if errs[i] = do(i, l); errs[i] != nil {
					halt()
				}
			})
		}
		wg.Wait()
		return errors.Join(errs...)
	}
	// The clock starts twice: first to open connections, then to measure.
	for _, measured := range []bool{false, true} {
		epoch := time.Now()
		for _, l := range loops {
			l.epoch = epoch
			if measured {
				l.begin()
			}
		}
		err := each(func(i int, l *loop) error {
			if measured {
				return l.run()
			}
			return l.prepare(ctx, (first+len(loops)-1-i)/len(loops))
		})
		if err != nil {
			return err
		}
	}
	return nil
}

func sum(loops []*loop) result {
	total := result{rec: loops[0].rec, used: loops[0].usage.total, protocol: loops[0].protocol}
	for i, l := range loops {
		if i > 0 {
			total.rec.merge(l.rec)
		}
		total.spinTime += l.spinTime
		if used := l.usage.total; used.at > 0 {
			total.busiestShare = max(total.busiestShare, (used.thread-l.spinTime).Seconds()/used.at.Seconds())
		}
		if l.protocol != "" {
			total.protocol = l.protocol
		}
	}
	return total
}

// kept is what a client keeps between jobs.
type kept struct {
	conns      []idleConn
	handshaker *handshaker
}

// idleConn is an open connection without a request.
type idleConn struct {
	place string // the key of its place
	transport
	used bool
}

// keyOf is equal for places that can share connections. Another protocol, socket or
// certificate means another connection.
func (j *Job) keyOf(hostPort, scheme string) string {
	return fmt.Sprintf("%s %s %q %q %v %x", scheme, hostPort, j.Protocol, j.UnixSocket, j.TLS.SkipVerify,
		sha256.Sum256(bytes.Join([][]byte{j.TLS.RootsPEM, j.TLS.CertPEM, j.TLS.KeyPEM}, []byte{0})))
}

// handOut gives the kept connections to the loops that send to the same places.
func (k *kept) handOut(loops []*loop) {
	conns := k.conns
	k.conns = nil
	for i, idle := range conns {
		l := loops[i%len(loops)]
		taken := false
		for j := range l.entries {
			if e := &l.entries[j]; !taken && e.key == idle.place && !l.job.NewConnections && !e.full() {
				l.adopt(e, idle)
				taken = true
			}
		}
		if !taken {
			_ = unix.Close(idle.wire.fd)
		}
	}
}

func (k *kept) close() {
	for _, idle := range k.conns {
		_ = unix.Close(idle.wire.fd)
	}
	k.conns = nil
	if k.handshaker != nil {
		k.handshaker.close()
		k.handshaker = nil
	}
}
