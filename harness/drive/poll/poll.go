// SPDX-License-Identifier: Apache-2.0

// Package poll waits for sockets and for moments on one thread, and reads and writes
// sockets that never block.
package poll

import (
	"encoding/binary"
	"errors"
	"fmt"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// Tokens of the poller's own descriptors, which are no connection's.
const (
	timerToken = -1
	wakeToken  = -2
)

// Poller waits for connections and for moments, on one thread. A timerfd
// keeps moments to some 50 µs, where epoll's own timeout counts milliseconds.
type Poller struct {
	// Spin is the stretch before a due time in which the poller spins instead of
	// sleeping.
	Spin time.Duration
	// Spun says that the last wait did not sleep.
	Spun bool

	epoll, timer, wake int
	armed              time.Duration // when the timer fires, on the caller's clock; 0: it does not
	events             [256]unix.EpollEvent

	mu     sync.Mutex // of wake and closed: other goroutines call Interrupt
	closed bool
}

// New returns a poller without connections. Close frees it.
func New() (*Poller, error) {
	p := &Poller{epoll: -1, timer: -1, wake: -1}
	var err error
	if p.epoll, err = unix.EpollCreate1(unix.EPOLL_CLOEXEC); err != nil {
		return nil, fmt.Errorf("epoll: %w", err)
	}
	if p.timer, err = unix.TimerfdCreate(unix.CLOCK_MONOTONIC, unix.TFD_NONBLOCK|unix.TFD_CLOEXEC); err != nil {
		p.Close()
		return nil, fmt.Errorf("timerfd: %w", err)
	}
	if p.wake, err = unix.Eventfd(0, unix.EFD_NONBLOCK|unix.EFD_CLOEXEC); err != nil {
		p.Close()
		return nil, fmt.Errorf("eventfd: %w", err)
	}
	for fd, token := range map[int]int32{p.timer: timerToken, p.wake: wakeToken} {
		event := unix.EpollEvent{Events: unix.EPOLLIN | unix.EPOLLET&0xffffffff, Fd: token}
		if err := unix.EpollCtl(p.epoll, unix.EPOLL_CTL_ADD, fd, &event); err != nil {
			p.Close()
			return nil, fmt.Errorf("epoll: %w", err)
		}
	}
	return p, nil
}

// Add watches a connection, edge-triggered; token and generation come back in
// its events.
func (p *Poller) Add(fd int, token int32, generation int32) error {
	const events = unix.EPOLLIN | unix.EPOLLOUT | unix.EPOLLRDHUP | unix.EPOLLET&0xffffffff
	return unix.EpollCtl(p.epoll, unix.EPOLL_CTL_ADD, fd, &unix.EpollEvent{Events: events, Fd: token, Pad: generation})
}

// Remove stops watching a connection that stays open.
func (p *Poller) Remove(fd int) error {
	return unix.EpollCtl(p.epoll, unix.EPOLL_CTL_DEL, fd, nil)
}

// Wait returns the next events, at the latest at until; now is the current time of the
// same clock. Wait may return early, with or without events.
func (p *Poller) Wait(now, until time.Duration) ([]unix.EpollEvent, error) {
	var n int
	var err error
	if p.Spun = until-now <= p.Spin; p.Spun {
		n, err = epollNow(p.epoll, p.events[:])
	} else {
		if wakeAt := until - p.Spin; p.armed <= now || p.armed > wakeAt {
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

// Interrupt makes Wait return. Any goroutine may call it, at any time.
func (p *Poller) Interrupt() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return
	}
	var one [8]byte
	binary.NativeEndian.PutUint64(one[:], 1)
	// The only failure is a full counter, and then Wait wakes anyway.
	_, _ = unix.Write(p.wake, one[:])
}

// Restart begins another clock: the times of earlier calls of Wait do not hold for it.
func (p *Poller) Restart() { p.armed = 0 }

// Close frees the poller. Interrupt may still be called, and does nothing.
func (p *Poller) Close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closed = true
	for _, fd := range []int{p.epoll, p.timer, p.wake} {
		if fd >= 0 {
			_ = unix.Close(fd)
		}
	}
}
