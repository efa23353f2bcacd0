package http1

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"net/http"
	"regexp"
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

// read feeds text in pieces of size bytes, then ends the connection if the
// response is not complete.
func read(text string, size int, head bool) (p Parser, s sink, rest string, err error) {
	p.WantHeaders = true
	p.Reset(head)
	for from := 0; from < len(text); from += size {
		piece := text[from:min(from+size, len(text))]
		left, complete, err := p.Feed([]byte(piece), &s)
		if err != nil {
			return p, s, "", err
		}
		if complete {
			return p, s, string(left) + text[min(from+size, len(text)):], nil
		}
	}
	return p, s, "", p.End()
}

func TestResponses(t *testing.T) {
	for _, test := range []struct {
		name, text       string
		head             bool
		status           int
		body, rest, says string
		reusable         bool
	}{
		{name: "length", text: "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", status: 200, body: "hello", reusable: true},
		{name: "no reason", text: "HTTP/1.1 204\r\n\r\n", status: 204, reusable: true},
		{name: "line feeds alone", text: "HTTP/1.1 200 OK\nContent-Length: 2\n\nhi", status: 200, body: "hi", reusable: true},
		{name: "close", text: "HTTP/1.1 200 OK\r\nConnection: foo, Close\r\nContent-Length: 0\r\n\r\n", status: 200},
		{name: "1.0", text: "HTTP/1.0 200 OK\r\nContent-Length: 1\r\n\r\nx", status: 200, body: "x"},
		{name: "1.0 kept", text: "HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 1\r\n\r\nx", status: 200, body: "x", reusable: true},
		{name: "until the end", text: "HTTP/1.1 200 OK\r\n\r\nall of it", status: 200, body: "all of it"},
		{name: "head", text: "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", head: true, status: 200, reusable: true},
		{name: "304", text: "HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n", status: 304, reusable: true},
		{name: "interim", text: "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\ny", status: 200, body: "y", reusable: true},
		{name: "chunked", text: "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5;a=b\r\nhello\r\n6 \r\n world\r\n0\r\nTrailer: x\r\n\r\n", status: 200, body: "hello world", reusable: true},
		{name: "chunked beats length", text: "HTTP/1.1 200 OK\r\nContent-Length: 99\r\nTransfer-Encoding: Chunked\r\n\r\nA\r\n0123456789\r\n0\r\n\r\n", status: 200, body: "0123456789", reusable: true},
		{name: "rest", text: "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nxHTTP/1.1", status: 200, body: "x", rest: "HTTP/1.1", reusable: true},
		{name: "same length twice", text: "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\nx", status: 200, body: "x", reusable: true},

		{name: "truncated header", text: "HTTP/1.1 200 OK\r\nContent-", says: "ended inside"},
		{name: "truncated body", text: "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhell", says: "ended inside"},
		{name: "truncated chunk", text: "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhell", says: "ended inside"},
		{name: "no trailer end", text: "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n", says: "ended inside"},
		{name: "two lengths", text: "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nx", says: "two content lengths"},
		{name: "signed length", text: "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\nx", says: "content length"},
		{name: "huge length", text: "HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999\r\n\r\nx", says: "content length"},
		{name: "gzip encoding", text: "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n", says: "transfer encoding"},
		{name: "bad chunk", text: "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", says: "chunk's size"},
		{name: "huge chunk", text: "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\n", says: "chunk's size"},
		{name: "chunk too long", text: "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nab\r\n", says: "instead of a line end"},
		{name: "not HTTP", text: "SSH-2.0-OpenSSH_9.2p1\r\n", says: "not with an HTTP/1.x status"},
		{name: "HTTP/2", text: "HTTP/2.0 200 OK\r\n\r\n", says: "not with an HTTP/1.x status"},
		{name: "folded", text: "HTTP/1.1 200 OK\r\nA: b\r\n c\r\n\r\n", says: "header line"},
		{name: "no colon", text: "HTTP/1.1 200 OK\r\nnonsense\r\n\r\n", says: "header line"},
		{name: "endless header", text: "HTTP/1.1 200 OK\r\n" + strings.Repeat("A: 0123456789\r\n", 10_000), says: "beyond the limit"},
		{name: "endless line", text: "HTTP/1.1 200 OK\r\nA: " + strings.Repeat("x", 100_000), says: "beyond the limit"},
		{name: "endless interim", text: strings.Repeat("HTTP/1.1 100 Continue\r\n\r\n", 10_000), says: "beyond the limit"},
	} {
		for _, size := range []int{1, 2, 3, 7, 1 << 20} {
			p, s, rest, err := read(test.text, size, test.head)
			if test.says != "" {
				if err == nil || !strings.Contains(err.Error(), test.says) {
					t.Errorf("%s, by %d: %v, want an error that says %q", test.name, size, err, test.says)
				}
				continue
			}
			if err != nil || p.Status() != test.status || s.body.String() != test.body || p.Reusable() != test.reusable || rest != test.rest {
				t.Errorf("%s, by %d: status %d, body %q, reusable %v, rest %q, error %v", test.name, size, p.Status(), s.body.String(), p.Reusable(), rest, err)
			}
		}
	}
}

func TestHeadersAreHandedOverOnRequest(t *testing.T) {
	_, s, _, err := read("HTTP/1.1 200 OK\r\nX-Cache:  HIT \r\nContent-Length: 0\r\n\r\n", 1<<20, false)
	if err != nil || len(s.headers) != 1 || s.headers[0] != "X-Cache=HIT" {
		t.Errorf("headers %q, error %v", s.headers, err)
	}
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

// Where net/http accepts a response, the parser does, and reads the same from
// it; and however the bytes are cut up makes no difference.
func FuzzParser(f *testing.F) {
	for _, text := range []string{
		"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
		"HTTP/1.0 404 Not Found\r\nConnection: keep-alive\r\n\r\nbody",
		"HTTP/1.1 304 Not Modified\r\n\r\n",
	} {
		f.Add(text, 3, false)
		f.Add(text, 100, true)
	}
	f.Fuzz(func(t *testing.T, text string, size int, head bool) {
		whole, wholeSink, _, wholeErr := read(text, len(text)+1, head)
		if size > 0 {
			cut, cutSink, _, cutErr := read(text, size, head)
			if (cutErr == nil) != (wholeErr == nil) || cut.Status() != whole.Status() && cutErr == nil || cutSink.body.String() != wholeSink.body.String() && cutErr == nil {
				t.Fatalf("by %d bytes: %d %q %v; whole: %d %q %v", size, cut.Status(), cutSink.body.String(), cutErr, whole.Status(), wholeSink.body.String(), wholeErr)
			}
		}
		status, body, ok := standard(text, head)
		if !ok {
			return
		}
		if wholeErr != nil || whole.Status() != status || wholeSink.body.String() != body {
			t.Fatalf("net/http reads %d %q, the parser %d %q, error %v", status, body, whole.Status(), wholeSink.body.String(), wholeErr)
		}
	})
}

var spaceBeforeColon = regexp.MustCompile(`(?m)^[^:\r\n]*[ \t]:`)

// standard reads a response with net/http. It is not ok where that refuses it,
// or where the parser is stricter on purpose.
func standard(text string, head bool) (status int, body string, ok bool) {
	if strings.Contains(text, "\n ") || strings.Contains(text, "\n\t") || spaceBeforeColon.MatchString(text) || len(text) > 4<<10 {
		return 0, "", false // folded lines; no header's name (RFC 9112, 5.1); beyond limits
	}
	method := http.MethodGet
	if head {
		method = http.MethodHead
	}
	r, err := http.ReadResponse(bufio.NewReader(strings.NewReader(text)), &http.Request{Method: method})
	if err != nil || r.ProtoMajor != 1 || r.ProtoMinor > 1 || r.StatusCode < 200 || len(r.Status) < 3 {
		return 0, "", false
	}
	defer r.Body.Close()
	read, err := io.ReadAll(r.Body)
	if err != nil || !strings.HasPrefix(text, "HTTP/1.") || len(text) < 12 || text[8] != ' ' || text[9] == ' ' {
		return 0, "", false
	}
	return r.StatusCode, string(read), true
}

func BenchmarkParser(b *testing.B) {
	text := []byte("HTTP/1.1 200 OK\r\nServer: nginx/1.22.1\r\nDate: Sun, 22 Nov 2026 10:00:00 GMT\r\nContent-Type: text/plain\r\nContent-Length: 12\r\nConnection: keep-alive\r\n\r\nhello world\n")
	var p Parser
	s := &sink{}
	b.ReportAllocs()
	for b.Loop() {
		p.Reset(false)
		s.body.Reset()
		if _, complete, err := p.Feed(text, s); !complete || err != nil {
			b.Fatal(complete, err)
		}
	}
}
