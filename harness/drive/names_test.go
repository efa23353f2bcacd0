// SPDX-License-Identifier: Apache-2.0

package drive

import (
	"net"
	"net/netip"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// driveTo runs a job on one loop, to a name with the given addresses.
func driveTo(t *testing.T, job Job, addresses ...unix.Sockaddr) *recorder {
	t.Helper()
	p := &place{scheme: "http", lookUps: make(chan struct{}, 1)}
	p.latest.Store(&addresses)
	return driveToPlace(t, job, p)
}

func driveToPlace(t *testing.T, job Job, p *place) *recorder {
	t.Helper()
	job = job.withDefaults()
	requests, err := job.compile()
	if err != nil {
		t.Fatal(err)
	}
	var stop atomic.Bool
	l, err := newLoop(&job, requests, nil, part(&job, job.Connections, 0, 1), &stop)
	if err != nil {
		t.Fatal(err)
	}
	defer l.poll.Close()
	p.hostPort = requests.HostPorts()[0]
	l.shareOut([]*place{p}, job.Connections)
	if err := runAll(t.Context(), []*loop{l}, &stop, 0); err != nil {
		t.Fatal(err)
	}
	for _, k := range l.hangUp() {
		_ = unix.Close(k.wire.fd)
	}
	return l.rec
}

// Of a name's addresses some may be dead. Each connection tries them all, also
// when many are dialled at once.
func TestConnectionsFailOver(t *testing.T) {
	tg := startTarget(t, reply(okResponse))
	alive, err := netip.ParseAddrPort(tg.url[len("http://"):])
	if err != nil {
		t.Fatal(err)
	}
	port := int(alive.Port())
	if c, err := net.Dial("tcp4", net.JoinHostPort("127.0.0.9", alive.String()[len("127.0.0.1:"):])); err == nil {
		_ = c.Close()
		t.Skip("127.0.0.9 is not dead here")
	}
	job := jobFor(tg, 5000, 200*time.Millisecond)
	job.NewConnections, job.Connections = true, 500
	r := driveTo(t, job,
		&unix.SockaddrInet4{Port: port, Addr: [4]byte{127, 0, 0, 9}},
		&unix.SockaddrInet4{Port: port, Addr: [4]byte{127, 0, 0, 1}})
	if r.sent != 1000 || r.succeeded != 1000 {
		t.Errorf("%d sent, %d succeeded, errors %v %v", r.sent, r.succeeded, r.errors, r.texts)
	}
}

// A name that moves takes the load along, though every connection is well.
func TestLoadFollowsTheName(t *testing.T) {
	var asked, moved atomic.Int64
	to := startTarget(t, func(c net.Conn, request []byte) bool {
		moved.Add(1)
		return reply(okResponse)(c, request)
	})
	p := &place{scheme: "http", lookUps: make(chan struct{}, 1)}
	from := startTarget(t, func(c net.Conn, request []byte) bool {
		if asked.Add(1) == 10 {
			p.latest.Store(&[]unix.Sockaddr{addressOf(t, to)})
		}
		return reply(okResponse)(c, request)
	})
	p.latest.Store(&[]unix.Sockaddr{addressOf(t, from)})
	job := jobFor(from, 200, 500*time.Millisecond)
	job.Connections = 1
	r := driveToPlace(t, job, p)
	if r.succeeded != 100 || moved.Load() < 50 {
		t.Errorf("%d of 100 succeeded, %d of them where the name had moved, errors %v", r.succeeded, moved.Load(), r.errors)
	}
}

func addressOf(t *testing.T, tg *target) unix.Sockaddr {
	t.Helper()
	at, err := netip.ParseAddrPort(tg.url[len("http://"):])
	if err != nil {
		t.Fatal(err)
	}
	return &unix.SockaddrInet4{Port: int(at.Port()), Addr: at.Addr().As4()}
}
