package drive

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net"
	"net/netip"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"headroom/harness/drive/mix"
)

// perLoopRPS is how many requests a second one loop is asked for before
// another joins it: about a third of what one can send.
const perLoopRPS = 25_000

// loopCount is how many loops share the job, each a thread.
func loopCount(job *Job, entries int, cpus float64) int {
	loops := max(int(cpus), 1)
	if job.RateRPS > 0 {
		loops = min(loops, int(math.Ceil(job.RateRPS/perLoopRPS)))
	}
	return max(min(loops, job.Connections/entries, job.MaxInFlight), 1)
}

// sendLoops runs the job on loops of our own.
func sendLoops(ctx context.Context, job *Job, requests *mix.Mix, watch *watcher) (result, error) {
	var addrs [][]unix.Sockaddr
	fewest := 0 // connections are split evenly: the entry with the fewest addresses has the most for each
	for _, hostPort := range requests.HostPorts() {
		found, err := resolve(ctx, hostPort)
		if err != nil {
			return result{}, err
		}
		addrs = append(addrs, found)
		if fewest == 0 || len(found) < fewest {
			fewest = len(found)
		}
	}
	if err := checkLimits(job, fewest*len(addrs)); err != nil {
		return result{}, err
	}
	var stop atomic.Bool
	epoch := time.Now()
	count := loopCount(job, len(addrs), usableCPUs())
	loops := make([]*loop, 0, count)
	for i := range count {
		l, err := newLoop(job, requests, watch, epoch, addrs, part(job, i, count), &stop)
		if err != nil {
			for _, l := range loops {
				l.poll.close()
			}
			return result{}, err
		}
		l.usage.wholeProcess = i == 0
		loops = append(loops, l)
	}
	err := runAll(ctx, loops, &stop)
	return sum(loops), err
}

// part is the share of loop i of count.
func part(job *Job, i, count int) share {
	split := func(n int) int { return (n + count - 1 - i) / count }
	return share{first: uint64(i), stride: uint64(count), connections: split(job.Connections), capacity: split(job.MaxInFlight)}
}

// runAll runs the loops to their end. When ctx ends, or a loop fails, all stop.
func runAll(ctx context.Context, loops []*loop, stop *atomic.Bool) error {
	halt := func() {
		stop.Store(true)
		for _, l := range loops {
			l.poll.interrupt()
		}
	}
	stop.Store(ctx.Err() != nil) // AfterFunc would be a moment late
	release := context.AfterFunc(ctx, halt)
	errs := make([]error, len(loops))
	var wg sync.WaitGroup
	for i, l := range loops {
		wg.Go(func() {
			if errs[i] = l.run(); errs[i] != nil {
				halt()
			}
		})
	}
	wg.Wait()
	release()
	for _, l := range loops {
		l.poll.close()
	}
	return errors.Join(errs...)
}

func sum(loops []*loop) result {
	total := result{rec: loops[0].rec, used: loops[0].usage.total}
	for i, l := range loops {
		if i > 0 {
			total.rec.merge(l.rec)
		}
		if used := l.usage.total; used.at > 0 {
			total.busiest = max(total.busiest, used.thread.Seconds()/used.at.Seconds())
		}
	}
	return total
}

// resolveTimeout bounds the look-up of the target's name.
const resolveTimeout = 10 * time.Second

// resolve looks the target's name up, once: connections take its addresses in
// turn.
func resolve(ctx context.Context, hostPort string) ([]unix.Sockaddr, error) {
	host, portText, err := net.SplitHostPort(hostPort)
	if err != nil {
		return nil, err
	}
	port, err := strconv.Atoi(portText)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, resolveTimeout)
	defer cancel()
	ips, err := net.DefaultResolver.LookupNetIP(ctx, "ip", host)
	if err != nil {
		return nil, fmt.Errorf("resolve the target's name: %w", err)
	}
	var addrs []unix.Sockaddr
	for _, ip := range preferIPv4(ips) {
		if ip = ip.Unmap(); ip.Is4() {
			addrs = append(addrs, &unix.SockaddrInet4{Port: port, Addr: ip.As4()})
			continue
		}
		addr := &unix.SockaddrInet6{Port: port, Addr: ip.As16()}
		if zone := ip.Zone(); zone != "" {
			device, err := net.InterfaceByName(zone)
			if err != nil {
				return nil, fmt.Errorf("resolve the target's zone: %w", err)
			}
			addr.ZoneId = uint32(device.Index)
		}
		addrs = append(addrs, addr)
	}
	return addrs, nil
}

// preferIPv4 leaves out IPv6 addresses where there are IPv4 ones: a container
// published on 127.0.0.1 does not answer on ::1.
func preferIPv4(ips []netip.Addr) []netip.Addr {
	var v4 []netip.Addr
	for _, ip := range ips {
		if ip.Unmap().Is4() {
			v4 = append(v4, ip)
		}
	}
	if len(v4) > 0 {
		return v4
	}
	return ips
}
