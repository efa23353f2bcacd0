// SPDX-License-Identifier: Apache-2.0

package poll

import (
	"errors"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func mustNew(t *testing.T) *Poller {
	t.Helper()
	p, err := New()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Close)
	return p
}

// pair is two connected sockets that do not block.
func pair(t *testing.T) (near, far int) {
	t.Helper()
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = unix.Close(fds[0])
		_ = unix.Close(fds[1])
	})
	return fds[0], fds[1]
}

// next waits until there is an event of a socket whose bits are these; the test's own
// deadline ends what never comes.
func next(t *testing.T, p *Poller, bits uint32) unix.EpollEvent {
	t.Helper()
	for {
		events, err := p.Wait(0, time.Second)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range events {
			if e.Fd >= 0 && e.Events&bits != 0 {
				return e
			}
		}
		p.Restart()
	}
}

// What comes is told once, with the token and the generation that it was added by.
func TestEventsOfASocket(t *testing.T) {
	p := mustNew(t)
	near, far := pair(t)
	if err := p.Add(near, 7, 3); err != nil {
		t.Fatal(err)
	}
	if n, err := Write(far, []byte("hello")); n != 5 || err != nil {
		t.Fatalf("wrote %d, %v", n, err)
	}
	if e := next(t, p, unix.EPOLLIN); e.Fd != 7 || e.Pad != 3 {
		t.Errorf("token %d, generation %d; want 7 and 3", e.Fd, e.Pad)
	}
	buffer := make([]byte, 16)
	if n, err := Read(near, buffer); err != nil || string(buffer[:n]) != "hello" {
		t.Errorf("read %q, %v", buffer[:max(n, 0)], err)
	}
	if n, err := Read(near, buffer); n != 0 || !errors.Is(err, unix.EAGAIN) {
		t.Errorf("of nothing: read %d, %v", n, err)
	}
	if err := p.Remove(near); err != nil {
		t.Fatal(err)
	}
	if err := p.Remove(near); !errors.Is(err, unix.ENOENT) {
		t.Errorf("removed twice: %v", err)
	}
}

func TestReadAndWriteOfNothing(t *testing.T) {
	for what, do := range map[string]func(int, []byte) (int, error){"read": Read, "write": Write} {
		if n, err := do(-1, nil); n != 0 || err != nil {
			t.Errorf("%s of nothing: %d, %v", what, n, err)
		}
		if n, err := do(-1, []byte{1}); n != 0 || !errors.Is(err, unix.EBADF) {
			t.Errorf("%s of no socket: %d, %v", what, n, err)
		}
	}
}

// A wait within the spin does not sleep; a longer one does, and Interrupt ends it.
func TestWaits(t *testing.T) {
	p := mustNew(t)
	p.Spin = time.Millisecond
	if events, err := p.Wait(0, time.Millisecond); err != nil || !p.Spun || len(events) > 0 {
		t.Errorf("within the spin: %d events, spun %v, %v", len(events), p.Spun, err)
	}
	p.Interrupt()
	if e := own(t, p, time.Hour); e.Fd >= 0 || p.Spun {
		t.Errorf("interrupted: %+v, spun %v", e, p.Spun)
	}
	if e := own(t, p, 2*time.Millisecond); e.Fd >= 0 || p.Spun {
		t.Errorf("after its moment: %+v, spun %v", e, p.Spun)
	}
}

// own is the next event, of a poller that watches no socket. A wait may end early.
func own(t *testing.T, p *Poller, until time.Duration) unix.EpollEvent {
	t.Helper()
	for {
		p.Restart()
		events, err := p.Wait(0, until)
		if err != nil {
			t.Fatal(err)
		}
		if len(events) > 0 {
			return events[0]
		}
	}
}

// Whoever still wants to interrupt a poller that is closed harms nobody.
func TestInterruptOfAClosedPoller(t *testing.T) {
	p, err := New()
	if err != nil {
		t.Fatal(err)
	}
	p.Close()
	near, far := pair(t) // may have the numbers that the poller's had
	p.Interrupt()
	if n, err := Read(near, make([]byte, 8)); !errors.Is(err, unix.EAGAIN) {
		t.Errorf("a socket got %d bytes, %v", n, err)
	}
	if n, err := Read(far, make([]byte, 8)); !errors.Is(err, unix.EAGAIN) {
		t.Errorf("the other socket got %d bytes, %v", n, err)
	}
}
