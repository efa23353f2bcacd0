// SPDX-License-Identifier: Apache-2.0

package http1

import (
	"strings"
	"testing"
)

func TestLengths(t *testing.T) {
	for _, test := range []response{
		{section: "6.3", name: "none", text: ok + "\r\nall of it", status: 200, body: "all of it"},
		{section: "6.3", name: "none and nothing", text: ok + "\r\n", status: 200},
		{section: "6.3", name: "zero", text: ok + "Content-Length: 0\r\n\r\n", status: 200, reusable: true},
		{section: "6.3", name: "HEAD", text: ok + "Content-Length: 5\r\n\r\n", head: true, status: 200, reusable: true},
		{section: "6.3", name: "HEAD without a length", text: ok + "\r\n", head: true, status: 200, reusable: true},
		{section: "6.3", name: "HEAD with a wrong length", text: ok + "Content-Length: x\r\n\r\n", head: true, status: 200, reusable: true},
		{section: "6.1", name: "HEAD with a coding", text: ok + "Transfer-Encoding: gzip, chunked\r\n\r\n", head: true, status: 200, reusable: true},
		{section: "6.3", name: "204", text: "HTTP/1.1 204 No Content\r\n\r\n", status: 204, reusable: true},
		{section: "6.3", name: "204 with a length", text: "HTTP/1.1 204 No Content\r\n" + five, status: 204, rest: "hello"},
		{section: "6.3", name: "204 with a coding", text: "HTTP/1.1 204 No Content\r\nTransfer-Encoding: chunked\r\n\r\n", status: 204, reusable: true},
		{section: "6.3", name: "304 with a length", text: "HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n", status: 304, reusable: true},
		{section: "6.3", name: "304 with two lengths", text: "HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n", status: 304, reusable: true},
		{section: "6.3", name: "equal lengths in a list", text: ok + "Content-Length: 5, 5,05\r\n\r\nhello", status: 200, body: "hello", reusable: true},
		{section: "6.3", name: "equal lengths on lines", text: ok + "Content-Length: 5\r\n" + five, status: 200, body: "hello", reusable: true},
		{section: "9110 5.6.1", name: "empty items", text: ok + "Content-Length: ,5 ,,\r\n\r\nhello", status: 200, body: "hello", reusable: true},
		{section: "9110 8.6", name: "leading zeros", text: ok + "Content-Length: " + strings.Repeat("0", 100) + "5\r\n\r\nhello", status: 200, body: "hello", reusable: true},
		{section: "9110 8.6", name: "the longest", text: ok + "Content-Length: 9223372036854775807\r\n\r\nx", says: "ended inside"},
		{section: "9110 8.6", name: "too long", text: ok + "Content-Length: 9223372036854775808\r\n\r\nx", says: `content length is "9223372036854775808"`},
		{section: "9110 8.6", name: "much too long", text: ok + "Content-Length: 99999999999999999999\r\n\r\nx", says: `content length is "99999999999999999999"`},
		{section: "6.3", name: "two lengths", text: ok + "Content-Length: 1\r\nContent-Length: 2\r\n\r\nx", says: "two content lengths, 1 and 2"},
		{section: "6.3", name: "two lengths in a list", text: ok + "Content-Length: 1, 2\r\n\r\nx", says: "two content lengths, 1 and 2"},
		{section: "6.3", name: "two lengths, one before the fold", text: ok + "Content-Length: 1,\r\n 2\r\n\r\nx", says: "two content lengths, 1 and 2"},
		{section: "6.3", name: "a good length after a wrong one", text: ok + "Content-Length: x\r\nContent-Length: 1\r\n\r\nx", says: `content length is "x"`},
		{section: "6.3", name: "a wrong length after a good one", text: ok + "Content-Length: 1\r\nContent-Length: \r\n\r\nx", says: `content length is ""`},
		{section: "9110 8.6", name: "minus", text: ok + "Content-Length: -1\r\n\r\nx", says: `content length is "-1"`},
		{section: "9110 8.6", name: "plus", text: ok + "Content-Length: +1\r\n\r\nx", says: `content length is "+1"`},
		{section: "9110 8.6", name: "hexadecimal", text: ok + "Content-Length: 0x1\r\n\r\nx", says: `content length is "0x1"`},
		{section: "9110 8.6", name: "commas alone", text: ok + "Content-Length: ,\r\n\r\nx", says: `content length is ","`},
		{section: "9110 5.5", name: "NUL in a length", text: ok + "Content-Length: 1\x00\r\n\r\nx", says: `content length is "1\x00"`},
		{section: "9110 5.5", name: "CR in a length", text: ok + "Content-Length: 1\r\r\n\r\nx", says: `content length is "1\r"`},
		{section: "8", name: "a body cut short", text: ok + "Content-Length: 6\r\n\r\nhello", says: "ended inside"},
	} {
		test.check(t)
	}
}

func TestCodings(t *testing.T) {
	const te = ok + "Transfer-Encoding: "
	for _, test := range []response{
		{section: "6.3", name: "chunked", text: te + "Chunked" + coded, status: 200, body: "hello", reusable: true},
		{section: "6.3", name: "chunked and a length", text: ok + "Content-Length: 99\r\nTransfer-Encoding: chunked" + coded, status: 200, body: "hello"},
		{section: "6.3", name: "chunked and a length after it", text: te + "chunked\r\nContent-Length: 3" + coded, status: 200, body: "hello"},
		{section: "6.3", name: "chunked and a wrong length", text: te + "chunked\r\nContent-Length: -3" + coded, status: 200, body: "hello"},
		{section: "6.3", name: "chunked and two lengths", text: te + "chunked\r\nContent-Length: 3\r\nContent-Length: 4" + coded, status: 200, body: "hello"},
		{section: "6.3", name: "chunked last", text: te + "gzip, chunked" + coded, status: 200, body: "hello", reusable: true},
		{section: "6.3", name: "chunked on the last line", text: te + "gzip\r\nTransfer-Encoding: chunked" + coded, status: 200, body: "hello", reusable: true},
		{section: "6.3", name: "chunked not last", text: te + "chunked, gzip\r\n\r\n5\r\nhello", status: 200, body: "5\r\nhello"},
		{section: "6.3", name: "chunked not on the last line", text: te + "chunked\r\nTransfer-Encoding: gzip\r\n\r\n5\r\nhello", status: 200, body: "5\r\nhello"},
		{section: "6.3", name: "another coding and a length", text: te + "gzip\r\nContent-Length: 3\r\n\r\nhello", status: 200, body: "hello"},
		{section: "6.3", name: "an unknown coding and a wrong length", text: te + "xchunked\r\nContent-Length: x\r\n\r\nhello", status: 200, body: "hello"},
		{section: "6.3", name: "a comma in a parameter", text: te + `gzip;x="a\", chunked"` + "\r\n\r\nhello", status: 200, body: "hello"},
		{section: "6.3", name: "a comma in a quote without end", text: te + `gzip;x="a, chunked` + "\r\n\r\nhello", status: 200, body: "hello"},
		{section: "6.3", name: "a vertical tab", text: te + "\vchunked\r\n\r\nhello", status: 200, body: "hello"},
		{section: "6.1", name: "chunked twice", text: te + "chunked, chunked" + coded, status: 200, body: "hello"},
		{section: "6.1", name: "chunked on two lines", text: te + "chunked\r\nTransfer-Encoding: chunked" + coded, status: 200, body: "hello"},
		{section: "6.1", name: "chunked around another", text: te + "chunked, gzip, chunked" + coded, status: 200, body: "hello"},
		{section: "9110 5.6.1", name: "empty items", text: te + ", chunked ,," + coded, status: 200, body: "hello", reusable: true},
		{section: "RFC 2616 3.6", name: "identity", text: te + "Identity\r\n\r\nhello", status: 200, body: "hello"},
		{section: "RFC 2616 4.4", name: "identity and a length", text: te + "identity\r\n" + five + "x", status: 200, body: "hello", rest: "x"},
		{section: "RFC 2616 4.4", name: "no coding and a length", text: te + "\r\n" + five + "x", status: 200, body: "hello", rest: "x"},
		{section: "RFC 2616 3.6", name: "identity before chunked", text: te + "identity, chunked" + coded, status: 200, body: "hello", reusable: true},
		{section: "6.3", name: "identity after chunked", text: te + "chunked, identity\r\n\r\n5\r\nhello", status: 200, body: "5\r\nhello"},
		{section: "6.1", name: "HTTP/1.0", text: "HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello", status: 200, body: "5\r\nhello"},
		{section: "6.1", name: "HTTP/1.0 and a length", text: "HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nTransfer-Encoding: chunked\r\n" + five, status: 200, body: "hello"},
		{section: "6.1", name: "HTTP/1.0 and HEAD", text: "HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nTransfer-Encoding: chunked\r\n\r\n", head: true, status: 200},
		{section: "7", name: "parameters of chunked", text: te + "chunked;q=1" + coded, says: `transfer encoding is "chunked;q=1"`},
		{section: "7", name: "parameters after a blank", text: te + "gzip, chunked ;q=1" + coded, says: `transfer encoding is "chunked ;q=1"`},
		{section: "9110 5.5", name: "NUL in a coding", text: te + "chunked\x00" + coded, says: `transfer encoding is "chunked\x00"`},
		{section: "9110 5.5", name: "CR in a coding", text: te + "gzip,\rchunked" + coded, says: `transfer encoding is "gzip,\rchunked"`},
		{section: "6.3", name: "204 with parameters of chunked", text: "HTTP/1.1 204 x\r\nTransfer-Encoding: chunked;q=1\r\n\r\n", status: 204, reusable: true},
	} {
		test.check(t)
	}
}

func TestChunks(t *testing.T) {
	zeros := strings.Repeat("0", 1000)
	for _, test := range []response{
		{section: "7.1", name: "chunks", text: chunked + "5\r\nhello\r\nA\r\n, 89012345\r\n0\r\n\r\n", status: 200, body: "hello, 89012345", reusable: true},
		{section: "7.1", name: "none", text: chunked + "0\r\n\r\n", status: 200, reusable: true},
		{section: "7.1", name: "leading zeros", text: chunked + zeros + "5\r\nhello\r\n" + zeros + "\r\n\r\n", status: 200, body: "hello", reusable: true},
		{section: "7.1", name: "the largest", text: chunked + "7fffffffffffffff\r\nhello", says: "ended inside"},
		{section: "7.1", name: "too large", text: chunked + "8000000000000000\r\n", says: `chunk's size is "8000000000000000"`},
		{section: "7.1", name: "much too large", text: chunked + "00fffffffffffffffff\r\n", says: `chunk's size is "00fffffffffffffffff"`},
		{section: "7.1", name: "no number", text: chunked + "zz\r\n", says: `chunk's size is "zz"`},
		{section: "7.1", name: "minus", text: chunked + "-1\r\n", says: `chunk's size is "-1"`},
		{section: "7.1", name: "plus", text: chunked + "+1\r\n", says: `chunk's size is "+1"`},
		{section: "7.1", name: "0x", text: chunked + "0x1\r\n", says: `chunk's size is "0x1"`},
		{section: "7.1", name: "a blank before it", text: chunked + " 1\r\n", says: `chunk's size is " 1"`},
		{section: "7.1", name: "two numbers", text: chunked + "1 1\r\n", says: `chunk's size is "1 1"`},
		{section: "7.1", name: "nothing", text: chunked + "\r\n", says: "chunk's size is missing"},
		{section: "7.1", name: "an extension alone", text: chunked + ";a=b\r\n", says: "chunk's size is missing"},
		{section: "2.2", name: "CR in it", text: chunked + "1\r;a\r\n", says: `chunk's size is "1\r"`},
		{section: "7.1", name: "more data than it says", text: chunked + "4\r\nhello\r\n", says: `a chunk is followed by "o`},
		{section: "7.1", name: "two CRs after the data", text: chunked + "5\r\nhello\r\r\n", says: `a chunk is followed by "\r`},
		{section: "8", name: "cut in a chunk", text: chunked + "5\r\nhell", says: "ended inside"},
		{section: "8", name: "cut after a chunk", text: chunked + "5\r\nhello\r\n", says: "ended inside"},
		{section: "8", name: "cut after the last chunk", text: chunked + "0\r\n", says: "ended inside"},
		{section: "2.2", name: "line feeds alone", text: chunked + "5\nhello\n0\n\n", status: 200, body: "hello"},
		{section: "2.2", name: "a line feed alone after the size", text: chunked + "5\nhello\r\n0\r\n\r\n", status: 200, body: "hello"},
		{section: "2.2", name: "a line feed alone after the data", text: chunked + "5\r\nhello\n0\r\n\r\n", status: 200, body: "hello"},
		{section: "7.1.1", name: "extensions", text: chunked + "5;a;b=c ; d = \"e;\\\"f\"\r\nhello\r\n0;g\r\n\r\n", status: 200, body: "hello", reusable: true},
		{section: "7.1.1", name: "blanks before extensions", text: chunked + "5 \t; a=b\r\nhello\r\n0 \r\n\r\n", status: 200, body: "hello", reusable: true},
		{section: "7.1.1", name: "the longest extension", text: chunked + "1;" + strings.Repeat("x", maxChunkLine-3) + "\r\ny\r\n0\r\n\r\n", status: 200, body: "y", reusable: true},
		{section: "7.1.1", name: "too long an extension", text: chunked + "1;" + strings.Repeat("x", maxChunkLine-2) + "\r\ny\r\n0\r\n\r\n", says: "beyond the limit of 4096 bytes"},
		{section: "7.1.2", name: "a trailer", text: chunked + "5\r\nhello\r\n0\r\nA: b\r\n c\r\n \r\nContent-Length: 3\r\nConnection: close\r\n\r\n", status: 200, headers: "Transfer-Encoding=chunked", body: "hello", reusable: true},
		{section: "7.1.2", name: "a trailer with line feeds alone", text: chunked + "0\r\nA: b\n\n", status: 200, reusable: true},
		{section: "7.1.2", name: "a trailer that is none", text: chunked + "0\r\nnonsense\r\n : x\r\n\r\n", status: 200, reusable: true},
		{section: "7.1.2", name: "a trailer cut short", text: chunked + "0\r\nA: b\r\n", says: "ended inside"},
	} {
		test.check(t)
	}
}
