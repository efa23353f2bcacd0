// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// caseServer is a small HTTP/1.1 server on raw TCP; what it does is chosen by
// the path:
//
//	/serial/MS   one request at a time, each takes MS ms: capacity is 1000/MS a second
//	/sleep/MS    each takes MS ms, any number at once
//	/limit/N     N a second are answered, the others get 503
//	/spread/MS   each takes up to MS ms, from request to request another time
//	/status/N    answers N
//	/redir       302 to /sleep/20
//	/auth        401 unless user / p@ss
//	/closehold   says Connection: close and lets the client close first
//	/identity    Transfer-Encoding: identity
//	/badlength   a Content-Length that is no number
//	/fold        a folded header line
//	/bighead     70 KB of header
//	/every/N     breaks the connection (RST) in place of every N-th answer
//	/big/N       a body of N bytes
//	/early/N     N as soon as the header has come, and the end of the connection
//	/dies/A/B    answers the first A, holds the next B, and dies with the last of them
type caseServer struct {
	network  string
	listener net.Listener
	serial   sync.Mutex
	limited  struct {
		sync.Mutex
		second time.Time
		n      int
	}
	dead chan struct{}

	mu    sync.Mutex
	conns map[net.Conn]bool
	now   int
	seen  caseCounts
	heads []*http.Request // the first ones
}

type caseCounts struct {
	connections, requests, atOnce, broken int
	bodies                                int64 // bytes of them
}

// Limits of a caseServer.
const (
	caseConnTime = 2 * time.Minute
	caseHeads    = 100
)

func newCaseServer(network, address string) (*caseServer, error) {
	listener, err := net.Listen(network, address)
	if err != nil {
		return nil, err
	}
	s := &caseServer{network: network, listener: listener, dead: make(chan struct{}), conns: map[net.Conn]bool{}}
	go s.accept()
	return s, nil
}

// serveCases starts a server on a free port of 127.0.0.1.
func serveCases(t *testing.T) *caseServer {
	t.Helper()
	s, err := newCaseServer("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.die)
	return s
}

// url is path's on the server, by its number.
func (s *caseServer) url(path string) string { return "http://" + s.listener.Addr().String() + path }

func (s *caseServer) port() string {
	_, port, _ := net.SplitHostPort(s.listener.Addr().String())
	return port
}

func (s *caseServer) counts() caseCounts {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.seen
}

// requests are the first that came, without their bodies.
func (s *caseServer) requests() []*http.Request {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.heads
}

// die breaks all connections, and takes no others.
func (s *caseServer) die() {
	s.mu.Lock()
	defer s.mu.Unlock()
	select {
	case <-s.dead:
		return
	default:
	}
	close(s.dead)
	_ = s.listener.Close()
	for c := range s.conns {
		reset(c)
	}
}

// reset ends a connection with a RST.
func reset(c net.Conn) {
	if tcp, ok := c.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0)
	}
	_ = c.Close()
}

func (s *caseServer) accept() {
	for {
		c, err := s.listener.Accept()
		if err != nil {
			return
		}
		s.mu.Lock()
		s.seen.connections++
		s.conns[c] = true
		s.mu.Unlock()
		go s.serve(c)
	}
}

func (s *caseServer) serve(c net.Conn) {
	defer func() {
		s.mu.Lock()
		delete(s.conns, c)
		s.mu.Unlock()
		_ = c.Close()
	}()
	_ = c.SetDeadline(time.Now().Add(caseConnTime))
	in := bufio.NewReader(c)
	for {
		r, err := http.ReadRequest(in)
		if err != nil {
			return
		}
		act, argument, _ := strings.Cut(strings.Trim(r.URL.Path, "/"), "/")
		var body int64
		if act != "early" {
			if body, err = io.Copy(io.Discard, r.Body); err != nil {
				return
			}
		}
		number := s.begin(r, body)
		more := s.act(c, in, r, act, argument, number)
		s.mu.Lock()
		s.now--
		s.mu.Unlock()
		if !more {
			return
		}
	}
}

// limit answers so many requests of a second.
func (s *caseServer) limit(n int) int {
	s.limited.Lock()
	defer s.limited.Unlock()
	if now := time.Now(); now.Sub(s.limited.second) >= time.Second {
		s.limited.second, s.limited.n = now, 0
	}
	if s.limited.n++; s.limited.n > n {
		return http.StatusServiceUnavailable
	}
	return http.StatusOK
}

// begin counts a request. It returns its number, from 1.
func (s *caseServer) begin(r *http.Request, body int64) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.seen.requests++
	s.seen.bodies += body
	s.now++
	s.seen.atOnce = max(s.seen.atOnce, s.now)
	if len(s.heads) < caseHeads {
		s.heads = append(s.heads, r)
	}
	return s.seen.requests
}

// act answers one request. It returns false when the connection is over.
func (s *caseServer) act(c net.Conn, in io.Reader, r *http.Request, act, argument string, number int) bool {
	n, _ := strconv.Atoi(argument)
	switch act {
	case "serial":
		s.serial.Lock()
		s.pass(n)
		s.serial.Unlock()
		return respond(c, 200, "")
	case "limit":
		return respond(c, s.limit(n), "")
	case "sleep":
		s.pass(n)
		return respond(c, 200, "")
	case "spread":
		s.pass(number * 37 % n)
		return respond(c, 200, "")
	case "status":
		return respond(c, n, "")
	case "redir":
		return respond(c, 302, "Location: /sleep/20\r\n")
	case "auth":
		if user, password, _ := r.BasicAuth(); user != "user" || password != "p@ss" {
			return respond(c, 401, "")
		}
		return respond(c, 200, "")
	case "closehold":
		if respond(c, 200, "Connection: close\r\n") {
			_, _ = in.Read(make([]byte, 1))
		}
		return false
	case "identity":
		return respond(c, 200, "Transfer-Encoding: identity\r\n")
	case "badlength":
		return respond(c, 200, "Content-Length: 2x\r\n")
	case "fold":
		return respond(c, 200, "X-A: one\r\n two\r\n")
	case "bighead":
		return respond(c, 200, "X-A: "+strings.Repeat("a", 70_000)+"\r\n")
	case "every":
		if number%n == 0 {
			s.mu.Lock()
			s.seen.broken++
			s.mu.Unlock()
			reset(c)
			return false
		}
		return respond(c, 200, "")
	case "big":
		return respondBig(c, n)
	case "early":
		respond(c, n, "Connection: close\r\n")
		return false
	case "dies":
		return s.actDying(c, argument, number)
	}
	return respond(c, 200, "")
}

// pass lets so many milliseconds pass, unless the server dies.
func (s *caseServer) pass(milliseconds int) {
	timer := time.NewTimer(time.Duration(milliseconds) * time.Millisecond)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-s.dead:
	}
}

func (s *caseServer) actDying(c net.Conn, argument string, number int) bool {
	var answered, held int
	if _, err := fmt.Sscanf(argument, "%d/%d", &answered, &held); err != nil {
		return false
	}
	if number <= answered {
		return respond(c, 200, "")
	}
	if number == answered+held {
		s.die()
	}
	<-s.dead
	return false
}

func respond(w io.Writer, status int, more string) bool {
	_, err := fmt.Fprintf(w, "HTTP/1.1 %d X\r\n%sContent-Length: 2\r\n\r\nok", status, more)
	return err == nil
}

func respondBig(w io.Writer, n int) bool {
	if _, err := fmt.Fprintf(w, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n", n); err != nil {
		return false
	}
	block := bytes.Repeat([]byte("x"), 256<<10)
	for n > 0 {
		sent, err := w.Write(block[:min(n, len(block))])
		if err != nil {
			return false
		}
		n -= sent
	}
	return true
}

// breakUploads serves connections that break (RST) while a body is on its way:
// 30 ms after its first 8 KB have come. It returns the server's URL.
func breakUploads(t *testing.T) string {
	t.Helper()
	small := net.ListenConfig{Control: func(_, _ string, raw syscall.RawConn) error {
		var err error
		return errors.Join(raw.Control(func(fd uintptr) {
			err = syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_RCVBUF, 16<<10)
		}), err)
	}}
	listener, err := small.Listen(context.Background(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	go func() {
		for {
			c, err := listener.Accept()
			if err != nil {
				return
			}
			go func() {
				defer reset(c)
				_ = c.SetDeadline(time.Now().Add(caseConnTime))
				if _, err := io.ReadFull(c, make([]byte, 8<<10)); err == nil {
					time.Sleep(30 * time.Millisecond) // what the server does, not a wait
				}
			}()
		}
	}()
	return "http://" + listener.Addr().String() + "/"
}

// quiet is the log of a server whose clients are meant to fail.
func quiet() *log.Logger { return log.New(io.Discard, "", 0) }
