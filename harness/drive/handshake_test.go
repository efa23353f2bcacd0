// SPDX-License-Identifier: Apache-2.0

package drive

import (
	"crypto/tls"
	"net"
	"runtime"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// Connections that hang in their handshakes take nothing from the others.
func TestHangingHandshakesHoldUpNobody(t *testing.T) {
	const hanging = 100
	s := startRaw(t, "https", func(s *rawServer, c net.Conn, i int64) {
		if i < hanging {
			hold(c)
			return
		}
		s.serve(tls.Server(c, serverTLS(tls.VersionTLS13)), reply(okResponse))
	})
	job := jobFor(&s.target, 100, 2*time.Second)
	job.NewConnections, job.Connections, job.Timeout = true, 0, 4*time.Second
	m := driveSecure(t, job)
	if m.Sent != 200 || m.Errors[classTimeout] != hanging || m.Succeeded != 200-hanging || m.ResponseSuccess.Quantile(0.9) > job.Timeout/2 {
		t.Errorf("%d sent, %d succeeded, most within %v, errors %v; %d hang", m.Sent, m.Succeeded, m.ResponseSuccess.Quantile(0.9), m.Errors, hanging)
	}
}

// Runs side by side leave the process as the first found it, whichever ends
// last.
func TestProcsForHandshakesAreRestored(t *testing.T) {
	before := runtime.GOMAXPROCS(0)
	first := addProcsForHandshakes()
	second := addProcsForHandshakes()
	if got := runtime.GOMAXPROCS(0); got <= before {
		t.Errorf("GOMAXPROCS is %d, as before", got)
	}
	first()
	second()
	if got := runtime.GOMAXPROCS(0); got != before {
		t.Errorf("GOMAXPROCS is %d, was %d", got, before)
	}
}

// A handshake that ends after its loop closes its own socket.
func TestHandshakeBeyondItsLoop(t *testing.T) {
	job := jobFor(&target{url: "https://127.0.0.1:1"}, 1, time.Second).withDefaults()
	requests, err := job.compile()
	if err != nil {
		t.Fatal(err)
	}
	l, err := newLoop(&job, requests, nil, part(&job, 1, 0, 1), new(atomic.Bool))
	if err != nil {
		t.Fatal(err)
	}
	defer l.poll.Close()
	leavesNoSocket(t, func() {
		fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			t.Fatal(err)
		}
		l.hangUp()
		l.post(handshake{wire: &wire{fd: fd}})
	})
}
