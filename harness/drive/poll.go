// SPDX-License-Identifier: Apache-2.0

package drive

import (
	"encoding/binary"
	"errors"
	"fmt"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// Before a due time the poller does not sleep but asks again and again, for
// about as long as a sleeping core takes to come back, and for no more than a
// share of the mean gap. Measured on a virtual machine (docs/driver.md): the
// longer stretch brings the median lag from some 10-30 µs to 1-4 µs; at
// 10,000/s it costs little, as a sleep that short costs nearly as much. Where
// the limit of lag is looser or the driver has less than a core, being early
// is not worth the CPU.
const (
	maxSpin      = 50 * time.Microsecond
	spinGapShare = 0.15

	preciseSpin         = 200 * time.Microsecond
	preciseSpinGapShare = 0.5
)

// spinFor returns the stretch for a loop that sends rateRPS.
func spinFor(rateRPS float64, lagLimit time.Duration, cpus float64) time.Duration {
	longest, share := maxSpin, spinGapShare
	if lagLimit <= minLagLimit && cpus >= 1 {
		longest, share = preciseSpin, preciseSpinGapShare
	}
	return min(longest, time.Duration(share/rateRPS*float64(time.Second)))
}

// Tokens of the poller's own descriptors, which are no connection's.
const (
	timerToken = -1
	wakeToken  = -2
)

// poller waits for connections and for moments, on one thread. A timerfd
// keeps moments to some 50 µs, where epoll's own timeout counts milliseconds.
type poller struct {
	epoll, timer, wake int
	spin               time.Duration // the stretch before a due time in which it does not sleep
	spinning           bool          // the last wait did not sleep
	armed              time.Duration // when the timer fires, on the caller's clock; 0: it does not
	events             [256]unix.EpollEvent

	mu     sync.Mutex // of wake and closed: interrupt comes from elsewhere
	closed bool
}

func newPoller() (*poller, error) {
	p := &poller{epoll: -1, timer: -1, wake: -1}
	var err error
	if p.epoll, err = unix.EpollCreate1(unix.EPOLL_CLOEXEC); err != nil {
		return nil, fmt.Errorf("epoll: %w", err)
	}
	if p.timer, err = unix.TimerfdCreate(unix.CLOCK_MONOTONIC, unix.TFD_NONBLOCK|unix.TFD_CLOEXEC); err != nil {
		p.close()
		return nil, fmt.Errorf("timerfd: %w", err)
	}
	if p.wake, err = unix.Eventfd(0, unix.EFD_NONBLOCK|unix.EFD_CLOEXEC); err != nil {
		p.close()
		return nil, fmt.Errorf("eventfd: %w", err)
	}
	for fd, token := range map[int]int32{p.timer: timerToken, p.wake: wakeToken} {
		event := unix.EpollEvent{Events: unix.EPOLLIN | unix.EPOLLET&0xffffffff, Fd: token}
		if err := unix.EpollCtl(p.epoll, unix.EPOLL_CTL_ADD, fd, &event); err != nil {
			p.close()
			return nil, fmt.Errorf("epoll: %w", err)
		}
	}
	return p, nil
}

// add watches a connection, edge-triggered; token and generation come back in
// its events.
func (p *poller) add(fd int, token int32, generation int32) error {
	const events = unix.EPOLLIN | unix.EPOLLOUT | unix.EPOLLRDHUP | unix.EPOLLET&0xffffffff
	return unix.EpollCtl(p.epoll, unix.EPOLL_CTL_ADD, fd, &unix.EpollEvent{Events: events, Fd: token, Pad: generation})
}

// remove stops watching a connection that stays open.
func (p *poller) remove(fd int) error {
	return unix.EpollCtl(p.epoll, unix.EPOLL_CTL_DEL, fd, nil)
}

// wait returns the next events, at the latest when the clock, which shows now,
// shows until. It returns early, with or without events, when it likes.
func (p *poller) wait(now, until time.Duration) ([]unix.EpollEvent, error) {
	var n int
	var err error
	if p.spinning = until-now <= p.spin; p.spinning {
		n, err = epollNow(p.epoll, p.events[:])
	} else {
		if wakeAt := until - p.spin; p.armed <= now || p.armed > wakeAt {
			spec := unix.ItimerSpec{Value: unix.NsecToTimespec(int64(wakeAt - now))}
			if err := unix.TimerfdSettime(p.timer, 0, &spec, nil); err != nil {
				return nil, fmt.Errorf("timerfd: %w", err)
			}
			p.armed = wakeAt
		}
		n, err = unix.EpollWait(p.epoll, p.events[:], -1)
	}
	if errors.Is(err, unix.EINTR) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("epoll: %w", err)
	}
	return p.events[:n], nil
}

// interrupt makes wait return. Any goroutine may call it, at any time.
func (p *poller) interrupt() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return
	}
	var one [8]byte
	binary.NativeEndian.PutUint64(one[:], 1)
	// The only failure, a full counter, means that it wakes anyway.
	_, _ = unix.Write(p.wake, one[:])
}

func (p *poller) close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closed = true
	for _, fd := range []int{p.epoll, p.timer, p.wake} {
		if fd >= 0 {
			_ = unix.Close(fd)
		}
	}
}
