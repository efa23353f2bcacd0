// SPDX-License-Identifier: Apache-2.0

package http2

import (
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
	"testing"
	"time"
)

// loop is a small event loop over a loopback connection to Go's own server.
type loop struct {
	*record
	t    *testing.T
	conn net.Conn
	c    *Conn
	in   chan []byte // closed at the connection's end
	out  chan []byte
}

func newLoop(t *testing.T, config Config, limits http.HTTP2Config, handler http.HandlerFunc) *loop {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: handler, HTTP2: &limits, Protocols: &http.Protocols{}, ErrorLog: log.New(io.Discard, "", 0)}
	server.Protocols.SetUnencryptedHTTP2(true)
	served := make(chan struct{})
	go func() {
		defer close(served)
		_ = server.Serve(listener) // ends with Close
	}()
	conn, err := net.Dial("tcp", listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	if err := conn.SetDeadline(time.Now().Add(30 * time.Second)); err != nil {
		t.Fatal(err)
	}
	l := &loop{record: newRecord(t), t: t, conn: conn, c: New(config), in: make(chan []byte), out: make(chan []byte, 1<<16)}
	written := make(chan struct{})
	go func() {
		defer close(l.in)
		for {
			buffer := make([]byte, 1000) // so that frames are cut
			n, err := conn.Read(buffer)
			if err != nil {
				return
			}
			l.in <- buffer[:n]
		}
	}()
	go func() {
		defer close(written)
		for b := range l.out {
			if _, err := conn.Write(b); err != nil {
				return // the reader says so too
			}
		}
	}()
	t.Cleanup(func() {
		close(l.out)
		<-written
		conn.Close()
		for range l.in {
		}
		server.Close()
		<-served
	})
	l.write(l.c.Start(nil))
	l.feed() // the server's SETTINGS
	return l
}

func (l *loop) write(b []byte) {
	if len(b) > 0 {
		l.out <- b
	}
}

// feed gives the connection what comes next. It is false at the end.
func (l *loop) feed() bool {
	l.t.Helper()
	data, ok := <-l.in
	if !ok {
		return false
	}
	out, err := l.c.Feed(nil, data, l)
	if err != nil {
		l.t.Fatal(err)
	}
	l.write(out)
	return true
}

// finish feeds until no request is open, or the connection ends.
func (l *loop) finish() {
	for l.c.Active() > 0 {
		if !l.feed() {
			l.c.Close(io.ErrUnexpectedEOF, l)
		}
	}
}

func (l *loop) open(tag int32, r *Request) { l.write(l.c.Open(nil, tag, r)) }

// answer is what the server sends for a path: its length is in the query.
func answer(path string, length int) []byte {
	return bytes.Repeat([]byte(path+";"), length/(len(path)+1)+1)[:length]
}

// serve answers with a body, as long as the query says, and echoes a request's
// own body before it.
func serve(w http.ResponseWriter, r *http.Request) {
	length, _ := strconv.Atoi(r.URL.RawQuery)
	body, err := io.ReadAll(r.Body)
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	if r.ContentLength >= 0 && r.ContentLength != int64(len(body)) || r.Header.Get("x-session") != r.URL.Path {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	w.Header().Set("Trailer", "x-sum")
	_, _ = w.Write(body)
	_, _ = w.Write(answer(r.URL.Path, length))
	w.Header().Set("x-sum", strconv.Itoa(len(body)+length))
}

// Many requests at once, with bodies small and large both ways.
func TestServerManyStreams(t *testing.T) {
	l := newLoop(t, Config{WantHeaders: true, MaxStreams: 40}, http.HTTP2Config{MaxConcurrentStreams: 50, MaxReadFrameSize: 1 << 20}, serve)
	const total = 1000
	sizes := []int{0, 1, 100, 3000, 20000, 70000}
	bodies := map[int32][]byte{}
	most := 0
	for tag := int32(0); tag < total; tag++ {
		for l.c.FreeStreams() == 0 {
			if !l.feed() {
				t.Fatal("the server ended the connection")
			}
		}
		path := fmt.Sprintf("/item/%d", tag)
		length := sizes[int(tag)%len(sizes)]
		r := request("GET", path+"?"+strconv.Itoa(length), 0)
		if tag%3 == 0 {
			r.Method, r.Body = "POST", answer("/body"+path, sizes[int(tag/3)%len(sizes)])
			r.Extra = append(r.Extra, Changing{"content-length", []byte(strconv.Itoa(len(r.Body)))})
		}
		r.Fields = plainFields
		r.Extra = append(r.Extra, Changing{"x-session", []byte(path)})
		bodies[tag] = append(append([]byte(nil), r.Body...), answer(path, length)...)
		l.open(tag, r)
		most = max(most, l.c.Active())
	}
	l.finish()
	if len(l.ends) != total || most != 40 {
		t.Errorf("%d of %d requests have ended, %d at once; want 40", len(l.ends), total, most)
	}
	for tag, want := range bodies {
		if !bytes.Equal(l.bodies[tag], want) {
			t.Errorf("request %d has a body of %d bytes that is not the one of %d", tag, len(l.bodies[tag]), len(want))
		}
		sum := "x-sum=" + strconv.Itoa(len(want))
		if h := l.headers[tag]; len(h) == 0 || h[len(h)-1] != sum {
			t.Errorf("request %d has the fields %q, want %s at the end", tag, h, sum)
		}
	}
	for _, text := range l.ends {
		if !strings.Contains(text, ": 200 ") || strings.Contains(text, "HTTP/2") {
			t.Errorf("an end is %s", text)
		}
	}
}

// A body beyond every window: the updates must flow both ways.
func TestServerLargeBodies(t *testing.T) {
	const size = 24 << 20 // more than this side's window of a stream
	l := newLoop(t, Config{}, http.HTTP2Config{MaxReceiveBufferPerStream: 100 << 10, MaxReceiveBufferPerConnection: 150 << 10}, serve)
	sum := &quiet{}
	r := request("POST", "/large?"+strconv.Itoa(size), 3<<20)
	r.Extra = []Changing{{"x-session", []byte("/large")}}
	l.open(1, r)
	for l.c.Active() > 0 {
		data, ok := <-l.in
		if !ok {
			t.Fatal("the server ended the connection")
		}
		out, err := l.c.Feed(nil, data, sum)
		if err != nil {
			t.Fatal(err)
		}
		l.write(out)
	}
	if sum.ended != 1 || sum.bytes != size+3<<20 {
		t.Errorf("%d requests ended well, with %d bytes", sum.ended, sum.bytes)
	}
}

// What a server does besides plain answers.
func TestServerAnswers(t *testing.T) {
	l := newLoop(t, Config{}, http.HTTP2Config{}, func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/early":
			w.WriteHeader(http.StatusRequestEntityTooLarge)
		case "/abort":
			w.WriteHeader(http.StatusOK)
			_ = http.NewResponseController(w).Flush()
			panic(http.ErrAbortHandler)
		case "/hints":
			w.WriteHeader(http.StatusEarlyHints)
			fmt.Fprint(w, "after")
		case "/none":
			w.WriteHeader(http.StatusNoContent)
		case "/header":
			w.Header().Set("x-large", strings.Repeat("<", 100<<10))
			fmt.Fprint(w, len(r.Header.Get("x-large")))
		case "/head":
			w.Header().Set("content-length", "5")
		}
	})
	for _, test := range []struct {
		path, method string
		body         int
		want         string
	}{
		{"/early", "POST", 2 << 20, "413"},
		{"/abort", "GET", 0, "200 the server reset the stream: INTERNAL_ERROR"},
		{"/hints", "GET", 0, `200 "after"`},
		{"/none", "DELETE", 0, "204"},
		{"/header", "GET", 0, `200 "40000"`},
		{"/head", "HEAD", 0, "200"},
	} {
		r := request(test.method, test.path, test.body)
		if test.path == "/header" {
			r.Fields = []Field{{"x-large", strings.Repeat("<", 40000)}}
		}
		l.ends = nil
		tag := int32(len(l.ended))
		l.open(tag, r)
		l.finish()
		equal(t, test.path, l.ends, fmt.Sprintf("%d: %s", tag, test.want))
	}
}

// A server that ends the connection answers what it has begun.
func TestServerGoAway(t *testing.T) {
	hold := make(chan struct{})
	l := newLoop(t, Config{}, http.HTTP2Config{}, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/last" {
			w.Header().Set("connection", "close")
			return
		}
		<-hold
		fmt.Fprint(w, "held")
	})
	l.open(1, request("GET", "/held", 0))
	l.open(2, request("GET", "/last", 0))
	for !l.c.Draining() || len(l.ends) == 0 { // the end may come before the last answer, or behind it
		if !l.feed() {
			t.Fatal("the server ended the connection without GOAWAY")
		}
	}
	if l.c.FreeStreams() != 0 || l.c.Active() == 0 {
		t.Errorf("after GOAWAY there is room for %d, with %d active", l.c.FreeStreams(), l.c.Active())
	}
	close(hold)
	l.finish()
	if fmt.Sprint(l.ends) != `[2: 200 1: 200 "held"]` {
		t.Errorf("ends %q", l.ends)
	}
}

// A cancelled request ends at the server, and the connection stays of use.
func TestServerCancel(t *testing.T) {
	cancelled := make(chan error, 1)
	l := newLoop(t, Config{}, http.HTTP2Config{}, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/next" {
			return
		}
		fmt.Fprint(w, "begun")
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done()
		cancelled <- r.Context().Err()
	})
	l.open(1, request("GET", "/endless", 0))
	for len(l.bodies[1]) == 0 {
		if !l.feed() {
			t.Fatal("the server ended the connection")
		}
	}
	l.write(l.c.Cancel(nil, 1))
	l.open(2, request("GET", "/next", 0))
	l.finish()
	equal(t, "ends", l.ends, "2: 200")
	select {
	case err := <-cancelled:
		if !errors.Is(err, context.Canceled) {
			t.Errorf("the server's request ended with %v", err)
		}
	case <-time.After(30 * time.Second):
		t.Error("the server's request was not cancelled within 30 s")
	}
}
