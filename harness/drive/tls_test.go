// SPDX-License-Identifier: Apache-2.0

package drive

import (
	"bytes"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"headroom/scenarios"
)

func TestHandshakesThatFail(t *testing.T) {
	for _, test := range []struct {
		name, class string
		serve       func(c net.Conn)
	}{
		{"never comes", classTimeout, hold},
		{"closed at once", classReset, func(net.Conn) {}},
		{"closed in the middle", classReset, func(c net.Conn) { _, _ = c.Read(make([]byte, 100)) }},
		{"is no handshake", classTLS, func(c net.Conn) {
			_, _ = fmt.Fprint(c, "HTTP/1.1 400 Bad Request\r\n\r\n")
			hold(c)
		}},
		{"closed right after", classReset, func(c net.Conn) { _ = tls.Server(c, serverTLS(tls.VersionTLS13)).Handshake() }},
		{"is refused", classTLS, func(c net.Conn) {
			_ = tls.Server(c, &tls.Config{MinVersion: tls.VersionTLS13}).Handshake() // has no certificate
			hold(c)
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := startRaw(t, "https", func(_ *rawServer, c net.Conn, _ int64) { test.serve(c) })
			job := jobFor(&s.target, 50, 400*time.Millisecond)
			job.Timeout, job.Mix[0].Method = 500*time.Millisecond, "POST"
			leavesNoSocket(t, func() {
				m := driveSecure(t, job)
				if m.Sent != 20 || m.Errors[test.class] != 20 {
					t.Errorf("%d sent, errors %v %v", m.Sent, m.Errors, m.ErrorTexts)
				}
			})
		})
	}
}

// A handshake that fails is the failure of one request.
func TestSomeHandshakesFail(t *testing.T) {
	var failed atomic.Int64
	s := startRaw(t, "https", func(s *rawServer, c net.Conn, i int64) {
		if i%3 == 0 {
			failed.Add(1)
			return
		}
		s.serve(tls.Server(c, serverTLS(tls.VersionTLS13)), reply(okResponse))
	})
	job := jobFor(&s.target, 100, 600*time.Millisecond)
	job.NewConnections = true
	m := driveSecure(t, job)
	if m.Sent != 60 || m.Failed == 0 || m.Errors[classReset] != failed.Load() || m.Succeeded+failed.Load() != 60 {
		t.Errorf("%d sent, %d succeeded, errors %v, %d handshakes failed", m.Sent, m.Succeeded, m.Errors, failed.Load())
	}
}

func TestSlowHandshakes(t *testing.T) {
	s := startRaw(t, "https", func(s *rawServer, c net.Conn, _ int64) {
		<-time.After(300 * time.Millisecond)
		s.serve(tls.Server(c, serverTLS(tls.VersionTLS13)), reply(okResponse))
	})
	job := jobFor(&s.target, 100, 500*time.Millisecond)
	job.NewConnections, job.Connections = true, 0
	m := driveSecure(t, job)
	if m.Succeeded != 50 || m.Service.Quantile(0) < 290*time.Millisecond || m.Connections.Opened != 50 {
		t.Errorf("%d of 50 succeeded, the fastest in %v, over %d connections, %v", m.Succeeded, m.Service.Quantile(0), m.Connections.Opened, m.Errors)
	}
}

// Handshakes under way leave nothing behind, however a job ends.
func TestHandshakesUnderWay(t *testing.T) {
	s := startRaw(t, "https", func(_ *rawServer, c net.Conn, _ int64) { hold(c) })
	job := jobFor(&s.target, 200, time.Hour)
	job.TLS.SkipVerify, job.Timeout = true, maxTimeout
	t.Run("interrupt while preparing", func(t *testing.T) {
		leavesNoSocket(t, func() { driveUntil(t, job, func() bool { return s.open.Load() > 0 }) })
	})
	t.Run("interrupt", func(t *testing.T) {
		job.NewConnections = true // prepares nothing
		leavesNoSocket(t, func() {
			m := driveUntil(t, job, func() bool { return s.open.Load() >= 10 })
			if m.Sent+m.Unsent == 0 {
				t.Error("nothing was due")
			}
		})
	})
	t.Run("end", func(t *testing.T) {
		s := startRaw(t, "https", func(s *rawServer, c net.Conn, i int64) {
			if i > 0 {
				hold(c)
				return
			}
			s.serve(tls.Server(c, serverTLS(tls.VersionTLS13)), reply(okResponse))
		})
		job := jobFor(&s.target, 2, 500*time.Millisecond)
		job.Timeout = 200 * time.Millisecond
		leavesNoSocket(t, func() {
			if m := driveSecure(t, job); m.Succeeded != 1 {
				t.Errorf("%d of 1 succeeded: %v", m.Succeeded, m.Errors)
			}
		})
	})
}

// Records may come in every size of pieces.
func TestRecordsInPieces(t *testing.T) {
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		for _, size := range []int{1, 3, 6, 17, 1000} {
			t.Run(fmt.Sprintf("%s by %d", tls.VersionName(version), size), func(t *testing.T) {
				s := startRaw(t, "https", func(s *rawServer, c net.Conn, _ int64) {
					s.serve(tls.Server(pieces{c, size}, serverTLS(version)), reply(okResponse))
				})
				job := jobFor(&s.target, 100, 200*time.Millisecond)
				job.Mix[0].Expect = "hello"
				if m := driveSecure(t, job); m.Succeeded != 20 || m.Protocol != "HTTP/1.1 over "+tls.VersionName(version) {
					t.Errorf("%d of 20 succeeded over %s: %v", m.Succeeded, m.Protocol, m.Errors)
				}
			})
		}
	}
}

// TLS says when an answer is over; without that it was cut off.
func TestCloseInTheMiddleOfASecureAnswer(t *testing.T) {
	for _, test := range []struct{ answer, class string }{
		{"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello", classReset},
		{"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n", classReset},
		{"HTTP/1.1 200 OK\r\n", classReset},
		{"HTTP/1.1 200 OK\r\n\r\nhello", ""},
	} {
		s := startRaw(t, "https", func(s *rawServer, c net.Conn, _ int64) {
			secure := tls.Server(c, serverTLS(tls.VersionTLS13))
			s.serve(secure, func(c net.Conn, _ []byte) bool {
				_, _ = fmt.Fprint(c, test.answer)
				_ = secure.CloseWrite() // and a FIN follows
				return false
			})
		})
		job := jobFor(&s.target, 100, 200*time.Millisecond)
		m := driveSecure(t, job)
		if m.Sent != 20 || test.class == "" && m.Succeeded != 20 || test.class != "" && m.Errors[test.class] != 20 {
			t.Errorf("%q: %d sent, %d succeeded, errors %v", test.answer, m.Sent, m.Succeeded, m.Errors)
		}
	}
}

func TestLargeSecureBodies(t *testing.T) {
	const size = 10 << 20
	for _, http2 := range []bool{false, true} {
		t.Run(fmt.Sprintf("http2=%v", http2), func(t *testing.T) {
			var wrong atomic.Int64
			tg := startTLS(t, func(w http.ResponseWriter, r *http.Request) {
				if n, err := io.Copy(io.Discard, r.Body); n != size || err != nil {
					wrong.Add(1)
				}
				_, _ = w.Write(make([]byte, size))
			}, http2)
			job := jobFor(tg, 10, 500*time.Millisecond)
			job.Mix[0].Method, job.Mix[0].Body = "PUT", strings.Repeat("x", size)
			m := driveSecure(t, job)
			if m.Succeeded != 5 || m.BytesIn != 5*size || m.BytesOut != 5*size || wrong.Load() > 0 {
				t.Errorf("%d of 5 succeeded, %d bytes in, %d out, %d were wrong, %v", m.Succeeded, m.BytesIn, m.BytesOut, wrong.Load(), m.ErrorTexts)
			}
		})
	}
}

// An answer that comes before the request is over counts, and the rest of the
// request does not go out.
func TestEarlySecureAnswer(t *testing.T) {
	for _, http2 := range []bool{false, true} {
		tg := startTLS(t, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Connection", "close")
			w.WriteHeader(http.StatusRequestEntityTooLarge)
		}, http2)
		job := jobFor(tg, 20, 500*time.Millisecond)
		job.Mix[0].Method, job.Mix[0].Body = "POST", strings.Repeat("x", 10<<20)
		if m := driveSecure(t, job); m.Sent != 10 || m.Status["413"] != 10 || m.Errors[classStatus4xx] != 10 {
			t.Errorf("http2=%v: %d sent, status %v, errors %v %v", http2, m.Sent, m.Status, m.Errors, m.ErrorTexts)
		}
	}
}

// A server that stops reading costs its own requests.
func TestServerStopsReading(t *testing.T) {
	s := startRaw(t, "https", func(s *rawServer, c net.Conn, _ int64) {
		secure := tls.Server(c, serverTLS(tls.VersionTLS13))
		s.serve(secure, func(c net.Conn, request []byte) bool {
			if bytes.HasPrefix(request, []byte("POST")) {
				<-s.quit
				return false
			}
			return reply(okResponse)(c, request)
		})
	})
	job := jobFor(&s.target, 50, time.Second)
	job.Connections, job.Timeout = 0, time.Second
	job.Mix = []scenarios.Endpoint{
		{Name: "big", Method: "POST", Path: "/", Body: strings.Repeat("x", 8<<20), Weight: 0.1},
		{Name: "small", Method: "GET", Path: "/", Weight: 0.9},
	}
	m := driveSecure(t, job)
	big, small := m.Endpoints[0], m.Endpoints[1]
	if m.Sent != 50 || big.Sent == 0 || m.Errors[classTimeout] != big.Sent || small.Succeeded != small.Sent {
		t.Errorf("%d sent, %d of them big, %d of %d small ones succeeded, errors %v", m.Sent, big.Sent, small.Succeeded, small.Sent, m.Errors)
	}
}

// A Unix socket may refuse writes without being closed. That breaks the connection, once.
// The kernel does not wake a writer that waits for room at that moment, so such a request
// times out.
func TestSecureSocketThatTakesNoMore(t *testing.T) {
	path := filepath.Join(t.TempDir(), "socket")
	listener, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	s := serveRaw(t, listener, "https://localhost", func(s *rawServer, c net.Conn, _ int64) {
		s.serve(tls.Server(c, serverTLS(tls.VersionTLS13)), func(net.Conn, []byte) bool {
			_ = c.(*net.UnixConn).CloseRead()
			<-s.quit
			return false
		})
	})
	job := jobFor(&s.target, 50, 200*time.Millisecond)
	job.UnixSocket, job.Timeout = path, 2*time.Second
	job.Mix[0].Method, job.Mix[0].Body = "POST", strings.Repeat("x", 8<<20)
	if m := driveSecure(t, job); m.Sent != 10 || m.Errors[classReset] == 0 || m.Errors[classReset]+m.Errors[classTimeout] != 10 {
		t.Errorf("%d sent, errors %v %v", m.Sent, m.Errors, m.ErrorTexts)
	}
}
