// SPDX-License-Identifier: Apache-2.0

package drive

import (
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"headroom/harness/record"
	"headroom/scenarios"
)

// again runs a job on a client that goes on.
func again(t *testing.T, c *Client, job Job) record.Measurement {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	m, err := c.Drive(ctx, job)
	if err != nil || m.Interrupted {
		t.Fatalf("interrupted %v, error %v", m.Interrupted, err)
	}
	if err := m.Check(); err != nil {
		t.Error(err)
	}
	return m
}

// startCounted starts a server that counts the connections that it takes.
func startCounted(t *testing.T, protocol string, handler http.HandlerFunc) (tg *target, accepted *atomic.Int64) {
	t.Helper()
	accepted = new(atomic.Int64)
	server := httptest.NewUnstartedServer(handler)
	server.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			accepted.Add(1)
		}
	}
	switch protocol {
	case "h2c":
		server.Config.Protocols = new(http.Protocols)
		server.Config.Protocols.SetUnencryptedHTTP2(true)
		server.Start()
	case "h2", "https":
		server.EnableHTTP2 = protocol == "h2"
		server.StartTLS()
	default:
		server.Start()
	}
	t.Cleanup(server.Close)
	return &target{url: server.URL}, accepted
}

// What can't be connected to at all fails at once, before and in the load.
func TestConnectFailsAtOnce(t *testing.T) {
	tg := &target{url: "http://localhost:1"}
	for _, rateRPS := range []float64{200, 0} {
		job := jobFor(tg, rateRPS, 100*time.Millisecond)
		job.UnixSocket = filepath.Join(t.TempDir(), "none")
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		done := make(chan record.Measurement, 1)
		go func() {
			m, err := Drive(ctx, job)
			if err != nil {
				t.Error(err)
			}
			done <- m
		}()
		select {
		case m := <-done:
			if m.Interrupted || m.Failed == 0 || m.Failed != m.Planned || rateRPS > 0 && m.Failed != 20 {
				t.Errorf("%d of %d failed, %v", m.Failed, m.Planned, m.Errors)
			}
		case <-time.After(25 * time.Second):
			t.Fatal("Drive does not return")
		}
		cancel()
	}
}

// A Unix socket whose backlog is full takes no connection, as a port that is
// not listened on takes none.
func TestFullBacklog(t *testing.T) {
	path := filepath.Join(t.TempDir(), "socket")
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = unix.Close(fd) }()
	if err := unix.Bind(fd, &unix.SockaddrUnix{Name: path}); err != nil {
		t.Fatal(err)
	}
	if err := unix.Listen(fd, 1); err != nil {
		t.Fatal(err)
	}
	job := jobFor(&target{url: "http://localhost"}, 100, 200*time.Millisecond)
	job.UnixSocket, job.Timeout, job.NewConnections = path, 500*time.Millisecond, true
	leavesNoSocket(t, func() {
		m := mustDrive(t, job)
		if m.Sent != 20 || m.Errors[classRefused] == 0 || m.Errors[classRefused]+m.Errors[classTimeout] != 20 {
			t.Errorf("%d sent, errors %v %v", m.Sent, m.Errors, m.ErrorTexts)
		}
	})
}

// A client's connections last from job to job, if the next asks for the same.
func TestConnectionsAreKept(t *testing.T) {
	for _, protocol := range []string{"http", "https", "h2", "h2c"} {
		t.Run(protocol, func(t *testing.T) {
			tg, accepted := startCounted(t, protocol, func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("X-Cache", "hit") })
			job := jobFor(tg, 200, 200*time.Millisecond)
			job.Connections, job.TLS.SkipVerify = 4, true
			if protocol == "h2c" {
				job.Protocol = ProtocolHTTP2
			}
			leavesNoSocket(t, func() {
				var c Client
				defer c.Close()
				again(t, &c, job)
				first := accepted.Load()
				job.RateRPS, job.CountHeaders = 400, []string{"X-Cache"}
				m := again(t, &c, job)
				if m.Succeeded != 80 || m.Counts["X-Cache: hit"] != 80 {
					t.Errorf("%d of 80 succeeded, counts %v", m.Succeeded, m.Counts)
				}
				if accepted.Load() != first || first > 4 || m.Connections.Most < 1 {
					t.Errorf("%d connections for the first job, %d for both; %d at most in the second", first, accepted.Load(), m.Connections.Most)
				}
				c.Close()
				c.Close()
				if m := again(t, &c, job); m.Succeeded != 80 {
					t.Errorf("%d of 80 succeeded after the close", m.Succeeded)
				}
			})
		})
	}
}

// A connection that was made in another way is not used.
func TestOtherConnectionsAreNotKept(t *testing.T) {
	tg, _ := startCounted(t, "h2", func(http.ResponseWriter, *http.Request) {})
	var c Client
	defer c.Close()
	job := jobFor(tg, 100, 100*time.Millisecond)
	job.TLS.SkipVerify = true
	if m := again(t, &c, job); m.Succeeded != 10 || m.Protocol != "HTTP/2 over TLS 1.3" {
		t.Errorf("%d of 10 succeeded over %s", m.Succeeded, m.Protocol)
	}
	job.Protocol = ProtocolHTTP1
	if m := again(t, &c, job); m.Succeeded != 10 || m.Protocol != "HTTP/1.1 over TLS 1.3" {
		t.Errorf("%d of 10 succeeded over %s", m.Succeeded, m.Protocol)
	}
	job.TLS.SkipVerify = false
	if m := again(t, &c, job); m.Errors[classTLS] != 10 {
		t.Errorf("a certificate that is not to be trusted: %d succeeded, errors %v", m.Succeeded, m.Errors)
	}
	job.TLS.SkipVerify, job.UnixSocket = true, filepath.Join(t.TempDir(), "none")
	if m := again(t, &c, job); m.Succeeded != 0 {
		t.Errorf("%d succeeded over a socket that is not there", m.Succeeded)
	}
}

// A server may close kept connections while no job runs, and no request is lost.
func TestKeptConnectionsThatWereClosed(t *testing.T) {
	for _, scheme := range []string{"http", "https"} {
		var server *httptest.Server
		handler := http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})
		if server = httptest.NewUnstartedServer(handler); scheme == "https" {
			server.StartTLS()
		} else {
			server.Start()
		}
		t.Cleanup(server.Close)
		var c Client
		t.Cleanup(c.Close)
		job := jobFor(&target{url: server.URL}, 100, 100*time.Millisecond)
		job.Mix[0].Method, job.Connections, job.TLS.SkipVerify = "POST", 4, true
		again(t, &c, job)
		server.CloseClientConnections()
		if m := again(t, &c, job); m.Succeeded != 10 || m.Retried != 0 {
			t.Errorf("%s: %d of 10 succeeded, %d after a second send: %v", scheme, m.Succeeded, m.Retried, m.Errors)
		}
	}
}

// As many requests as asked for are recorded, over any number of loops.
func TestExactlyAsManyRequests(t *testing.T) {
	tg := startTarget(t, reply(okResponse))
	for _, warmup := range []time.Duration{0, 100 * time.Millisecond} {
		for _, requests := range []int{1, 7, 1000} {
			job := jobFor(tg, 0, time.Minute)
			job.Requests, job.Warmup = requests, warmup
			m := mustDrive(t, job)
			if m.Planned != int64(requests) || m.Succeeded != m.Planned {
				t.Errorf("%d planned, %d succeeded; want %d", m.Planned, m.Succeeded, requests)
			}
			if m.DurationS > 30 || m.AchievedRPS < float64(requests)/30 {
				t.Errorf("%d requests took %v s, %v/s", requests, m.DurationS, m.AchievedRPS)
			}
		}
	}
	job := jobFor(&target{url: "http://127.0.0.1:1"}, 0, time.Minute)
	job.Requests = 100
	if m := mustDrive(t, job); m.Planned != 100 || m.Errors[classRefused] != 100 {
		t.Errorf("%d planned, errors %v", m.Planned, m.Errors)
	}
}

// Two loops share what one loop kept, and back.
func TestKeptConnectionsMeetMoreLoops(t *testing.T) {
	tg := startTarget(t, reply(okResponse))
	var c Client
	defer c.Close()
	for i, rateRPS := range []float64{500, 30_000, 500} {
		job := jobFor(tg, rateRPS, 200*time.Millisecond)
		job.Mix = []scenarios.Endpoint{{Name: "e", Method: "GET", Path: "/", Weight: 1}}
		if m := again(t, &c, job); m.Succeeded != m.Sent || m.Sent == 0 {
			t.Errorf("job %d: %d of %d succeeded, %v", i, m.Succeeded, m.Sent, m.Errors)
		}
	}
}
