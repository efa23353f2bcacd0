// SPDX-License-Identifier: Apache-2.0

package http1

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"
)

// sink keeps what it is told.
type sink struct {
	headers []string
	body    bytes.Buffer
	limit   int // of the body; 0: none
}

var errLimit = errors.New("enough")

func (s *sink) Header(name, value []byte) {
	s.headers = append(s.headers, string(name)+"="+string(value))
}

func (s *sink) Body(fragment []byte) error {
	s.body.Write(fragment)
	if s.limit > 0 && s.body.Len() > s.limit {
		return errLimit
	}
	return nil
}

// read feeds text in pieces of size bytes, each in memory of its own, then ends
// the connection if the response is not complete.
func read(text string, size int, head bool) (p Parser, s sink, rest string, err error) {
	p.WantHeaders = true
	p.Reset(head)
	rest, err = feed(&p, &s, text, func(int) int { return size })
	return p, s, rest, err
}

// feed feeds text in pieces, the n-th of size(n) bytes.
func feed(p *Parser, s Sink, text string, size func(n int) int) (rest string, err error) {
	for n := 0; text != ""; n++ {
		given := text[:min(size(n), len(text))]
		text = text[len(given):]
		piece := []byte(given)
		left, complete, err := p.Feed(piece, s)
		if string(piece) != given {
			return "", fmt.Errorf("the parser made %q of its caller's %q", piece, given)
		}
		if err != nil {
			return "", err
		}
		if complete {
			rest = string(left) + text
			if _, _, err := p.Feed([]byte(text), s); err != nil {
				return "", err
			}
			return rest, nil
		}
		clear(piece) // the parser must not have kept it
	}
	return "", p.End()
}

func TestStarted(t *testing.T) {
	var p Parser
	p.Reset(false)
	if p.Started() {
		t.Error("a response has begun before its first byte")
	}
	for _, b := range []byte("HTTP/1.1 100 Continue\r\n\r\n") {
		if _, _, err := p.Feed([]byte{b}, &sink{}); err != nil || !p.Started() {
			t.Fatalf("started %v, error %v", p.Started(), err)
		}
	}
}

func TestHeadersAreKeptBackWithoutARequest(t *testing.T) {
	var p Parser
	var s sink
	p.Reset(false)
	if _, complete, err := p.Feed([]byte("HTTP/1.1 200 OK\r\nA: b\r\n c\r\nContent-Length: 0\r\n\r\n"), &s); !complete || err != nil || s.headers != nil {
		t.Errorf("complete %v, headers %q, error %v", complete, s.headers, err)
	}
}

func TestSinkStopsTheBody(t *testing.T) {
	for _, text := range []string{
		"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\n" + strings.Repeat("x", 50),
		"HTTP/1.1 200 OK\r\n\r\n" + strings.Repeat("x", 50),
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n32\r\n" + strings.Repeat("x", 50),
	} {
		var p Parser
		p.Reset(false)
		s := sink{limit: 10}
		if _, _, err := p.Feed([]byte(text), &s); !errors.Is(err, errLimit) {
			t.Errorf("error %v after %d bytes", err, s.body.Len())
		}
	}
}

// A parser reads the next response as if there had been none before, whatever
// state the last one left it in.
func TestResetForgetsTheLastResponse(t *testing.T) {
	for _, last := range []string{
		"", "HTTP/1.", "HTTP/1.0 200 OK\r\nConnection: close\r\nA: b\r\n", "HTTP/1.1 200 OK\r\nA: b\r\n c",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked;x=1\r\nContent-Length: x\r\nA:", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked, chunked\r\n\r\n3\r\nabc\r",
		"HTTP/1.1 100 Continue\r\nConnection: close\r\n\r\n",
	} {
		p := Parser{WantHeaders: true}
		p.Reset(true)
		if _, _, err := p.Feed([]byte(last), &sink{}); err != nil {
			t.Fatalf("%q: %v", last, err)
		}
		p.Reset(false)
		var s sink
		rest, complete, err := p.Feed([]byte("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"), &s)
		if len(rest) > 0 || !complete || err != nil || s.body.String() != "hi" || !p.Reusable() || strings.Join(s.headers, " ") != "Content-Length=2" {
			t.Errorf("after %q: headers %q, body %q, reusable %v, error %v", last, s.headers, s.body.String(), p.Reusable(), err)
		}
	}
}

func TestHeaderLimit(t *testing.T) {
	const status, end = "HTTP/1.1 200 OK\r\n", "Content-Length: 0\r\n\r\n"
	const room = MaxHeader - len(status) - len(end)
	line := "A: " + strings.Repeat("x", 95) + "\r\n"
	fold := strings.Repeat("x", 97) + "\r\n "
	lines := func(room int) string {
		return strings.Repeat(line, room/len(line)-1) + "A: " + strings.Repeat("y", len(line)+room%len(line)-5) + "\r\n"
	}
	interim := "HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n"
	const chunks = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n"
	const trailerRoom = MaxHeader - len("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n") - len("\r\n")
	for _, test := range []struct {
		name, text string
		refused    bool
	}{
		{"many lines at the limit", status + lines(room) + end, false},
		{"many lines beyond the limit", status + lines(room+1) + end, true},
		{"one line at the limit", status + "A: " + strings.Repeat("x", room-5) + "\r\n" + end, false},
		{"one line beyond the limit", status + "A: " + strings.Repeat("x", room-4) + "\r\n" + end, true},
		{"an endless line", status + "A: " + strings.Repeat("x", MaxHeader+1), true},
		{"folds at the limit", status + "A: " + strings.Repeat(fold, (room-5)/len(fold)) + strings.Repeat("y", (room-5)%len(fold)) + "\r\n" + end, false},
		{"folds beyond the limit", status + "A: " + strings.Repeat(fold, (room-5)/len(fold)) + strings.Repeat("y", (room-5)%len(fold)+1) + "\r\n" + end, true},
		{"an endless status line", "HTTP/1.1 200 " + strings.Repeat("x", MaxHeader), true},
		{"empty lines at the limit", strings.Repeat("\n", room) + status + end, false},
		{"endless empty lines", strings.Repeat("\r\n", MaxHeader), true},
		{"interim responses within the limit", strings.Repeat(interim, room/len(interim)) + status + end, false},
		{"endless interim responses", strings.Repeat(interim, MaxHeader/len(interim)+1), true},
		{"a trailer at the limit", chunks + lines(trailerRoom) + "\r\n", false},
		{"a trailer beyond the limit", chunks + lines(trailerRoom+1) + "\r\n", true},
		{"skipped lines beyond the limit", status + strings.Repeat(" "+line, MaxHeader/len(line)), true},
	} {
		for _, size := range []int{4093, len(test.text)} {
			p, _, _, err := read(test.text, size, false)
			if refused := err != nil && strings.Contains(err.Error(), "beyond the limit of 10485760 bytes"); refused != test.refused || err != nil && !refused {
				t.Errorf("%s, by %d: error %v", test.name, size, err)
			}
			if err == nil && (p.Status() != 200 || !p.Reusable()) {
				t.Errorf("%s, by %d: status %d, reusable %v", test.name, size, p.Status(), p.Reusable())
			}
			if cap(p.partial) > maxKept {
				t.Errorf("%s, by %d: %d bytes are kept", test.name, size, cap(p.partial))
			}
		}
	}
}

// The buffer of a long header is given back before the body, which may be as
// long; one of the usual size stays, and is used again.
func TestBufferIsGivenBack(t *testing.T) {
	var p Parser
	p.Reset(false)
	if _, _, err := p.Feed([]byte("HTTP/1.1 200 OK\r\nA: "+strings.Repeat("x", maxKept)), &sink{}); err != nil || cap(p.partial) < maxKept {
		t.Fatalf("%d bytes are kept, error %v", cap(p.partial), err)
	}
	if _, _, err := p.Feed([]byte("\r\n\r\nbody"), &sink{}); err != nil || p.partial != nil {
		t.Errorf("%d bytes are kept, error %v", cap(p.partial), err)
	}
	p.Reset(false)
	if _, _, err := p.Feed([]byte("HTTP/1.1 200 OK\r\nA: b"), &sink{}); err != nil {
		t.Fatal(err)
	}
	kept := cap(p.partial)
	if p.Reset(false); kept == 0 || cap(p.partial) != kept {
		t.Errorf("%d bytes are kept of %d", cap(p.partial), kept)
	}
}

func TestUsualResponsesAllocateNothing(t *testing.T) {
	for _, text := range []string{plainAnswer, chunkedAnswer, "HTTP/1.1 100 Continue\r\n\r\n" + plainAnswer, "HTTP/1.1 200 OK\r\nA: b\r\n c\r\nContent-Length: 0\r\n\r\n"} {
		for _, size := range []int{1, 64, len(text)} {
			p := Parser{WantHeaders: true}
			var s none
			data := []byte(text)
			if got := testing.AllocsPerRun(10, func() {
				p.Reset(false)
				for from := 0; from < len(data); from += size {
					if _, _, err := p.Feed(data[from:min(from+size, len(data))], &s); err != nil {
						t.Fatal(err)
					}
				}
			}); got != 0 {
				t.Errorf("%.30q, by %d: %v allocations", text, size, got)
			}
		}
	}
}
