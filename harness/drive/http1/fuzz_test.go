// SPDX-License-Identifier: Apache-2.0

package http1

import (
	"bufio"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"
)

var seeds = []string{
	ok + five, chunked + "5\r\nhello\r\n0\r\n\r\n", ok + "\r\nall of it",
	"HTTP/1.0 404 Not Found\r\nConnection: keep-alive\r\n\r\nbody", "HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n",
	// folds
	ok + "A: b \r\n\t c\r\n \r\n d\r\n" + five, ok + "Content-Length:\r\n 5\r\n\r\nhello", ok + " A: b\r\n" + five,
	ok + "Connection: x,\r\n close\r\n" + five, ok + "Transfer-Encoding:\n\tchunked" + coded,
	// blanks before a colon
	ok + "A : b\r\n" + five, ok + "Content-Length : 3\r\n" + five, ok + "A\t: b\r\n" + five,
	// statuses and what stands around them
	"HTTP/1.1 100 Continue\r\nConnection: close\r\n\r\n" + ok + five, "HTTP/1.1 101 x\r\nUpgrade: y\r\n\r\nbytes", "HTTP/1.1 099 x\r\n" + five, "HTTP/1.1 999\r\n" + five,
	"\r\n" + ok + five, "HTTP/1.2  200 \xff\r\n" + five, "HTTP/2.0 200 OK\r\n\r\n", "HTTP/1.1 +20 OK\r\n\r\n",
	// what follows a response
	ok + five + "HTTP/1.1 200 OK\r\n\r\n", chunked + "0\r\n\r\n\r\n", "HTTP/1.1 204 x\r\nContent-Length: 5\r\n\r\nhello",
	// mixes of Transfer-Encoding and Content-Length
	ok + "Transfer-Encoding: chunked\r\nContent-Length: 3" + coded, ok + "Content-Length: x\r\nTransfer-Encoding: chunked" + coded,
	"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nTransfer-Encoding: chunked\r\n" + five, ok + "Transfer-Encoding: gzip, chunked" + coded,
	ok + "Content-Length: 5, 5\r\n\r\nhello", ok + "Content-Length: 5\r\nContent-Length: 05\r\n\r\nhello", ok + "Transfer-Encoding: identity\r\n" + five,
	// chunk extensions and trailers
	chunked + "005 ;a=\"b;c\"\r\nhello\r\n0;d\r\n\r\n", chunked + "5\nhello\n0\n\n", chunked + "1\r\nx\r\n0\r\nA: b\r\n c\r\n\r\nrest",
	ok + "Trailer: A\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nnonsense\r\n\r\n", chunked + "8000000000000000\r\nx",
	// what must not be in a field
	ok + "A: b\x00c\rd\x01\x7f\xff\r\nB(: c\r\n: d\r\n" + five, ok + "nonsense\r\n\r\n", ok + "Pragma: no-cache\r\n" + five,
}

// However the bytes are cut up makes no difference.
func FuzzParser(f *testing.F) {
	for _, text := range seeds {
		f.Add(text, 3, false)
		f.Add(text, 1, true)
	}
	f.Fuzz(func(t *testing.T, text string, size int, head bool) {
		whole, wholeSink, wholeRest, wholeErr := read(text, len(text)+1, head)
		if size <= 0 {
			return
		}
		cut, cutSink, cutRest, cutErr := read(text, size, head)
		if (cutErr == nil) != (wholeErr == nil) || cut.Status() != whole.Status() || cut.Reusable() != whole.Reusable() || cutRest != wholeRest ||
			cutSink.body.String() != wholeSink.body.String() || !slices.Equal(cutSink.headers, wholeSink.headers) {
			t.Fatalf("by %d bytes: %d %q %q %q %v; whole: %d %q %q %q %v", size, cut.Status(), cutSink.headers, cutSink.body.String(), cutRest, cutErr,
				whole.Status(), wholeSink.headers, wholeSink.body.String(), wholeRest, wholeErr)
		}
	})
}

// answer is what net/http reads from a text.
type answer struct {
	*http.Response // nil if the header is refused
	interim        bool
	body, rest     string
	err            error
}

// standard reads a response with net/http, which gives interim ones back like
// any other.
func standard(text string, head bool) (a answer) {
	method := http.MethodGet
	if head {
		method = http.MethodHead
	}
	r := bufio.NewReaderSize(strings.NewReader(text), maxText)
	for {
		if a.Response, a.err = http.ReadResponse(r, &http.Request{Method: method}); a.err != nil {
			a.Response = nil
			return a
		}
		if a.StatusCode < 100 || a.StatusCode > 199 || a.StatusCode == http.StatusSwitchingProtocols || a.ProtoMajor != 1 {
			break
		}
		a.interim = true
	}
	body, err := io.ReadAll(a.Body)
	a.body, a.err = string(body), err
	_ = a.Body.Close() // there is nothing behind it
	if rest, err := io.ReadAll(r); err == nil {
		a.rest = string(rest)
	}
	return a
}

// stricter lists by its error what net/http refuses, although the RFC lets a client read
// it. TestStatusLines and its neighbours show how such input is read.
var stricter = []struct{ says, why string }{
	{"malformed HTTP response", "RFC 9112, 9.2: empty lines before the status line; 4: blanks of other kinds"},
	{"malformed HTTP status code", "RFC 9112, 4: blanks of other kinds"},
	{"malformed HTTP version", "RFC 9112, 4: blanks before the version"},
	{"malformed MIME header initial line", "RFC 9112, 2.2: a blank line start after the status line may be skipped"},
	{"message too large", "the same, when that line is longer than net/http quotes"},
	{"malformed MIME header line", "RFC 9110, 5.5: controls in a value may be kept or replaced; of names that are no tokens it says nothing to clients"},
	{"transfer encoding", "RFC 9112, 6.3: all codings have a reading, and none is needed without a body"},
	{"Content-Length", "RFC 9112, 6.3: equal lengths are one, and none is needed without a body or with a Transfer-Encoding"},
	{"bad trailer key", "RFC 9112, 7.1.2: trailers may be discarded"},
	{"suspiciously long trailer", "RFC 9112, 7.1.2: the same; net/http wants CR LF CR LF after it"},
	{"bare LF", "RFC 9112, 2.2 lets header lines end so, and senders end chunk lines so"},
	{"invalid CR in chunked line", "RFC 9112, 7.1.1: extensions are ignored"},
	{"malformed chunked encoding", "a chunk's data with LF alone after it, as above"},
	{"invalid byte in chunk length", "RFC 9112, 7.1.1: blanks may stand before an extension"},
	{"chunk length too large", "RFC 9112, 7.1: leading zeros have no limit"},
	{"too much non-data", "net/http's count of overhead overflows at chunks of 2^62 bytes; small chunks with long extensions are read too (7.1.1)"},
}

func mayRead(a answer, text string) bool {
	if strings.Contains(a.err.Error(), "missing colon") {
		return a.Response != nil // RFC 9112, 7.1.2: trailers may be discarded, and so are not looked at
	}
	for _, s := range stricter {
		if strings.Contains(a.err.Error(), s.says) {
			return true
		}
	}
	// A trailer with LF alone at its end may be one or two bytes long, and
	// net/http looks for two.
	return strings.Contains(a.err.Error(), "EOF reading trailer") && strings.HasSuffix(text, "\n")
}

const maxText = 16 << 10 // below any limit of net/http's and the parser's

var (
	framingBlank = regexp.MustCompile(`(?im)^(connection|content-length|transfer-encoding) +:`)
	threeDigits  = regexp.MustCompile(`^[0-9]{3}( |$)`)
)

// changed are the headers that net/http takes out, or puts in, as it reads.
var changed = []string{"Transfer-Encoding", "Content-Length", "Connection", "Trailer", "Cache-Control"}

// joined puts fields into lines that do not depend on their order, except among
// those of one name.
func joined(header http.Header) string {
	var lines []string
	for name, values := range header {
		if !slices.Contains(changed, name) {
			lines = append(lines, fmt.Sprintf("%s: %q", name, values))
		}
	}
	slices.Sort(lines)
	return strings.Join(lines, "\n")
}

// trimmed evens out two differences: net/http keeps a blank before the colon as
// a part of the name, and that of a blank fold at a value's end.
func trimmed(header http.Header) http.Header {
	even := http.Header{}
	names := make([]string, 0, len(header))
	for name := range header {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		for _, value := range header[name] {
			even.Add(strings.TrimRight(name, " "), strings.TrimRight(value, " "))
		}
	}
	for _, values := range even {
		slices.Sort(values) // "A: 1, A : 2, A: 3" has two names in net/http
	}
	return even
}

// The parser reads what net/http reads, with the same result. It refuses what net/http
// refuses, except for the list above.
func FuzzAgainstNetHTTP(f *testing.F) {
	for _, text := range seeds {
		f.Add(text, []byte{255}, false)
		f.Add(text, []byte{0, 3, 1}, false)
		f.Add(text, []byte{20}, true)
	}
	f.Fuzz(func(t *testing.T, text string, cuts []byte, head bool) {
		if err := against(text, cuts, head); err != nil {
			t.Fatal(err)
		}
	})
}

// pieces make up responses that bytes changed at random seldom come to.
var pieces = [][]string{
	{"", "", "", "", "\r\n", "\n", " "},
	{"", "", "", "HTTP/1.1 100 Continue\r\n\r\n", "HTTP/1.1 103 x\r\nA: b\r\n c\r\nConnection: close\r\n\r\n", "HTTP/1.0 102\r\nContent-Length: 3\r\n\r\n", "HTTP/1.1 101 x\r\n\r\n"},
	{"HTTP/1.1 200 OK", "HTTP/1.1 200", "HTTP/1.0 200 OK", "HTTP/1.3  500 \xff", "HTTP/1.1 204 x", "HTTP/1.1 304 ", "HTTP/1.1 099 x", "HTTP/1.1 600", "HTTP/1.1\t200 OK", "HTTP/2.0 200 OK"},
	{"\r\n", "\r\n", "\n", "\r\n ", "\r\r\n"},
}

var fields = []string{
	"A: b", "a:c", "A : d", "A B: c", "A", ": b", "A:", "A: \x00", "A: b\rc", "A(: b", "Pragma: no-cache", "Trailer: B", "Trailer: Content-Length",
	"Content-Length: 5", "Content-Length: 05", "Content-Length: 5, 5", "Content-Length: 0", "Content-Length: 3", "Content-Length: -1", "Content-Length:", "content-length:5 ",
	"Transfer-Encoding: chunked", "transfer-encoding:CHUNKED", "Transfer-Encoding: gzip", "Transfer-Encoding: gzip, chunked", "Transfer-Encoding: identity", "Transfer-Encoding: chunked;a=b", "Transfer-Encoding:",
	"Connection: close", "Connection: keep-alive", "Connection: x, Close ", "Connection: keep-alive, close", "Connection:",
}

var ends = []string{"\r\n", "\r\n", "\r\n", "\r\n", "\n", "\r\n ", "\r\n\t ", "\r\n \r\n ", "\n\t", " \r\n", "\r\r\n", "\r"}

var bodies = []string{
	"hello", "hell", "", "5\r\nhello\r\n0\r\n\r\n", "0005;a=\"b;\"\r\nhello\r\n2\r\nhi\r\n000\r\n\r\nrest", "5 ;x\r\nhello\r\n0\r\nB: c\r\n d\r\n\r\n", "5\nhello\n0\n\n",
	"5\r\nhello\r\n0\r\nA\r\n\r\n", "5\r\nhello!\r\n0\r\n\r\n", "5\r\nhello\r\n0\r\n", "5\r\nhello\r\n0\r\n\n", "x\r\n", "hello\r\n", "0\r\n\r\n" + ok, "8000000000000000\r\nx", "00000000000000005\r\nhello\r\n0\r\n\r\n",
}

const mixes = 20_000

func TestMixesAgainstNetHTTP(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	pick := func(from []string) string { return from[random.IntN(len(from))] }
	for range mixes {
		var text strings.Builder
		for _, from := range pieces {
			text.WriteString(pick(from))
		}
		for range random.IntN(6) {
			text.WriteString(pick(fields) + pick(ends))
		}
		text.WriteString("\r\n" + pick(bodies))
		cuts, head := []byte{byte(random.IntN(256)), byte(random.IntN(8))}, random.IntN(8) == 0
		if err := against(text.String(), cuts, head); err != nil {
			t.Fatalf("of %q: %v", text.String(), err)
		}
	}
}

// against compares what the parser reads, cut up at cuts, with what net/http
// does.
func against(text string, cuts []byte, head bool) error {
	if len(text) > maxText || framingBlank.MatchString(text) {
		return nil // net/http does not see the field in that line (RFC 9112, 5.1)
	}
	p := Parser{WantHeaders: true}
	p.Reset(head)
	var s sink
	rest, err := feed(&p, &s, text, func(n int) int {
		if len(cuts) == 0 {
			return len(text)
		}
		return 1 + int(cuts[n%len(cuts)])
	})
	want := standard(text, head)
	switch {
	case want.Response != nil && (want.ProtoMajor != 1 || !threeDigits.MatchString(want.Status)):
		if err == nil { // net/http reads HTTP/0.9, HTTP/2.0, and +20
			return fmt.Errorf("the parser reads %q", text)
		}
	case want.err != nil && err == nil:
		if !mayRead(want, text) {
			return fmt.Errorf("net/http says %v, the parser nothing", want.err)
		}
	case want.err == nil && err != nil:
		return fmt.Errorf("the parser says %v, net/http nothing", err)
	case want.Response != nil && want.err == nil:
		return compare(&p, &s, rest, want)
	case want.err == io.ErrUnexpectedEOF && err != nil && strings.Contains(err.Error(), "chunk's size is"):
		// net/http waits for a chunk of 2^63 bytes and more.
	case want.Response != nil && p.state > headerLine && !mayRead(want, text): // both ended in the body
		if p.Status() != want.StatusCode || s.body.String() != want.body {
			return fmt.Errorf("net/http reads %d %q to its error %v, the parser %d %q to %v", want.StatusCode, want.body, want.err, p.Status(), s.body.String(), err)
		}
	}
	return nil
}

func compare(p *Parser, s *sink, rest string, want answer) error {
	got := http.Header{}
	for _, line := range s.headers {
		name, value, _ := strings.Cut(line, "=")
		got[http.CanonicalHeaderKey(name)] = append(got[http.CanonicalHeaderKey(name)], value)
	}
	if p.Status() != want.StatusCode || s.body.String() != want.body || rest != want.rest {
		return fmt.Errorf("net/http reads %d %q and leaves %q, the parser %d %q and leaves %q", want.StatusCode, want.body, want.rest, p.Status(), s.body.String(), rest)
	}
	if got, want := joined(trimmed(got)), joined(trimmed(want.Header)); got != want {
		return fmt.Errorf("net/http reads the headers\n%s\nthe parser\n%s", want, got)
	}
	// The parser does not trust a connection after faulty framing, nor after
	// 101, nor after an interim response that says close.
	_, coded := got["Transfer-Encoding"]
	careful := coded || rest != "" || want.StatusCode == http.StatusSwitchingProtocols || want.interim
	if p.Reusable() == want.Close && (p.Reusable() || !careful) {
		return fmt.Errorf("the parser says reusable %v, net/http close %v", p.Reusable(), want.Close)
	}
	return nil
}
