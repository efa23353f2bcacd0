// SPDX-License-Identifier: Apache-2.0

// Package jobstest starts a real NATS server inside a test.
package jobstest

import (
	"net"
	"strconv"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"

	"headroom/internal/racetest"
)

const readyTimeout = 20 * time.Second

// Server is a NATS server with JetStream.
type Server struct {
	t       *testing.T
	options server.Options
	running *server.Server
}

// Start runs a server with a store of its own until the test's end. Under the race
// detector the test is skipped. The server races with itself when a stream is updated
// while a consumer of it is made (v2.15.2, filestore.go:757 and 13552), and the
// detector can't leave a package out.
func Start(t *testing.T) *Server {
	t.Helper()
	if racetest.Enabled {
		t.Skip("the NATS server within this test has a data race of its own; go test without -race runs it")
	}
	s := &Server{t: t, options: server.Options{
		Host: "127.0.0.1", Port: server.RANDOM_PORT, JetStream: true, StoreDir: t.TempDir(), NoSigs: true, NoLog: true,
	}}
	s.Restart()
	t.Cleanup(s.Stop)
	return s
}

// Address is where it listens, also when it is stopped.
func (s *Server) Address() string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(s.options.Port)) }

// Stop ends it; its store stays.
func (s *Server) Stop() {
	if s.running != nil {
		s.running.Shutdown()
		s.running.WaitForShutdown()
		s.running = nil
	}
}

// Restart starts it again at the same address, on its store.
func (s *Server) Restart() {
	s.t.Helper()
	s.Stop()
	options := s.options // the server writes into it
	running, err := server.NewServer(&options)
	if err != nil {
		s.t.Fatal(err)
	}
	running.Start()
	s.running = running
	if !running.ReadyForConnections(readyTimeout) {
		s.t.Fatalf("the NATS server is not ready after %v", readyTimeout)
	}
	s.options.Port = running.Addr().(*net.TCPAddr).Port
}

// Eventually asks until the answer is nil, and fails the test after 30 s. It waits
// for an effect of another program.
func Eventually(t *testing.T, what string, ask func() error) {
	t.Helper()
	deadline := time.After(30 * time.Second)
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		err := ask()
		if err == nil {
			return
		}
		select {
		case <-deadline:
			t.Fatalf("not after 30 s: %s: %v", what, err)
		case <-tick.C:
		}
	}
}
