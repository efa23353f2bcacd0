// SPDX-License-Identifier: Apache-2.0

package drive

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"runtime"
	"strconv"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"headroom/harness/drive/poll"
)

// timedTarget answers every request at a moment of its own choice. It is one
// thread with a poller of the driver's kind: the runtime's own, and a timer for
// each answer, would add more than theory leaves room for.
type timedTarget struct {
	// due returns when request k, which has arrived now, is to be answered, on
	// the clock since the target's epoch. It never goes back.
	due      func(k uint64, now time.Duration) time.Duration
	epoch    time.Time
	listener int
	poll     *poll.Poller
	late     lateness
	queue    []timedAnswer
}

type timedAnswer struct {
	fd int
	at time.Duration
}

// startTimed starts a target that runs until the test ends.
func startTimed(t *testing.T, due func(k uint64, now time.Duration) time.Duration) *target {
	t.Helper()
	tt := &timedTarget{due: due, epoch: time.Now()}
	port, err := tt.listen()
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	var done sync.WaitGroup
	done.Go(func() {
		if err := tt.serve(ctx); err != nil {
			t.Errorf("the timed target: %v", err)
		}
	})
	t.Cleanup(func() {
		stop()
		tt.poll.Interrupt()
		done.Wait()
		tt.poll.Close()
		_ = unix.Close(tt.listener)
	})
	return &target{url: fmt.Sprintf("http://127.0.0.1:%d", port), late: &tt.late}
}

func (tt *timedTarget) listen() (port int, err error) {
	if tt.poll, err = poll.New(); err != nil {
		return 0, err
	}
	tt.poll.Spin = maxSpin
	tt.listener, err = unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return 0, err
	}
	if err := unix.Bind(tt.listener, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		return 0, err
	}
	if err := unix.Listen(tt.listener, unix.SOMAXCONN); err != nil {
		return 0, err
	}
	name, err := unix.Getsockname(tt.listener)
	if err != nil {
		return 0, err
	}
	return name.(*unix.SockaddrInet4).Port, tt.poll.Add(tt.listener, int32(tt.listener), 0)
}

func (tt *timedTarget) now() time.Duration { return time.Since(tt.epoch) }

func (tt *timedTarget) serve(ctx context.Context) error {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	open := map[int]bool{}
	defer func() {
		for fd := range open {
			_ = unix.Close(fd)
		}
	}()
	buffer := make([]byte, 4096)
	for ctx.Err() == nil {
		until := tt.now() + time.Hour
		if len(tt.queue) > 0 {
			until = tt.queue[0].at
		}
		events, err := tt.poll.Wait(tt.now(), until)
		if err != nil {
			return err
		}
		for i := range events {
			switch fd := int(events[i].Fd); {
			case fd == tt.listener:
				if err := tt.accept(open); err != nil {
					return err
				}
			case fd >= 0:
				if err := tt.read(fd, buffer); err != nil {
					delete(open, fd)
					_ = unix.Close(fd)
				}
			}
		}
		tt.answer()
	}
	return nil
}

func (tt *timedTarget) accept(open map[int]bool) error {
	for {
		fd, _, err := unix.Accept4(tt.listener, unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC)
		if errors.Is(err, unix.EAGAIN) {
			return nil
		}
		if err != nil {
			return err
		}
		open[fd] = true
		if err := tt.poll.Add(fd, int32(fd), 0); err != nil {
			return err
		}
	}
}

// read takes in a request, of which a connection has one at a time.
func (tt *timedTarget) read(fd int, buffer []byte) error {
	n, err := unix.Read(fd, buffer)
	if errors.Is(err, unix.EAGAIN) {
		return nil
	}
	if err != nil || n == 0 {
		return errors.Join(err, unix.ECONNRESET)
	}
	number, _, _ := bytes.Cut(bytes.TrimPrefix(buffer[:n], []byte("GET /")), []byte(" "))
	k, err := strconv.ParseUint(string(number), 10, 64)
	if err != nil {
		return fmt.Errorf("request %q has no number", buffer[:n])
	}
	tt.queue = append(tt.queue, timedAnswer{fd: fd, at: tt.due(k, tt.now())})
	return nil
}

// answer sends what is due.
func (tt *timedTarget) answer() {
	sent := 0
	for _, a := range tt.queue {
		now := tt.now()
		if a.at > now {
			break
		}
		tt.late.note(now - a.at)
		_, _ = unix.Write(a.fd, []byte(okResponse)) // a connection that is gone shows itself in read
		sent++
	}
	tt.queue = append(tt.queue[:0], tt.queue[sent:]...)
}
