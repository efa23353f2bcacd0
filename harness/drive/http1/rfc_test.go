// SPDX-License-Identifier: Apache-2.0

package http1

import (
	"strings"
	"testing"
)

// response is a text and what a client must, should or may read from it. The
// section is of RFC 9112, or of RFC 9110 if it says so.
type response struct {
	section, name, text string
	head                bool
	status              int
	headers             string // name=value, one a line; "" is not compared
	body, rest          string
	reusable            bool
	says                string // in the error
}

func (test response) check(t *testing.T) {
	t.Helper()
	for _, size := range []int{1, 2, 3, 7, 1 << 20} {
		p, s, rest, err := read(test.text, size, test.head)
		headers := strings.Join(s.headers, "\n")
		switch {
		case test.says != "":
			if err == nil || !strings.Contains(err.Error(), test.says) || p.Reusable() {
				t.Errorf("%s, %s, by %d: error %v, want one that says %q; reusable %v", test.section, test.name, size, err, test.says, p.Reusable())
			}
		case err != nil || p.Status() != test.status || s.body.String() != test.body || p.Reusable() != test.reusable || rest != test.rest:
			t.Errorf("%s, %s, by %d: status %d, body %q, reusable %v, rest %q, error %v", test.section, test.name, size, p.Status(), s.body.String(), p.Reusable(), rest, err)
		case test.headers != "" && headers != test.headers:
			t.Errorf("%s, %s, by %d: headers %q, want %q", test.section, test.name, size, headers, test.headers)
		}
	}
}

const (
	ok      = "HTTP/1.1 200 OK\r\n"
	chunked = ok + "Transfer-Encoding: chunked\r\n\r\n"
	five    = "Content-Length: 5\r\n\r\nhello"
	coded   = "\r\n\r\n5\r\nhello\r\n0\r\n\r\n"
)

func TestStatusLines(t *testing.T) {
	for _, test := range []response{
		{section: "4", name: "as it should be", text: ok + five, status: 200, body: "hello", reusable: true},
		{section: "4", name: "no reason", text: "HTTP/1.1 200 \r\n" + five, status: 200, body: "hello", reusable: true},
		{section: "4", name: "no SP after the status", text: "HTTP/1.1 200\r\n" + five, status: 200, body: "hello", reusable: true},
		{section: "4", name: "obs-text in the reason", text: "HTTP/1.1 404 Gel\xf6scht \xff\r\n" + five, status: 404, body: "hello", reusable: true},
		{section: "4", name: "controls in the reason", text: "HTTP/1.1 200 a\x00b\rc\x7f\r\n" + five, status: 200, body: "hello", reusable: true},
		{section: "4", name: "blanks of all kinds", text: " \tHTTP/1.1 \t\v\f\r200\tOK \r\n" + five, status: 200, body: "hello", reusable: true},
		{section: "4", name: "no blank before the status", text: "HTTP/1.1200 OK\r\n\r\n", says: `begins with "HTTP/1.1200 OK"`},
		{section: "4", name: "no blank after the status", text: "HTTP/1.1 200OK\r\n\r\n", says: "not of three digits"},
		{section: "4", name: "four digits", text: "HTTP/1.1 2000 OK\r\n\r\n", says: "not of three digits"},
		{section: "4", name: "two digits", text: "HTTP/1.1 20\r\n\r\n", says: "not of three digits"},
		{section: "4", name: "a sign", text: "HTTP/1.1 +20 OK\r\n\r\n", says: "not of three digits"},
		{section: "4", name: "no status", text: "HTTP/1.1 \r\n\r\n", says: "not of three digits"},
		{section: "4", name: "nothing but a version", text: "HTTP/1.1\r\n\r\n", says: "not with an HTTP/1.x status"},
		{section: "2.2", name: "line feeds alone", text: "HTTP/1.1 200 OK\nContent-Length: 2\n\nhi", status: 200, body: "hi", reusable: true},
		{section: "9.2", name: "empty lines before it", text: "\r\n\n\r\n" + ok + five, status: 200, body: "hello", reusable: true},
		{section: "2.2", name: "nothing but empty lines", text: "\r\n\r\n", says: "ended inside"},
		{section: "2.3", name: "in lower case", text: "http/1.1 200 OK\r\n\r\n", says: "not with an HTTP/1.x status"},
		{section: "2.3", name: "HTTP/2", text: "HTTP/2.0 200 OK\r\n\r\n", says: "not with an HTTP/1.x status"},
		{section: "2.3", name: "two digits of version", text: "HTTP/1.10 200 OK\r\n\r\n", says: "not with an HTTP/1.x status"},
		{section: "2.3", name: "another protocol", text: "SSH-2.0-OpenSSH_9.2p1\r\n", says: "not with an HTTP/1.x status"},
		{section: "9110 2.5", name: "a higher minor version", text: "HTTP/1.2 200 OK" + "\r\nTransfer-Encoding: chunked" + coded, status: 200, body: "hello", reusable: true},
		{section: "9110 2.5", name: "the highest minor version", text: "HTTP/1.9 200 OK\r\n" + five, status: 200, body: "hello", reusable: true},
		{section: "9110 15", name: "600", text: "HTTP/1.1 600 x\r\n" + five, status: 600, body: "hello", reusable: true},
		{section: "9110 15", name: "999", text: "HTTP/1.1 999 x\r\n" + five, status: 999, body: "hello", reusable: true},
		{section: "9110 15", name: "099 is final", text: "HTTP/1.1 099 x\r\n" + five, status: 99, body: "hello", reusable: true},
		{section: "9110 15", name: "000 is final", text: "HTTP/1.1 000 x\r\n" + five, status: 0, body: "hello", reusable: true},
		{section: "9110 15.2", name: "interim responses", text: "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\nContent-Length: x\r\n\r\n\r\nHTTP/1.1 199 x\r\nTransfer-Encoding: chunked\r\n\r\n" + ok + "A: b\r\n" + five, status: 200, headers: "A=b\nContent-Length=5", body: "hello", reusable: true},
		{section: "9.6", name: "an interim response that closes", text: "HTTP/1.1 102 x\r\nConnection: close\r\n\r\n" + ok + five, status: 200, body: "hello"},
		{section: "8", name: "nothing after an interim response", text: "HTTP/1.1 100 Continue\r\n\r\n", says: "ended inside"},
		{section: "9110 15.2.2", name: "101", text: "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\nbytes", status: 101, headers: "Upgrade=x", rest: "bytes"},
		{section: "9110 15.2.2", name: "101 with a length", text: "HTTP/1.1 101 Switching Protocols\r\nContent-Length: 5\r\n\r\n", status: 101},
	} {
		test.check(t)
	}
}

func TestFieldLines(t *testing.T) {
	for _, test := range []response{
		{section: "5", name: "blanks around the value", text: ok + "X-Cache:\t HIT \t\r\nB:c\r\nEmpty:\r\nBlank: \t\r\n" + five, status: 200, headers: "X-Cache=HIT\nB=c\nEmpty=\nBlank=\nContent-Length=5", body: "hello", reusable: true},
		{section: "5", name: "colons in the value", text: ok + "A: :b:\r\n" + five, status: 200, headers: "A=:b:\nContent-Length=5", body: "hello", reusable: true},
		{section: "5", name: "no colon", text: ok + "nonsense\r\n\r\n", says: `header line "nonsense"`},
		{section: "5", name: "no colon but in the fold", text: ok + "nonsense\r\n : b\r\n\r\n", says: `header line "nonsense"`},
		{section: "5", name: "no name", text: ok + ": b\r\n\r\n", says: `header line ": b"`},
		{section: "5", name: "no name and a fold", text: ok + ": b\r\n c\r\n\r\n", says: `header line ": b"`},
		{section: "5.1", name: "blanks before the colon", text: ok + "X-Cache \t: HIT\r\n" + five, status: 200, headers: "X-Cache=HIT\nContent-Length=5", body: "hello", reusable: true},
		{section: "5.1", name: "a blank before a length's colon", text: ok + "Content-Length : 5\r\n\r\nhello", status: 200, headers: "Content-Length=5", body: "hello"},
		{section: "5.1", name: "a blank before a coding's colon", text: ok + "Transfer-Encoding : chunked" + coded, status: 200, body: "hello"},
		{section: "5.1", name: "a blank before close's colon", text: ok + "Connection\t: close\r\n" + five, status: 200, body: "hello"},
		{section: "9110 5.1", name: "a name that is no token", text: ok + "A B(\x01): c\r\n" + five, status: 200, headers: "A B(\x01)=c\nContent-Length=5", body: "hello", reusable: true},
		{section: "2.2", name: "CR or NUL in a name", text: ok + "A\rB: c\r\nContent\x00-Length: 3\r\nContent-Length\r: 3\r\n" + five, status: 200, headers: "Content-Length=5", body: "hello", reusable: true},
		{section: "9110 5.5", name: "CR and NUL in a value", text: ok + "A: b\rc\x00d\x00\r\r\n" + five, status: 200, headers: "A=b c d\nContent-Length=5", body: "hello", reusable: true},
		{section: "9110 5.5", name: "CR and NUL in a folded value", text: ok + "A: b\rc\r\n \x00d\r\r\n" + five, status: 200, headers: "A=b c  d\nContent-Length=5", body: "hello", reusable: true},
		{section: "9110 5.5", name: "other controls and obs-text", text: ok + "A: b\x01\x7f\xff\tc\r\n" + five, status: 200, headers: "A=b\x01\x7f\xff\tc\nContent-Length=5", body: "hello", reusable: true},
		{section: "9110 5.2", name: "a field of several lines", text: ok + "A: b\r\na: c\r\n" + five, status: 200, headers: "A=b\na=c\nContent-Length=5", body: "hello", reusable: true},

		{section: "5.2", name: "a fold", text: ok + "A: b\r\n c\r\n" + five, status: 200, headers: "A=b c\nContent-Length=5", body: "hello", reusable: true},
		{section: "5.2", name: "blanks around the fold", text: ok + "A: b \t\r\n\t  c \r\n" + five, status: 200, headers: "A=b c\nContent-Length=5", body: "hello", reusable: true},
		{section: "5.2", name: "folds with line feeds alone", text: "HTTP/1.1 200 OK\nA: b\n c\n\td\nContent-Length: 5\n\nhello", status: 200, headers: "A=b c d\nContent-Length=5", body: "hello", reusable: true},
		{section: "5.2", name: "a blank fold before another", text: ok + "A: b\r\n \r\n c\r\n" + five, status: 200, headers: "A=b  c\nContent-Length=5", body: "hello", reusable: true},
		{section: "5.2", name: "a blank fold at the end", text: ok + "A: b\r\n \t\r\n" + five, status: 200, headers: "A=b\nContent-Length=5", body: "hello", reusable: true},
		{section: "5.2", name: "a fold before the value", text: ok + "A:\r\n b\r\n" + five, status: 200, headers: "A=b\nContent-Length=5", body: "hello", reusable: true},
		{section: "5.2", name: "a fold that looks like a field", text: ok + "A: b\r\n Content-Length: 3\r\n" + five, status: 200, headers: "A=b Content-Length: 3\nContent-Length=5", body: "hello", reusable: true},
		{section: "5.2", name: "a fold of the last line", text: ok + "Content-Length: 5\r\nA: b\r\n c\r\n\r\nhello", status: 200, headers: "Content-Length=5\nA=b c", body: "hello", reusable: true},
		{section: "5.2", name: "a folded length", text: ok + "Content-Length:\r\n 5\r\n\r\nhello", status: 200, body: "hello", reusable: true},
		{section: "5.2", name: "a length folded in two", text: ok + "Content-Length: 1\r\n 2\r\n\r\nhello", says: `content length is "1 2"`},
		{section: "5.2", name: "a folded close", text: ok + "Connection: foo,\r\n\tclose\r\n" + five, status: 200, body: "hello"},
		{section: "5.2", name: "a folded coding", text: ok + "Transfer-Encoding: gzip,\r\n chunked" + coded, status: 200, body: "hello", reusable: true},
		{section: "5.2", name: "a folded interim response", text: "HTTP/1.1 103 x\r\nLink: a\r\n b\r\n\r\n" + ok + five, status: 200, headers: "Content-Length=5", body: "hello", reusable: true},
		{section: "2.2", name: "a fold of the status line is skipped", text: ok + " A: b\r\n\tContent-Length: 3\r\n \r\n" + five, status: 200, headers: "Content-Length=5", body: "hello", reusable: true},
		{section: "2.2", name: "nothing but skipped lines", text: ok + " Content-Length: 3\r\n\r\nall", status: 200, body: "all"},
		{section: "8", name: "a header cut in a line", text: ok + "Content-", says: "ended inside"},
		{section: "8", name: "a header cut after a line", text: ok + "Content-Length: 0\r\n", says: "ended inside"},
		{section: "8", name: "a header cut in a fold", text: ok + "Content-Length: 0\r\n ", says: "ended inside"},
	} {
		test.check(t)
	}
}

func TestPersistence(t *testing.T) {
	for _, test := range []response{
		{section: "9.3", name: "close among others", text: ok + "Connection: foo, CLOSE\r\n" + five, status: 200, body: "hello"},
		{section: "9.3", name: "close on the second line", text: ok + "Connection: foo\r\nconnection: close\r\n" + five, status: 200, body: "hello"},
		{section: "9.3", name: "keep-alive and close", text: ok + "Connection: keep-alive, close\r\n" + five, status: 200, body: "hello"},
		{section: "9.3", name: "empty items", text: ok + "Connection: ,, ,close\r\n" + five, status: 200, body: "hello"},
		{section: "9110 5.5", name: "close and a NUL", text: ok + "Connection: \rclose\x00\r\n" + five, status: 200, body: "hello"},
		{section: "9.3", name: "words that hold close", text: ok + "Connection: closed, not-close\r\n" + five, status: 200, body: "hello", reusable: true},
		{section: "9.3", name: "HTTP/1.0", text: "HTTP/1.0 200 OK\r\n" + five, status: 200, body: "hello"},
		{section: "9.3", name: "HTTP/1.0 kept", text: "HTTP/1.0 200 OK\r\nConnection: Keep-Alive\r\n" + five, status: 200, body: "hello", reusable: true},
		{section: "9.3", name: "HTTP/1.0 kept and closed", text: "HTTP/1.0 200 OK\r\nConnection: close\r\nConnection: keep-alive\r\n" + five, status: 200, body: "hello"},
		{section: "6.3", name: "more than the response", text: ok + five + "HTTP/1.1", status: 200, body: "hello", rest: "HTTP/1.1"},
		{section: "6.3", name: "an empty line more", text: ok + five + "\r\n", status: 200, body: "hello", rest: "\r\n"},
		{section: "6.3", name: "more than chunks", text: chunked + "0\r\n\r\nx", status: 200, rest: "x"},
	} {
		test.check(t)
	}
}
