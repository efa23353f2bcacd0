// SPDX-License-Identifier: Apache-2.0

package link

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"headroom/scenarios"
	"headroom/targets/machine/spec"
)

const testLimit = 30 * time.Second

// far listens, and handles each connection with h.
func far(t *testing.T, h func(*net.TCPConn)) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var handling sync.WaitGroup
	handling.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			handling.Go(func() {
				defer conn.Close()
				h(conn.(*net.TCPConn))
			})
		}
	})
	t.Cleanup(func() {
		listener.Close()
		handling.Wait()
	})
	return listener.Addr().String()
}

func echo(c *net.TCPConn) { _, _ = io.Copy(c, c) }

// start runs a link to the address and returns its own.
func start(t *testing.T, c Config) Config {
	t.Helper()
	c.Listen, c.Control = free(t), free(t)
	if c.Bandwidth == 0 {
		c.Bandwidth = 1 << 40
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- Run(ctx, c, io.Discard) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	until(t, func() bool {
		response, err := http.Get("http://" + c.Control + "/internal/counters")
		if err == nil {
			response.Body.Close()
		}
		return err == nil
	})
	return c
}

func free(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	return listener.Addr().String()
}

func dial(t *testing.T, address string) *net.TCPConn {
	t.Helper()
	conn, err := net.DialTimeout("tcp", address, testLimit)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(testLimit)); err != nil {
		t.Fatal(err)
	}
	return conn.(*net.TCPConn)
}

func counter(t *testing.T, c Config, name string) float64 {
	t.Helper()
	response, err := http.Get("http://" + c.Control + "/internal/counters")
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	counts := map[string]float64{}
	if err := json.NewDecoder(response.Body).Decode(&counts); err != nil {
		t.Fatal(err)
	}
	return counts[name]
}

func roundTrip(t *testing.T, conn *net.TCPConn, size int) time.Duration {
	t.Helper()
	began := time.Now()
	if _, err := conn.Write(make([]byte, size)); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(conn, make([]byte, size)); err != nil {
		t.Fatal(err)
	}
	return time.Since(began)
}

// A byte never arrives before its delay: each way one, and on a new connection
// two more for the handshake.
func TestNoByteIsEarly(t *testing.T) {
	const delay = 10 * time.Millisecond
	c := start(t, Config{To: far(t, echo), Delay: delay, Jitter: 2 * time.Millisecond})
	began := time.Now()
	conn := dial(t, c.Listen)
	roundTrip(t, conn, 100)
	if took := time.Since(began); took < 4*delay {
		t.Errorf("the first answer came %v after connecting, before %v", took, 4*delay)
	}
	for range 5 {
		if took := roundTrip(t, conn, 100); took < 2*delay {
			t.Errorf("an answer after %v, before %v", took, 2*delay)
		}
	}
	// The link counts what it has passed on: the last bytes can be here before
	// they are counted.
	n := counter(t, c, "bytes_total")
	for deadline := time.Now().Add(testLimit); n < 1200 && time.Now().Before(deadline); n = counter(t, c, "bytes_total") {
		time.Sleep(time.Millisecond)
	}
	if n != 1200 {
		t.Errorf("%v bytes relayed, want 1200", n)
	}
}

// A server that speaks first is not heard before it could have known of the
// client, and the client of it.
func TestServerThatSpeaksFirst(t *testing.T) {
	const delay = 5 * time.Millisecond
	c := start(t, Config{To: far(t, func(c *net.TCPConn) { _, _ = io.WriteString(c, "hello") }), Delay: delay})
	began := time.Now()
	text, err := io.ReadAll(dial(t, c.Listen))
	if took := time.Since(began); err != nil || string(text) != "hello" || took < 4*delay {
		t.Errorf("%q, %v after %v", text, err, took)
	}
}

// All bytes arrive, in order, in spite of jitter, many times more than fit on
// the line at once.
func TestOrderIsKept(t *testing.T) {
	c := start(t, Config{To: far(t, echo), Delay: time.Millisecond, Jitter: 3 * time.Millisecond})
	conn := dial(t, c.Listen)
	sent := make([]byte, 8<<20)
	random := rand.NewChaCha8([32]byte{1})
	_, _ = random.Read(sent)
	go func() {
		for rest := sent; len(rest) > 0; {
			n := min(len(rest), 1+rand.IntN(40_000))
			if _, err := conn.Write(rest[:n]); err != nil {
				return
			}
			rest = rest[n:]
		}
		_ = conn.CloseWrite()
	}()
	got, err := io.ReadAll(conn) // the end arrives too, after all bytes
	if err != nil || sha256.Sum256(got) != sha256.Sum256(sent) {
		t.Errorf("%d of %d bytes came back, or others: %v", len(got), len(sent), err)
	}
}

// The delay does not limit what is under way: chunks are taken in while nothing
// has arrived, up to the line's length.
func TestManyChunksAreUnderWay(t *testing.T) {
	accepted := make(chan *net.TCPConn, 1)
	done := make(chan struct{})
	near := dial(t, far(t, func(c *net.TCPConn) {
		accepted <- c
		<-done
	}))
	from := <-accepted
	r := newRelay(Config{Delay: time.Hour, Bandwidth: 1 << 40}, nil)
	s := r.stream(from, nil, &r.wires[0], time.Now())
	defer close(done)
	go s.read(done) // nobody delivers
	for sent := range inFlight {
		if _, err := near.Write([]byte{1}); err != nil {
			t.Fatal(err)
		}
		until(t, func() bool { return len(s.line) == sent+1 })
	}
}

// until asks until the answer is yes.
func until(t *testing.T, ask func() bool) {
	t.Helper()
	deadline := time.After(testLimit)
	for !ask() {
		select {
		case <-deadline:
			t.Fatalf("not within %v", testLimit)
		case <-time.After(time.Millisecond):
		}
	}
}

func TestBandwidth(t *testing.T) {
	const perSecond, size = 1 << 20, 64 << 10 // 62.5 ms each way
	c := start(t, Config{To: far(t, echo), Bandwidth: perSecond})
	if took := roundTrip(t, dial(t, c.Listen), size); took < size*time.Second/perSecond {
		t.Errorf("%d bytes came back after %v: faster than %d bytes/s", size, took, perSecond)
	}
}

// Half of a connection can end and the other go on.
func TestHalfClose(t *testing.T) {
	c := start(t, Config{Delay: time.Millisecond, To: far(t, func(c *net.TCPConn) {
		text, _ := io.ReadAll(c) // until the client's end
		fmt.Fprintf(c, "%d bytes", len(text))
	})})
	conn := dial(t, c.Listen)
	if _, err := conn.Write(make([]byte, 1000)); err != nil {
		t.Fatal(err)
	}
	_ = conn.CloseWrite()
	if text, err := io.ReadAll(conn); err != nil || string(text) != "1000 bytes" {
		t.Errorf("%q, %v", text, err)
	}
}

func TestResetPassesThrough(t *testing.T) {
	aborted := make(chan error, 1)
	c := start(t, Config{Delay: time.Millisecond, To: far(t, func(c *net.TCPConn) {
		buffer := make([]byte, 10)
		n, err := c.Read(buffer)
		if err != nil || n == 0 {
			return // the health check
		}
		switch buffer[0] {
		case 'a': // the far side breaks it
			abort(c)
		case 'b': // the near side does
			_, err := io.ReadAll(c)
			aborted <- err
		}
	})})
	conn := dial(t, c.Listen)
	_, _ = io.WriteString(conn, "a")
	if _, err := conn.Read(make([]byte, 1)); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("the client reads %v, want a reset", err)
	}
	conn = dial(t, c.Listen)
	_, _ = io.WriteString(conn, "b")
	until(t, func() bool { return counter(t, c, "bytes_total") == 2 }) // a reset overtakes what was not read yet
	abort(conn)
	select {
	case err := <-aborted:
		if !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("the far side reads %v, want a reset", err)
		}
	case <-time.After(testLimit):
		t.Error("the far side never learns of the reset")
	}
}

func TestFarSideAway(t *testing.T) {
	c := start(t, Config{To: free(t), Delay: 5 * time.Millisecond})
	began := time.Now()
	conn := dial(t, c.Listen)
	if _, err := conn.Read(make([]byte, 1)); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("read %v, want a reset", err)
	}
	if took := time.Since(began); took < 10*time.Millisecond {
		t.Errorf("refused after %v, before a round trip", took)
	}
	if n := counter(t, c, "dial_errors_total"); n != 1 {
		t.Errorf("%v dial errors", n)
	}
	response, err := http.Get("http://" + c.Control + "/health")
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if body, _ := io.ReadAll(response.Body); response.StatusCode != 503 || !bytes.Contains(body, []byte("far side")) {
		t.Errorf("%s %s", response.Status, body)
	}
}

func TestConfigFromProcess(t *testing.T) {
	p := spec.Process{Name: "ocean", Kind: "link", Port: 9000,
		Settings: map[string]string{"delay": "40ms", "jitter": "0s", "bandwidth": "1GB"}, Links: map[scenarios.Role][]string{"to": {"a:1"}}}
	c, err := ConfigFromProcess(p)
	want := Config{Listen: ":9000", Control: ":9001", To: "a:1", Delay: 40 * time.Millisecond, Bandwidth: 1 << 30}
	if err != nil || c != want {
		t.Errorf("%+v, %v", c, err)
	}
	p.Settings["delay"] = "1h"
	if _, err := ConfigFromProcess(p); err == nil || !strings.Contains(err.Error(), "delay") {
		t.Errorf("error %v", err)
	}
}
