// SPDX-License-Identifier: Apache-2.0

package drive

import (
	"context"
	"crypto/tls"
	"net"
	"net/http/httptest"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"headroom/harness/record"
)

// testCertificate is one that no client trusts.
var testCertificate = sync.OnceValue(func() tls.Certificate {
	server := httptest.NewTLSServer(nil)
	defer server.Close()
	return server.TLS.Certificates[0]
})

// serverTLS is a server's side of TLS in one version.
func serverTLS(version uint16, protocols ...string) *tls.Config {
	return &tls.Config{
		Certificates: []tls.Certificate{testCertificate()}, MinVersion: version, MaxVersion: version, NextProtos: protocols,
	}
}

// rawServer accepts connections, and hands each to its test.
type rawServer struct {
	target
	accepted atomic.Int64
	quit     chan struct{} // closed when the test ends
}

// startRaw serves connections, which count from 0, until the test ends.
func startRaw(t testing.TB, scheme string, serve func(s *rawServer, c net.Conn, i int64)) *rawServer {
	t.Helper()
	listener, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return serveRaw(t, listener, scheme+"://"+listener.Addr().String(), serve)
}

func serveRaw(t testing.TB, listener net.Listener, url string, serve func(s *rawServer, c net.Conn, i int64)) *rawServer {
	s := &rawServer{target: target{url: url}, quit: make(chan struct{})}
	var (
		mu    sync.Mutex
		conns []net.Conn
		wg    sync.WaitGroup
	)
	wg.Go(func() {
		for {
			c, err := listener.Accept()
			if err != nil {
				return
			}
			mu.Lock()
			conns = append(conns, c)
			mu.Unlock()
			i := s.accepted.Add(1) - 1
			s.open.Add(1)
			wg.Go(func() {
				serve(s, c, i)
				_ = c.Close()
				s.open.Add(-1)
			})
		}
	})
	t.Cleanup(func() {
		close(s.quit)
		_ = listener.Close()
		mu.Lock()
		for _, c := range conns {
			_ = c.Close()
		}
		mu.Unlock()
		wg.Wait()
	})
	return s
}

// hold keeps a connection open until the client closes it, or the test ends.
func hold(c net.Conn) {
	buffer := make([]byte, 4096)
	for {
		if _, err := c.Read(buffer); err != nil {
			return
		}
	}
}

// sockets is how many sockets this process has open.
func sockets(t testing.TB) int {
	t.Helper()
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, entry := range entries {
		if name, err := os.Readlink("/proc/self/fd/" + entry.Name()); err == nil && len(name) > 7 && name[:7] == "socket:" {
			n++
		}
	}
	return n
}

// leavesNoSocket checks that do leaves as many sockets open as it found.
func leavesNoSocket(t testing.TB, do func()) {
	t.Helper()
	before := sockets(t)
	do()
	eventually(t, "the close of all sockets", func() bool { return sockets(t) <= before })
}

// driveSecure runs a job that trusts every certificate.
func driveSecure(t testing.TB, job Job) record.Measurement {
	t.Helper()
	job.TLS.SkipVerify = true
	return mustDrive(t, job)
}

// driveUntil runs the job and calls it off when called says so.
func driveUntil(t testing.TB, job Job, called func() bool) record.Measurement {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	go func() {
		defer cancel()
		eventually(t, "what the run is called off for", called)
	}()
	began := time.Now()
	m, err := Drive(ctx, job)
	if err != nil {
		t.Fatal(err)
	}
	if err := m.Check(); err != nil {
		t.Error(err)
	}
	if took := time.Since(began); !m.Interrupted || took > 20*time.Second {
		t.Errorf("interrupted %v after %v", m.Interrupted, took)
	}
	return m
}

// pieces writes no more than size bytes at once.
type pieces struct {
	net.Conn
	size int
}

func (p pieces) Write(b []byte) (int, error) {
	n := 0
	for piece := range slices.Chunk(b, p.size) {
		m, err := p.Conn.Write(piece)
		if n += m; err != nil {
			return n, err
		}
	}
	return n, nil
}
